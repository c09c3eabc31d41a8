"""Make the fleets of the group "literal" and their schedules with the constants of Table 2 as printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pcpo.algorithms.schedule import ProblemConstants, Schedule, literal_constants
from pcpo.claims.contract import Mode
from pcpo.claims.options import Option, number, whole
from pcpo.errors import ConfigError
from pcpo.fleets.files import fleet_from
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.simulation.noise import NoiseLaw, Purpose, noise_law, stream
from pcpo.storage.sources import PACKAGE
from pcpo.theory.calibration import LocalConstants, local_constants
from pcpo.theory.printed.restricted_set import FleetConstants, fleet_constants

__all__ = [
    "CONTROL_KIND",
    "KINDS",
    "LAW",
    "MODE",
    "SIZES_KIND",
    "FleetCell",
    "Kind",
    "LiteralFleet",
    "changed_schedule",
    "described",
    "fleet_cells",
    "fleet_option",
    "literal_fleet",
    "searched",
    "small_fleet",
]

LAW: NoiseLaw = noise_law("signs")
#: Mode that tables and figures of the runs are labelled with.
MODE: Mode = "literal, moment oracle"


@dataclass(frozen=True, eq=False)
class LiteralFleet:
    """Hold a fleet with its constants and the schedule of Table 2 as printed.

    Args:
        fleet: the fleet.
        found: constants of its restricted set (12), each with its guarantee.
        schedule: Table 2 with these constants.
        separation: Δ that L is computed from (units of cost).
    """

    fleet: Fleet
    found: FleetConstants
    schedule: Schedule
    separation: float

    @property
    def problem(self) -> ProblemConstants:
        """Return λ, φ, ρ, μ, G∞ of the fleet."""
        return self.found.problem

    @property
    def local(self) -> LocalConstants:
        """Compute the constants of the calibration for the same fleet, law and Δ_0."""
        return local_constants(self.fleet, LAW, self.schedule.Delta0)


def literal_fleet(fleet: Fleet, Delta0: float, delta: float = 0.05) -> LiteralFleet:
    """Compute Table 2 as printed for a fleet, with exact constants if n = m = 1 and certified ones elsewhere.

    Args:
        fleet: the fleet.
        Delta0: Δ_0 (units of cost).
        delta: δ, failure probability of a run.
    """
    found = fleet_constants(fleet, LAW, Delta0)
    constants = literal_constants(found.problem, D=fleet.D, Delta0=Delta0, Delta0_tilde=found.Delta0_tilde)
    return LiteralFleet(fleet, found, Schedule(constants, Delta0, delta, fleet.N, fleet.D), fleet.separation)


def changed_schedule(
    schedule: Schedule, *, minibatch: float = 1.0, iterations: float = 1.0, step: float = 1.0
) -> Schedule:
    """Scale M_l, R_l and η; R_l is inversely proportional to η, hence the second factor of c2."""
    c = schedule.constants
    changed = replace(c, c1=c.c1 * step, c2=c.c2 * iterations / step, c4=c.c4 * minibatch)
    return replace(schedule, constants=changed)


def searched(literal: LiteralFleet) -> ProblemConstants | None:
    """Find constants by search in place of certified ones, at the same β; None where the constants are exact."""
    if literal.fleet.D == 1:
        return None
    found = literal.found
    return fleet_constants(
        literal.fleet, LAW, literal.schedule.Delta0, enlargement=found.enlargement, method="sampled"
    ).problem


# ------------------------------------------------------------------------------------------------ small random fleets


@dataclass(frozen=True)
class Kind:
    """Describe a kind of small random fleet.

    Args:
        n: number of states.
        m: number of inputs.
        sizes: sizes of the clusters.
        gamma: γ.
        condition_limit: as in `FleetSpec`.
        part: Δ_0/C*_1.  The larger it is, the closer (12) reaches to the edge of finite cost, and the larger R_l.
        seed: of the draw.
    """

    n: int
    m: int
    sizes: tuple[int, ...]
    gamma: float
    condition_limit: float
    part: float
    seed: int


#: The fleets of runs and ladders, with R_l of about 10^6, 3·10^4 and 10^4.
KINDS: Mapping[str, Kind] = {
    "scalar": Kind(n=1, m=1, sizes=(1, 1, 2), gamma=0.8, condition_limit=2.0, part=0.45, seed=6),
    "two": Kind(n=2, m=1, sizes=(1, 2), gamma=0.5, condition_limit=3.0, part=0.01, seed=5),
    "three": Kind(n=3, m=2, sizes=(1, 2), gamma=0.5, condition_limit=6.0, part=0.01, seed=2),
}
#: The fleet of the negative controls: the cheapest to run.
CONTROL_KIND = "small"
_SMALL = Kind(n=1, m=1, sizes=(1, 2), gamma=0.3, condition_limit=2.0, part=0.01, seed=5)
#: The fleet on which the exponent of the cluster's size is measured.
SIZES_KIND = "sizes"
_UNEQUAL = Kind(n=1, m=1, sizes=(1, 4, 16), gamma=0.3, condition_limit=2.0, part=0.01, seed=5)
_OPTIMAL_COST = 20.0
_POSITION = 0.75  # Δ/Δ_0: in the middle of the octave, so that L = min{l : Δ_l ≤ Δ/2} = 2
_INITIAL = 0.5  # initial gap/Δ_0, so that Δ̃_0 = Δ_0


def _kind(name: str) -> Kind:
    named = {CONTROL_KIND: _SMALL, SIZES_KIND: _UNEQUAL}
    if name in named:
        return named[name]
    if name not in KINDS:
        raise ConfigError(f"kind: found {name!r}, expected one of {', '.join(KINDS)}")
    return KINDS[name]


@lru_cache(maxsize=32)
def small_fleet(kind: str, shift: int = 0, closeness: float = 1.0) -> tuple[Fleet, float]:
    """Draw a random fleet of a kind.

    Args:
        kind: name of the kind.
        shift: added to the seed of the kind; 0 is the fleet of the runs.
        closeness: factor of the separation; below 1 the clusters are closer than Δ_0 is meant for.

    Returns:
        The fleet and its Δ_0 (units of cost).

    Raises:
        ConfigError: for an unknown kind.
    """
    chosen = _kind(kind)
    Delta0 = chosen.part * _OPTIMAL_COST
    spec = FleetSpec(
        n=chosen.n,
        m=chosen.m,
        sizes=chosen.sizes,
        gamma=chosen.gamma,
        optimal_cost=_OPTIMAL_COST,
        separation=closeness * _POSITION * Delta0,
        condition_limit=chosen.condition_limit,
        initial_gap=_INITIAL * Delta0,
    )
    return random_fleet(spec, stream(chosen.seed + shift, Purpose.FLEET), kind), Delta0


# ------------------------------------------------------------------------------------------- fleets of configurations


@dataclass(frozen=True)
class FleetCell:
    """Describe the condition of a study that has one fleet per cell.

    Args:
        name: of the fleet.
        description: the fleet as `pcpo.fleets.files.fleet_from` reads it, {file: …} or {random: …}.
        Delta0: Δ_0 (units of cost).
        epochs: L̄.
    """

    name: str
    description: Mapping[str, Any]
    Delta0: float
    epochs: int


def fleet_option(default: Mapping[str, Any]) -> Option:
    """Return the schema of an option with fleets by name.

    Each is {fleet: {file: …} or {random: …}, Delta0 (units of cost), epochs}.
    """
    counts = {"type": "array", "items": whole()}
    random = {"seed": whole(least=0), "n": whole(), "m": whole(), "sizes": counts}
    source = {
        "type": "object",
        "oneOf": [{"required": [key]} for key in ("file", "random")],
        "properties": {
            "random": {"type": "object", "properties": random},
            "initial_gains": {"type": "object", "properties": {"seed": whole(least=0)}},
        },
    }
    keys = {"fleet": source, "Delta0": number(), "epochs": whole()}
    fleet = {"type": "object", "properties": keys, "required": list(keys), "additionalProperties": False}
    return {"type": "object", "additionalProperties": fleet, "minProperties": 1, "default": default}


def fleet_cells(options: Mapping[str, Any]) -> dict[str, FleetCell]:
    """Make a cell of every fleet of the option "fleets" (`fleet_option`)."""
    return {
        str(name): FleetCell(str(name), given["fleet"], float(given["Delta0"]), given["epochs"])
        for name, given in options["fleets"].items()
    }


def described(cell: FleetCell) -> LiteralFleet:
    """Read or draw the fleet of a cell, and compute its schedule; raises FleetError for a wrong description."""
    source = dict(cell.description)
    if "file" in source and not Path(source["file"]).is_file():  # in another working directory
        source["file"] = str(PACKAGE.parent / source["file"])
    return literal_fleet(fleet_from(cell.name, source), cell.Delta0)
