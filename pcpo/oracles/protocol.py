"""What an oracle answers.

N agents, gains K of shape ``(m, n)``, D = m·n, minibatch M, smoothing radius r.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.simulation.protocol import Estimator, Trajectories

__all__ = ["Estimates", "Estimator", "IteratingOracle", "Oracle", "Question", "Trajectories", "TrajectoryOracle"]


@dataclass(frozen=True)
class Estimates:
    """Answer of an oracle for all agents at once.

    values: gradient estimates ``(N, m, n)`` or cost estimates ``(N,)``; always finite.
    nonfinite: ``(N,)``, how many of the rollouts behind each value were saturated.
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


class Oracle(Protocol):
    """All that an algorithm may learn about the systems: zeroth-order answers, and a ledger of what they cost."""

    @property
    def n_agents(self) -> int:
        """N."""

    @property
    def gain_shape(self) -> tuple[int, int]:
        """(m, n)."""

    @property
    def rollouts(self) -> int:
        """Rollouts spent so far by each agent (every call asks all agents for equally many)."""

    @property
    def nonfinite(self) -> IntArray:
        """``(N,)``: saturated rollouts so far, by agent."""

    def resume(self, rollouts: int, nonfinite: IntArray) -> None:
        """Enter what a run that goes on had spent: rollouts per agent, and saturated ones by agent ``(N,)``."""

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
    ) -> Estimates:
        """ZO_i(K_i, M, r_i) of every agent at its own gain (paper, eq. (5)): ``(N, m, n)``, M rollouts per agent.

        Two extensions, not the paper's: a baseline ``(N,)`` is subtracted from every cost; "two_point" spends the M
        rollouts on ⌊M/2⌋ pairs C(K + rU; Z), C(K − rU; Z') of independent noise (the odd one is spent and not used).
        """

    def costs(self, gains: FloatArray, minibatch: int, *, purpose: int, epoch: int) -> Estimates:
        """Mean of M rollout costs of every agent at its own gain (Algorithm 1, line 5): ``(N,)``."""


@runtime_checkable
class IteratingOracle(Protocol):
    """An oracle that can make many iterations at once, where R_l is far beyond what a loop of questions can do."""

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
        sets: BoolArray | None = None,
    ) -> FloatArray:
        """`iterations` times K_i ← K_i − η·ZO_i(K_i, M, r_i), or with `sets` ``(N, N)`` the mean of (6) over N_i.

        The same questions as in a loop over `gradients`, in its ledger as well, and the same gains up to rounding.
        """


@runtime_checkable
class TrajectoryOracle(Protocol):
    """An oracle that also shows states and inputs, which the zeroth-order methods never see."""

    def trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, *, purpose: int, epoch: int
    ) -> Trajectories:
        """`count` trajectories per agent of h steps from x_0 = 0 under u = −K_i x + excitation·(random signs).

        A trajectory is one rollout in the ledger.
        """
