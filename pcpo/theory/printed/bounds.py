"""Evaluate the right-hand sides of Theorem 2 with the constants (21) as printed: (35), (9), and what T must be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pcpo.algorithms.schedule import EpochPlan, ProblemConstants, Schedule, proof_constants

__all__ = ["RolloutConstants", "bound_by_minibatch", "bound_by_rollouts"]

_RELATIVE, _ITERATIONS = 1e-12, 1000


@dataclass(frozen=True)
class RolloutConstants:
    """Hold what (36) to (38) need of a schedule: D, N, δ, Δ_0 and c_(p,9) to c_(p,12), as printed.

    Args:
        problem: λ, φ, ρ, μ, G∞.
        schedule: Table 2 with these constants.
        Delta0_tilde: Δ̃_0 (units of cost).
    """

    problem: ProblemConstants
    schedule: Schedule
    Delta0_tilde: float

    @property
    def c9(self) -> float:
        """Return c_(p,9)."""
        return proof_constants(self.problem, D=self.schedule.D, Delta0=self.schedule.Delta0)[1]

    @property
    def c10(self) -> float:
        """Return c_(p,10)."""
        return proof_constants(self.problem, D=self.schedule.D, Delta0=self.schedule.Delta0)[2]

    @property
    def c11(self) -> float:
        """Return c_(p,11)."""
        s = self.schedule
        return s.Delta0**2 / (self.c10 * math.log(8 * s.D * s.n_agents / s.delta))

    @property
    def c12(self) -> float:
        """Return c_(p,12)."""
        s = self.schedule
        inside = self.c10 * s.n_agents * self.Delta0_tilde**2 / s.Delta0**2
        return s.constants.c2 * (math.log(inside) + math.log(4))

    def epochs(self, rollouts: float) -> float:
        """Return log(c_(p,11)T), the bound (36) on the number of epochs within T = `rollouts`."""
        return math.log(self.c11 * rollouts)

    def least_minibatch(self, rollouts: float, iterations: int) -> float:
        """Return the lower bound on M_L̄ that (37) gives: T·log(8DNR_L̄/δ)/(4c_(p,12)log(c_(p,11)T)log(8DNT/δ)).

        Args:
            rollouts: T.
            iterations: R_L̄.
        """
        s = self.schedule
        eight = 8 * s.D * s.n_agents / s.delta
        return (
            rollouts
            * math.log(eight * iterations)
            / (4 * self.c12 * self.epochs(rollouts) * math.log(eight * rollouts))
        )

    def rollouts_that_suffice(self, power_of_four: float) -> float:
        """Return the T from which on T ≥ 4c_(p,12)log(c_(p,11)T)·c_(p,10)log(8DNT/δ)/Δ_0²·x, at least 1.

        With x = 4^(L+1) that is the condition for L̄ > L at the end of Appendix C.  It is found from above: the
        right-hand side grows more slowly than T, so iterating it falls to its largest fixed point.

        Args:
            power_of_four: x, in place of 4^(L+1).
        """
        s, c10, c11, c12 = self.schedule, self.c10, self.c11, self.c12
        eight, T = 8 * s.D * s.n_agents / s.delta, 1e60
        for _ in range(_ITERATIONS):
            grown = 0.0
            if c11 * T > 1:
                grown = 4 * c12 * math.log(c11 * T) * c10 * math.log(eight * T) / s.Delta0**2 * power_of_four
            last, T = T, max(1.0, grown)
            if abs(last / T - 1) < _RELATIVE:
                return T
        return T


def bound_by_minibatch(problem: ProblemConstants, schedule: Schedule, plan: EpochPlan, cluster_size: int) -> float:
    """Return (35), if `plan` is of the last epoch L̄, in units of cost.

    2 max{1, c_(p,9)D} √log(8DNR_L̄/δ) / √(M_L̄|M|).  The logarithm has δ where the line above (35) has δ_L̄: as
    printed.
    """
    D, N = schedule.D, schedule.n_agents
    _, c9, _ = proof_constants(problem, D=D, Delta0=schedule.Delta0)
    log = math.log(8 * D * N * plan.iterations / schedule.delta)
    return 2 * max(1.0, c9 * D) * math.sqrt(log / (plan.minibatch * cluster_size))


def bound_by_rollouts(
    problem: ProblemConstants, schedule: Schedule, Delta0_tilde: float, rollouts: int, cluster_size: int
) -> float:
    """Return (9) in the form (38) for T = `rollouts` per agent, in units of cost.

    D c_(p,13) √log(8DNT/δ) / √(T|M|), c_(p,13) = 4 max{1, c_(p,9)} √(c_(p,12) log(c_(p,11)T)).  NaN where c_(p,11)T ≤
    1: no epoch fits.
    """
    D, N, delta = schedule.D, schedule.n_agents, schedule.delta
    c, T = RolloutConstants(problem, schedule, Delta0_tilde), float(rollouts)
    if not c.c11 * T > 1:
        return math.nan
    c13 = 4 * max(1.0, c.c9) * math.sqrt(c.c12 * c.epochs(T))
    return D * c13 * math.sqrt(math.log(8 * D * N * T / delta)) / math.sqrt(T * cluster_size)
