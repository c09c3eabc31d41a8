"""Make fleets of what a file or a configuration holds: systems, labels, and initial gains that are given or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pcpo.errors import FleetError
from pcpo.fleets.fleet import Fleet, checked_labels, checked_systems
from pcpo.fleets.initial_gains import INITIAL_RULES, draw_initial_gains
from pcpo.lqr.system import MAX_ENTRY, Array, LinearSystem
from pcpo.simulation.noise import Purpose, stream

__all__ = ["UNKNOWN", "Draw", "assembled", "with_initial_gains"]

#: The word in place of initial gains where none of finite cost is known.
UNKNOWN = "unknown"

#: How initial gains are drawn: {"seed": …, "rule": …, "gap": …}.
Draw = Mapping[str, Any]

_LISTED = 8


def assembled(
    name: str,
    systems: Sequence[LinearSystem],
    labels: ArrayLike,
    gains: Array | Draw | str | None,
    source: str,
    draw: Draw | None = None,
) -> Fleet:
    """Make the fleet of a file.

    Args:
        name: name of the fleet.
        systems: one per cluster.
        labels: the cluster of every agent, (N,).
        gains: initial gains of the file, (N, m, n), how the file draws them, or `UNKNOWN`; None if it has none.
        source: where the numbers come from; what is changed here is added to it.
        draw: how a configuration draws initial gains: those of the file are then neither used nor checked.

    Raises:
        FleetError: as `Fleet`, and for a fleet without initial gains.
    """
    source = "; ".join(filter(None, [source, _symmetrised(systems)]))
    draw = gains if draw is None and isinstance(gains, Mapping) else draw
    if draw is not None:
        drawn = _drawn(checked_systems(systems), labels, draw)
        return Fleet(name, tuple(systems), checked_labels(labels, len(systems)), drawn, _noted(source, draw))
    if gains is None or isinstance(gains, Mapping):
        raise FleetError(
            "initial_gains: found none, expected the agents' initial gains, a scenario that draws them "
            f"(initial_gains: {{seed, rule, gap}} beside the file), or {UNKNOWN} if none of finite cost is known"
        )
    if isinstance(gains, str):
        known, first = checked_labels(labels, len(systems)), checked_systems(systems)[0]
        zeros = np.zeros((len(known), first.m, first.n))
        return Fleet(name, tuple(systems), known, zeros, source, gains_known=False)
    return Fleet(name, tuple(systems), checked_labels(labels, len(systems)), gains, source)


def with_initial_gains(fleet: Fleet, wanted: Draw | None) -> Fleet:
    """Return the fleet, with random initial gains of an exact gap if wanted: {"seed": …, "rule": …, "gap": …}."""
    if wanted is None:
        return fleet
    drawn = _drawn(fleet.systems, fleet.labels, wanted)
    return replace(fleet, initial_gains=drawn, source=_noted(fleet.source, wanted), gains_known=True)


def _drawn(systems: tuple[LinearSystem, ...], labels: ArrayLike, wanted: Draw) -> Array:
    """Draw initial gains (N, m, n) of an exact gap."""
    if set(wanted) != {"seed", "rule", "gap"}:
        raise FleetError(f"initial_gains: found the keys {sorted(wanted)}, expected seed, rule and gap")
    if wanted["rule"] not in INITIAL_RULES:
        raise FleetError(f"initial_gains.rule: found {wanted['rule']!r}, expected one of {', '.join(INITIAL_RULES)}")
    if not 0.0 < wanted["gap"] <= MAX_ENTRY:
        raise FleetError(f"initial_gains.gap: found {wanted['gap']!r}, expected a positive number up to {MAX_ENTRY:g}")
    known: NDArray[np.int64] = checked_labels(labels, len(systems))
    return draw_initial_gains(systems, known, wanted["rule"], wanted["gap"], stream(wanted["seed"], Purpose.FLEET))


def _noted(source: str, wanted: Draw) -> str:
    """Add to the source that initial gains were drawn, and how."""
    return f"{source}; initial gains drawn: {dict(wanted)}"


def _symmetrised(systems: Sequence[LinearSystem]) -> str:
    """Say which matrices were symmetrised; empty if none was."""
    found = [(f"{name} of cluster {j}", x) for j, s in enumerate(systems) for name, x in s.symmetrised.items()]
    if not found:
        return ""
    names = ", ".join(name for name, _ in found[:_LISTED])
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"symmetrised: {names}{more} (relative distance from the transpose {max(x for _, x in found):.1e})"
