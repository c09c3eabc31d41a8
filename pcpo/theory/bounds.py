"""Evaluate the right-hand sides of Theorem 2 with the constants of eq.

(21) as printed: (35) by the minibatch, (9) by T.
"""

from __future__ import annotations

import math

from pcpo.algorithms.schedule import EpochPlan, ProblemConstants, Schedule, proof_constants

__all__ = ["bound_by_minibatch", "bound_by_rollouts"]


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
    D, N, Delta0, delta = schedule.D, schedule.n_agents, schedule.Delta0, schedule.delta
    _, c9, c10 = proof_constants(problem, D=D, Delta0=Delta0)
    c11 = Delta0**2 / (c10 * math.log(8 * D * N / delta))
    c12 = schedule.constants.c2 * (math.log(c10 * N * Delta0_tilde**2 / Delta0**2) + math.log(4))
    T = float(rollouts)
    if not c11 * T > 1:
        return math.nan
    c13 = 4 * max(1.0, c9) * math.sqrt(c12 * math.log(c11 * T))
    return D * c13 * math.sqrt(math.log(8 * D * N * T / delta)) / math.sqrt(T * cluster_size)
