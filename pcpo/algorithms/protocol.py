"""Define what an algorithm is, what it is given, and what a run reports.

The letters are the paper's: N agents, gains K of shape ``(m, n)``, D = m·n, minibatch M, smoothing radius r,
neighbourhood sets N_i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Protocol

from pcpo.algorithms.schedule import EpochPlan
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.neighbourhoods import Neighbourhoods
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
    """Count communication at the server so far: rounds, messages and bytes, agents to server (up) and back (down)."""

    rounds: int = 0
    messages_up: int = 0
    messages_down: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class Planner(Protocol):
    """Define a schedule: the plan of any epoch, and the name of its mode ("literal" or "calibrated")."""

    @property
    def mode(self) -> str:
        """Return the name that every result carries."""

    def plan(self, epoch: int) -> EpochPlan:
        """Return the plan of epoch l ≥ 1."""


@dataclass(frozen=True)
class SideInformation:
    """Hold what PCPO does not know and other methods may be given; None where it is not given.

    Attributes:
        labels: true cluster of every agent, ``(N,)``.
        separation: Δ of (3).
        n_clusters: H.
        state_costs: Q_i, ``(N, n, n)``.
        input_costs: R_i, ``(N, m, m)``.
        cross_costs: N_i of the cross term 2xᵀNu, ``(N, n, m)``; zeros in the paper.
        gamma: γ.
        growth: μ, with which C_i(K) − C*_i ≥ (μ/4)‖K − K*_i‖² for every agent and K, units of cost over those of K².
        balances: by estimator, what fixes the radius of exponent 1/6 (`EpochPlan.balanced`), units of cost.
        hessians: H_i = ∇²C_i(K_i*), ``(N, D, D)``, gains row by row.
    """

    labels: IntArray | None = None
    separation: float | None = None
    n_clusters: int | None = None
    state_costs: FloatArray | None = None
    input_costs: FloatArray | None = None
    cross_costs: FloatArray | None = None
    gamma: float | None = None
    growth: float | None = None
    balances: Mapping[str, float] | None = None
    hessians: FloatArray | None = None

    def only(self, uses: frozenset[str]) -> SideInformation:
        """Return these fields and no others; ValueError for a name that is no field."""
        known = {f.name for f in fields(self)}
        if not uses <= known:
            raise ValueError(f"uses: found {sorted(uses - known)}, expected some of {', '.join(sorted(known))}")
        return SideInformation(**{name: getattr(self, name) for name in uses})


@dataclass(frozen=True)
class Setting:
    """Hold what the agents know at the start.

    Initial gains ``(N, m, n)``, the common schedule, side information, and the rollouts per agent of the run, which the
    driver fills in; None where nobody has said.  gains_known is False where no gain of finite cost is known: the gains
    are then zeros, and the driver takes an algorithm only if it has a method `finding_gains`, which returns the
    algorithm that finds some first.  shared_seed is a seed that agents and server have agreed on: random numbers made
    from it are the same at both ends and need not travel.
    """

    initial_gains: FloatArray
    schedule: Planner
    side: SideInformation = field(default_factory=SideInformation)
    budget: int | None = None
    gains_known: bool = True
    shared_seed: int = 0


@dataclass(frozen=True)
class EpochReport:
    """Report what happened in one epoch, as the algorithm saw it (no true system is involved).

    local_gains X_i^(l), global_gains K̂_i^(l): ``(N, m, n)``; cost_estimates Ĉ_i: ``(N,)``;
    neighbourhoods N_i^(l), which may be given as a boolean matrix ``(N, N)``; radii r_(i,l)^(global) ``(N,)``.
    global_gains are a method's output.  A method with one sequence reports it as both; a method without cost estimates
    reports NaN for every agent; neighbourhoods are the groups that the method uses.
    nonfinite: saturated rollouts of this epoch by agent; rollouts and traffic are cumulative.
    """

    plan: EpochPlan
    local_gains: FloatArray
    global_gains: FloatArray
    cost_estimates: FloatArray
    neighbourhoods: Neighbourhoods
    radii_global: FloatArray
    global_cap_active: BoolArray
    reinitialised: bool
    nonfinite: IntArray
    rollouts: int
    traffic: Traffic

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbourhoods", Neighbourhoods.of(self.neighbourhoods))


class Algorithm(Protocol):
    """Define an algorithm: frozen fields plus `init`, `next_rollouts` and `step`; the driver does the rest."""

    @property
    def name(self) -> str:
        """Return the name in tables and figures."""

    @property
    def uses(self) -> frozenset[str]:
        """Return the fields of `SideInformation` that the driver may hand over; the others are None."""

    def init(self, setting: Setting) -> Any:
        """Return the state before the first epoch: numbers, texts, arrays, tuples, lists, dicts, dataclasses of these.

        Random numbers come from the oracle or from streams keyed by epoch: a run may be resumed after any epoch.
        """

    def next_rollouts(self, state: Any) -> int:
        """Return how many rollouts per agent the next `step` will spend."""

    def step(self, state: Any, oracle: Oracle, server: Any) -> tuple[Any, EpochReport]:
        """Run one epoch; return the new state and the report."""


@dataclass(frozen=True)
class RunResult:
    """Hold a finished run: its epochs, and the names of the algorithm and of the schedule's mode.

    findings is what the algorithm itself says of its run, if it has a method `findings`; None for most.
    """

    algorithm: str
    mode: str
    epochs: Sequence[EpochReport]
    findings: Any = None

    @property
    def final(self) -> EpochReport:
        """Return the report of the last epoch."""
        return self.epochs[-1]
