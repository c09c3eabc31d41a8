"""Draw one figure: read its inputs, make the table of the numbers drawn, write CSV, PDF and PNG."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pcpo.experiments.experiment import Experiment
from pcpo.experiments.records import read_runs
from pcpo.figures import elimination, fleets, learning_curves
from pcpo.figures.style import save
from pcpo.fleets.files import read_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.pipeline.jobs import job
from pcpo.simulation.noise import noise_law
from pcpo.theory.predictions import plan_gaps


def optimal_costs(fleet: Fleet) -> pd.DataFrame:
    """C_j* of every cluster, as a table."""
    return pd.DataFrame({"cluster": range(fleet.H), "optimal_cost": fleet.optimal_costs})


def draw_elimination(runs: Sequence[Path], fleet: Path, stem: Path) -> None:
    """Figure elimination of one scenario."""
    save(elimination.table(read_runs(runs), optimal_costs(read_fleet(fleet))), elimination.draw, stem)


def draw_learning_curves(
    runs: Sequence[Path], fleets: Mapping[str, Path], plans: Mapping[str, Path], titles: Mapping[str, str], stem: Path
) -> None:
    """Figure learning_curves, one panel per scenario, in the order of the configuration."""
    predicted = [predictions_of(fleets[name], plans[name]).assign(scenario=name) for name in titles]
    save(learning_curves.table(read_runs(runs), pd.concat(predicted), titles), learning_curves.draw, stem)


def predictions_of(fleet: Path, plan: Path) -> pd.DataFrame:
    """Steady-state gaps that the plan of a scenario predicts, by epoch."""
    experiment = Experiment.from_dict(read_fleet(fleet), json.loads(plan.read_text(encoding="utf-8")))
    return plan_gaps(experiment.fleet, experiment.schedule, experiment.epochs, noise_law(experiment.noise))


def draw_fleets(paths: Mapping[str, Path], titles: Mapping[str, str], stem: Path) -> None:
    """Figure fleets, one row per scenario."""
    save(fleets.table({name: read_fleet(path) for name, path in paths.items()}, titles), fleets.draw, stem)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        stem = Path(snakemake.output.pdf).with_suffix("")
        figure, titles = snakemake.params.figure, snakemake.params.titles
        fleet_paths = dict(zip(titles, map(Path, snakemake.input.fleets), strict=True))
        if figure == "elimination":
            draw_elimination([Path(p) for p in snakemake.input.runs], *fleet_paths.values(), stem)
        elif figure == "learning_curves":
            plans = dict(zip(titles, map(Path, snakemake.input.plans), strict=True))
            draw_learning_curves([Path(p) for p in snakemake.input.runs], fleet_paths, plans, titles, stem)
        else:
            draw_fleets(fleet_paths, titles, stem)
