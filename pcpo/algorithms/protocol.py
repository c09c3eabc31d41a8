"""Every contract of the package in one place: what an oracle answers, what an algorithm is, what a run reports.

This module imports nothing of its own package.  The letters are the paper's: N agents, gains K of shape
``(m, n)``, D = m·n, minibatch M, smoothing radius r, neighbourhood sets N_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Protocol

from pcpo.algorithms.schedule import EpochPlan
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.oracles.protocol import Oracle

__all__ = [
    "Algorithm",
    "EpochReport",
    "Planner",
    "RunResult",
    "Setting",
    "SideInformation",
    "Status",
    "Traffic",
]


class Status(StrEnum):
    """Name the state of one agent at the end of an epoch."""

    OK = "ok"
    LOCAL_INFINITE = "local_infinite_cost"
    GLOBAL_INFINITE = "global_infinite_cost"
    BOTH_INFINITE = "both_infinite_cost"


@dataclass(frozen=True)
class Traffic:
    """Communication counted at the server so far: rounds, messages and bytes, agents to server (up) and back (down)."""

    rounds: int = 0
    messages_up: int = 0
    messages_down: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class Planner(Protocol):
    """A schedule: the plan of any epoch, and the name of its mode ("literal" or "calibrated")."""

    @property
    def mode(self) -> str:
        """Name that every result carries."""

    def plan(self, epoch: int) -> EpochPlan:
        """Plan of epoch l ≥ 1."""


@dataclass(frozen=True)
class SideInformation:
    """What PCPO does not know and other methods may be told; None is "not told".

    labels: true cluster of every agent, ``(N,)``; separation: Δ of (3); n_clusters: H; state_costs Q_i ``(N, n, n)``
    and input_costs R_i ``(N, m, m)``; gamma: γ.
    """

    labels: IntArray | None = None
    separation: float | None = None
    n_clusters: int | None = None
    state_costs: FloatArray | None = None
    input_costs: FloatArray | None = None
    gamma: float | None = None

    def only(self, uses: frozenset[str]) -> SideInformation:
        """These fields and no others; raises ValueError for a name that is none of the fields."""
        known = {f.name for f in fields(self)}
        if not uses <= known:
            raise ValueError(f"uses: found {sorted(uses - known)}, expected some of {', '.join(sorted(known))}")
        return SideInformation(**{name: getattr(self, name) for name in uses})


@dataclass(frozen=True)
class Setting:
    """What the agents know at the start: their own initial gains ``(N, m, n)``, the common schedule, and what a method
    may be told besides."""

    initial_gains: FloatArray
    schedule: Planner
    side: SideInformation = field(default_factory=SideInformation)


@dataclass(frozen=True)
class EpochReport:
    """What happened in one epoch, as the algorithm saw it (no true system is involved).

    local_gains X_i^(l), global_gains K̂_i^(l): ``(N, m, n)``; cost_estimates Ĉ_i: ``(N,)``;
    neighbourhoods N_i^(l) as a boolean matrix ``(N, N)``; radii r_(i,l)^(global) ``(N,)``.
    global_gains are a method's output.  A method with one sequence gives it twice; one without cost estimates gives
    NaN for every agent; neighbourhoods are the groups it uses.
    nonfinite: saturated rollouts of this epoch by agent; rollouts and traffic are cumulative.
    """

    plan: EpochPlan
    local_gains: FloatArray
    global_gains: FloatArray
    cost_estimates: FloatArray
    neighbourhoods: BoolArray
    radii_global: FloatArray
    global_cap_active: BoolArray
    reinitialised: bool
    nonfinite: IntArray
    rollouts: int
    traffic: Traffic


class Algorithm(Protocol):
    """Frozen fields plus `init`, `next_rollouts` and `step`; the driver does the rest."""

    @property
    def name(self) -> str:
        """Name in tables and figures."""

    @property
    def uses(self) -> frozenset[str]:
        """Fields of `SideInformation` that the driver may hand over; the others are None."""

    def init(self, setting: Setting) -> Any:
        """State before the first epoch: numbers, texts, arrays, tuples, lists, dicts and dataclasses of these.

        Its random numbers come from the oracle or from streams keyed by epoch: a run may be resumed after any epoch.
        """

    def next_rollouts(self, state: Any) -> int:
        """Rollouts per agent that the next `step` will spend."""

    def step(self, state: Any, oracle: Oracle, server: Any) -> tuple[Any, EpochReport]:
        """One epoch."""


@dataclass(frozen=True)
class RunResult:
    """A finished run: its epochs, and the name of the algorithm and of the schedule's mode."""

    algorithm: str
    mode: str
    epochs: Sequence[EpochReport]

    @property
    def final(self) -> EpochReport:
        """Report of the last epoch."""
        return self.epochs[-1]
