"""Draw initial gains with an exact initial gap, found along random rays.

The gap is continuous in K with values in (0, ∞] and grows without bound along every ray, so it crosses any level; gains
beyond the edge of finite cost count as infinite. The root is bracketed on target/(gap + target), which is finite there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy  # loads scipy.optimize at its first use
from numpy.typing import NDArray

from pcpo.errors import FleetError
from pcpo.fleets.roots import brent_roots
from pcpo.lqr.cost import spectral_radius
from pcpo.lqr.optimum import gap_array, riccati
from pcpo.lqr.system import Array, LinearSystem, SystemStack

__all__ = ["INITIAL_RULES", "draw_initial_gains", "gains_at_gaps", "smallest_common_gap"]

Objective = Callable[[Array], float]
Objectives = Callable[[NDArray[np.int64], Array], Array]
MAX_DOUBLINGS = 200
INITIAL_RULES = ("common", "per_cluster", "per_agent")


def draw_initial_gains(
    systems: tuple[LinearSystem, ...], labels: NDArray[np.int64], rule: str, gap: float, rng: np.random.Generator
) -> Array:
    """Draw initial gains (N, m, n).

    Rules "per_agent" and "per_cluster": C(K⁰) - C* = gap for the system of each agent. Rule "common": one gain whose
    largest gap over the clusters is `gap`; FleetError, with the smallest that was found, if there is none.
    """
    if rule == "common":
        return np.repeat(_common_gain(systems, gap, rng)[None], len(labels), axis=0)
    if rule == "per_cluster":
        return gains_at_gaps(systems, np.arange(len(systems)), gap, rng)[labels]
    return gains_at_gaps(systems, labels, gap, rng)


def gains_at_gaps(
    systems: tuple[LinearSystem, ...], labels: NDArray[np.int64], gap: float | Array, rng: np.random.Generator
) -> Array:
    """Draw a gain ``(m, n)`` for every label whose gap, for the system of that label, is `gap`, or its own of ``(k,)``.

    The gain lies on a random ray from K*: its direction is uniform on the unit sphere.
    """
    best = [riccati(system) for system in systems]
    G, K_star = np.stack([b.G for b in best]), np.stack([b.K for b in best])

    def gaps(which: NDArray[np.int64], gains: Array) -> Array:
        own = labels[which]
        return gap_array(SystemStack.of(systems, own), G[own], K_star[own], gains, apart=True)

    return _on_rays(gaps, K_star[labels], gap, rng)


def _on_rays(objective: Objectives, centres: Array, level: float | Array, rng: np.random.Generator) -> Array:
    """Return centre + t V for every centre, V uniform on the unit sphere, t ≥ 0 with objective = level.

    All rays are searched side by side, and each gain has the bits that it would have alone.

    Args:
        objective: from the places of some centres and a gain for each to their objectives; at most `level` at a centre.
        centres: (k, m, n).
        level: positive, one for all or one for each centre ``(k,)``.
        rng: draws the directions, one after the other.
    """
    V = rng.standard_normal(centres.shape)
    V /= np.array([np.linalg.norm(v) for v in V])[:, None, None]

    def excess(which: NDArray[np.int64], t: Array) -> Array:  # decreases through 0; -1/2 where it is infinite
        own = levels[which]
        return np.asarray(own / (objective(which, centres[which] + t[:, None, None] * V[which]) + own) - 0.5)

    k = len(centres)
    levels = np.broadcast_to(np.asarray(level, dtype=np.float64), k)
    at_centre = excess(np.arange(k), np.zeros(k))
    rays = np.flatnonzero(at_centre > 0.0)
    high = 1e-3 * (1.0 + np.array([np.linalg.norm(centre) for centre in centres]))
    beyond, left = np.full(k, np.nan), rays
    for _ in range(MAX_DOUBLINGS):
        beyond[left] = excess(left, high[left])
        left = left[~(beyond[left] <= 0.0)]
        if not left.size:
            break
        high[left] *= 2.0
    t = np.zeros(k)
    t[rays] = brent_roots(lambda some, x: excess(rays[some], x), high[rays], at_centre[rays], beyond[rays])
    return np.asarray(centres + t[:, None, None] * V)


def _largest_gap(systems: tuple[LinearSystem, ...]) -> Objective:
    """Return max_j C_j(K) - C_j*, over all clusters at once."""
    everyone = np.arange(len(systems))
    stack, best = SystemStack.of(systems, everyone), [riccati(system) for system in systems]
    G, K_star = np.stack([b.G for b in best]), np.stack([b.K for b in best])
    return lambda K: float(gap_array(stack, G, K_star, K).max())


def _common_gain(systems: tuple[LinearSystem, ...], gap: float, rng: np.random.Generator) -> Array:
    """Draw a gain whose largest gap over the clusters is `gap`."""
    objective = _largest_gap(systems)
    centre, reached = _best_candidate(systems)
    if reached > gap:
        centre, reached = smallest_common_gap(systems)
    if reached > gap:
        raise FleetError(
            f"initial_gap: found {gap:g} for one common first gain, expected at least {reached:.6g}, the "
            "smallest found for these clusters; raise it, or use per_cluster or per_agent"
        )
    [gain] = _on_rays(lambda _, gains: np.array([objective(K) for K in gains]), centre[None], gap, rng)
    return np.asarray(gain)


def _best_candidate(systems: tuple[LinearSystem, ...]) -> tuple[Array, float]:
    """Return the best of the optimal gains and their mean for the worst cluster."""
    gains = [riccati(system).K for system in systems]
    candidates = [np.mean(gains, axis=0), *gains]
    values = [_largest_gap(systems)(K) for K in candidates]
    best = int(np.argmin(values))
    return candidates[best], values[best]


def smallest_common_gap(systems: tuple[LinearSystem, ...]) -> tuple[Array, float]:
    """Return argmin_K max_j C_j(K) - C_j* and its value, by Nelder-Mead from the best optimal gain or their mean.

    A local search, so the value is an upper bound on the smallest.

    Raises:
        FleetError: if the search meets no gain at which every cluster has finite cost.
    """
    centre, reached = _best_candidate(systems)
    root = np.sqrt(systems[0].gamma)
    if not np.isfinite(reached):
        centre = _descend(lambda K: max(root * float(spectral_radius(s, K)) for s in systems), centre)
    if not np.isfinite(_largest_gap(systems)(centre)):
        raise FleetError(
            "initial: found no gain of finite cost for every cluster, expected one for a common first "
            "gain; use per_cluster or per_agent"
        )
    centre = _descend(_largest_gap(systems), centre)
    return centre, _largest_gap(systems)(centre)


def _descend(objective: Objective, start: Array) -> Array:
    """Run Nelder-Mead, restarted twice, since the objective is a maximum and the simplex may collapse on a kink."""
    point, shape = start.ravel(), start.shape
    options: Any = {"adaptive": True, "maxfev": 300 * point.size, "xatol": 1e-8, "fatol": 1e-10}

    def finite(flat: Array) -> float:
        return min(objective(flat.reshape(shape)), 1e300)

    for _ in range(3):
        result = scipy.optimize.minimize(finite, point, method="Nelder-Mead", options=options)
        point = result.x
    return np.asarray(point.reshape(shape), dtype=np.float64)
