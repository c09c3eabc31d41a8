"""Run a method once on a fleet, print what each agent has learned, and write a page: `pcpo run example`.

The method is `pcpo_auto`, which needs nothing but a budget of rollouts, unless another one is named.  The workflow runs
every method over many seeds and compares them; a single run needs no configuration and no checkout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from pcpo.algorithms.model_free.findings import Findings
from pcpo.algorithms.registry import ALGORITHMS, make_algorithm, module_of
from pcpo.errors import ConfigError, FleetError, command
from pcpo.experiments.cost import DEFAULT_LIMITS, check_run
from pcpo.experiments.experiment import Experiment, OracleName
from pcpo.experiments.records import evaluate, write_runs
from pcpo.fleets.files import example_fleet, example_names, read_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.pipeline.jobs import job_provenance
from pcpo.report.run_page import run_page
from pcpo.storage.files import write_text

__all__ = ["described", "drawn", "experiment_of", "fleet_named", "main", "parser"]

_MINIBATCH_SCALE, _EPOCHS = 0.05, 4


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
    """Describe the last epoch of a run by the true systems: the sets found, then gain and gaps of every agent."""
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


def experiment_of(fleet: Fleet, chosen: argparse.Namespace) -> tuple[Experiment, dict[str, Any]]:
    """Return the experiment that the arguments describe, and its settings by name.

    Raises:
        ConfigError: naming the argument: for a method that needs Δ_0 and has none, and for one that has no use for it.
    """
    module_of(chosen.method)
    settings: dict[str, Any] = {"oracle": chosen.oracle}
    if ALGORITHMS[chosen.method].own_schedule:
        schedule = ("Delta0", "epochs", "minibatch_scale")
        if given := [f"--{key.replace('_', '-')}" for key in schedule if getattr(chosen, key) is not None]:
            raise ConfigError(
                f"{', '.join(given)}: found with the method {chosen.method!r}, which measures what it needs; expected "
                "--rollouts, or another --method such as pcpo"
            )
        settings["rollouts"] = chosen.rollouts
        return Experiment.model_free(fleet, **settings), settings
    if chosen.Delta0 is None:
        raise ConfigError(
            f"--Delta0: missing, expected a first guess of how far apart optimal costs are, which the method "
            f"{chosen.method!r} needs; pcpo_auto needs none"
        )
    settings |= {
        "Delta0": chosen.Delta0,
        "epochs": chosen.epochs if chosen.epochs is not None else _EPOCHS,
        "minibatch_scale": chosen.minibatch_scale if chosen.minibatch_scale is not None else _MINIBATCH_SCALE,
    }
    return Experiment.calibrated(fleet, **settings), settings


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    options = argparse.ArgumentParser(prog="pcpo run", description=__doc__)
    options.add_argument("fleet", help="a fleet of the package (`pcpo fleets`), or a file: .yaml, .json, .npz or .mat")
    options.add_argument("--method", help="name of the method (default: pcpo_auto, with --Delta0 pcpo)")
    options.add_argument(
        "--rollouts", type=int, default=100_000, help="budget of pcpo_auto: rollouts per agent (default: 100000)"
    )
    options.add_argument("--oracle", choices=get_args(OracleName), default="rollouts", help="default: rollouts")
    options.add_argument("--seed", type=int, default=0, help="of all random numbers of the run (default: 0)")
    options.add_argument("--report", type=Path, help="the page to write (default: <fleet>_<method>.html)")
    options.add_argument("--output", type=Path, help="write the run, a row per epoch and agent, as parquet")
    options.add_argument("--figure", type=Path, help="draw the elimination as <FIGURE>.pdf, .png and .csv")
    planned = options.add_argument_group("of methods with a calibrated schedule, such as pcpo")
    planned.add_argument("--Delta0", type=float, help="first guess of how far apart optimal costs are (units of cost)")
    planned.add_argument("--epochs", type=int, help=f"epochs of PCPO that the budget allows (default: {_EPOCHS})")
    planned.add_argument(
        "--minibatch-scale", type=float, help=f"factor on the minibatches (default: {_MINIBATCH_SCALE})"
    )
    return options


def _page(findings: Findings | None, runs: pd.DataFrame, fleet: Fleet, path: Path, seed: int) -> None:
    """Write the page of a run, with the figure of its elimination."""
    with tempfile.TemporaryDirectory(prefix="pcpo-") as folder:
        stem = Path(folder) / "elimination"
        drawn(runs, fleet, stem)
        write_text(path, run_page(findings, described(runs, fleet), stem.with_suffix(".png"), fleet, seed))


@command
def main(arguments: list[str] | None = None) -> int:
    """Run and say what was learned; exit code 1 and one sentence for a fleet or a value that is not valid."""
    chosen = parser().parse_args(arguments)
    if chosen.method is None:
        chosen.method = "pcpo_auto" if chosen.Delta0 is None else "pcpo"
    fleet = fleet_named(chosen.fleet)
    experiment, settings = experiment_of(fleet, chosen)
    check_run(experiment, DEFAULT_LIMITS)
    result = experiment.result(make_algorithm(chosen.method), seed=chosen.seed, progress=sys.stderr.isatty())
    runs = evaluate(fleet, result, scenario=fleet.name, seed=chosen.seed)
    if result.findings is not None:
        print(result.findings)
        print("\nBy the true systems, which the method has not seen:")
    print("\n".join(described(runs, fleet)))
    if chosen.output is not None:
        origin = {"fleet": chosen.fleet, "method": chosen.method, "seed": chosen.seed, **settings}
        write_runs(runs, chosen.output, job_provenance(origin))
        print(f"rows: {chosen.output}")
    if chosen.figure is not None:
        drawn(runs, fleet, chosen.figure.with_suffix(""))
        print(f"figure: {chosen.figure.with_suffix('.pdf')}")
    report = chosen.report or Path(f"{Path(chosen.fleet).stem}_{chosen.method}.html")
    _page(result.findings, runs, fleet, report, chosen.seed)
    print(f"report: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
