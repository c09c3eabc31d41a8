"""Measure from rollouts what a schedule needs: cost, its variance, a smoothing radius and the curvature of the cost.

An oracle answers with means over rollouts, never with single ones, so a variance is that of means over small batches,
and a curvature is a second difference of mean costs,

    q(u) = (C(K + ru) + C(K − ru) − 2C(K)) / r²,      E q(u) = uᵀHu + O(r²),

along unit directions u that are chosen here.  All agents are asked at once, each about its own gain with its own
radius.  Nothing here reads a system: only `Oracle.costs` is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose, stream

__all__ = [
    "Curvature",
    "CurvatureRule",
    "Measured",
    "Point",
    "bounds_of_moments",
    "curvature",
    "design",
    "fewest_rollouts",
    "hessians",
    "measured",
    "probe",
    "second_differences",
]

#: How the largest curvature is found: from all entries of the Hessian, from the mean square of the second differences,
#: or from their mean and a prior on the condition number.
CurvatureRule = Literal["full", "spread", "trace"]

#: Unknowns up to which "full" measures every entry of the Hessian, along D² directions.
MOST_ENTRIES = 8
#: Relative rise of the mean cost at the largest smoothing radius.
RISE = 0.15
#: Condition number that "trace" assumes.
PRIOR_CONDITION = 10.0

_BATCHES, _LOOKS, _SMALLEST_BATCH, _FEWEST = 32, 4, 2, 8
_TRIALS, _DIRECTIONS, _STEP = 13, 4, 4.0
#: Shares of the probing's rollouts: cost and variance, all trials of a radius, curvature.
_COST, _TRIAL, _CURVATURE = 0.15, 0.03, 0.45
#: A cost beyond this multiple of the cost at the gain itself is taken for infinite.
_CLIFF = 10.0
#: Share of the sum of squares that one batch of `_BATCHES` may have, as a mean of `_LOOKS` such shares; of normal means
#: one has about a sixth.  Where costs are of the law of |Cauchy|, 0.87 of agents are above, and 0.11 where they are
#: squares of Student's t with 5 degrees of freedom, in batches of 9.
_TAIL = 0.5
#: Radius of the second half of second differences over that of the first, where the first met a cliff.
_SHRUNK = 0.25
#: Smallest upper bound on a curvature that is not seen, as the rise of the cost at the radius where it is measured.
_FLAT = 0.005
_ERRORS, _SEEN = 2.0, 3.0


@dataclass(frozen=True)
class Measured:
    """Hold mean costs of all agents, and the variance of a single rollout.

    Attributes:
        mean: Ĉ_i, ``(N,)``.
        variance: of one rollout, from the spread of the means of batches, ``(N,)``.
        rollouts: behind each mean.
        worst: largest share of one batch in the sum of squared deviations of 32 batches or fewer, the mean of such
            shares if there are more batches, ``(N,)``.
    """

    mean: FloatArray
    variance: FloatArray
    rollouts: int
    worst: FloatArray

    @property
    def errors(self) -> FloatArray:
        """Return the standard errors of the means, ``(N,)``."""
        return np.asarray(np.sqrt(self.variance / self.rollouts))


@dataclass(frozen=True)
class Point:
    """Hold gains ``(N, m, n)`` and what is known of their costs, by agent ``(N,)``.

    Attributes:
        gains: K_i.
        costs: Ĉ_i.
        errors: standard errors of these.
        variance: σ² of one rollout.
    """

    gains: FloatArray
    costs: FloatArray
    errors: FloatArray
    variance: FloatArray


@dataclass(frozen=True)
class Curvature:
    """Hold what second differences say of the Hessian at every agent's gain.

    Attributes:
        mean: tr H/D, ``(N,)``.
        largest: an estimate of the largest eigenvalue, or a bound on it, ``(N,)``.
        radius: r at which the mean cost is `RISE` above that of the gain, ``(N,)``.
    """

    mean: FloatArray
    largest: FloatArray
    radius: FloatArray


def measured(
    oracle: Oracle,
    gains: FloatArray,
    total: int,
    *,
    purpose: int,
    epoch: int,
    batches: int,
    discounts: FloatArray | None = None,
) -> Measured:
    """Estimate costs and the variance of a rollout from about `total` rollouts per agent, in equal batches.

    Args:
        oracle: answers.
        gains: K_i, ``(N, m, n)``.
        total: rollouts.
        purpose: first key of the streams.
        epoch: second key.
        batches: number of batches, 2 or more.
        discounts: in place of γ, ``(N,)``.

    Raises:
        ConfigError: naming the agent, for a mean that is no number.
    """
    size = max(1, total // batches)
    means = np.array([_costs(oracle, gains, size, purpose, epoch, discounts) for _ in range(batches)])
    centre = means.mean(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        total_squares = ((means - centre) ** 2).sum(axis=0)
        looks = np.array([_largest_share(part) for part in np.array_split(means, -(-batches // _BATCHES))])
    return Measured(centre, size * total_squares / (batches - 1), size * batches, looks.mean(axis=0))


def _largest_share(means: FloatArray) -> FloatArray:
    """Return the largest share of one batch in the sum of squared deviations; 0 if these are rounding, ``(N,)``."""
    centre = means.mean(axis=0)
    squares = (means - centre) ** 2
    total = squares.sum(axis=0)
    noisy = total > len(means) * (1e-12 * centre) ** 2
    return np.asarray(np.where(noisy, squares.max(axis=0) / np.where(noisy, total, 1.0), 0.0))


def design(D: int, count: int, epoch: int, *, every_entry: bool) -> FloatArray:
    """Return unit directions ``(k, D)`` along which curvatures are measured.

    With `every_entry` the D axes and then (e_i ± e_j)/√2 for all i < j, D² in all, which determine a Hessian; otherwise
    `count` directions of random orthonormal frames, drawn from a stream of the epoch.
    """
    if every_entry:
        axes = np.eye(D)
        pairs = [(axes[i] + sign * axes[j]) / math.sqrt(2) for i, j in combinations(range(D), 2) for sign in (1, -1)]
        return np.array([*axes, *pairs])
    rng = stream(0, Purpose.PROBING, epoch, D)
    frames = [np.linalg.qr(rng.standard_normal((D, D)))[0].T for _ in range(-(-count // D))]
    return np.asarray(np.concatenate(frames)[:count])


def second_differences(
    oracle: Oracle, at: Point, radii: FloatArray, directions: FloatArray, size: int, epoch: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Measure q(u) along every direction, from about `size` rollouts at each of K + ru and K − ru, in two halves.

    Where the first half meets a cost that is `_CLIFF` times that of the gain, or infinite, the agent drops it and takes
    the second half at a quarter of its radius; a cost that is still as high there counts as that multiple.  So one
    direction of instability makes a curvature large, not infinite.

    Args:
        oracle: answers.
        at: the gains and what is known there.
        radii: r, ``(N,)``.
        directions: u, ``(k, D)``.
        size: rollouts.
        epoch: key of the streams.

    Returns:
        q, ``(k, N)``; the radii of q, and the variance of every q that the noise at K ± ru makes, ``(N,)``.
    """
    half = max(1, size // 2)
    first = _both_sides(oracle, at.gains, radii, directions, half, epoch)
    scale = scale_of(at.costs, at.variance)
    cliff = _met_cliff(first, at.costs, scale)
    used = np.where(cliff, _SHRUNK * radii, radii)
    second = _both_sides(oracle, at.gains, used, directions, half, epoch)
    second = np.clip(second, at.costs - _CLIFF * scale, at.costs + _CLIFF * scale)
    both = np.where(cliff, second, 0.5 * first + 0.5 * second)
    q = (both.sum(axis=1) - 2 * at.costs) / used**2
    return np.asarray(q), used, np.asarray(2 * at.variance / np.where(cliff, half, 2 * half) / used**4)


def hessians(differences: FloatArray, D: int) -> FloatArray:
    """Return the Hessians ``(N, D, D)`` that fit the second differences of `design(…, every_entry=True)` best.

    Off the diagonal H_ij = (q(+) − q(−))/2; the diagonal fits q(e_i) and q(+) + q(−) = H_ii + H_jj, which has twice the
    variance, by weighted least squares.
    """
    pairs = list(combinations(range(D), 2))
    plus, minus = differences[D::2], differences[D + 1 :: 2]
    rows = np.zeros((D + len(pairs), D))
    rows[:D] = np.eye(D)
    found = np.zeros((differences.shape[1], D, D))
    for k, (i, j) in enumerate(pairs):
        found[:, i, j] = found[:, j, i] = 0.5 * (plus[k] - minus[k])
        rows[D + k, [i, j]] = 1.0
    weights = np.where(np.arange(len(rows)) < D, 1.0, math.sqrt(0.5))[:, None]
    sums = np.concatenate([differences[:D], plus + minus])
    diagonal = np.linalg.lstsq(weights * rows, weights * sums, rcond=None)[0]
    found[:, np.arange(D), np.arange(D)] = diagonal.T
    return found


def bounds_of_moments(mean: FloatArray, square: FloatArray, D: int) -> FloatArray:
    """Return the largest eigenvalue that a matrix may have whose uᵀHu have this mean and mean square.

    For u uniform on the sphere, E uᵀHu = tr H/D and E (uᵀHu)² = (tr²H + 2‖H‖²)/(D(D + 2)); a matrix with these has no
    eigenvalue above tr H/D + √((1 − 1/D)(‖H‖² − tr²H/D)), and one if all others are equal.
    """
    trace = D * mean
    frobenius = np.maximum(0.5 * (D * (D + 2) * square - trace**2), trace**2 / D)
    return np.asarray(mean + np.sqrt((1 - 1 / D) * (frobenius - trace**2 / D)))


def curvature(
    oracle: Oracle,
    at: Point,
    radii: FloatArray,
    total: int,
    *,
    epoch: int,
    rule: CurvatureRule,
    together: Callable[[FloatArray], FloatArray] | None = None,
    sizes: IntArray | None = None,
) -> Curvature:
    """Measure curvatures at gains whose costs are known, from about `total` rollouts per agent.

    A rise of the cost that is within three standard errors of zero is not believed: the curvature is then an upper
    bound, and the radius does not shrink.

    Args:
        oracle: answers.
        at: the gains and what is known there.
        radii: where the differences are taken, ``(N,)``.
        total: rollouts per agent.
        epoch: key of the streams.
        rule: how the largest curvature is found.
        together: averages second differences ``(N, k)`` over the agents of a set, which share a gain.
        sizes: of these sets, ``(N,)``.
    """
    D = at.gains[0].size
    every_entry = rule == "full" and D <= MOST_ENTRIES
    directions = design(D, max(D, 3 * _DIRECTIONS), epoch, every_entry=every_entry)
    size = max(2, total // (2 * len(directions)))
    q, radii, noise = second_differences(oracle, at, radii, directions, size, epoch)
    if together is not None and sizes is not None:
        averages = together(np.column_stack([q.T, noise]))
        q, noise = averages[:, :-1].T, averages[:, -1] / sizes
    if every_entry:
        eigenvalues = np.linalg.eigvalsh(hessians(q, D))
        mean, largest = eigenvalues.mean(axis=1), eigenvalues[:, -1]
    else:
        mean = q.mean(axis=0)
        spread = bounds_of_moments(mean, (q**2).mean(axis=0) - noise, D)
        largest = PRIOR_CONDITION**0.5 * mean if rule == "trace" else spread
    error = np.sqrt(noise / len(directions) + 4 * at.errors**2 / radii**4)
    seen = mean > _SEEN * error
    scale = scale_of(at.costs, at.variance)
    mean = np.where(seen, mean, np.maximum(np.maximum(mean, 0.0) + 2 * error, 2 * _FLAT * scale / radii**2))
    wanted = np.clip(np.sqrt(2 * RISE * scale / mean), 0.5 * radii, 2 * radii)
    return Curvature(mean, np.clip(largest, mean, D * mean), np.where(seen, wanted, np.maximum(wanted, radii)))


def scale_of(costs: FloatArray, variance: FloatArray) -> FloatArray:
    """Return the unit in which rises of the cost are counted: |Ĉ|, or σ where that is larger, ``(N,)``."""
    return np.maximum(np.abs(costs), np.sqrt(variance))


def fewest_rollouts(D: int) -> int:
    """Return the smallest number of rollouts per agent with which `probe` measures anything."""
    directions = D**2 if D <= MOST_ENTRIES else max(D, 3 * _DIRECTIONS)
    return math.ceil(max(_BATCHES * _LOOKS * _SMALLEST_BATCH / _COST, 2 * directions * _FEWEST / _CURVATURE))


def probe(oracle: Oracle, gains: FloatArray, total: int, *, epoch: int, rule: CurvatureRule) -> tuple[Point, Curvature]:
    """Measure all constants at the initial gains, from at most `total` rollouts per agent.

    Raises:
        ConfigError: naming the agent, for a gain whose cost is not finite, for costs without a finite variance, and for
            costs that do not rise however far the gain is moved.
    """
    before = oracle.nonfinite.copy()
    batches = _BATCHES * _LOOKS
    at_start = measured(oracle, gains, int(_COST * total), purpose=Purpose.PROBING, epoch=epoch, batches=batches)
    _check_start(at_start, oracle.nonfinite - before)
    radii = _radii(oracle, gains, at_start, int(_TRIAL * total), epoch)
    found = Point(gains, at_start.mean, at_start.errors, at_start.variance)
    return found, curvature(oracle, found, radii, int(_CURVATURE * total), epoch=epoch, rule=rule)


def _check_start(found: Measured, lost: IntArray) -> None:
    """Raise ConfigError for an agent whose first gain has no finite cost, or whose costs have no finite variance."""
    for i in np.flatnonzero((lost > 0) | ~np.isfinite(found.variance))[:1]:
        raise ConfigError(
            f"initial gain of agent {i}: found costs that diverge in {int(lost[i]):,} of {found.rollouts:,} rollouts, "
            "expected a gain of finite cost; without one, begin with an initial phase that anneals the discount"
        )
    for i in np.flatnonzero(found.worst > _TAIL)[:1]:
        raise ConfigError(
            f"costs of agent {i}: found that one of {_BATCHES} batches of rollouts has {found.worst[i]:.0%} of all "
            "variance, expected costs of finite variance; a gain near instability or rewards with heavy tails do that"
        )


def _radii(oracle: Oracle, gains: FloatArray, start: Measured, total: int, epoch: int) -> FloatArray:
    """Return for every agent a radius at which the mean cost is about `RISE` above that of its gain.

    From trial to trial the radius follows the square law of the rise, by at most a factor of 4; it shrinks where a
    rollout costs `_CLIFF` times as much, or is lost, and where one direction alone rises by 4·`RISE`.
    """
    N, D = len(gains), gains[0].size
    count = min(D, _DIRECTIONS)
    size = max(2, total // (2 * count))
    norms = np.linalg.norm(gains, axis=(1, 2))
    radii, done = 0.1 * np.where(norms > 0, norms, 1.0), np.zeros(N, dtype=np.bool_)
    scale = scale_of(start.mean, start.variance)
    error = np.sqrt(start.variance * (1 / (2 * count * size) + 1 / start.rollouts)) / scale
    highest = np.zeros(N)
    for trial in range(_TRIALS):
        directions = design(D, (trial + 1) * count, epoch, every_entry=False)[-count:]
        both = _both_sides(oracle, gains, radii, directions, size, epoch)
        cliff = _met_cliff(both, start.mean, scale)
        rise = (both.mean(axis=(0, 1)) - start.mean) / scale
        steepest = (both.mean(axis=1).max(axis=0) - start.mean) / scale
        seen = rise > np.maximum(_ERRORS * error, 1e-9)
        factor = np.where(seen, np.sqrt(RISE / np.maximum(rise, 1e-12)), _STEP)
        limit = np.sqrt(3 * RISE / np.maximum(steepest, 1e-12))
        factor = np.where(steepest > 4 * RISE, np.minimum(factor, limit), factor)
        factor = np.where(cliff, 1 / _STEP, np.clip(factor, 1 / _STEP, _STEP))
        sure = np.where(rise > 1e-9, rise / np.maximum(error, 1e-300), 0.0)  # less than 1e-9 is rounding
        highest = np.maximum(highest, np.where(cliff, np.inf, sure))
        found = seen & ~cliff & (np.abs(np.log(factor)) < math.log(1.5))
        radii = np.where(done, radii, radii * factor)
        done |= found
        if done.all():
            break
    for i in np.flatnonzero(highest <= _ERRORS)[:1]:
        raise ConfigError(
            f"costs of agent {i}: found that they do not rise when the gain is moved by {radii[i]:.3g}, expected costs "
            "that depend on the gain; constant costs cannot be optimised"
        )
    return radii


def _met_cliff(both: FloatArray, costs: FloatArray, scale: FloatArray) -> BoolArray:
    """Return which agents met a cost ``(k, 2, N)`` that is `_CLIFF` units from that of their gain, ``(N,)``."""
    return np.asarray((np.abs(both - costs) > _CLIFF * scale).any(axis=(0, 1)))


def _both_sides(
    oracle: Oracle, gains: FloatArray, radii: FloatArray, directions: FloatArray, size: int, epoch: int
) -> FloatArray:
    """Return mean costs at K + ru and K − ru of every direction ``(k, 2, N)``."""
    answers = np.empty((len(directions), 2, len(gains)))
    for k, u in enumerate(directions):
        offsets = radii[:, None, None] * u.reshape(gains.shape[1:])
        for side, sign in enumerate((1.0, -1.0)):
            answers[k, side] = _costs(oracle, gains + sign * offsets, size, Purpose.PROBING, epoch)
    return answers


def _costs(
    oracle: Oracle, gains: FloatArray, size: int, purpose: int, epoch: int, discounts: FloatArray | None = None
) -> FloatArray:
    """Ask for mean costs; ConfigError for an answer that is no number."""
    own = {} if discounts is None else {"discounts": discounts}
    values = oracle.costs(gains, size, purpose=purpose, epoch=epoch, **own).values
    for i in np.flatnonzero(np.isnan(values))[:1]:
        raise ConfigError(f"costs of agent {i}: found NaN, expected a number, or an infinite cost to mark a failure")
    return values
