"""Choose the nodes for moments on a sphere of gains around a gain, by the number D of unknowns.

Let U be uniform on the unit sphere of R^D, V on its ball, and h a function of gains.  There are two kinds of rule.

*Values*: E h(K + rU)UUᵀ is a weighted sum over nodes on the sphere.

*Slopes*: by the divergence theorem

    E h(K + rU)U = (r/D) E ∇h(K + rV),    E h(K + rU)UUᵀ = [E h(K + rV)·I + r E ∇h(K + rV)Vᵀ]/D

are weighted sums over nodes in the ball, of values and gradients.  One gradient costs two values (the adjoint method,
`pcpo.oracles.moment_algebra`) and says as much as D of them.  A rule of degree d in the ball leaves out r^(d+1) and
higher powers, relative to the leading term, as values on a sphere do with degree d + 2.

| D | rule | nodes | degree | leaves out |
|---|---|---|---|---|
| 1 to 3 | values, product of Gauss-Gegenbauer rules | 2, 16, 128 | 15 | r^14 |
| 4 to 8 | slopes, centre and Mysovskikh's simplex rule | (D + 1)(D + 2) + 1 | 5 | r^6 |
| 9 to 60 | slopes, ±√(D/(D + 2)) e_i | 2D | 3 | r^4 |

From D = 9 on the rule before is used at gains where the last one would be too coarse (`pcpo.oracles.moment_spheres`).

Where costs on the sphere vary too much for an expansion, or are infinite, moments are those of clipped costs, by values
with positive weights: products up to D = 7, beyond that randomly rotated sets ±e_i.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import PcpoError
from pcpo.lqr.smoothing import simplex_rule, sphere_rule
from pcpo.simulation.noise import stream

__all__ = ["MOST_UNKNOWNS", "Rule", "fine_rule", "narrow_rule", "wide_rule"]

#: Largest number of unknowns D for which moments are offered.
MOST_UNKNOWNS = 60
_PRODUCTS, _SIMPLEX = 3, 8  # the largest D of the first two rows of the table
_ORDER = 8
_MOST_NODES = 2048  # of wide rules


@dataclass(frozen=True, eq=False)
class Rule:
    """Hold a rule of `nodes` (q, D), with nodes[::-1] = −nodes, and `weights` (q,).

    slopes: whether nodes are in the ball, beside its centre with a weight `centre`, or on the sphere.
    """

    nodes: FloatArray
    weights: FloatArray
    slopes: bool = False
    centre: float = 0.0

    def __post_init__(self) -> None:
        """Keep arrays of one kind, read-only and C-contiguous: kernels are compiled for each kind."""
        for name in ("nodes", "weights"):
            array = np.array(getattr(self, name), dtype=np.float64, order="C")
            array.setflags(write=False)
            object.__setattr__(self, name, array)


def check_unknowns(D: int) -> None:
    """Raise PcpoError for more unknowns than moments are offered for."""
    if D > MOST_UNKNOWNS:
        raise PcpoError(f"gains: found m n = {D} unknowns, expected at most {MOST_UNKNOWNS} for exact moments")


@lru_cache(maxsize=64)
def narrow_rule(D: int) -> Rule:
    """Return the rule of the table.

    Raises:
        PcpoError: beyond D = 60.
    """
    check_unknowns(D)
    if D <= _PRODUCTS:
        return Rule(*sphere_rule(D, _ORDER))
    if D <= _SIMPLEX:
        return fine_rule(D)
    half = np.sqrt(D / (D + 2)) * np.eye(D)
    return Rule(np.concatenate([half, -half[::-1]]), np.full(2 * D, 0.5 / D), True)


@lru_cache(maxsize=64)
def fine_rule(D: int) -> Rule:
    """Return the rule of slopes of degree 5, for D ≥ 2."""
    nodes, weights = simplex_rule(D)
    # E‖V‖² = D/(D + 2) and E‖V‖⁴ = D/(D + 4) fix the radius and the weight of the shell.
    shell = D * (D + 4) / (D + 2) ** 2
    return Rule(nodes * np.sqrt((D + 2) / (D + 4)), weights * shell, True, 1.0 - shell)


@lru_cache(maxsize=64)
def wide_rule(D: int) -> Rule:
    """Return nodes on the sphere with positive weights, 2,048 if D is not small."""
    for order in range(_ORDER, 2, -1):
        if D == 1 or 2 * order ** (D - 1) <= _MOST_NODES:
            return Rule(*sphere_rule(D, order))
    rng = stream(0, D)
    sets = [np.linalg.qr(rng.standard_normal((D, D)))[0] for _ in range(-(-_MOST_NODES // (2 * D)))]
    half = np.concatenate(sets)
    return Rule(np.concatenate([half, -half[::-1]]), np.full(2 * len(half), 0.5 / len(half)))
