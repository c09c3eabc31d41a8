"""Run a method once on a fleet and print what each agent has learned: `pcpo run example --Delta0 24`.

The workflow runs every method over many seeds and compares them; a single run needs no configuration and no checkout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from pcpo.errors import FleetError, command
from pcpo.experiments.experiment import Experiment, OracleName
from pcpo.experiments.records import write_runs
from pcpo.fleets.files import example_fleet, example_names, read_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.pipeline.jobs import job_provenance

__all__ = ["described", "drawn", "fleet_named", "main", "parser"]


def fleet_named(name: str) -> Fleet:
    """Read a fleet by the name that it has in the package, or else from a file.

    Raises:
        FleetError: if there is neither; or as `read_fleet` does.
    """
    if name in example_names():
        return example_fleet(name)
    if not Path(name).suffix:
        known = ", ".join(example_names())
        raise FleetError(f"fleet: found {name!r}, expected a file (.yaml, .json, .npz, .mat) or one of {known}")
    return read_fleet(name)


def described(runs: pd.DataFrame, fleet: Fleet) -> list[str]:
    """Describe the last epoch of a run in lines: the sets that were found, then gain and gaps of every agent."""
    last = runs[runs["epoch"] == runs["epoch"].max()]
    sets = sorted({tuple(int(j) for j in members) for members in last["neighbours"]})
    exact = "the true clusters" if bool(last["set_correct"].all()) else "not the true clusters"
    lines = [
        f"{last['algorithm'].iloc[0]} on {fleet.name}, {last['mode'].iloc[0]}: epoch {last['epoch'].iloc[0]}, "
        f"{int(last['rollouts'].max()):,} rollouts per agent",
        f"sets: {' '.join(str(list(members)) for members in sets)}, {exact}",
        "agent  cluster       gap  gap alone  gain",
    ]
    for row in last.itertuples():
        gain = np.array2string(np.reshape(row.global_gain, (fleet.m, fleet.n)), precision=4, separator=", ")
        numbers = f"{row.agent:5d}  {row.cluster:7d}  {row.global_gap:8.3g}  {row.local_gap:9.3g}"
        lines.append(f"{numbers}  {gain}".replace("\n", ""))
    return lines


def drawn(runs: pd.DataFrame, fleet: Fleet, stem: Path) -> None:
    """Draw the figure `elimination` of a run as <stem>.pdf and <stem>.png, with its numbers as <stem>.csv."""
    from pcpo.figures import elimination
    from pcpo.figures.style import save

    costs = pd.DataFrame({"cluster": range(fleet.H), "optimal_cost": fleet.optimal_costs})
    save(elimination.table(runs, costs), elimination.draw, stem)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    options = argparse.ArgumentParser(prog="pcpo run", description=__doc__)
    options.add_argument("fleet", help="a fleet of the package (`pcpo fleets`), or a file: .yaml, .json, .npz or .mat")
    options.add_argument(
        "--Delta0", type=float, required=True, help="first guess of how far apart optimal costs are (units of cost)"
    )
    options.add_argument("--method", default="pcpo", help="name of the method (default: pcpo)")
    options.add_argument("--epochs", type=int, default=4, help="epochs of PCPO that the budget allows (default: 4)")
    options.add_argument(
        "--minibatch-scale", type=float, default=0.05, help="factor on the minibatches of the schedule (default: 0.05)"
    )
    options.add_argument("--oracle", choices=get_args(OracleName), default="rollouts", help="default: rollouts")
    options.add_argument("--seed", type=int, default=0, help="of all random numbers of the run (default: 0)")
    options.add_argument("--output", type=Path, help="write the run, a row per epoch and agent, as parquet")
    options.add_argument("--figure", type=Path, help="draw the elimination as <FIGURE>.pdf, .png and .csv")
    return options


@command
def main(arguments: list[str] | None = None) -> int:
    """Run and say what was learned; exit code 1 and one sentence for a fleet or a value that is not valid."""
    chosen = parser().parse_args(arguments)
    fleet = fleet_named(chosen.fleet)
    settings = {
        "Delta0": chosen.Delta0,
        "minibatch_scale": chosen.minibatch_scale,
        "epochs": chosen.epochs,
        "oracle": chosen.oracle,
    }
    experiment = Experiment.calibrated(fleet, **settings)
    runs = experiment.run(chosen.method, seed=chosen.seed, progress=sys.stderr.isatty())
    print("\n".join(described(runs, fleet)))
    if chosen.output is not None:
        origin = {"fleet": chosen.fleet, "method": chosen.method, "seed": chosen.seed, **settings}
        write_runs(runs, chosen.output, job_provenance(origin))
        print(f"rows: {chosen.output}")
    if chosen.figure is not None:
        drawn(runs, fleet, chosen.figure.with_suffix(""))
        print(f"figure: {chosen.figure.with_suffix('.pdf')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
