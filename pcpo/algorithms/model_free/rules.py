"""Decide from rollouts alone: radii, step sizes, when to stop, which agents differ, and whose gain to adopt.

Every decision compares numbers that the agents have measured with the standard errors of these numbers.  The letters
are the paper's; k is the number of standard errors that a difference must have before anything follows from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pcpo.algorithms.model_free.probing import RISE, Curvature, Point, scale_of
from pcpo.algorithms.server import Server
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["Grouping", "Shares", "adopted", "closed", "dearer", "grouped", "radii", "settled"]

#: Excess of the cost that smoothing causes, over C·(relative rise of the mean cost)²; chosen on fleets of other seeds
#: than those of any evidence.
_BIAS = 3.0
_SMALLEST_RADIUS = 1e-3
#: Groups that tests of gains can find in one epoch; any further ones are found by (7) alone.
MOST_TESTS = 4


@dataclass(frozen=True)
class Shares:
    """Divide the rollouts of an epoch: curvature, local iterations, costs, tests, costs of the output.

    Global iterations have the rest, and whatever the other purposes leave over.
    """

    curvature: float
    local: float
    costs: float
    tests: float
    output: float


@dataclass(frozen=True)
class Grouping:
    """Hold what an epoch has found of who belongs together.

    Attributes:
        labels: equal for agents of a group, ``(N,)``.
        leaders: the agent whose gain an agent starts from, ``(N,)``.
        distances: difference of an agent's cost under its leader's gain from the leader's own, in standard errors;
            zero for leaders and where nothing was tested, ``(N,)``.
        nearest: the smallest such distance from a leader whose group the agent did not join; infinite without.
        costs: estimated cost of the leader's gain at the agent, ``(N,)``.
        cost_errors: standard errors of these.
    """

    labels: IntArray
    leaders: IntArray
    distances: FloatArray
    nearest: FloatArray
    costs: FloatArray
    cost_errors: FloatArray

    @property
    def sets(self) -> Neighbourhoods:
        """Return the groups as sets N_i, which are a partition."""
        return Neighbourhoods.partition(self.labels)


def radii(bent: Curvature, at: Point, rollouts: FloatArray, steps: FloatArray, exponent: float) -> FloatArray:
    """Return smoothing radii r = r_cap·min(1, M_ref/M)^exponent, ``(N,)``.

    With ε the relative rise of the mean cost at r, noise leaves a gap of about ησ²D²h̄/(8CεM) and smoothing one of about
    κCε², κ = 3; M_ref is the minibatch at which the best ε is the largest, 0.15.  From there on the sum is smallest
    for ε ∝ M^(−1/3), exponent 1/6; the paper's radius has 1/4.

    Args:
        bent: curvatures, and the radii r_cap.
        at: where they were measured.
        rollouts: M, or M|N_i| for averages over N_i, ``(N,)``.
        steps: η_i, ``(N,)``.
        exponent: of M.
    """
    D = at.gains[0].size
    scale = scale_of(at.costs, at.variance)
    reference = steps * D**2 * at.variance * bent.mean / (16 * _BIAS * scale**2 * RISE**3)
    factor = np.minimum(1.0, reference / rollouts) ** exponent
    return np.asarray(bent.radius * np.maximum(factor, _SMALLEST_RADIUS))


def settled(gradients: FloatArray) -> BoolArray:
    """Return for every agent whether the mean of its gradients is within two standard errors of zero, ``(N,)``.

    n‖ḡ‖²/s² is about χ² with D degrees of freedom if the mean is zero, s² the mean variance of an entry; two standard
    errors above its mean is D + 2√(2D).  The server ends the iterations when all agents say so.

    Args:
        gradients: the last n ≥ 2 estimates, ``(n, N, m, n)``.
    """
    count, D = len(gradients), gradients[0, 0].size
    squares = np.sum(gradients.mean(axis=0) ** 2, axis=(1, 2))
    variance = gradients.var(axis=0, ddof=1).mean(axis=(1, 2))
    return np.asarray(count * squares <= variance * (D + 2 * math.sqrt(2 * D)))


def dearer(costs: FloatArray, errors: FloatArray, than: FloatArray, than_errors: FloatArray, k: float) -> BoolArray:
    """Return which costs are above others by more than k standard errors, or are no finite numbers, ``(N,)``."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(~(costs <= than + k * np.hypot(errors, than_errors) + _rounding(than)))


def closed(costs: FloatArray, widths: FloatArray) -> IntArray:
    """Return labels of the transitive closure of (7): agents in order of cost, cut where neighbours differ too much.

    Args:
        costs: Ĉ_i, ``(N,)``.
        widths: w_i; two agents are alike if their costs differ by at most √(w_i² + w_j²), ``(N,)``.
    """
    order = np.argsort(costs, kind="stable")
    labels, label = np.zeros(len(costs), dtype=np.int64), 0
    for a, b in pairwise(order):
        with np.errstate(over="ignore", invalid="ignore"):
            alike = costs[b] - costs[a] <= np.hypot(widths[a], widths[b]) + _rounding(costs[a])
        label += not alike
        labels[b] = label
    return labels


