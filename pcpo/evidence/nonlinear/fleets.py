"""Draw fleets of pendulums or of carts with poles, and compute what is true of them at a level of nonlinearity.

The number of a fleet decides, by an additive recurrence, the plant and Δ/σ; then masses, lengths, frictions, limits
and weights are drawn.  A *level* is the relative change of the cost that the nonlinearity makes at the optimal gain of
the linearised plant; the noise at which a plant has it is computed, cluster by cluster.  Costs are scaled so that the
costs of the best linear gains differ by exactly Δ, σ the standard deviation of one rollout's cost at the best gain of
the first cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from pcpo import lqr
from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import FleetError
from pcpo.experiments.best_gain import BestGain, SampleCost, best_gain
from pcpo.experiments.learning import Plants
from pcpo.lqr.cost import hessian_matrix
from pcpo.lqr.system import LinearSystem
from pcpo.oracles.plants.compiled import CompiledPlant
from pcpo.oracles.plants.pendulums import GRAVITY, CartPole, Pendulum
from pcpo.simulation.noise import Purpose, noise_law, stream

__all__ = ["GAMMA", "HORIZON", "KINDS", "MOST", "RATIOS", "SIZES", "Drawn", "PlantFleet", "at_level", "draw"]

#: γ, and the first h with γ^h < 10⁻⁴.
GAMMA, HORIZON = 0.8, 42
KINDS = ("pendulum", "cart_pole")
#: Δ/σ.
RATIOS = (0.3, 1.0, 3.0)
#: Agents of the clusters; which system has which size is drawn.
SIZES = (1, 2, 4)
#: Range of C(K⁰)/C* of the linearised plants; all agents start from one gain.
_START = (1.02, 1.6)
#: The largest level, and the largest C(K⁰)/C(K) there, K the optimal gain of the linearised plant.
MOST, _DEAREST = 0.2, 3.0
#: Least C(0)/C(K) there: what does nothing falls over, which costs more than to balance.
_IDLE = 1.25
#: Largest σ/C at K⁰ of a linearised plant: without it, K⁰ may have rollouts of infinite variance.
_SPREAD = 1.5
_TRIES = 20_000
#: Paths of the search for the noise: of its bracket, and of the noise itself; factor between the noises of the bracket.
_FEW, _MANY, _FACTOR, _FIRST_NOISE, _MOST_NOISE = 2048, 16384, 1.25, 0.03, 0.6
_SECANTS = 1
#: Keys of streams and of paths.
_KEY, _SEARCH, _TRUTH = 50, 51, 52


@dataclass(frozen=True, eq=False)
class Drawn:
    """Hold what a number decides before a level is chosen.

    Attributes:
        number: of the fleet.
        kind: of `KINDS`.
        ratio: Δ/σ.
        numbers: keyword arguments of the plants of each cluster.
        labels: cluster of each agent, ``(N,)``.
        start: K⁰ ``(m, n)``, common to all agents.
    """

    number: int
    kind: str
    ratio: float
    numbers: tuple[Mapping[str, Any], ...]
    labels: IntArray
    start: FloatArray

    def plant(self, cluster: int, **changes: Any) -> CompiledPlant:
        """Make a plant of a cluster with some numbers changed."""
        return _CLASSES[self.kind](**{**self.numbers[cluster], **changes})

    def system(self, cluster: int) -> LinearSystem:
        """Return the linearised plant of a cluster."""
        return _CLASSES[self.kind](**self.numbers[cluster]).linearised(GAMMA)


@dataclass(frozen=True, eq=False)
class PlantFleet:
    """Hold a fleet at a level of nonlinearity, with what is true of it.

    Attributes:
        drawn: what the level does not change.
        level: relative change of the cost, absolute.
        noise: noise level of each cluster, ``(H,)``.
        change: C(K)/C_lin(K) − 1 of each cluster at K* of the linearised plant, on paths that the search for the noise
            has not seen, ``(H,)``.
        plants: of each cluster, costs scaled.
        best: the best linear gain of each cluster.
        ratio: Δ/σ of these costs.
    """

    drawn: Drawn
    level: float
    noise: FloatArray
    change: FloatArray
    plants: tuple[CompiledPlant, ...]
    best: tuple[BestGain, ...]
    ratio: float
    #: S, paths of the truth.
    paths: int

    @property
    def agents(self) -> Plants:
        """Return the agents, of whom an algorithm knows the first gain alone."""
        plants = [self.plants[h] for h in self.drawn.labels]
        return Plants(plants, GAMMA, self.drawn.start)

    def gaps(self, gains: FloatArray) -> FloatArray:
        """Return C(K)/C* − 1 of gains ``(N, m, n)``, over the paths of the best gains; exact at level 0."""
        labels, values = self.drawn.labels, np.empty(len(gains))
        for h, best in enumerate(self.best):
            own = labels == h
            if self.level == 0:
                values[own] = [lqr.suboptimality_gap(self.drawn.system(h), K) for K in gains[own]]
                values[own] /= lqr.riccati(self.drawn.system(h)).cost
            else:
                distinct, back = np.unique(gains[own], axis=0, return_inverse=True)
                cost = _truth(self.plants[h], self.paths, self.drawn.number, h)
                values[own] = cost(distinct)[back.ravel()] / best.cost - 1
        return values


def _pendulum_numbers(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the numbers of a pendulum."""
    mass, length = _log(rng, 0.5, 2), _log(rng, 0.5, 1.5)
    inertia = mass * length**2
    return {
        "mass": mass,
        "length": length,
        "friction": float(rng.uniform(0, 1)) * inertia,
        "limit": float(rng.uniform(2, 4)) * mass * length * GRAVITY,
        "input_cost": _log(rng, 0.02, 0.08) / inertia**2,
        "dt": 0.1,
    }


