"""How the statistical tests judge: standard errors from the samples, one threshold, and two systems to try on.

A family of k scores is accepted if the largest lies below the two-sided normal quantile of LEVEL/k (Bonferroni), and
a T² or a proportion if its p-value exceeds LEVEL.  Every seed is fixed.  Each test ends with controls: wrong formulas
that the same judgement, on the same samples, must reject.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pcpo import lqr
from pcpo.fleets.fleet import LinearSystem
from pcpo.simulation.estimators import rollout_costs
from pcpo.simulation.kernels import BLOCK
from pcpo.simulation.noise import NoiseLaw, draw_directions, stream

Array = NDArray[np.float64]

LEVEL = 1e-4
_BLOCKS_AT_ONCE = 128

TWO = LinearSystem([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.8)
THREE = LinearSystem(
    [[0.9, 0.3, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]],
    [[0.0, 1.0], [1.0, 0.0], [0.5, 0.2]],
    np.diag([1.0, 2.0, 0.5]),
    [[1.0, 0.2], [0.2, 2.0]],
    0.8,
)
SYSTEMS = {"two_states": TWO, "three_states": THREE}


def consistent(*scores: float) -> bool:
    """Whether z-scores could all come from standard normal variables."""
    return float(np.max(np.abs(scores))) < stats.norm.isf(LEVEL / (2 * len(scores)))


def z_score(samples: Array, expected: float) -> float:
    """(mean − expected)/SE, SE = s/√k, for independent samples ``(k,)``."""
    return float((np.mean(samples) - expected) / (np.std(samples, ddof=1) / np.sqrt(len(samples))))


def variance_z_score(samples: Array, expected: float) -> float:
    """(s² − expected)/SE with SE² = (m_4 − s⁴(k − 3)/(k − 1))/k, m_4 the fourth central moment; samples ``(k,)``."""
    k, s2 = len(samples), float(np.var(samples, ddof=1))
    m4 = float(np.mean((samples - np.mean(samples)) ** 4))
    return (s2 - expected) / float(np.sqrt((m4 - s2**2 * (k - 3) / (k - 1)) / k))


def ratio_z_score(numerator: Array, denominator: Array, expected: float) -> float:
    """(ā/b̄ − expected)/SE by the delta method, for independent samples of a and of b, ``(k,)`` each."""
    ratio = float(np.mean(numerator) / np.mean(denominator))
    relative = [np.var(x, ddof=1) / (len(x) * np.mean(x) ** 2) for x in (numerator, denominator)]
    return (ratio - expected) / float(ratio * np.sqrt(sum(relative)))


def mean_p_value(samples: Array, expected: Array) -> float:
    """Hotelling's T² test that independent samples ``(k, D)`` have the mean `expected` ``(D,)``."""
    k, D = samples.shape
    off = samples.mean(axis=0) - expected
    T2 = k * off @ np.linalg.solve(np.cov(samples, rowvar=False).reshape(D, D), off)
    return float(stats.f.sf(T2 * (k - D) / (D * (k - 1)), D, k - D))


def gain_near(system: LinearSystem, size: float, seed: int = 3) -> Array:
    """K* + size·V, V a fixed unit direction."""
    V = stream(seed, 9, system.D).standard_normal((system.m, system.n))
    return np.asarray(lqr.riccati(system).K + size * V / np.linalg.norm(V))


def simulated_costs(
    system: LinearSystem, gain: Array, law: NoiseLaw, *, horizon: int, rollouts: int, seed: int, radius: float = 0.0
) -> tuple[Array, Array]:
    """Costs ``(rollouts,)`` of single rollouts of the engine at gain + radius·U, and the directions U."""
    parts = list(_parts(system, gain, law, horizon, -(-rollouts // BLOCK), seed, radius))
    costs, U = (np.concatenate(part)[:rollouts] for part in zip(*parts, strict=True))
    return costs, U


def _parts(
    system: LinearSystem, gain: Array, law: NoiseLaw, horizon: int, blocks: int, seed: int, radius: float
) -> Iterator[tuple[Array, Array]]:
    directions, noise = stream(seed, 0), stream(seed, 1)
    for first in range(0, blocks, _BLOCKS_AT_ONCE):
        count = min(_BLOCKS_AT_ONCE, blocks - first)
        U = np.empty((count, system.D, BLOCK))
        draw_directions(directions, U)
        drawn = law.draw(noise, count, horizon - 1, system.n)
        costs, nonfinite = rollout_costs(system, gain, drawn, law=law, directions=U, radius=radius)
        assert nonfinite == 0
        yield costs.ravel(), U.transpose(0, 2, 1).reshape(-1, system.D)
