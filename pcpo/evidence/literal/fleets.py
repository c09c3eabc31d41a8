"""The fleets of the group "literal" and their schedules with the constants of Table 2 as printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pcpo.algorithms.schedule import ProblemConstants, Schedule, literal_constants
from pcpo.claims.options import Option, number, whole
from pcpo.errors import ConfigError
from pcpo.fleets.files import fleet_from
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.simulation.noise import NoiseLaw, Purpose, noise_law, stream
from pcpo.theory.calibration import LocalConstants, local_constants
from pcpo.theory.restricted_set import FleetConstants, fleet_constants

__all__ = [
    "CONTROL_KIND",
    "KINDS",
    "LAW",
    "Literal",
    "described",
    "fleet_cells",
    "fleet_option",
    "literal_fleet",
    "promised",
    "searched",
    "small_fleet",
]

LAW: NoiseLaw = noise_law("signs")

#: Small fleets for runs and ladders, with R_l of about 10^6, 3·10^4 and 10^4.  Δ_0 is a part of C* = 20: the larger the
#: part, the closer (12) reaches to the edge of finite cost, and the more iterations; γ likewise.  seed: of the draw.
KINDS: dict[str, dict[str, Any]] = {
    "scalar": {"n": 1, "m": 1, "sizes": [1, 1, 2], "gamma": 0.8, "condition_limit": 2.0, "part": 0.45, "seed": 6},
    "two": {"n": 2, "m": 1, "sizes": [1, 2], "gamma": 0.5, "condition_limit": 3.0, "part": 0.01, "seed": 5},
    "three": {"n": 3, "m": 2, "sizes": [1, 2], "gamma": 0.5, "condition_limit": 6.0, "part": 0.01, "seed": 2},
}
#: The fleet of the negative controls: the cheapest to run.
CONTROL_KIND = "small"
_SMALL = {"n": 1, "m": 1, "sizes": [1, 2], "gamma": 0.3, "condition_limit": 2.0, "part": 0.01, "seed": 5}
_OPTIMAL_COST = 20.0
_POSITION = 0.75  # Δ/Δ_0: in the middle of the octave, so that L = min{l : Δ_l ≤ Δ/2} = 2
_INITIAL = 0.5  # initial gap/Δ_0, so that Δ̃_0 = Δ_0


@dataclass(frozen=True, eq=False)
class Literal:
    """A fleet with its constants and the schedule of Table 2; separation Δ that L is computed from (units of cost)."""

    fleet: Fleet
    found: FleetConstants
    schedule: Schedule
    separation: float

    @property
    def problem(self) -> ProblemConstants:
        """λ, φ, ρ, μ, G∞ of the fleet."""
        return self.found.problem

    @property
    def local(self) -> LocalConstants:
        """The calibration's constants, for the same fleet, law and Δ_0."""
        return local_constants(self.fleet, LAW, self.schedule.Delta0)


def promised(separation: float, Delta0: float) -> int:
    """L = min{l ≥ 1 : Δ_l ≤ Δ/2}."""
    epoch = 1
    while Delta0 / 2.0**epoch > separation / 2:
        epoch += 1
    return epoch


def literal_fleet(fleet: Fleet, Delta0: float, delta: float = 0.05) -> Literal:
    """Table 2 as printed for a fleet: exact constants if n = m = 1, else certified ones."""
    found = fleet_constants(fleet, LAW, Delta0)
    constants = literal_constants(found.problem, D=fleet.D, Delta0=Delta0, Delta0_tilde=found.Delta0_tilde)
    return Literal(fleet, found, Schedule(constants, Delta0, delta, fleet.N, fleet.D), fleet.separation)


def searched(literal: Literal) -> ProblemConstants | None:
    """Constants by search in place of certified ones, at the same β; None where they are exact."""
    if literal.fleet.D == 1:
        return None
    found = literal.found
    return fleet_constants(
        literal.fleet, LAW, literal.schedule.Delta0, enlargement=found.enlargement, method="sampled"
    ).problem


def _chosen(kind: str) -> dict[str, Any]:
    if kind == CONTROL_KIND:
        return _SMALL
    if kind not in KINDS:
        raise ConfigError(f"kind: found {kind!r}, expected one of {', '.join(KINDS)}")
    return KINDS[kind]


@lru_cache(maxsize=32)
def small_fleet(kind: str, shift: int = 0, closeness: float = 1.0) -> tuple[Fleet, float]:
    """A random fleet of a kind, and its Δ_0: that of the runs, or `shift` seeds on; with closeness < 1 the clusters are
    closer by that factor."""
    chosen = _chosen(kind)
    Delta0 = chosen["part"] * _OPTIMAL_COST
    spec = FleetSpec(
        n=chosen["n"],
        m=chosen["m"],
        sizes=tuple(chosen["sizes"]),
        gamma=chosen["gamma"],
        optimal_cost=_OPTIMAL_COST,
        separation=closeness * _POSITION * Delta0,
        condition_limit=chosen["condition_limit"],
        initial_gap=_INITIAL * Delta0,
    )
    return random_fleet(spec, stream(chosen["seed"] + shift, Purpose.FLEET), kind), Delta0


def fleet_option(default: Mapping[str, Any]) -> Option:
    """Option of fleets by name, each {fleet: {file: …} or {random: …}, Delta0 (units of cost), epochs}."""
    source = {"type": "object", "oneOf": [{"required": [one]} for one in ("file", "random")]}
    keys = {"fleet": source, "Delta0": number(), "epochs": whole()}
    one = {"type": "object", "properties": keys, "required": list(keys), "additionalProperties": False}
    return {"type": "object", "additionalProperties": one, "minProperties": 1, "default": default}


def fleet_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Cells of the fleets of a `fleet_option`; the description of the fleet is JSON text in the cell."""
    cells = {}
    for name, given in options["fleets"].items():
        text = json.dumps(given["fleet"], sort_keys=True)
        own = {"fleet": text, "Delta0": float(given["Delta0"]), "epochs": given["epochs"]}
        cells[str(name)] = {"name": str(name), **own}
    return cells


@lru_cache(maxsize=32)
def described(name: str, text: str, Delta0: float) -> Literal:
    """The fleet of a cell of `fleet_cells`."""
    return literal_fleet(fleet_from(name, json.loads(text)), Delta0)
