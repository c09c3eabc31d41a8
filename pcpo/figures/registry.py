"""Declare the figures of runs and comparisons: one entry is one figure.

A module of this folder declares `FIGURES`, entries by id, and nothing else needs to know of it: the workflow, the
report and the captions find the entries here.  Figures of evidence are declared in the same way in
`pcpo/evidence/*/figures.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.errors import ConfigError
from pcpo.experiments.experiment import Experiment, read_experiment
from pcpo.experiments.records import read_runs
from pcpo.fleets.files import read_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.storage.sources import declared_keys

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ComparisonFigure",
    "Configured",
    "Results",
    "Wanted",
    "entries",
    "entry_of",
    "load_figure",
    "module_drawing",
]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Wanted:
    """Say what a figure reads: runs of some algorithms in some scenarios, in that order, their fleets and plans.

    An algorithm that a scenario does not run is skipped there.
    """

    scenarios: Sequence[str]
    algorithms: Sequence[str] = ()
    fleets: bool = False
    plans: bool = False


@dataclass(frozen=True)
class Configured:
    """Hold the scenarios of a validated configuration by name, and the name of the featured one."""

    scenarios: Mapping[str, Mapping[str, Any]]
    featured: str

    @property
    def tuned(self) -> list[str]:
        """List the scenarios that tune every method and compare them."""
        return [name for name, scenario in self.scenarios.items() if "tuning" in scenario]

    @property
    def untuned(self) -> list[str]:
        """List the scenarios whose runs follow their plan unchanged."""
        return [name for name in self.scenarios if name not in self.tuned]

    def compared(self, group: str) -> list[str]:
        """List the algorithms of a group ("method", "ablation") in the tuned scenarios; PCPO is in every group."""
        listed = dict.fromkeys(a for name in self.tuned for a in self.scenarios[name]["algorithms"])
        return [a for a in listed if a == "pcpo" or ALGORITHMS[a].group == group]


@dataclass(frozen=True)
class Results:
    """Give a figure what it wanted, read when it is first used.

    Args:
        titles: what figures call the scenarios, in the order wanted.
        run_files: files of all runs wanted.
        fleet_files: file of each scenario's fleet.
        plan_files: file of each scenario's plan.
    """

    titles: Mapping[str, str]
    run_files: Sequence[Path] = ()
    fleet_files: Mapping[str, Path] = field(default_factory=dict)
    plan_files: Mapping[str, Path] = field(default_factory=dict)

    @functools.cached_property
    def runs(self) -> pd.DataFrame:
        """Read the rows of all runs, with the columns of `pcpo.experiments.records.RUN_SCHEMA`."""
        return read_runs(self.run_files)

    @functools.cached_property
    def fleets(self) -> dict[str, Fleet]:
        """Read the fleets by scenario."""
        return {name: read_fleet(path) for name, path in self.fleet_files.items()}

    @functools.cached_property
    def experiments(self) -> dict[str, Experiment]:
        """Read the experiments by scenario: fleet, schedule, horizon and budget."""
        return {name: read_experiment(self.fleets[name], path) for name, path in self.plan_files.items()}


@dataclass(frozen=True)
class ComparisonFigure:
    """Declare a figure of runs in one entry.

    Args:
        place: where it stands in the report, from small to large.
        title: a few words.
        caption: what is drawn, with units and the kind of the intervals (LaTeX between $).
        wants: from the configuration to the names of the files to draw, each with what it reads; empty where the
            configuration has nothing to draw.
        table: from the results to the numbers drawn, which are written beside the picture.
        draw: from the numbers to the picture.
    """

    place: int
    title: str
    caption: str
    wants: Callable[[Configured], Mapping[str, Wanted]]
    table: Callable[[Results], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]


@functools.cache
def _modules() -> dict[str, str]:
    """Map the id of every figure to the module that declares it, without importing the modules."""
    shared = ("__init__", "film", "fonts", "points", "registry", "style")
    paths = [path for path in sorted(_FOLDER.glob("*.py")) if path.stem not in shared]
    return {name: f"{__package__}.{path.stem}" for path in paths for name in declared_keys(path, "FIGURES")}


def entry_of(figure: str) -> str:
    """Return the id of the entry that draws a file: "elimination" also draws "elimination_<scenario>".

    Raises:
        ConfigError: if no entry draws it.
    """
    modules = _modules()
    found = [name for name in modules if figure == name or figure.startswith(f"{name}_")]
    if not found:
        raise ConfigError(f"figure: found {figure!r}, expected one of {', '.join(modules)}")
    return max(found, key=len)


def module_drawing(figure: str) -> str:
    """Return the dotted name of the module that declares a figure."""
    return _modules()[entry_of(figure)]


def load_figure(figure: str) -> ComparisonFigure:
    """Import the entry that draws a file; raises ConfigError if there is none."""
    found: ComparisonFigure = import_module(module_drawing(figure)).FIGURES[entry_of(figure)]
    return found


@functools.cache
def entries() -> dict[str, ComparisonFigure]:
    """Import all entries, in the order of the report."""
    found = {name: load_figure(name) for name in _modules()}
    return dict(sorted(found.items(), key=lambda item: item[1].place))
