"""Fleets by description: a file, or a random fleet of a seed, as the configuration writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .fleet import Fleet
from .fleet_io import read_fleet
from .generators import FleetSpec, random_fleet
from .initial_gains import draw_initial_gains
from .randomness import Purpose, stream

__all__ = ["fleet_from", "with_initial_gains"]


def fleet_from(name: str, source: Mapping[str, Any]) -> Fleet:
    """The fleet that `source` asks for: {"file": …, "initial_gains": …} or {"random": {"seed": …, …}}."""
    if "file" in source:
        return with_initial_gains(read_fleet(source["file"]), source.get("initial_gains"))
    options = dict(source["random"])
    rng = stream(options.pop("seed"), Purpose.FLEET)
    return random_fleet(FleetSpec(**options), rng, name)


def with_initial_gains(fleet: Fleet, wanted: Mapping[str, Any] | None) -> Fleet:
    """The fleet with random initial gains of an exact gap, if any are wanted: {"seed": …, "rule": …, "gap": …}."""
    if wanted is None:
        return fleet
    rng = stream(wanted["seed"], Purpose.FLEET)
    gains = draw_initial_gains(fleet.systems, fleet.labels, wanted["rule"], wanted["gap"], rng)
    note = f"{fleet.source}; initial gains drawn: {dict(wanted)}"
    return replace(fleet, initial_gains=gains, source=note)
