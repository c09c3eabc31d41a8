"""List the algorithms by name: each is frozen fields plus `uses`, `init`, `next_rollouts` and `step`.

A new method of the package is a file in `pcpo/algorithms/baselines` and a line of `ALGORITHMS`, which maps the name
used in configuration files to an `Entry`.  A user's own method is a file that `pcpo.algorithms.extensions` loads; it
stays outside the package.  Modules of algorithms are imported when an algorithm is made, so that a run depends on the
module of one algorithm only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

from pcpo.algorithms.protocol import Algorithm, SideInformation
from pcpo.errors import ConfigError

__all__ = ["ALGORITHMS", "Entry", "make_algorithm", "module_of", "register", "registry"]

Sight = Literal["rollout costs", "trajectories"]
Kind = Literal["method", "ablation", "extension"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # names are parts of paths


@dataclass(frozen=True)
class Entry:
    """Describe an algorithm to configurations, figures and tables.

    Args:
        name: its name in configurations, paths and tables.
        factory: what makes it, with the options as keywords: a callable, or "module:attribute" to be imported on use.
        title: its name in figures and in the report.
        citation: where the method comes from.
        sees: what its oracle shows it.
        preset: options that make the algorithm of this name out of the factory's.
        own_schedule: whether it plans its epochs itself, from the budget; all others follow the schedule of the run.
        estimates_costs: whether every epoch has cost estimates; where not, they are NaN.
        group: the comparison figure that it belongs to: a method, an ablation of PCPO, or an
            extension of it.
        module: the module that defines it; filled in by `register` for a user's algorithm.
    """

    name: str
    factory: Callable[..., Algorithm] | str
    title: str
    citation: str
    sees: Sight = "rollout costs"
    estimates_costs: bool = True
    group: Kind = "method"
    module: str = ""
    preset: Mapping[str, Any] = field(default_factory=dict)
    own_schedule: bool = False

    def make(self, **options: Any) -> Algorithm:
        """Make the algorithm with these options."""
        factory = self.factory
        if isinstance(factory, str):
            module, _, attribute = factory.partition(":")
            factory = getattr(import_module(module), attribute)
        made: Algorithm = factory(**{**self.preset, **options})
        return made

    @property
    def uses(self) -> frozenset[str]:
        """Return the fields of `SideInformation` that the algorithm is given."""
        return self.make().uses


def registry(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Map names to entries; raises ConfigError if a name occurs twice."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in found:
            raise ConfigError(f"algorithm {entry.name!r}: found it twice in the registry, expected distinct names")
        found[entry.name] = entry
    return found


_PAPER = "Kanakeri et al. 2025"


def _own(name: str, attribute: str, title: str, group: Kind) -> Entry:
    """Return the entry of PCPO or of a variant of it."""
    citation = f"{_PAPER}, Algorithm 1" if group == "method" else f"{group} of {_PAPER}"
    return Entry(name, f"pcpo.algorithms.pcpo:{attribute}", title, citation, group=group)


def _baseline(name: str, attribute: str, title: str, citation: str, sees: Sight = "rollout costs") -> Entry:
    """Return the entry of a baseline, which lives in the module of its name."""
    return Entry(name, f"pcpo.algorithms.baselines.{name}:{attribute}", title, citation, sees, estimates_costs=False)


def _synchronised(entry: Entry) -> Entry:
    """Return the entry of a method that begins with (8) over its groups, a named deviation."""
    return replace(
        entry,
        name=f"{entry.name}_sync",
        title=f"{entry.title.partition(' (')[0]}, synchronised",
        citation=f"{entry.citation}; deviation",
        preset={"synchronise_first": True},
    )


def _estimating(entry: Entry, estimator: str, title: str) -> Entry:
    """Return the entry of an extension of PCPO with another gradient estimator."""
    name = entry.name.replace("pcpo", f"pcpo_{estimator}", 1)
    return replace(entry, name=name, title=f"{entry.title}, {title}", preset={"estimator": estimator})


_BALANCED = _own("pcpo_radius_1_6", "balanced", "PCPO, radius exponent 1/6", "extension")
_AVERAGE = _baseline("naive_average", "NaiveAverage", "Naive average", "N_i = [N] for ever")
_FEDLQR = _baseline("fedlqr", "FedLQR", "FedLQR", "Wang et al. 2023")
_CFL = _baseline("cfl", "CFL", "CFL", "Sattler et al. 2020")
_MAML = _baseline("maml_lqr", "MAMLLQR", "MAML-LQR (first order)", "Toso et al. 2024")

#: Every algorithm by the name that configurations use, in the order of tables and figures.
ALGORITHMS = registry(
    [
        _own("pcpo", "PCPO", "PCPO", "method"),
        _own("pcpo_sync", "synchronised", "PCPO, synchronised first", "extension"),
        _own("pcpo_one_sequence", "one_sequence", "PCPO, one sequence", "ablation"),
        _own("pcpo_no_reinit", "no_reinitialisation", "PCPO, no reinitialisation", "ablation"),
        _own("pcpo_no_radius_scaling", "no_radius_scaling", "PCPO, no radius scaling", "ablation"),
        _own("pcpo_no_elimination", "no_elimination", "PCPO, no elimination", "ablation"),
        _own("pcpo_eliminate_once", "eliminate_once", "PCPO, one elimination", "ablation"),
        _own("pcpo_centred", "centred", "PCPO, centred estimator", "extension"),
        _own("pcpo_two_point", "two_point", "PCPO, two-point estimator", "extension"),
        _BALANCED,
        _estimating(_BALANCED, "centred", "centred"),
        _estimating(_BALANCED, "two_point", "two-point"),
        _own("pcpo_gains", "by_gains", "PCPO, pruning by gains", "extension"),
        _own("pcpo_scalar", "scalar", "PCPO, scalar gradients", "extension"),
        Entry(
            "pcpo_auto",
            "pcpo.algorithms.model_free.auto:PCPOAuto",
            "PCPO, model-free",
            f"extension of {_PAPER}",
            group="extension",
            own_schedule=True,
        ),
        Entry(
            "pcpo_alarm",
            "pcpo.algorithms.alarm:PCPOAlarm",
            "PCPO, with alarm",
            f"extension of {_PAPER}",
            group="extension",
        ),
        Entry(
            "pcpo_soft",
            "pcpo.algorithms.soft:PCPOSoft",
            "PCPO, soft clusters",
            f"extension of {_PAPER}",
            group="extension",
        ),
        _baseline("local", "Local", "Local PO", "Malik et al. 2020"),
        _AVERAGE,
        _synchronised(_AVERAGE),
        _baseline("oracle_clusters", "OracleClusters", "Known clusters", "the upper limit"),
        _baseline("one_shot", "OneShot", "One-shot, known Δ", f"{_PAPER}, section 3"),
        _FEDLQR,
        _synchronised(_FEDLQR),
        _baseline("scalarfedlqr", "ScalarFedLQR", "ScalarFedLQR", "Rostami et al. 2026"),
        _baseline("ifca", "IFCA", "IFCA", "Ghosh et al. 2020"),
        _CFL,
        _synchronised(_CFL),
        _MAML,
        _synchronised(_MAML),
        _baseline("least_squares", "LeastSquares", "Least squares", "Mania et al. 2019", "trajectories"),
        _baseline("cluster_sysid", "ClusterSysID", "Clustered sys-ID", "Toso et al. 2023", "trajectories"),
    ]
)


def register(entries: Iterable[Entry], module: str) -> None:
    """Add the algorithms that the loaded `module` defines to `ALGORITHMS`, all or none.

    Raises ConfigError for an object that is no Entry, for a name that is taken, has other characters than lower-case
    letters, digits and _, or differs from the algorithm's own, and for side information that does not exist.
    """
    added = [replace(_checked(entry), module=module) for entry in entries]
    ALGORITHMS.update(registry([*ALGORITHMS.values(), *added]))


def _checked(entry: Entry) -> Entry:
    """Return an entry that may be registered; ConfigError for any other object."""
    if not isinstance(entry, Entry):
        raise ConfigError(
            f"ENTRIES: found a {type(entry).__name__}, expected objects of pcpo.algorithms.registry.Entry"
        )
    if not _NAME.fullmatch(str(entry.name)):
        raise ConfigError(f"algorithm: found the name {entry.name!r}, expected lower-case letters, digits and _")
    algorithm = entry.make()
    if algorithm.name != entry.name:
        raise ConfigError(f"algorithm {entry.name!r}: found that it calls itself {algorithm.name!r}, expected one name")
    try:
        SideInformation().only(algorithm.uses)
    except ValueError as error:
        raise ConfigError(f"algorithm {entry.name!r}: {error}") from None
    return entry


def make_algorithm(name: str, **options: Any) -> Algorithm:
    """Make the algorithm of that name; raises ConfigError for an unknown name and lists the known ones."""
    return _entry(name).make(**options)


def module_of(name: str) -> str:
    """Return the dotted name of the module that defines an algorithm; raises ConfigError for an unknown name.

    The file of a user's own algorithm is loaded as a module outside the package (`pcpo.algorithms.extensions`).
    """
    entry = _entry(name)
    if isinstance(entry.factory, str):
        return entry.factory.partition(":")[0]
    return entry.module or entry.factory.__module__


def _entry(name: str) -> Entry:
    """Return the entry of that name; ConfigError for an unknown name."""
    if name not in ALGORITHMS:
        raise ConfigError(f"algorithm: found {name!r}, expected one of {', '.join(sorted(ALGORITHMS))}")
    return ALGORITHMS[name]