def grouped(at: Point, oracle: Oracle, server: Server, *, rollouts: int, epoch: int, k: float) -> Grouping:
    """Group agents by tests of gains: two agents of one system pay the same under one gain, whatever the gain.

    The cheapest agent of those without a group leads; all others of these try its gain, and join if their cost is
    within k standard errors of the leader's.  A cluster needs no optimal gains for this, and two clusters differ by at
    least the difference of their optimal costs and, unless they share gains, by the gap of one at the other's gain.
    Each leader has half of the rollouts that are left.  After `MOST_TESTS` leaders the closure of (7) groups the rest.

    Args:
        at: the local gains, and what is known of their costs.
        oracle: answers.
        server: carries the gains that are tried, and the costs.
        rollouts: per agent of all tests together.
        epoch: key of the streams.
        k: standard errors.
    """
    N, left = len(at.costs), rollouts
    found = Grouping(
        np.full(N, -1, dtype=np.int64), np.arange(N), np.zeros(N), np.full(N, np.inf), at.costs.copy(), at.errors.copy()
    )
    labels = found.labels
    for _ in range(MOST_TESTS):
        free = np.flatnonzero(labels < 0)
        if not free.size:
            break
        leader = int(free[np.argmin(at.costs[free])])
        labels[leader] = leader
        waiting = labels < 0
        if not waiting.any():
            break
        size = max(1, left // 2)
        left -= size
        tried = np.where(waiting[:, None, None], at.gains[leader], at.gains)
        costs = _tried(tried, oracle, server, size, epoch)
        far = _apart(costs, at, leader, size)
        joins = waiting & (far <= k)
        labels[joins], found.leaders[joins], found.distances[joins] = leader, leader, far[joins]
        found.costs[joins], found.cost_errors[joins] = costs[joins], np.sqrt(at.variance[joins] / size)
        others = waiting & ~joins
        found.nearest[others] = np.minimum(found.nearest[others], far[others])
    _close_rest(labels, found.leaders, at, k)
    return found


def adopted(
    at: Point, labels: IntArray, oracle: Oracle, server: Server, *, rollouts: int, epoch: int, k: float
) -> Grouping:
    """Apply (8) within given groups, after a test: an agent for which the leader's gain is dearer forms its own group.

    Arguments are those of `grouped`, and the groups, ``(N,)``.
    """
    N = len(labels)
    leaders = Neighbourhoods.partition(labels).cheapest(at.costs)
    found = _tried(at.gains[leaders], oracle, server, rollouts, epoch)
    refuses = dearer(found, np.sqrt(at.variance / rollouts), at.costs, at.errors, k) & (leaders != np.arange(N))
    own = np.where(refuses, np.arange(N), leaders)
    costs, errors = np.where(refuses, at.costs, found), np.where(refuses, at.errors, np.sqrt(at.variance / rollouts))
    return Grouping(own, own, np.zeros(N), np.full(N, np.inf), costs, errors)


def _apart(found: FloatArray, at: Point, leader: int, size: int) -> FloatArray:
    """Return how far costs under the leader's gain are from the leader's own, in standard errors, ``(N,)``.

    The leader has tried its gain again with the others: of the cheapest of many, the first estimate alone is too small.
    """
    before = at.variance[leader] / at.errors[leader] ** 2 if at.errors[leader] > 0 else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        own = (before * at.costs[leader] + size * found[leader]) / (before + size)
        spread = np.sqrt(at.variance[leader] * (1 / size + 1 / (before + size))) + _rounding(own)
        far = np.abs(found - own) / np.maximum(spread, 1e-300)
    return np.asarray(np.where(np.isfinite(far), far, np.inf))


def _close_rest(labels: IntArray, leaders: IntArray, at: Point, k: float) -> None:
    """Group the agents without a group by the closure of (7), in place."""
    rest = np.flatnonzero(labels < 0)
    if rest.size:
        among = closed(at.costs[rest], k * at.errors[rest])
        for label in range(among.max() + 1):
            members = rest[among == label]
            labels[members] = leaders[members] = members[np.argmin(at.costs[members])]


def _tried(gains: FloatArray, oracle: Oracle, server: Server, rollouts: int, epoch: int) -> FloatArray:
    """Run one round: a gain down to every agent, its estimated cost there up, ``(N,)``."""
    server.open_round()
    server.down(gains)
    found = oracle.costs(gains, rollouts, purpose=Purpose.TESTS, epoch=epoch).values
    server.up(found)
    return found


def _rounding(costs: FloatArray) -> FloatArray:
    """Return differences that are rounding, for costs without noise."""
    return np.asarray(1e-9 * np.abs(costs))
