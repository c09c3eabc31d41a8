"""Judge one group of claims on the tables of its studies."""

from collections.abc import Sequence
from pathlib import Path

from pcpo.claims.judging import judge
from pcpo.claims.tables import tables_by_study
from pcpo.evidence.registry import GROUPS, load_claims, study_named
from pcpo.pipeline.jobs import job
from pcpo.storage.files import replacing


def judge_group(name: str, paths: Sequence[Path], path: Path) -> None:
    """Write a row per claim, negative control and power."""
    studies = [study_named(study) for study in GROUPS[name].studies]
    verdicts = judge(name, load_claims(name), tables_by_study(studies, paths))
    with replacing(path) as temporary:
        verdicts.to_csv(temporary, index=False)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        judge_group(
            snakemake.wildcards.group, [Path(p) for p in snakemake.input.tables], Path(snakemake.output.verdicts)
        )
