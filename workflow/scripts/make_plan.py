"""Calibrate the schedule of a scenario and write its experiment: constants, horizon, budget, plan of every epoch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcpo.experiments.experiment import Experiment
from pcpo.fleets.files import read_fleet
from pcpo.pipeline.jobs import job
from pcpo.storage.files import write_text


def make_plan(fleet: Path, scenario: Mapping[str, Any], path: Path) -> None:
    """Write the experiment of a scenario as JSON; the schedule's mode is named in it."""
    schedule = scenario["schedule"]
    experiment = Experiment.calibrated(
        read_fleet(fleet),
        Delta0=schedule["Delta0"],
        delta=schedule["delta"],
        minibatch_scale=schedule["minibatch_scale"],
        noise=scenario["noise"],
        epochs=scenario["budget"].get("epochs"),
        rollouts=scenario["budget"].get("rollouts"),
        plant=scenario.get("plant"),
    )
    write_text(path, experiment.to_json())


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        make_plan(Path(snakemake.input.fleet), snakemake.params.scenario, Path(snakemake.output.plan))
