"""Draw the fleets of the group "soft_clusters": random clusters whose optimal gains have a given distance.

The distance of clusters j and k is ρ = ½‖K_j* − K_k*‖²_H over the local gap after the last epoch, H the Hessian at K_0*
of cluster 0: what a member of k would lose with the gain of j, in units of what it loses by learning alone.  Cluster 0
is random, and so are the others, each on the straight line from cluster 0 to a random system of its own,

    (A, B, Q, R)(t) = (1 − t)(A, B, Q, R)_0 + t (A, B, Q, R)_1,      0 ≤ t ≤ 1,

at the point where its distance from cluster 0 is ρ.  Q and R are rescaled so that the optimal costs are Δ apart.  "Far"
clusters are the random systems themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf

import numpy as np
import scipy  # loads scipy.optimize at its first use

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.errors import FleetError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.initial_gains import draw_initial_gains
from pcpo.fleets.random import condition, draw_system, too_close, with_optimal_cost
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import NoiseLaw, Purpose, noise_law, stream
from pcpo.theory.rates import gap_law

__all__ = ["SHAPES", "SIZES", "Drawn", "Range", "draw", "unstable"]

#: States and inputs, and agents of each cluster, dealt out by the number of the fleet.
SHAPES = tuple((n, m) for n in (1, 2, 3, 4) for m in (1, 2))
SIZES = ((4, 4), (6, 3), (3, 3, 3), (5, 4))
_GAMMA, _OPTIMAL_COST, _FIRST_GAP, _CONDITION = 0.8, 20.0, 1.0, 6.0
#: Ranges of ρ(A), and of √γ·ρ(A), for stable and unstable open loops.
_STABLE, _UNSTABLE = (0.6, 0.98), (1.02, 1.15)
_DISTANCE, _GAIN_DISTANCE = 0.3, 0.3
_LAW = "signs"
#: Optimal costs of clusters with ρ = 0 differ by this, relative to C*: fleets refuse equal ones.
_LEAST = 1e-6
_ATTEMPTS = 2000
_RTOL = 1e-6  # of the place on a line


@dataclass(frozen=True)
class Range:
    """Hold what all fleets of a study share: the schedule, and the Δ of far clusters (cost units, C* = 20)."""

    epochs: int
    Delta0: float
    minibatch_scale: float
    far_separation: float


@dataclass(frozen=True, eq=False)
class Drawn:
    """Hold a fleet with its schedule.

    Attributes:
        experiment: the fleet and its schedule.
        law: of the noise.
        minibatch_scale: κ_M.
        local_gap: of cluster 0 after the last epoch, closed form (cost units).
    """

    experiment: Experiment
    law: NoiseLaw
    minibatch_scale: float
    local_gap: float


@lru_cache(maxsize=32)
def draw(number: int, distance: float, chosen: Range) -> Drawn:
    """Draw a fleet; at all distances, fleets of a number have the same cluster 0 and the same lines from it.

    Δ is Δ_L̄ ρ/64, Δ_L̄ that of the last epoch, and at least 2·10⁻⁵ (C* is 20): with ρ it goes to zero.  Far clusters
    (ρ infinite) have the Δ of `chosen`.

    Raises:
        FleetError: if no acceptable systems were found.
    """
    sizes, ends, least = _sizes(number), list(_ends(number)), _LEAST * _OPTIMAL_COST
    if distance == inf:
        return _built(number, ends, chosen.far_separation, chosen)
    if distance == 0:
        return _built(number, [ends[0]] * len(sizes), least, chosen)
    unit = draw(number, 0.0, chosen).local_gap
    systems = [ends[0], *(_on_line(ends[0], end, distance * unit) for end in ends[1:])]
    return _built(number, systems, max(least, chosen.Delta0 / 2.0**chosen.epochs * distance / 64), chosen)


def unstable(number: int) -> bool:
    """Return whether the fleets of a number have K = 0 of infinite cost in cluster 0 and at the ends of the lines."""
    return number // len(SHAPES) % 2 == 1


def _sizes(number: int) -> tuple[int, ...]:
    """Return the agents of each cluster."""
    return SIZES[number // (2 * len(SHAPES)) % len(SIZES)]


@lru_cache(maxsize=32)
def _ends(number: int) -> tuple[LinearSystem, ...]:
    """Draw random systems with C* = 20, apart from each other, and well-conditioned."""
    found: list[LinearSystem] = []
    rng, (n, m), count = stream(number, Purpose.FLEET, 30), SHAPES[number % len(SHAPES)], len(_sizes(number))
    radii = tuple(float(edge / np.sqrt(_GAMMA)) for edge in _UNSTABLE) if unstable(number) else _STABLE
    for _ in range(_ATTEMPTS):
        try:
            system = draw_system(n, m, _GAMMA, (radii[0], radii[1]), rng)
            if condition(system) <= _CONDITION and not too_close(system, found, _DISTANCE, _GAIN_DISTANCE):
                found.append(with_optimal_cost(system, _OPTIMAL_COST))
        except FleetError:
            continue
        if len(found) == count:
            return tuple(found)
    raise FleetError(f"population: found {len(found)} of {count} systems in {_ATTEMPTS} draws, expected all")


def _on_line(first: LinearSystem, end: LinearSystem, loss: float) -> LinearSystem:
    """Return the system on the way from `first` to `end` that loses so much by the optimal gain of `first`.

    In the quadratic approximation ½‖K* − K_0*‖²_H (cost units); the end itself if it loses less.
    """
    best = lqr.riccati(first).K
    H = lqr.hessian_at(first, best)

    def at(t: float) -> LinearSystem:
        names = ("A", "B", "Q", "R")
        mixed = {name: (1 - t) * getattr(first, name) + t * getattr(end, name) for name in names}
        return replace(first, **mixed)

    def lost(t: float) -> float:
        step = (lqr.riccati(at(t)).K - best).ravel()
        return float(0.5 * step @ H @ step)

    if lost(1.0) <= loss:
        return at(1.0)
    # The root of a loss is nearly linear in t.
    t = scipy.optimize.brentq(lambda t: lost(t) ** 0.5 - loss**0.5, 0.0, 1.0, xtol=1e-12, rtol=_RTOL)
    return at(float(t))


def _built(number: int, systems: list[LinearSystem], separation: float, chosen: Range) -> Drawn:
    """Set the cost levels, draw the starts and calibrate the schedule."""
    levels = _OPTIMAL_COST + separation * np.arange(len(systems))
    scaled = tuple(with_optimal_cost(s, level) for s, level in zip(systems, levels.tolist(), strict=True))
    labels, starts = np.repeat(np.arange(len(scaled)), _sizes(number)), stream(number, Purpose.FLEET, 31)
    gains: FloatArray = draw_initial_gains(scaled, labels, "per_agent", _FIRST_GAP, starts)
    experiment = Experiment.calibrated(
        Fleet(f"fleet {number}", scaled, labels, gains, "random clusters at a distance"),
        Delta0=chosen.Delta0,
        minibatch_scale=chosen.minibatch_scale,
        noise=_LAW,
        epochs=chosen.epochs,
        oracle="moments",
    )
    plan, noise = experiment.planned.plan(chosen.epochs), noise_law(_LAW)
    law = gap_law(scaled[0], noise)
    gap = law.gap(plan.radius_local, plan.minibatch, step_size=plan.step_size, spread=law.second_moment)
    return Drawn(experiment, noise, chosen.minibatch_scale, gap)
