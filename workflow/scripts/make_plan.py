"""Calibrate the schedule of a scenario, if it has one, and write its experiment: constants, horizon, budget, epochs.

What the scenario costs is logged, and written beside the log; a scenario beyond the limits is refused here.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcpo.experiments.cost import ScenarioCost, check_configured, takes_long
from pcpo.experiments.draws import least_minibatches
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.files import read_fleet
from pcpo.fleets.timetable import changes_of
from pcpo.pipeline.config import seed_batches
from pcpo.pipeline.jobs import job
from pcpo.storage.files import write_text


def make_plan(
    fleet: Path,
    scenario: Mapping[str, Any],
    path: Path,
    *,
    name: str,
    config: Mapping[str, Any],
    costs: Path,
    log: logging.Logger,
) -> None:
    """Write the experiment of a scenario as JSON; the schedule's mode is named in it.

    The cost is no part of the plan, which runs depend on: core hours differ between machines, and the number of runs
    changes with the seeds.

    Args:
        fleet: file of the fleet.
        scenario: schedule, noise, budget, oracle, plant and changes of the scenario.
        path: the plan.
        name: name of the scenario.
        config: the validated configuration, for its limits and for the number of runs.
        costs: where the cost goes, for `pcpo.pipeline.status`; no job depends on it.
        log: gets the cost, a warning if a run takes long, and what an oracle "auto" draws how.
    """
    common = {"noise": scenario["noise"], "oracle": scenario["oracle"], "plant": scenario.get("plant")}
    common["changes"] = changes_of(scenario.get("changes", ()))
    if schedule := scenario.get("schedule"):
        experiment = Experiment.calibrated(
            read_fleet(fleet),
            Delta0=schedule["Delta0"],
            delta=schedule["delta"],
            minibatch_scale=schedule["minibatch_scale"],
            epochs=scenario["budget"].get("epochs"),
            rollouts=scenario["budget"].get("rollouts"),
            **common,
        )
    else:
        experiment = Experiment.model_free(read_fleet(fleet), rollouts=scenario["budget"]["rollouts"], **common)
    cost = check_configured(experiment, config, name)
    log.log(logging.WARNING if takes_long(cost.run) else logging.INFO, "scenario %s: %s; %s", name, cost.run, cost)
    if experiment.thresholds:
        log.info("scenario %s: %s; %s", name, experiment.mode, least_minibatches(experiment.thresholds))
    write_text(path, experiment.to_json())
    write_text(costs, json.dumps(_for_status(cost, config["scenarios"][name]), indent=2, sort_keys=True) + "\n")


def _for_status(cost: ScenarioCost, scenario: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cost of a run, and how many runs and jobs of runs and of tuning there are."""
    algorithms = len(scenario["algorithms"])
    return {
        "rollouts": cost.run.rollouts,
        "agents": cost.run.agents,
        "horizon": cost.run.horizon,
        "steps": cost.run.steps,
        "operations": cost.run.operations,
        "core_seconds": cost.run.core_seconds,
        "runs": cost.runs,
        "run_jobs": algorithms * len(seed_batches(scenario["seeds"])),
        "tuning": cost.tuning,
        "tune_jobs": algorithms if cost.tuning else 0,
    }


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output) as logger:
        make_plan(
            Path(snakemake.input.fleet),
            snakemake.params.scenario,
            Path(snakemake.output.plan),
            name=snakemake.wildcards.scenario,
            config=snakemake.config,
            costs=Path(snakemake.log[0]).with_suffix(".json"),
            log=logger,
        )
