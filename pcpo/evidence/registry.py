"""Find and load the groups of claims: a folder each, with the same names of files in all of them.

========================  ============================================================================================
``claims.md``             title and introduction of the group; title, source, statement and estimand of every claim
``claims.py``             ``CLAIMS``: how each claim is measured, its rule, its negative controls, its power
``studies.py``, …         ``STUDIES``: what makes the tables, by the name that configurations use
``figures.py``            ``FIGURES``: title, caption, inputs, table and drawing function of each figure, by its id
``measures.py``           estimators that claims and figures share
``model/``                the numerics of a companion paper, which know no claim
========================  ============================================================================================

Names of studies and figures are read from the files without importing them: the workflow needs them for every job.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pcpo.claims.texts import GroupText, read_texts
from pcpo.errors import ConfigError
from pcpo.storage.sources import declared_keys

if TYPE_CHECKING:
    from pcpo.claims.contract import Claim, EvidenceFigure, Group, Study

__all__ = [
    "FAMILIES",
    "GROUPS",
    "Entry",
    "check_evidence",
    "check_options",
    "group_drawing",
    "group_of",
    "load_claims",
    "load_figure",
    "load_group",
    "modules_of",
    "study_named",
]

_FOLDER = Path(__file__).parent
#: The groups in the order of the report; a new group is a folder and a name here.
_NAMES = (
    "grid",
    "clustering",
    "scaling",
    "rate",
    "communication",
    "lemmas",
    "defects",
    "surrogate",
    "literal",
    "practice",
    "model_free",
    "equal_costs",
    "scalar",
    "drift",
    "soft_clusters",
    "nonlinear",
    "fedlqr",
    "hierarchical",
    "coop_lsvi",
)


@dataclass(frozen=True)
class Entry:
    """Say what a group makes, without importing it.

    Args:
        studies: name of each study, and the dotted name of the module that declares it.
        figures: ids of the figures.
    """

    studies: Mapping[str, str]
    figures: Sequence[str]


def _entry(group: str) -> Entry:
    """Read what a group declares; studies of studies.py come first."""
    paths = sorted((_FOLDER / group).glob("*.py"), key=lambda path: (path.stem != "studies", path.stem))
    studies = {
        study: f"{__package__}.{group}.{path.stem}"
        for path in paths
        if "\nSTUDIES: " in path.read_text(encoding="utf-8")
        for study in declared_keys(path, "STUDIES")
    }
    return Entry(studies, declared_keys(_FOLDER / group / "figures.py", "FIGURES"))


#: What each group makes.
GROUPS: Mapping[str, Entry] = {name: _entry(name) for name in _NAMES}

#: Families of claims that share the level of the table: the primary claim and the secondary claims of every group.
FAMILIES = 2 * len(_NAMES)


def modules_of(group: str, part: str) -> list[str]:
    """Return the modules that a group's part is loaded from: "claims" or "figures", with all of its studies."""
    return [f"{__package__}.{group}.{part}", *sorted(set(GROUPS[group].studies.values()))]


def load_group(name: str) -> Group:
    """Load a group whole.

    Raises:
        ConfigError: for an unknown name, if claims and texts do not have the same ids, or for a claim
            whose figure the group does not draw.
    """
    from pcpo.claims.contract import Group

    texts = _texts(name)
    figures = {figure: load_figure(figure) for figure in GROUPS[name].figures}
    claims = load_claims(name)
    for claim in claims:
        if claim.figure not in figures:
            raise ConfigError(
                f"claim {claim.id!r}: found figure {claim.figure!r}, expected one of {', '.join(figures)}"
            )
    return Group(name, texts.title, texts.introduction, _studies(name), claims, figures)


def load_claims(name: str) -> Sequence[Claim]:
    """Load the claims of a group with their texts, their ids preceded by the group's name."""
    texts = dict(_texts(name).claims)
    declared: Sequence[Claim] = import_module(f"{__package__}.{name}.claims").CLAIMS
    ids = [claim.id for claim in declared]
    if sorted(ids) != sorted(texts):
        alone = sorted(set(ids) ^ set(texts)) or sorted({one for one in ids if ids.count(one) > 1})
        raise ConfigError(f"group {name!r}: found {alone[0]!r} in only one of claims.py and claims.md, or twice")
    return [replace(claim, id=f"{name}.{claim.id}", **vars(texts[claim.id])) for claim in declared]


def load_figure(figure: str) -> EvidenceFigure:
    """Load the entry of a figure; raises ConfigError if no group draws it."""
    found: EvidenceFigure = import_module(f"{__package__}.{group_drawing(figure)}.figures").FIGURES[figure]
    return found


def _studies(group: str) -> list[Study]:
    return [study_named(study) for study in GROUPS[group].studies]


@functools.cache
def _texts(group: str) -> GroupText:
    if group not in GROUPS:
        raise ConfigError(f"group: found {group!r}, expected one of {', '.join(GROUPS)}")
    return read_texts(_FOLDER / group / "claims.md")


def study_named(name: str) -> Study:
    """Load a study; raises ConfigError for an unknown one."""
    study: Study = import_module(GROUPS[group_of(name)].studies[name]).STUDIES[name]
    if study.name != name:
        raise ConfigError(f"study: found {study.name!r} declared as {name!r}, expected one name")
    return study


def group_drawing(figure: str) -> str:
    """Return the name of the group that draws a figure; raises ConfigError if none does."""
    return _group_making("figures", figure, "figure: found")


def group_of(study: str) -> str:
    """Return the name of the group that a study belongs to; raises ConfigError for an unknown study."""
    return _group_making("studies", study, "evidence: found study")


def _group_making(kind: Literal["studies", "figures"], wanted: str, found: str) -> str:
    """Return the name of the group with a study or figure; `found` begins the sentence of the ConfigError if none."""
    groups = {name: group for group, entry in GROUPS.items() for name in getattr(entry, kind)}
    if wanted not in groups:
        raise ConfigError(f"{found} {wanted!r}, expected one of {', '.join(groups)}")
    return groups[wanted]


def check_evidence(studies: Iterable[str]) -> None:
    """Check that studies exist and groups are whole.

    Raises:
        ConfigError: for an unknown study, or a group of which only some studies are configured.
    """
    configured = list(studies)
    for study in configured:
        wanted = GROUPS[group_of(study)].studies
        if missing := [name for name in wanted if name not in configured]:
            raise ConfigError(
                f"evidence: found {study!r} without {missing[0]!r}, expected all studies of group {group_of(study)!r}"
            )


def check_options(studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the options of studies before any job runs; only studies that are given some are imported.

    Args:
        studies: what a configuration says of each study, its "options" among it.

    Raises:
        ConfigError: for an option that is not valid.
    """
    from pcpo.claims.options import cells_of

    for name, given in studies.items():
        if given["options"]:
            cells_of(study_named(name), given["options"])
