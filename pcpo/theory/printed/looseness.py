"""Replace the literal constants of Table 2 by the calibrated ones, one replacement at a time, in closed form.

Both sets of constants are one formula with different ingredients,

    η = min{4/μ, 1/(4φ), s},  c2 = a/(ημ),  c3,  c4 = max{k(c8·w)², rest},  c5 = c8·D/φ,  c6 = ρ,

c8 = G + x.  As printed: s = ρ/(λ + 2max{√φ, 1/ρ}), x = λρ/D + φρ²/D, a = 4, k = 9216 = 256·12²/4,
w = D·max{φ, 1/ρ²}/(μ/2), rest = max{Δ_0², c8²D²Δ_0², 36G²}, c3 = Δ̃_0 max{16, 10c4}.  Calibrated: h_max for φ, 2h_min
for μ, √V for G, s = ∞, x = 0, a = 1, k = q̄² = 16, w = 1, rest = 128σ², c3 = 16Δ̃_0Δ_0, all of c4 times κ_M.
What a replacement saves depends on those before it; its Shapley value is the mean over all orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from pcpo.algorithms.schedule import Constants, ProblemConstants, Schedule
from pcpo.theory.calibration import Q_BAR, LocalConstants

__all__ = ["REPLACEMENTS", "Ingredients", "Rung", "ladder", "ladder_constants"]

#: Replacements in the order of the ladder: name → what is replaced by what.
REPLACEMENTS: Mapping[str, str] = {
    "search": "certified bounds of lambda, phi, rho, G by searched values",
    "cap": "terms of an active cap: 1/rho beside sqrt(phi), the limit of the step, lambda rho and phi rho^2 in c8",
    "phi": "phi by h_max",
    "rho": "rho by the radius that doubles the cost",
    "lambda": "lambda by the slope of the quadratic model at the gap Delta0_tilde",
    "mu": "mu by 2 h_min",
    "G": "G by sqrt(V)",
    "factors": "absolute factors of c4: 9216 by 16, and its other terms by 128 sigma^2",
    "condition": "D h_max/h_min in c4 by 1: variance at the optimum for a bound through PL",
    "rate": "contraction: c2 = 4/(eta mu) by 1/(eta mu), c3 by 16 Delta0_tilde Delta0",
    "kappa": "all of c4 times kappa_M",
}
_FACTOR = 9216.0


@dataclass(frozen=True)
class Ingredients:
    """Hold the two ends of the ladder, in units of cost and of the gain.

    Attributes:
        literal: certified problem constants (exact for n = m = 1).
        searched: sampled problem constants, or None, and then "search" is no replacement.
        local: constants of `calibration`.
        kappa: κ_M.
    """

    literal: ProblemConstants
    searched: ProblemConstants | None
    local: LocalConstants
    kappa: float
    D: int
    Delta0: float
    Delta0_tilde: float

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the replacements."""
        return tuple(name for name in REPLACEMENTS if name != "search" or self.searched is not None)


def ladder_constants(given: Ingredients, replaced: frozenset[str]) -> Constants:
    """Return c_(p,1..6) with these replacements: `literal_constants` with none, `calibrated_constants` with all."""
    D, Delta0, local = given.D, given.Delta0, given.local
    base = given.searched if "search" in replaced and given.searched is not None else given.literal
    phi = local.h_max if "phi" in replaced else base.smoothness
    rho = local.radius_cap if "rho" in replaced else base.radius
    lam = math.sqrt(2 * local.h_max * given.Delta0_tilde) if "lambda" in replaced else base.lipschitz
    mu = 2 * local.h_min if "mu" in replaced else base.pl
    G = math.sqrt(local.V) if "G" in replaced else base.rollout_bound
    capped = "cap" not in replaced
    c8 = G + (lam * rho / D + phi * rho**2 / D if capped else 0.0)
    worst = max(phi, 1 / rho**2) if capped else phi
    limit = rho / (lam + 2 * math.sqrt(worst)) if capped else math.inf
    eta = min(4 / mu, 1 / (4 * phi), limit)
    factor = Q_BAR**2 if "factors" in replaced else _FACTOR
    rest = 128 * local.variance if "factors" in replaced else max(Delta0**2, c8**2 * D**2 * Delta0**2, 36 * G**2)
    weight = 1.0 if "condition" in replaced else D * worst / (mu / 2)
    c4 = (given.kappa if "kappa" in replaced else 1.0) * max(factor * (c8 * weight) ** 2, rest)
    sharp = "rate" in replaced
    return Constants(
        mode="ladder",
        c1=eta,
        c2=(1 if sharp else 4) / (eta * mu),
        c3=16 * given.Delta0_tilde * Delta0 if sharp else given.Delta0_tilde * max(16.0, 10 * c4),
        c4=c4,
        c5=c8 * D / phi,
        c6=rho,
    )


@dataclass(frozen=True)
class Rung:
    """Hold one replacement, with those of the rungs above it already made.

    Attributes:
        rollouts: T per agent after the replacement.
        saved: decades that it saves at this rung.
        alone: decades that it saves from the literal end by itself.
        shapley: mean of what it saves over all orders.  The `saved` of all rungs add up to the decades between the
            ends, and so do the `shapley`.
    """

    name: str
    rollouts: float
    minibatch: float
    iterations: float
    saved: float
    alone: float
    shapley: float


def ladder(given: Ingredients, *, delta: float, n_agents: int, epochs: int) -> list[Rung]:
    """Return the rungs from "literal" (nothing replaced) to all replacements.

    T is counted to the end of the same epoch, so to the same Δ_L̄.
    """

    @cache
    def schedule(replaced: frozenset[str]) -> Schedule:
        return Schedule(ladder_constants(given, replaced), given.Delta0, delta, n_agents, given.D)

    @cache
    def decades(replaced: frozenset[str]) -> float:
        return math.log10(schedule(replaced).rollouts_for(epochs))

    names, done = given.names, frozenset[str]()
    shares = _shapley(names, decades)
    rungs = [_rung("literal", schedule(done), epochs, 0.0, 0.0, 0.0)]
    for name in names:
        before, done = decades(done), done | {name}
        alone = decades(frozenset()) - decades(frozenset({name}))
        rungs.append(_rung(name, schedule(done), epochs, before - decades(done), alone, shares[name]))
    return rungs


def _rung(name: str, schedule: Schedule, epochs: int, saved: float, alone: float, shapley: float) -> Rung:
    """Make one rung from the rollouts of every set of replacements."""
    last = schedule.plan(epochs)
    total = float(schedule.rollouts_for(epochs))
    return Rung(name, total, float(last.minibatch), float(last.iterations), saved, alone, shapley)


def _shapley(names: tuple[str, ...], value: Callable[[frozenset[str]], float]) -> dict[str, float]:
    """Return Σ over sets S without x of |S|!(n − |S| − 1)!/n! (value(S) − value(S with x)).

    It is what x saves, averaged over orders.
    """
    n, shares = len(names), dict.fromkeys(names, 0.0)
    for name in names:
        others = [other for other in names if other != name]
        for size in range(n):
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for chosen in combinations(others, size):
                before = frozenset(chosen)
                shares[name] += weight * (value(before) - value(before | {name}))
    return shares
