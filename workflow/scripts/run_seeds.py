"""Run an algorithm in a scenario for a batch of seeds, and write the runs as a tidy table."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pcpo.algorithms.extensions import load_extensions
from pcpo.algorithms.protocol import EpochReport
from pcpo.experiments.cost import check_configured
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.records import write_runs
from pcpo.experiments.tuning import Candidate, scaled
from pcpo.fleets.files import read_fleet
from pcpo.pipeline.jobs import computing, config_hash, job, job_provenance
from pcpo.storage.checkpoints import Checkpoint


def run_seeds(
    fleet: Path,
    plan: Path,
    tuning: Path | None,
    *,
    scenario: str,
    algorithm: str,
    seeds: Sequence[int],
    path: Path,
    checkpoints: Path,
    sources: str,
    config: Mapping[str, Any],
    log: logging.Logger,
) -> None:
    """Run every seed and write one parquet file; the log has a line for each finished epoch.

    Every seed saves a checkpoint after each epoch until the file is written: a killed job resumes there, with the same
    bits.

    Args:
        fleet: file of the fleet.
        plan: file of the plan.
        tuning: file of the tuning, whose chosen candidate scales the schedule; None for the plan as it is.
        config: the validated configuration; its limits may have changed since the plan was made.
        scenario: name of the scenario.
        algorithm: name of the algorithm.
        seeds: the seeds of this job.
        path: the file to write.
        checkpoints: folder of the checkpoints.
        sources: digest of the code; checkpoints of another code count as missing.
        log: the job's log.
    """
    settings = json.loads(plan.read_text(encoding="utf-8"))
    experiment = Experiment.from_dict(read_fleet(fleet), settings)
    cost = check_configured(experiment, config, scenario)
    log.info("%d seeds of %s: %s", len(seeds), algorithm, cost.run)
    if tuning is not None:
        settings["chosen"] = json.loads(tuning.read_text(encoding="utf-8"))["chosen"]
        scales = {key: settings["chosen"][key] for key in ("step_scale", "radius_scale")}
        experiment = scaled(experiment, Candidate(**scales))
    origin = {"fleet": fleet.read_text(encoding="utf-8"), "plan": settings, "algorithm": algorithm}
    keys = {seed: config_hash({**origin, "code": sources, "seed": seed}) for seed in seeds}
    kept = {seed: Checkpoint(checkpoints / f"{seed}.npz", key) for seed, key in keys.items()}
    frames = []
    with computing(log):
        for seed, checkpoint in kept.items():
            if (after := checkpoint.epochs()) is not None:
                log.info("seed %d resumes after epoch %d, from %s", seed, after, checkpoint.path)

            def tell(report: EpochReport, seed: int = seed) -> None:
                true = experiment.truth(report.plan.epoch)
                sizes, gap = report.neighbourhoods.sizes, true.gaps(report.global_gains).mean()
                log.info(
                    "seed %d epoch %d/%d: %d rollouts per agent, mean gap %.4g, sets of %d to %d agents%s",
                    seed, report.plan.epoch, experiment.epochs, report.rollouts, gap, sizes.min(), sizes.max(),
                    ", reinitialised" if report.reinitialised else "",
                )  # fmt: skip

            options = {"seed": seed, "scenario": scenario, "on_epoch": tell, "checkpoint": checkpoint, "limits": None}
            frames.append(experiment.run(algorithm, rows=config["scenarios"][scenario]["rows"], **options))
    write_runs(pd.concat(frames, ignore_index=True), path, job_provenance(origin))
    for checkpoint in kept.values():
        checkpoint.discard()


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output) as logger:
        load_extensions(snakemake.params.extensions)
        run_seeds(
            Path(snakemake.input.fleet),
            Path(snakemake.input.plan),
            Path(snakemake.input.tuning[0]) if snakemake.input.tuning else None,
            scenario=snakemake.wildcards.scenario,
            algorithm=snakemake.wildcards.algorithm,
            seeds=snakemake.params.seeds,
            path=Path(snakemake.output.runs),
            checkpoints=Path(snakemake.params.checkpoints),
            sources=snakemake.params.sources,
            config=snakemake.config,
            log=logger,
        )
