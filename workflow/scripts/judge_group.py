"""Judge one group of claims on the tables of its studies."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pcpo.claims.judging import judge
from pcpo.claims.tables import tables_by_study
from pcpo.evidence.registry import FAMILIES, GROUPS, load_claims, study_named
from pcpo.pipeline.jobs import computing, job
from pcpo.storage.files import replacing


def judge_group(name: str, paths: Sequence[Path], path: Path, log: logging.Logger) -> None:
    """Write a row per claim, negative control and power."""
    studies = [study_named(study) for study in GROUPS[name].studies]
    claims = load_claims(name)
    with computing(log):
        verdicts = judge(name, claims, tables_by_study(studies, paths), families=FAMILIES)
    with replacing(path) as temporary:
        verdicts.to_csv(temporary, index=False)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output) as logger:
        judge_group(
            snakemake.wildcards.group,
            [Path(p) for p in snakemake.input.tables],
            Path(snakemake.output.verdicts),
            logger,
        )
