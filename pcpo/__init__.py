"""Personalised and collaborative policy optimisation (PCPO) for linear-quadratic agents in unknown clusters.

A replication of the paper in PMLR 331:1512-1541 (L4DC 2026), arXiv:2511.17489: N agents, each a linear system with an
unknown cluster, learn feedback gains by zeroth-order policy gradients, find their clusters and average within
them.  A short script needs one import::

    from pcpo import Experiment, example_fleet

**What is public**, and changes only as CHANGELOG.md says: the names that `dir(pcpo)` lists, the command `pcpo`
(`pcpo --help`), and these modules:

- `pcpo.errors`: the errors that bad input causes;
- `pcpo.fleets`: fleets, random fleets and fleet files;
- `pcpo.lqr`: costs, gradients, optima and moments of linear systems, exact;
- `pcpo.oracles`: simulated rollouts, exact moments, or a simulator of one's own;
- `pcpo.algorithms`: PCPO, its schedule and server, the other methods, and what a method must offer;
- `pcpo.theory`: constants, bounds and predictions of the paper;
- `pcpo.experiments`: runs, their tables, and the tuning of methods.

Everything else serves the replication itself and changes without notice: `pcpo.claims`, `pcpo.evidence`,
`pcpo.figures`, `pcpo.report` and `pcpo.pipeline` judge, draw and run it; `pcpo.arrays`, `pcpo.moved`,
`pcpo.neighbourhoods`, `pcpo.schema`, `pcpo.simulation`, `pcpo.statistics` and `pcpo.storage` are what the others are
built on.  So do names that begin with an underscore, in every module.

Names are loaded when they are first used, so `import pcpo` alone is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pcpo import moved

if TYPE_CHECKING:
    from pcpo.algorithms.baselines.base import OneSequence, Progress, alone, descend
    from pcpo.algorithms.registry import Entry, make_algorithm
    from pcpo.experiments.experiment import Experiment
    from pcpo.experiments.learning import Plants, learn
    from pcpo.experiments.records import read_runs
    from pcpo.fleets.files import example_fleet, read_fleet, write_fleet
    from pcpo.fleets.fleet import Fleet
    from pcpo.fleets.random import FleetSpec, random_fleet
    from pcpo.lqr.system import LinearSystem
    from pcpo.oracles.plant import SingleEnvironment
    from pcpo.oracles.plants.compiled import CompiledPlant
    from pcpo.oracles.plants.environments import VectorEnvironment
    from pcpo.oracles.plants.pendulums import CartPole, Pendulum
    from pcpo.report.view import load as load_results

__all__ = [
    "CartPole",
    "CompiledPlant",
    "Entry",
    "Experiment",
    "Fleet",
    "FleetSpec",
    "LinearSystem",
    "OneSequence",
    "Pendulum",
    "Plants",
    "Progress",
    "SingleEnvironment",
    "VectorEnvironment",
    "__version__",
    "alone",
    "descend",
    "example_fleet",
    "learn",
    "load_results",
    "make_algorithm",
    "random_fleet",
    "read_fleet",
    "read_runs",
    "write_fleet",
]

#: Raised as CONTRIBUTING.md says; `python -m tools.version` writes it into CITATION.cff.
__version__ = "0.2.0"

#: Where each offered name is defined.
DOOR = {
    "CartPole": "pcpo.oracles.plants.pendulums",
    "CompiledPlant": "pcpo.oracles.plants.compiled",
    "Entry": "pcpo.algorithms.registry",
    "Experiment": "pcpo.experiments.experiment",
    "Fleet": "pcpo.fleets.fleet",
    "FleetSpec": "pcpo.fleets.random",
    "LinearSystem": "pcpo.lqr.system",
    "OneSequence": "pcpo.algorithms.baselines.base",
    "Pendulum": "pcpo.oracles.plants.pendulums",
    "Plants": "pcpo.experiments.learning",
    "Progress": "pcpo.algorithms.baselines.base",
    "SingleEnvironment": "pcpo.oracles.plant",
    "VectorEnvironment": "pcpo.oracles.plants.environments",
    "alone": "pcpo.algorithms.baselines.base",
    "descend": "pcpo.algorithms.baselines.base",
    "example_fleet": "pcpo.fleets.files",
    "learn": "pcpo.experiments.learning",
    "load_results": "pcpo.report.view",
    "make_algorithm": "pcpo.algorithms.registry",
    "random_fleet": "pcpo.fleets.random",
    "read_fleet": "pcpo.fleets.files",
    "read_runs": "pcpo.experiments.records",
    "write_fleet": "pcpo.fleets.files",
}


moved.install()


def __getattr__(name: str) -> Any:
    """Load an offered name from the module that defines it."""
    if name not in DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(DOOR[name]), "load" if name == "load_results" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the offered names."""
    return sorted(__all__)
