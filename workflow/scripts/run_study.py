"""One job of a study: all its cells, a batch of seeds."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pcpo.claims import group_of, load_group
from pcpo.claims.tables import simulated, write_table
from pcpo.jobs import job, job_provenance


def run_study(name: str, options: Mapping[str, Any], seeds: Sequence[int], path: Path, log: logging.Logger) -> None:
    """Simulate and write one parquet file."""
    study = next(s for s in load_group(group_of(name)).studies if s.name == name)
    log.info("study %s, %d seeds from %d", name, len(seeds), seeds[0])
    frame = simulated(study, options, seeds)
    write_table(study, seeds, frame, path, job_provenance({"study": name, "options": dict(options)}))
    log.info("%d rows in %d cells", len(frame), frame["cell"].nunique())


if __name__ == "__main__":
    with job(snakemake.log[0]) as logger:
        run_study(
            snakemake.wildcards.study,
            snakemake.params.options,
            snakemake.params.seeds,
            Path(snakemake.output.table),
            logger,
        )
