"""Find the best linear gain of a nonlinear plant: Newton's method on the mean cost of fixed paths of the noise.

Nothing about a nonlinear plant is known in closed form, so what is true of it is computed: C_S(K) is the mean cost over
S paths, the same for every gain (common random numbers).  It is a function of K without noise, its differences are
exact but for rounding, and its minimum is the best gain up to a gap of tr(H⁻¹Σ)/(2S) on average, Σ the covariance of
one path's gradient.  Gaps C_S(K) − C_S(K̂) over the same paths are those of the plant up to factors 1 + O(S^(−1/2)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.oracles.plant import CHUNK
from pcpo.oracles.plants.compiled import CompiledPlant
from pcpo.simulation.kernels import BLOCK
from pcpo.simulation.noise import Purpose, stream

__all__ = ["BestGain", "SampleCost", "best_gain"]

#: Relative rise of the cost at a step of second differences, and the step of first ones over it, whose error is cubic.
_RISE, _FIRST = 1e-2, 0.1
#: First step of second differences, over max(1, |K|).
_FIRST_STEP = 1e-2
#: Newton's method ends at a decrement of this share of the gap that the choice of the paths leaves, or, where paths
#: hardly differ, at this multiple of the cost.
_SHARE, _TOLERANCE = 0.1, 1e-9
_ITERATIONS, _HALVINGS = 20, 12
#: Share of the paths on which the Hessian, and a first guess of the gain, are found.
_ROUGH = 8


@dataclass(frozen=True)
class SampleCost:
    """Estimate costs of gains by the same paths for all of them.

    Attributes:
        plant: the plant.
        gamma: γ.
        horizon: h, stages of a rollout.
        paths: S, rounded up to whole blocks of 64.
        seed: of the paths.
        key: of their stream.
    """

    plant: CompiledPlant
    gamma: float
    horizon: int
    paths: int
    seed: int
    key: tuple[int, ...] = ()

    def __call__(self, gains: FloatArray) -> FloatArray:
        """Return mean costs ``(k,)`` of gains ``(k, m, n)``; infinite where a path's cost is not finite."""
        return self.moments(gains, np.eye(len(gains)))[0]

    def moments(self, gains: FloatArray, forms: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means ``(j,)`` and covariance of one path ``(j, j)`` of linear forms ``(j, k)`` of the costs."""
        if gains.ndim != 3 or gains.shape[1:] != (self.plant.m, self.plant.n):
            raise ConfigError(f"gains: found shape {gains.shape}, expected (k, {self.plant.m}, {self.plant.n})")
        rng, blocks = stream(self.seed, Purpose.EVALUATION, *self.key), -(-self.paths // BLOCK)
        total, squares = np.zeros(len(forms)), np.zeros((len(forms), len(forms)))
        for first in range(0, blocks, CHUNK // BLOCK):
            words = self.plant.words(rng, min(CHUNK // BLOCK, blocks - first), self.horizon)
            spread = (words.shape[1], gains[0].size, BLOCK)
            each = [
                self.plant.costs(np.ascontiguousarray(np.broadcast_to(K.reshape(-1, 1), spread)), words, self.gamma)
                for K in gains
            ]
            with np.errstate(invalid="ignore", over="ignore"):
                values = forms @ np.stack([costs.ravel() for costs in each])
                total += values.sum(axis=1)
                squares += values @ values.T
        count = blocks * BLOCK
        with np.errstate(invalid="ignore", over="ignore"):
            means = total / count
            covariance = squares / count - np.outer(means, means)
        return np.where(np.isnan(means), np.inf, means), covariance


@dataclass(frozen=True)
class BestGain:
    """Hold the best linear gain of a plant.

    Attributes:
        gain: K̂, ``(m, n)``.
        cost: C_S(K̂).
        error: standard error of the cost, over choices of the paths.
        gap_error: tr(H⁻¹Σ)/(2S), the gap of K̂ that the choice of the paths leaves on average, and the decrement
            gᵀH⁻¹g/2 at which Newton's method ended, far below unless it ended early.
        hessian: H of C at K̂ by rows of K, ``(D, D)``, from an eighth of the paths.
        iterations: of Newton's method.
    """

    gain: FloatArray
    cost: float
    error: float
    gap_error: float
    hessian: FloatArray
    iterations: int


def best_gain(cost: SampleCost, start: FloatArray) -> BestGain:
    """Minimise the mean cost over fixed paths by Newton's method with halved steps.

    Derivatives are central differences.  The Hessian is that of an eighth of the paths, on which Newton's method runs
    first; of all paths there is the gradient alone.

    Args:
        cost: of the plant.
        start: a gain of finite cost, ``(m, n)``.

    Raises:
        ConfigError: for a start of infinite cost.
    """
    rough = replace(cost, paths=-(-cost.paths // _ROUGH))
    gain, steps = np.asarray(start, dtype=np.float64), _FIRST_STEP * np.maximum(1.0, np.abs(start)).ravel()
    if not np.isfinite(rough(gain[None])[0]):
        raise ConfigError("start: found a gain of infinite cost, expected one of finite cost")
    first = _descended(rough, gain, steps, None)
    found = _descended(cost, first.gain, np.sqrt(2 * _RISE * first.cost / np.diag(first.hessian)), first.hessian)
    return replace(found, iterations=first.iterations + found.iterations)


def _descended(cost: SampleCost, gain: FloatArray, steps: FloatArray, known: FloatArray | None) -> BestGain:
    """Return the minimum over the paths of `cost`, with a Hessian found anew in every iteration unless it is known."""
    paths = -(-cost.paths // BLOCK) * BLOCK
    for iteration in range(_ITERATIONS):
        hessian, steps = (known, steps) if known is not None else _hessian(cost, gain, steps)
        means, covariance = cost.moments(_around(gain, _FIRST * steps), _forms(_FIRST * steps))
        here, gradient = float(means[0]), means[1:]
        move = np.asarray(-np.linalg.solve(hessian, gradient), dtype=np.float64)
        decrement = -float(gradient @ move) / 2
        left = float(np.trace(np.linalg.solve(hessian, covariance[1:, 1:]))) / (2 * paths)
        error = float(np.sqrt(covariance[0, 0] / paths))
        found = BestGain(gain, here, error, left + decrement, hessian, iteration)
        if decrement <= _SHARE * left + _TOLERANCE * here:
            break
        moved = _moved(cost, gain, move.reshape(gain.shape), here)
        if np.array_equal(moved, gain):  # paths so few that differences are rough: no better gain is in sight
            break
        gain = moved
    return found


def _forms(steps: FloatArray) -> FloatArray:
    """Return the forms of the costs of `_around` that are the cost and its gradient, ``(1 + D, 1 + 2D)``."""
    D = len(steps)
    forms = np.zeros((1 + D, 1 + 2 * D))
    forms[0, 0] = 1.0
    for i, step in enumerate(steps):
        forms[1 + i, 1 + 2 * i : 3 + 2 * i] = np.array([0.5, -0.5]) / step
    return forms


def _moved(cost: SampleCost, gain: FloatArray, move: FloatArray, here: float) -> FloatArray:
    """Return the gain after the longest part 1, 1/2, 1/4, … of a move that lowers the cost, or the gain itself."""
    for k in range(_HALVINGS):
        tried = gain + 0.5**k * move
        if cost(tried[None])[0] < here:
            return np.asarray(tried)
    return gain


def _around(gain: FloatArray, steps: FloatArray) -> FloatArray:
    """Return the gain, and the gains a step up and down in every entry, ``(1 + 2D, m, n)``."""
    moves = np.zeros((1 + 2 * gain.size, gain.size))
    for i, step in enumerate(steps):
        moves[1 + 2 * i, i], moves[2 + 2 * i, i] = step, -step
    return np.asarray(gain + moves.reshape(-1, *gain.shape))


def _hessian(cost: SampleCost, gain: FloatArray, steps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the Hessian ``(D, D)`` by differences, made positive definite, and the next steps ``(D,)``."""
    D, values = gain.size, cost(_around(gain, steps))
    here, up, down = values[0], values[1::2], values[2::2]
    found = np.diag((up - 2 * here + down) / steps**2)
    pairs = list(combinations(range(D), 2))
    moves = np.zeros((2 * len(pairs), D))
    for k, (i, j) in enumerate(pairs):
        moves[2 * k, [i, j]] = steps[[i, j]]
        moves[2 * k + 1, [i, j]] = -steps[[i, j]]
    if pairs:
        corners = cost(gain + moves.reshape(-1, *gain.shape)).reshape(-1, 2).sum(axis=1)
        for (i, j), corner in zip(pairs, corners, strict=True):
            mixed = corner - up[i] - down[i] - up[j] - down[j] + 2 * here
            found[i, j] = found[j, i] = mixed / (2 * steps[i] * steps[j])
    eigenvalues, vectors = np.linalg.eigh(found)
    size = np.maximum(np.abs(eigenvalues), 1e-6 * np.abs(eigenvalues).max())
    hessian = vectors * size @ vectors.T
    return np.asarray(hessian), np.sqrt(2 * _RISE * here / np.diag(hessian))
