"""Check Lemma 1 and Propositions 1 and 2 on full systems, with bounds on what rounding can leave."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.evidence.hierarchical.model.regulator import Regulator, operator_norm
from pcpo.evidence.hierarchical.model.system import ExchangeableSystem, Gains
from pcpo.lqr.cost import solve_stein

__all__ = ["Residual", "broken", "residuals"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Residual:
    """Hold how far an identity is missed.

    Args:
        name: of the identity.
        residual: largest difference of the two sides, in units of the state or of cost.
        bound: largest difference that rounding can make.
    """

    name: str
    residual: float
    bound: float


def broken(S: Regulator) -> Regulator:
    """Return a full system whose first agent is not exchangeable: one entry of A and one of Q are 1 % off."""
    A, Q = S.A.copy(), S.Q.copy()
    A[0, 0] *= 1.01
    Q[0, 0] *= 1.01
    return replace(S, A=A, Q=Q)


def residuals(
    system: ExchangeableSystem, full: Regulator, gains: Gains, rng: np.random.Generator, *, missed: int = 0
) -> list[Residual]:
    """Compute both sides of every identity, at random states and inputs and at the given gains.

    Args:
        system: the system by its blocks.
        full: its undecomposed problem, or a wrong one as a control.
        gains: stable gains of the auxiliary systems, for Proposition 2.
        rng: draws the states and inputs.
        missed: agents of each subpopulation that Proposition 2 does not count.
    """
    x = [rng.standard_normal((size, d)) for size, d in zip(system.sizes, system.states, strict=True)]
    u = [rng.standard_normal((size, k)) for size, k in zip(system.sizes, system.inputs, strict=True)]
    X, U = (np.concatenate([part.ravel() for part in parts]) for parts in (x, u))
    n = len(X) + len(U)
    after = full.A @ X + full.B @ U
    moved = 8 * n * _EPS * float(np.max(np.abs(full.A) @ np.abs(X) + np.abs(full.B) @ np.abs(U)))
    cost = X @ full.Q @ X + U @ full.R @ U
    sums = np.abs(X) @ np.abs(full.Q) @ np.abs(X) + np.abs(U) @ np.abs(full.R) @ np.abs(U)
    paid = 8 * n * _EPS * float(sums)
    cuts = np.cumsum([part.size for part in x])[:-1]
    new = [part.reshape(state.shape) for part, state in zip(np.split(after, cuts), x, strict=True)]
    split = [_own_cost(system, group, x, u) for group in system.groups]
    replaced = [_definition_5(full, cost, group, x, u) for group in system.groups]
    return [
        Residual("lemma_1", _lemma_1(system, x, u, new), moved),
        Residual("lemma_1_cost", abs(cost - _lemma_1_cost(system, x, u)), paid),
        Residual("proposition_1", _proposition_1(system, x, u, new), moved),
        Residual("proposition_1_cost", abs(cost - _mean_cost(system, x, u) - sum(split)), paid),
        Residual("definition_5", float(np.max(np.abs(np.subtract(replaced, split)))), 2 * paid),
        *_proposition_2(system, full, gains, missed),
    ]


def _means(parts: list[FloatArray]) -> FloatArray:
    """Concatenate the means over the agents of each subpopulation: x̄ or ū."""
    return np.concatenate([part.mean(axis=0) for part in parts])


def _lemma_1(system: ExchangeableSystem, x: list[FloatArray], u: list[FloatArray], after: list[FloatArray]) -> float:
    """Return the largest residual of equation (6) over the agents."""
    pulls = system.A.pulled(system.sizes) @ _means(x) + system.B.pulled(system.sizes) @ _means(u)
    rows = np.split(pulls, np.cumsum(system.states)[:-1])
    worst = []
    for group, (states, inputs, later) in enumerate(zip(x, u, after, strict=True)):
        S = system.auxiliary[group]
        worst.append(np.max(np.abs(states @ S.A.T + inputs @ S.B.T + rows[group] - later)))
    return float(max(worst))


def _lemma_1_cost(system: ExchangeableSystem, x: list[FloatArray], u: list[FloatArray]) -> float:
    """Return x̄ᵀQ̆x̄ + ūᵀR̆ū + Σ_l Σ_i (xᵀQ_l x + uᵀR_l u)."""
    total = 0.0
    for blocks, parts in ((system.Q, x), (system.R, u)):
        mean = _means(parts)
        weights = np.concatenate([np.full(part.shape[1], len(part)) for part in parts])
        total += float(mean @ (weights[:, None] * blocks.pulled(system.sizes)) @ mean)
        total += sum(np.sum((part @ blocks.difference(a)) * part) for a, part in enumerate(parts))
    return float(total)


def _proposition_1(
    system: ExchangeableSystem, x: list[FloatArray], u: list[FloatArray], after: list[FloatArray]
) -> float:
    """Return the largest residual of the dynamics of S_1, …, S_L and S̄."""
    S = system.mean_field
    rest = float(np.max(np.abs(S.A @ _means(x) + S.B @ _means(u) - _means(after))))
    parts = zip(system.auxiliary, x, u, after, strict=True)
    own = [_apart(part, *(values - values.mean(axis=0) for values in seen)) for part, *seen in parts]
    return max([rest, *own])


def _apart(S: Regulator, x: FloatArray, u: FloatArray, after: FloatArray) -> float:
    """Return the largest |Ax + Bu − x'| over agents and entries."""
    return float(np.max(np.abs(x @ S.A.T + u @ S.B.T - after)))


