"""One job: the runs of one condition of FedLQR's experiment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcpo.evidence.fedlqr.records import write
from pcpo.evidence.fedlqr.studies import run_condition
from pcpo.pipeline.jobs import job, job_provenance


def fedlqr_runs(condition: str, settings: Mapping[str, Any], path: Path) -> None:
    """Run every realisation and write one parquet file."""
    frame = run_condition(
        condition,
        range(settings["seed"], settings["seed"] + settings["realisations"]),
        rounds=settings["rounds"],
        every=settings["every"],
        fleet_seed=settings["seed"],
        first_stage=settings["first_stage"],
    )
    write(frame, path, job_provenance({"condition": condition, **settings}))


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        fedlqr_runs(snakemake.wildcards.condition, snakemake.params.settings, Path(snakemake.output.runs))
