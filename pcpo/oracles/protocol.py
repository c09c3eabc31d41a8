"""Define what an algorithm may ask an oracle, and what the oracle answers.

N agents, gains K of shape ``(m, n)``, D = m·n, minibatch M, smoothing radius r.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.simulation.protocol import Estimator, Trajectories

__all__ = ["Estimates", "Estimator", "IteratingOracle", "Oracle", "Question", "Trajectories", "TrajectoryOracle"]


@dataclass(frozen=True)
class Estimates:
    """Hold the answer of an oracle for all agents at once.

    Attributes:
        values: gradient estimates ``(N, m, n)`` or cost estimates ``(N,)``; always finite.
        nonfinite: how many of the rollouts behind each value were saturated, ``(N,)``.
    """

    values: FloatArray
    nonfinite: IntArray


@dataclass(frozen=True)
class Question:
    """Describe one question for gradients: what `Oracle.gradients` was asked, after its checks.

    Attributes:
        gains: K_i of every agent, ``(N, m, n)``.
        minibatch: M, rollouts per agent.
        radii: smoothing radius r_i of every agent, ``(N,)``.
        purpose: first key of the random streams (`pcpo.simulation.noise.Purpose`).
        epoch: second key of the random streams.
        estimator: "one_point", equation (5) of the paper, or "two_point".
        baseline: subtracted from every cost, ``(N,)``; None for nothing.
    """

    gains: FloatArray
    minibatch: int
    radii: FloatArray
    purpose: int
    epoch: int
    estimator: Estimator
    baseline: FloatArray | None

    def of(self, agent: int) -> Question:
        """Return the question to one agent alone."""
        own = slice(agent, agent + 1)
        baseline = None if self.baseline is None else self.baseline[own]
        return replace(self, gains=self.gains[own], radii=self.radii[own], baseline=baseline)


class Oracle(Protocol):
    """Define all that an algorithm may learn about the systems: zeroth-order answers, and a ledger of their cost."""

    @property
    def n_agents(self) -> int:
        """Return N."""

    @property
    def gain_shape(self) -> tuple[int, int]:
        """Return (m, n)."""

    @property
    def rollouts(self) -> int:
        """Return the rollouts spent so far by each agent (every call asks all agents for equally many)."""

    @property
    def nonfinite(self) -> IntArray:
        """Return the saturated rollouts so far, by agent ``(N,)``.

        With simulated rollouts that is a lower bound of those at gains of infinite cost: a rollout of h steps ends with
        a number, often an enormous one, before it overflows.  Whether a cost is infinite is read from the true system.
        """

    @property
    def discount(self) -> float | None:
        """Return γ, the discount of a question that carries none; None where questions may not carry another."""

    def resume(self, rollouts: int, nonfinite: IntArray) -> None:
        """Enter what a resumed run had spent: rollouts per agent, and saturated ones by agent ``(N,)``."""

    def gradients(
        self,
        gains: FloatArray,
        minibatch: int,
        radii: FloatArray,
        *,
        purpose: int,
        epoch: int,
        estimator: Estimator = "one_point",
        baseline: FloatArray | None = None,
        discounts: FloatArray | None = None,
    ) -> Estimates:
        """Estimate ZO_i(K_i, M, r_i) of every agent (paper, eq. (5)): ``(N, m, n)``, M rollouts per agent.

        Two extensions, not the paper's: a baseline ``(N,)`` is subtracted from every cost; "two_point" spends the M
        rollouts on ⌊M/2⌋ pairs C(K + rU; Z), C(K − rU; Z') of independent noise (an odd rollout is spent and not used).
        A third: discounts ``(N,)``, each in (0, 1), replace γ in the agents' costs.
        """

    def costs(
        self,
        gains: FloatArray,
        minibatch: int,
        *,
        purpose: int,
        epoch: int,
        discounts: FloatArray | None = None,
    ) -> Estimates:
        """Estimate the cost of every agent's gain by the mean of M rollouts (Algorithm 1, line 5): ``(N,)``."""


@runtime_checkable
class IteratingOracle(Protocol):
    """Define an oracle that runs many iterations itself, where R_l is far beyond what a loop of questions can do."""

    def iterates(
        self, minibatch: int, *, purpose: int, epoch: int, estimator: Estimator = "one_point", aside: int = 0
    ) -> bool:
        """Return whether it runs such iterations itself (`iterate`); if not, a loop asks for the gradients."""

    def iterate(
        self,
        gains: FloatArray,
        iterations: int,
        step_size: float,
        minibatch: int,
        radii: FloatArray,
        *,
        purpose: int,
        epoch: int,
        sets: Neighbourhoods | BoolArray | None = None,
        estimator: Estimator = "one_point",
        aside: int = 0,
    ) -> FloatArray:
        """Make `iterations` steps K_i ← K_i − η·ZO_i(K_i, M, r_i), or with `sets` those of (6).

        Questions and ledger are those of a loop over `gradients`, and the gains are the same up to rounding.

        Args:
            estimator: of the gradients.
            aside: rollouts out of the M that first estimate C(K_i), with purpose BASELINE: the baseline of the others.
        """


@runtime_checkable
class TrajectoryOracle(Protocol):
    """Define an oracle that also shows states and inputs, which the zeroth-order methods never see."""

    def trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, *, purpose: int, epoch: int
    ) -> Trajectories:
        """Simulate `count` trajectories per agent of h steps from x_0 = 0 under u = −K_i x + excitation·(random signs).

        A trajectory is one rollout in the ledger.
        """
