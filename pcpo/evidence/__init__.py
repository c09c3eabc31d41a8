"""The claims of the paper, one group a file; a new group is a file that ends with `GROUP` and a line of `GROUPS`.

`GROUPS` says what a group makes without importing it: the workflow reads it once for every job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pcpo.claims.options import cells_of
from pcpo.errors import ConfigError

if TYPE_CHECKING:
    from pcpo.claims.contract import Group, Study

__all__ = [
    "GROUPS",
    "Entry",
    "check_evidence",
    "check_options",
    "group_drawing",
    "group_of",
    "load_group",
    "study_named",
]


@dataclass(frozen=True)
class Entry:
    """Studies and figures of a group, by name."""

    studies: Sequence[str]
    figures: Sequence[str]


GROUPS: dict[str, Entry] = {
    "clustering": Entry(["clustering", "heterogeneity"], ["clustering", "concentration", "heterogeneity"]),
    "scaling": Entry(["scaling"], ["scaling", "collapse"]),
    "communication": Entry(["communication"], ["communication"]),
    "lemmas": Entry(
        ["lemmas_pairs", "lemmas_bias", "lemmas_mean", "lemmas_estimates", "lemmas_descent"],
        ["lemmas"],
    ),
    "defects": Entry(
        ["defects_runs", "defects_rounds", "defects_readings", "defects_noise", "defects_budget"],
        ["defects"],
    ),
    "surrogate": Entry(["surrogate"], ["surrogate"]),
    "literal": Entry(
        ["literal_table", "literal_speed", "literal_ladder", "literal_runs"],
        ["looseness", "literal", "literal_years"],
    ),
    "practice": Entry(
        ["first_runs", "sensitivity", "robustness", "failures", "initial_guess", "guess_rule", "separation_limit"],
        ["first_experiments", "sensitivity", "failure_signatures", "initial_guess", "separation_limit"],
    ),
    "hierarchical": Entry(
        [
            "hierarchical_systems",
            "hierarchical_gains",
            "hierarchical_descent",
            "hierarchical_critic",
            "hierarchical_samples",
            "hierarchical_complexity",
            "hierarchical_learning",
            "hierarchical_actors",
        ],
        ["hierarchical_complexity", "hierarchical_convergence"],
    ),
    "coop_lsvi": Entry(
        [f"coop_lsvi_{name}" for name in ("regret", "communication", "heterogeneity", "pareto", "exact", "front")],
        ["coop_regret", "coop_communication", "coop_heterogeneity", "coop_pareto"],
    ),
}


def load_group(name: str) -> Group:
    """The declarations of a group; raises ConfigError for an unknown name, or if they are not what `GROUPS` says."""
    if name not in GROUPS:
        raise ConfigError(f"group: found {name!r}, expected one of {', '.join(GROUPS)}")
    group: Group = import_module(f"{__name__}.{name}.claims").GROUP
    declared = (group.name, [study.name for study in group.studies], list(group.figures))
    if declared != (name, list(GROUPS[name].studies), list(GROUPS[name].figures)):
        raise ConfigError(f"group {name!r}: found {declared}, expected {GROUPS[name]}")
    return group


def group_drawing(figure: str) -> str:
    """Name of the group that draws a figure; raises ConfigError if none does."""
    for name, entry in GROUPS.items():
        if figure in entry.figures:
            return name
    known = ", ".join(figure for entry in GROUPS.values() for figure in entry.figures)
    raise ConfigError(f"figure: found {figure!r}, expected one of {known}")


def check_evidence(studies: Iterable[str]) -> None:
    """Raises ConfigError for a study that is not there, and for a group of which only some studies are configured."""
    configured = list(studies)
    for study in configured:
        wanted = GROUPS[group_of(study)].studies
        if missing := [name for name in wanted if name not in configured]:
            raise ConfigError(
                f"evidence: found {study!r} without {missing[0]!r}, expected all studies of group {group_of(study)!r}"
            )


def check_options(studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ConfigError for options of a study that are not valid, before any job runs.

    studies: what a configuration says of each, its "options" among it.  Imports the groups of those that have some.
    """
    for name, given in studies.items():
        if given["options"]:
            cells_of(study_named(name), given["options"])


def study_named(name: str) -> Study:
    """Raises ConfigError for an unknown study."""
    return next(study for study in load_group(group_of(name)).studies if study.name == name)


def group_of(study: str) -> str:
    """Name of the group that a study belongs to; raises ConfigError for an unknown study."""
    for name, entry in GROUPS.items():
        if study in entry.studies:
            return name
    known = ", ".join(study for entry in GROUPS.values() for study in entry.studies)
    raise ConfigError(f"evidence: found study {study!r}, expected one of {known}")