def _mean_cost(system: ExchangeableSystem, x: list[FloatArray], u: list[FloatArray]) -> float:
    """Return c̄ of (9)."""
    S, x_bar, u_bar = system.mean_field, _means(x), _means(u)
    return float(x_bar @ S.Q @ x_bar + u_bar @ S.R @ u_bar)


def _own_cost(system: ExchangeableSystem, group: int, x: list[FloatArray], u: list[FloatArray]) -> float:
    """Return c̃^l of (8), summed over the agents of subpopulation l = group."""
    S = system.auxiliary[group]
    own, inputs = (part[group] - part[group].mean(axis=0) for part in (x, u))
    return float(np.sum((own @ S.Q) * own) + np.sum((inputs @ S.R) * inputs))


def _definition_5(full: Regulator, cost: float, group: int, x: list[FloatArray], u: list[FloatArray]) -> float:
    """Return c̃^l = c_gt(x, u) − c_gt(x̆^l, ŭ^l), with the agents of N^l moved to their means."""
    means = [
        np.concatenate([(0 * p + p.mean(axis=0) if a == group else p).ravel() for a, p in enumerate(parts)])
        for parts in (x, u)
    ]
    return float(cost - means[0] @ full.Q @ means[0] - means[1] @ full.R @ means[1])


def _proposition_2(system: ExchangeableSystem, full: Regulator, gains: Gains, missed: int) -> list[Residual]:
    """Compare C(K) with C̄(K̄) + Σ_l |N^l| C̃(K_l), and K* with the gain that the auxiliary optima make up."""
    K = system.full_gain(gains)
    cost = float(full.cost(K))
    parts = [float(S.cost(own)) for S, own in zip(system.auxiliary, gains.own, strict=True)]
    total = float(system.mean_field.cost(gains.mean_field))
    total += sum((size - missed) * part for size, part in zip(system.sizes, parts, strict=True))
    closed = full.A - full.B @ K
    # ‖(X ↦ X − MᵀXM)⁻¹‖ is the norm of its value at I; it amplifies the rounding of the equation's n-term sums.
    amplified = float(operator_norm(solve_stein(closed, np.eye(full.d)))) * (1 + float(operator_norm(closed)) ** 2)
    bound = 4 * (full.d + full.k) * _EPS * amplified * cost
    best = float(full.gap(system.full_gain(system.optimal_gains())))
    return [Residual("proposition_2", abs(cost - total), bound), Residual("optimum", best, bound)]
