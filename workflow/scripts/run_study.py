"""Simulate all cells of a study for a batch of seeds."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pcpo.claims.tables import simulated, write_table
from pcpo.evidence.registry import study_named
from pcpo.pipeline.jobs import computing, config_hash, job, job_provenance
from pcpo.storage.checkpoints import StudyCheckpoint


def run_study(
    name: str,
    options: Mapping[str, Any],
    seeds: Sequence[int],
    path: Path,
    *,
    checkpoints: Path,
    sources: str,
    log: logging.Logger,
) -> None:
    """Simulate and write one parquet file; the log has a line for each finished cell.

    Finished cells are saved in the folder `checkpoints` until the file is written: a killed job resumes after the last
    one, with the same bits.  Checkpoints of another `sources`, the digest of the code, count as missing.
    """
    study = study_named(name)
    origin = {"study": name, "options": dict(options)}
    checkpoint = StudyCheckpoint(checkpoints, config_hash({**origin, "seeds": list(seeds), "code": sources}))
    log.info("study %s, %d seeds from %d", name, len(seeds), seeds[0])
    with computing(log):
        frame = simulated(
            study,
            options,
            seeds,
            checkpoint=checkpoint,
            on_cell=lambda cell, done, count: log.info("cell %d/%d: %s", done, count, cell),
        )
    write_table(study, seeds, frame, path, job_provenance(origin))
    cells = frame["cell"].nunique()
    checkpoint.discard(cells)
    log.info("%d rows in %d cells", len(frame), cells)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output) as logger:
        run_study(
            snakemake.wildcards.study,
            snakemake.params.options,
            snakemake.params.seeds,
            Path(snakemake.output.table),
            checkpoints=Path(snakemake.params.checkpoints),
            sources=snakemake.params.sources,
            log=logger,
        )
