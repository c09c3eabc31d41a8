"""Algorithms: each is frozen fields plus `uses`, `init`, `next_rollouts` and `step`; one driver runs them all.

A new one is a file and a line of `ALGORITHMS`, which maps the name used in configuration files to an `Entry`; one's own
is a file that `pcpo.algorithms.extensions` loads, and stays outside the package.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Literal

from pcpo.algorithms.baselines.cfl import CFL
from pcpo.algorithms.baselines.cluster_sysid import ClusterSysID
from pcpo.algorithms.baselines.fedlqr import FedLQR
from pcpo.algorithms.baselines.ifca import IFCA
from pcpo.algorithms.baselines.least_squares import LeastSquares
from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.baselines.maml_lqr import MAMLLQR
from pcpo.algorithms.baselines.naive_average import NaiveAverage
from pcpo.algorithms.baselines.one_shot import OneShot
from pcpo.algorithms.baselines.oracle_clusters import OracleClusters
from pcpo.algorithms.pcpo import (
    PCPO,
    centred,
    eliminate_once,
    no_elimination,
    no_radius_scaling,
    no_reinitialisation,
    one_sequence,
    synchronised,
    two_point,
)
from pcpo.algorithms.protocol import Algorithm, SideInformation
from pcpo.errors import ConfigError

__all__ = ["ALGORITHMS", "PCPO", "Entry", "make_algorithm", "module_of", "modules_of", "register", "registry"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # names are parts of paths


@dataclass(frozen=True)
class Entry:
    """An algorithm's name, factory, title for people, source, and what it sees of the systems.

    estimates_costs: whether every epoch has cost estimates; where not, they are NaN.  module: where it is defined, if
    that is not the factory's own module; `register` fills it in.
    """

    name: str
    factory: Callable[..., Algorithm]
    title: str
    citation: str
    sees: Literal["rollout costs", "trajectories"] = "rollout costs"
    estimates_costs: bool = True
    module: str = ""

    @property
    def group(self) -> Literal["method", "ablation", "extension"]:
        """Which figure it belongs to: a method in its own right, an ablation of PCPO or an extension of it."""
        first = self.citation.split(" ", 1)[0]
        return first if first in ("ablation", "extension") else "method"  # type: ignore[return-value]

    @property
    def uses(self) -> frozenset[str]:
        """Fields of `contracts.SideInformation` that it is told."""
        return self.factory().uses


def registry(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Entries by name; raises ConfigError if a name occurs twice."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in found:
            raise ConfigError(f"algorithm {entry.name!r}: found it twice in the registry, expected distinct names")
        found[entry.name] = entry
    return found


_PCPO = "Kanakeri et al. 2025, Algorithm 1"
_ABLATION = "ablation of Kanakeri et al. 2025"
_EXTENSION = "extension of Kanakeri et al. 2025"

ALGORITHMS = registry(
    [
        Entry("pcpo", PCPO, "PCPO", _PCPO),
        Entry("pcpo_sync", synchronised, "PCPO, synchronised first", _EXTENSION),
        Entry("pcpo_one_sequence", one_sequence, "PCPO, one sequence", _ABLATION),
        Entry("pcpo_no_reinit", no_reinitialisation, "PCPO, no reinitialisation", _ABLATION),
        Entry("pcpo_no_radius_scaling", no_radius_scaling, "PCPO, no radius scaling", _ABLATION),
        Entry("pcpo_no_elimination", no_elimination, "PCPO, no elimination", _ABLATION),
        Entry("pcpo_eliminate_once", eliminate_once, "PCPO, one elimination", _ABLATION),
        Entry("pcpo_centred", centred, "PCPO, centred estimator", _EXTENSION),
        Entry("pcpo_two_point", two_point, "PCPO, two-point estimator", _EXTENSION),
        Entry("local", Local, "Local PO", "Malik et al. 2020", estimates_costs=False),
        Entry("naive_average", NaiveAverage, "Naive average", "N_i = [N] for ever", estimates_costs=False),
        Entry("oracle_clusters", OracleClusters, "Known clusters", "the upper limit", estimates_costs=False),
        Entry("one_shot", OneShot, "One-shot, known Δ", "Kanakeri et al. 2025, section 3", estimates_costs=False),
        Entry("fedlqr", FedLQR, "FedLQR", "Wang et al. 2023", estimates_costs=False),
        Entry("ifca", IFCA, "IFCA", "Ghosh et al. 2020", estimates_costs=False),
        Entry("cfl", CFL, "CFL", "Sattler et al. 2020", estimates_costs=False),
        Entry("maml_lqr", MAMLLQR, "MAML-LQR (first order)", "Toso et al. 2024", estimates_costs=False),
        Entry("least_squares", LeastSquares, "Least squares", "Mania et al. 2019", "trajectories", False),
        Entry("cluster_sysid", ClusterSysID, "Clustered sys-ID", "Toso et al. 2023", "trajectories", False),
    ]
)


def register(entries: Iterable[Entry], module: str) -> None:
    """Add algorithms that the loaded `module` defines to `ALGORITHMS`, all or none.

    Raises ConfigError for what is no Entry, for a name that is taken, that is not of lower-case letters, digits and _,
    or that the algorithm does not bear itself, and for side information that there is not.
    """
    added = [replace(_checked(entry), module=module) for entry in entries]
    ALGORITHMS.update(registry([*ALGORITHMS.values(), *added]))


def _checked(entry: Entry) -> Entry:
    if not isinstance(entry, Entry):
        raise ConfigError(
            f"ENTRIES: found a {type(entry).__name__}, expected objects of pcpo.algorithms.registry.Entry"
        )
    if not _NAME.fullmatch(str(entry.name)):
        raise ConfigError(f"algorithm: found the name {entry.name!r}, expected lower-case letters, digits and _")
    algorithm = entry.factory()
    if algorithm.name != entry.name:
        raise ConfigError(f"algorithm {entry.name!r}: found that it calls itself {algorithm.name!r}, expected one name")
    try:
        SideInformation().only(algorithm.uses)
    except ValueError as error:
        raise ConfigError(f"algorithm {entry.name!r}: {error}") from None
    return entry


def make_algorithm(name: str, **options: Any) -> Algorithm:
    """The algorithm of that name; raises ConfigError for an unknown name and lists the known ones."""
    return _entry(name).factory(**options)


def module_of(name: str) -> str:
    """Module of the algorithm of that name, relative to the package: "algorithms/pcpo"."""
    return _path(_entry(name).factory.__module__)


def modules_of(name: str) -> list[str]:
    """Modules of this folder that the algorithm of that name is made of, its own first: what its results depend on.

    The file of an algorithm of one's own is not among them: it is no module of the package.
    """
    entry = _entry(name)
    found = [entry.module or entry.factory.__module__]
    for module in found:  # grows while it is read
        for value in vars(sys.modules[module]).values():
            origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(origin, str) and origin.startswith(f"{__name__}.") and origin not in found:
                found.append(origin)
    return [_path(module) for module in found if module.startswith(f"{__name__}.")]


def _path(module: str) -> str:
    return module.removeprefix("pcpo.").replace(".", "/")


def _entry(name: str) -> Entry:
    if name not in ALGORITHMS:
        raise ConfigError(f"algorithm: found {name!r}, expected one of {', '.join(sorted(ALGORITHMS))}")
    return ALGORITHMS[name]