def _cart_pole_numbers(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the numbers of a cart with a pole."""
    mass, pole, length = _log(rng, 0.5, 2), _log(rng, 0.05, 0.2), _log(rng, 0.3, 0.6)
    return {
        "mass": mass,
        "pole_mass": pole,
        "length": length,
        "friction": float(rng.uniform(0, 1)),
        "pole_friction": float(rng.uniform(0, 0.3)),
        "limit": float(rng.uniform(1.2, 2.5)) * (mass + pole) * GRAVITY,
        "input_cost": _log(rng, 0.003, 0.03) / mass**2,
        "dt": 0.05,
    }


_CLASSES: Mapping[str, type[Pendulum] | type[CartPole]] = {"pendulum": Pendulum, "cart_pole": CartPole}
_NUMBERS: Mapping[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "pendulum": _pendulum_numbers,
    "cart_pole": _cart_pole_numbers,
}


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def kind_and_ratio(number: int) -> tuple[str, float]:
    """Return the plant and Δ/σ of a number: any six successive numbers have each combination once."""
    return KINDS[number % 2], RATIOS[number // 2 % 3]


@lru_cache(maxsize=16)
def draw(number: int) -> Drawn:
    """Draw a fleet of clusters that share a gain near the optimal gains of their linearised plants.

    Raises:
        FleetError: if none was found.
    """
    rng, (kind, ratio) = stream(number, Purpose.FLEET, _KEY), kind_and_ratio(number)
    for _ in range(_TRIES):
        numbers = tuple(_NUMBERS[kind](rng) for _ in SIZES)
        labels = np.repeat(np.arange(len(SIZES)), rng.permutation(SIZES))
        systems = [_CLASSES[kind](**one).linearised(GAMMA) for one in numbers]
        optima = [lqr.riccati(system) for system in systems]
        start = np.mean([optimum.K for optimum in optima], axis=0)
        above = [lqr.cost(s, start) / o.cost for s, o in zip(systems, optima, strict=True)]
        if all(_START[0] <= one <= _START[1] for one in above) and max(_spread(s, start) for s in systems) <= _SPREAD:
            found = Drawn(number, kind, ratio, numbers, labels, start)
            if _reaches(found):
                return found
    raise FleetError(f"fleet {number}: found none in {_TRIES:,} draws, expected systems with a common gain")


def _reaches(drawn: Drawn) -> bool:
    """Say whether every cluster has a noise of the largest level, where K⁰ is not too dear and falling over is."""
    for h in range(len(drawn.numbers)):
        noise = _bracket(drawn, h, MOST)
        if noise is None:
            return False
        gains = np.stack([drawn.start, 0.0 * drawn.start, lqr.riccati(drawn.system(h)).K])
        plant = drawn.plant(h, noise=noise)
        start, idle, optimum = SampleCost(plant, GAMMA, HORIZON, _FEW, drawn.number, (_SEARCH, h))(gains)
        if not (start <= _DEAREST * optimum and idle >= _IDLE * optimum):
            return False
    return True


@lru_cache(maxsize=8)
def at_level(number: int, level: float, paths: int, ratio: float | None = None) -> PlantFleet:
    """Compute what is true of a fleet at a level.

    Args:
        number: of the fleet.
        level: relative change of the cost at K* of the linearised plants; 0 is the linearised fleet itself.
        paths: S, of the best gains.
        ratio: Δ/σ; None is that of the number, and 0 gives clusters of equal cost.

    Raises:
        FleetError: if the level is not reached, on the few paths of the search.
    """
    drawn = draw(number)
    clusters = range(len(drawn.numbers))
    noise = np.array([_noise(drawn, h, level) for h in clusters])
    if level == 0:
        best = tuple(_linear_best(drawn.system(h)) for h in clusters)
        change, deviation = np.zeros(len(clusters)), best[0].cost * _spread(drawn.system(0), best[0].gain)
    else:
        found = [_best(drawn, h, float(noise[h]), paths) for h in clusters]
        best, change = tuple(b for b, _ in found), np.array([c for _, c in found])
        deviation = best[0].error * np.sqrt(paths)
    wanted = drawn.ratio if ratio is None else ratio
    levels = best[0].cost + wanted * deviation * np.arange(len(clusters))
    weights = [level_ / b.cost for level_, b in zip(levels, best, strict=True)]
    plants = tuple(_weighted(drawn, h, float(noise[h]), weights[h]) for h in clusters)
    best = tuple(_scaled(b, w) for b, w in zip(best, weights, strict=True))
    return PlantFleet(drawn, level, noise, change, plants, best, wanted, paths)


def _weighted(drawn: Drawn, cluster: int, noise: float, weight: float) -> CompiledPlant:
    """Make a plant whose cost is multiplied by a weight."""
    plain = _CLASSES[drawn.kind](**drawn.numbers[cluster])
    state = tuple(weight * one for one in plain.Q)
    return drawn.plant(cluster, noise=noise, state_cost=state, input_cost=weight * plain.R)


def _scaled(best: BestGain, weight: float) -> BestGain:
    """Return the best gain of a plant whose cost is multiplied by a weight."""
    numbers = (weight * best.cost, weight * best.error, weight * best.gap_error)
    return BestGain(best.gain, *numbers, weight * best.hessian, best.iterations)


def _linear_best(system: LinearSystem) -> BestGain:
    """Return the optimal gain of a linearised plant, exact."""
    optimum = lqr.riccati(system)
    return BestGain(optimum.K, optimum.cost, 0.0, 0.0, hessian_matrix(system, optimum.K[None])[0], 0)


def _spread(system: LinearSystem, gain: FloatArray) -> float:
    """Return σ/C at a gain of a linearised plant."""
    return float(np.sqrt(lqr.rollout_variance(system, gain, noise_law("signs"))) / lqr.cost(system, gain))


def _truth(plant: CompiledPlant, paths: int, number: int, cluster: int) -> SampleCost:
    """Return the mean cost over the paths of a cluster's truth."""
    return SampleCost(plant, GAMMA, HORIZON, paths, number, (_TRUTH, cluster))


def _best(drawn: Drawn, cluster: int, noise: float, paths: int) -> tuple[BestGain, float]:
    """Return the best gain of a cluster, and the change of the cost at K* of the linearised plant."""
    optimum = lqr.riccati(drawn.system(cluster)).K
    both = [_truth(drawn.plant(cluster, noise=s), paths, drawn.number, cluster) for s in (noise, 0.0)]
    here, linear = (float(cost(optimum[None])[0]) for cost in both)
    return best_gain(both[0], optimum), here / linear - 1


def _change(drawn: Drawn, cluster: int, noise: float, paths: int) -> float:
    """Return C(K)/C_lin(K) − 1 at K* of the linearised plant, on the paths of the search."""
    optimum = lqr.riccati(drawn.system(cluster)).K[None]
    plants = [drawn.plant(cluster, noise=s) for s in (noise, 0.0)]
    ways = [SampleCost(plant, GAMMA, HORIZON, paths, drawn.number, (_SEARCH, cluster)) for plant in plants]
    here, linear = (float(way(optimum)[0]) for way in ways)
    return here / linear - 1


def _bracket(drawn: Drawn, cluster: int, level: float) -> float | None:
    """Return the first noise of a grid at which few paths show a change of a level; None if there is none."""
    noise = _FIRST_NOISE
    while noise <= _MOST_NOISE:
        if abs(_change(drawn, cluster, noise, _FEW)) >= level:
            return noise
        noise *= _FACTOR
    return None


def _noise(drawn: Drawn, cluster: int, level: float) -> float:
    """Return the smallest noise at which the cost at K* of the linearised plant is changed by a level.

    A bracket is found on few paths, on a grid; then the secant method, in logarithms, is applied on many.
    """
    if level == 0:
        return 0.0
    first = _bracket(drawn, cluster, level)
    if first is None:
        raise FleetError(f"fleet {drawn.number}, cluster {cluster}: found no noise that changes costs by {level:g}")
    found: list[float] = [float(np.log(first / _FACTOR)), float(np.log(first))]
    values: list[float] = []
    for k in range(_SECANTS + 2):
        if k >= 2:
            slope = (values[-1] - values[-2]) / (found[-1] - found[-2])
            found.append(found[-1] - values[-1] / slope)
        values.append(float(np.log(abs(_change(drawn, cluster, float(np.exp(found[k])), _MANY)) / level)))
    return float(np.exp(found[-1] - values[-1] * (found[-1] - found[-2]) / (values[-1] - values[-2])))
