"""Tune one method on one scenario: every candidate of the grid, on seeds that the comparison never uses."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pcpo.algorithms.extensions import load_extensions
from pcpo.experiments.cost import check_configured
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.tuning import candidates, choose, try_candidate
from pcpo.fleets.files import read_fleet
from pcpo.pipeline.jobs import computing, job
from pcpo.storage.files import write_text


def tune(
    fleet: Path,
    plan: Path,
    *,
    scenario: str,
    algorithm: str,
    grid: Mapping[str, Sequence[float]],
    seeds: Sequence[int],
    path: Path,
    config: Mapping[str, Any],
    log: logging.Logger,
) -> None:
    """Write all trials and the chosen one as JSON; the limits of the validated configuration are checked first."""
    experiment = Experiment.from_dict(read_fleet(fleet), json.loads(plan.read_text(encoding="utf-8")))
    cost = check_configured(experiment, config, scenario)
    log.info("%d seeds of each candidate: %s", len(seeds), cost.run)
    trials = []
    with computing(log):
        for candidate in candidates(grid, algorithm):
            trials.append(try_candidate(experiment, algorithm, candidate, seeds, limits=None))
            log.info("%s", trials[-1])
    result: dict[str, Any] = {"algorithm": algorithm, "seeds": list(seeds), "chosen": choose(trials).to_dict()}
    result["trials"] = [trial.to_dict() for trial in trials]
    write_text(path, json.dumps(result, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output) as logger:
        load_extensions(snakemake.params.extensions)
        tune(
            Path(snakemake.input.fleet),
            Path(snakemake.input.plan),
            scenario=snakemake.wildcards.scenario,
            algorithm=snakemake.wildcards.algorithm,
            grid=snakemake.params.grid,
            seeds=snakemake.params.seeds,
            path=Path(snakemake.output.tuning),
            config=snakemake.config,
            log=logger,
        )
