"""Share what the comparison methods have in common: one sequence of policies, T_l rollouts an epoch, one report.

Every method spends T_l = (2R_l + 1)·M_l rollouts per agent in epoch l, as PCPO does: methods that need no second
sequence and no cost estimate take more iterations instead.  "A minibatch" below is M_l rollouts of every agent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pcpo.algorithms.estimators import baseline_rollouts
from pcpo.algorithms.projection import SharedDirections, step_factor
from pcpo.algorithms.protocol import EpochReport, Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import ConfigError, PcpoError
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Estimator, IteratingOracle, Oracle
from pcpo.simulation.noise import Purpose

__all__ = [
    "AnyEstimator",
    "Averaging",
    "OneSequence",
    "Progress",
    "State",
    "alone",
    "descend",
    "estimator_options",
    "given",
    "iterate",
    "nobody_else",
    "set_sizes",
    "synchronised",
]

#: Names of gradient estimators: (5), (5) less a baseline, and differences; all but the first are not the paper's.
AnyEstimator = Literal["one_point", "centred", "two_point"]


@dataclass(frozen=True)
class State:
    """Hold policies ``(N, m, n)`` between epochs, and whatever else a method remembers."""

    setting: Setting
    epoch: int
    gains: FloatArray
    memory: Any = None


@dataclass(frozen=True)
class Progress:
    """Hold the outcome of an epoch of a method: its policies, and cost estimates of them if it has any."""

    gains: FloatArray
    cost_estimates: FloatArray | None = None
    reinitialised: bool = False
    memory: Any = None


class OneSequence(ABC):
    """Run a method with one sequence of policies.

    Subclasses write `advance`, and `first_sets` if it is not [N] for all.  The groups that a method uses are the
    server's neighbourhoods.
    """

    uses: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the name in configurations and tables; a subclass may have it as a class attribute."""

    def init(self, setting: Setting) -> State:
        """Start every agent at its initial gain."""
        return State(setting, 0, setting.initial_gains)

    def next_rollouts(self, state: State) -> int:
        """Return T_l of the next epoch."""
        return state.setting.schedule.plan(state.epoch + 1).rollouts

    def step(self, state: State, oracle: Oracle, server: Server) -> tuple[State, EpochReport]:
        """Run one epoch and report it."""
        plan = state.setting.schedule.plan(state.epoch + 1)
        before = oracle.nonfinite.copy()
        if plan.epoch == 1:
            server.neighbourhoods = self.first_sets(state.setting)
        radii, capped = plan.radius_global(set_sizes(server))
        progress = self.advance(state, plan, oracle, server)
        estimates = progress.cost_estimates
        report = EpochReport(
            plan=plan,
            local_gains=progress.gains,
            global_gains=progress.gains,
            cost_estimates=np.full(oracle.n_agents, np.nan) if estimates is None else estimates,
            neighbourhoods=server.neighbourhoods,
            radii_global=radii,
            global_cap_active=capped,
            reinitialised=progress.reinitialised,
            nonfinite=oracle.nonfinite - before,
            rollouts=oracle.rollouts,
            traffic=server.traffic,
        )
        return State(state.setting, plan.epoch, progress.gains, progress.memory), report

    def first_sets(self, setting: Setting) -> Neighbourhoods | BoolArray:
        """Return the neighbourhoods in epoch 1."""
        return Neighbourhoods.everyone(len(setting.initial_gains))

    @abstractmethod
    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Run the epoch of that plan; it must spend exactly T_l rollouts per agent."""


@dataclass(frozen=True)
class Averaging(OneSequence):
    """Run a method whose groups average gradients, from the agents' own gains unless a field says otherwise.

    Members of a group make the same steps, so K_i = K_i⁰ + x with one x for all while the group stays: they keep the
    offsets that they start with.  With exact gradients and small steps such a group descends Σ_i C_i(K_i⁰ + x), which
    is finite at x = 0, so its members never leave finite cost, whatever their systems.

    Subclasses have their name as `method`.

    Attributes:
        synchronise_first: begin with (8) over the groups, a named deviation ("_sync" after the name): one minibatch for
            the costs of the initial gains, and one round.  The group has one policy from then on; it may have infinite
            cost for agents of other systems.
    """

    synchronise_first: bool = field(default=False, kw_only=True)

    method: ClassVar[str]

    @property
    def name(self) -> str:
        """Return the method's name, with "_sync" if it begins with (8)."""
        return self.method + ("_sync" if self.synchronise_first else "")

    def begins(self, plan: EpochPlan) -> bool:
        """Return whether the epoch begins with (8)."""
        return self.synchronise_first and plan.epoch == 1

    def start(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> tuple[FloatArray, int]:
        """Return the policies that the epoch starts from, and the minibatches left for it."""
        if self.begins(plan):
            return synchronised(state.gains, plan, oracle, server), 2 * plan.iterations
        return state.gains, 2 * plan.iterations + 1


def given(setting: Setting, name: str) -> Any:
    """Return a field of the side information; ConfigError if it was not given."""
    value = getattr(setting.side, name)
    if value is None:
        raise ConfigError(f"{name}: found no such side information, expected it for a method that uses it")
    return value


def set_sizes(server: Server) -> IntArray:
    """Return |N_i|, ``(N,)``."""
    return server.neighbourhoods.sizes


def nobody_else(setting: Setting) -> Neighbourhoods:
    """Return N_i = {i} for every agent."""
    return Neighbourhoods.partition(np.arange(len(setting.initial_gains)))


def iterate(
    gains: FloatArray,
    iterations: int,
    plan: EpochPlan,
    oracle: Oracle,
    radii: FloatArray,
    *,
    server: Server | None = None,
    estimator: Estimator = "one_point",
    aside: int = 0,
    directions: SharedDirections | None = None,
) -> FloatArray:
    """Repeat K_i ← K_i − η·ZO_i(K_i, M_l, r_i); with a server the mean over N_i, one round of messages each.

    An `IteratingOracle` may run all iterations itself; the server books one round for each.  It knows whole gradients
    only: iterations with projected ones are always a loop.

    Args:
        estimator: of the gradients; "two_point" is not the paper's.
        aside: rollouts out of the M_l that estimate C(K_i) first, for the others to subtract from their costs; not the
            paper's.
        directions: with them and a server, agents send the component of g along their direction and step with
            min(1, 4/q_i)·η (`pcpo.algorithms.projection`); not the paper's.

    Raises:
        PcpoError: for directions without a server.
    """
    if directions is not None and server is None:
        raise PcpoError("directions: found some without a server, expected a server that rebuilds gradients")
    purpose = Purpose.LOCAL if server is None else Purpose.GLOBAL
    M, epoch = plan.minibatch, plan.epoch
    asked: dict[str, Any] = {"purpose": purpose, "epoch": epoch, "estimator": estimator, "aside": aside}
    if directions is None and isinstance(oracle, IteratingOracle) and oracle.iterates(M, **asked):
        if server is not None:
            server.book_averages(iterations, gains)
        sets = None if server is None else server.neighbourhoods
        return oracle.iterate(gains, iterations, plan.step_size, M, radii, sets=sets, **asked)
    own: dict[str, Any] = {} if estimator == "one_point" else {"estimator": estimator}  # (5) needs no such argument
    for _ in range(iterations):
        if aside:
            own["baseline"] = oracle.costs(gains, aside, purpose=Purpose.BASELINE, epoch=epoch).values
        g = oracle.gradients(gains, M - aside, radii, purpose=purpose, epoch=epoch, **own).values
        gains = gains - plan.step_size * (g if server is None else _averaged(g, server, directions))
    return gains


def _averaged(gradients: FloatArray, server: Server, directions: SharedDirections | None) -> FloatArray:
    """Run one round and return G_i of (6), or with directions min(1, 4/q_i)·G_i of rebuilt gradients."""
    if directions is None:
        return server.average(gradients)
    factor = step_factor(gradients[0].size, set_sizes(server))[:, None, None]
    return np.asarray(factor * server.average_projected(gradients, directions.draw()))


def estimator_options(estimator: AnyEstimator, plan: EpochPlan) -> dict[str, Any]:
    """Return what `iterate` must know of an estimator: its name, or the ⌊√M_l⌋ rollouts of a baseline if it has one."""
    if estimator == "centred":
        return {"aside": baseline_rollouts(plan.minibatch)}
    return {"estimator": estimator}


def alone(
    gains: FloatArray, iterations: int, plan: EpochPlan, oracle: Oracle, estimator: AnyEstimator = "one_point"
) -> FloatArray:
    """Run line 4 of Algorithm 1: K_i ← K_i − η·ZO_i(K_i, M_l, r_l^(loc)), a minibatch per iteration and no message.

    Any other estimator than that of (5) is not the paper's.
    """
    radii = np.full(oracle.n_agents, plan.radius_local)
    return iterate(gains, iterations, plan, oracle, radii, **estimator_options(estimator, plan))


def descend(
    gains: FloatArray,
    iterations: int,
    plan: EpochPlan,
    oracle: Oracle,
    server: Server,
    estimator: AnyEstimator = "one_point",
    directions: SharedDirections | None = None,
) -> FloatArray:
    """Run lines 7-11 of Algorithm 1: K_i ← K_i − η·(mean of the gradients of N_i), a minibatch per iteration.

    Any other estimator than that of (5) is not the paper's, nor are gradients projected on directions.
    """
    radii, _ = plan.radius_global(set_sizes(server))
    options = estimator_options(estimator, plan)
    return iterate(gains, iterations, plan, oracle, radii, server=server, directions=directions, **options)


def synchronised(gains: FloatArray, plan: EpochPlan, oracle: Oracle, server: Server) -> FloatArray:
    """Apply (8) over the groups: a minibatch for the cost of every agent's gain, and one round of messages."""
    costs = oracle.costs(gains, plan.minibatch, purpose=Purpose.COST, epoch=plan.epoch).values
    return server.adopt_cheapest(gains, costs)
