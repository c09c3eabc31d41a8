"""Finite linear MDPs with known truth: a single one, a parallel set of them, and one that agents share.

States x, actions a, steps h and agents m count from 0.  Features carry the rewards and transitions exactly, so that
nothing is approximated: P_h(x'|x, a) = ⟨φ(x, a), μ_h(x')⟩ and r_h(x, a) = ⟨φ(x, a), θ_h⟩ (Definition 1).

Exact dynamic programming: optimal values, values of policies, and all deterministic policies of a small MDP.

Random linear MDPs: features uniform on the simplex, so that any probabilities μ and any θ in [0, 1] are exact.

What a linear MDP must satisfy; each refusal names what was found and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import ConfigError

__all__ = [
    "LinearMDP",
    "MultiAgentMDP",
    "ParallelMDP",
    "all_policies",
    "contextual",
    "deviating",
    "homogeneous",
    "optimal",
    "policy_values",
    "random_contexts",
    "random_mdp",
    "random_multi_agent",
    "random_twins",
    "require_bounded",
    "require_probabilities",
    "require_rewards",
    "require_shape",
    "with_contrast",
]


@dataclass(frozen=True, eq=False)
class LinearMDP:
    """Definition 1: features φ ``(S, A, d)``, measures μ_h ``(H, d, S)`` and weights θ_h ``(H, d)``.

    Raises ConfigError for ‖φ‖ > 1, for features that do not define probabilities and for rewards outside [0, 1].
    """

    phi: FloatArray
    mu: FloatArray
    theta: FloatArray

    def __post_init__(self) -> None:
        if self.phi.ndim != 3 or self.theta.ndim != 2:
            found = (self.phi.shape, self.theta.shape)
            raise ConfigError(f"phi, theta: found shapes {found}, expected (S, A, d) and (H, d)")
        S, _, d = self.phi.shape
        require_shape("phi", self.phi, self.phi.shape)
        require_shape("mu", self.mu, (len(self.theta), d, S))
        require_shape("theta", self.theta, (len(self.theta), d))
        require_bounded("phi", self.phi)
        require_probabilities("P", self.P)
        require_rewards("r", self.r)

    @cached_property
    def P(self) -> FloatArray:
        """P_h(x'|x, a), ``(H, S, A, S)``."""
        return np.asarray(np.einsum("xad,hdy->hxay", self.phi, self.mu))

    @cached_property
    def r(self) -> FloatArray:
        """r_h(x, a), ``(H, S, A)``."""
        return np.asarray(np.einsum("xad,hd->hxa", self.phi, self.theta))


@dataclass(frozen=True, eq=False)
class ParallelMDP:
    """M agents, each alone in its own MDP over the same states and actions (Section 3.1).

    phi: ``(S, A, d)``; P: ``(M, H, S, A, S)``; r: ``(M, H, S, A)``; contexts κ(m): ``(M, k)``, or None if agents have
    none.  Definition 2 stacks φ(x, a) and κ(m); `features` says what an algorithm regresses on.
    """

    phi: FloatArray
    P: FloatArray
    r: FloatArray
    contexts: FloatArray | None = None

    def __post_init__(self) -> None:
        S, A, _ = self.phi.shape
        M, H = self.P.shape[:2]
        require_shape("P", self.P, (M, H, S, A, S))
        require_shape("r", self.r, (M, H, S, A))
        if self.contexts is not None:
            require_shape("contexts", self.contexts, (M, self.contexts.shape[-1]))
        require_bounded("features", self.features(use_contexts=True))
        require_probabilities("P", self.P)
        require_rewards("r", self.r)

    @property
    def M(self) -> int:
        """Number of agents."""
        return len(self.P)

    @property
    def H(self) -> int:
        """Number of steps of an episode."""
        return int(self.P.shape[1])

    def features(self, *, use_contexts: bool) -> FloatArray:
        """φ̃(m, x, a) ``(M, S, A, d + k)`` with contexts, φ(x, a) ``(1, S, A, d)`` without."""
        if not use_contexts or self.contexts is None:
            return np.ascontiguousarray(self.phi[None])
        M, k = self.contexts.shape
        S, A, d = self.phi.shape
        stacked = np.empty((M, S, A, d + k))
        stacked[..., :d] = self.phi
        stacked[..., d:] = self.contexts[:, None, None, :]
        return stacked

    @cached_property
    def deviation(self) -> tuple[float, float]:
        """Largest total variation ½‖·‖₁ and largest difference of rewards between two agents (Assumption 1)."""
        pairs = [(m, n) for m in range(self.M) for n in range(m)]
        variation = max((float(np.abs(self.P[m] - self.P[n]).sum(axis=-1).max()) / 2 for m, n in pairs), default=0.0)
        return variation, max((float(np.abs(self.r[m] - self.r[n]).max()) for m, n in pairs), default=0.0)

    @property
    def chi(self) -> int:
        """χ of Definition 3, read as the rank of the Gram matrix of the contexts κ(m); 0 without contexts."""
        return 0 if self.contexts is None else int(np.linalg.matrix_rank(self.contexts @ self.contexts.T))


def homogeneous(mdp: LinearMDP, M: int) -> ParallelMDP:
    """M copies of one MDP (Section 3.3)."""
    return ParallelMDP(mdp.phi, np.repeat(mdp.P[None], M, axis=0), np.repeat(mdp.r[None], M, axis=0))


def deviating(base: LinearMDP, others: list[LinearMDP], xi: float) -> ParallelMDP:
    """Agents whose MDPs differ by ξ exactly, in total variation and in reward (Assumption 1).

    Agent m has (1 − w)·base + w·others[m] in μ, and likewise with a weight of its own in θ; the weights are those
    that give the largest difference between two agents the value ξ.  Raises ConfigError if none up to 1 does.
    """
    whole = ParallelMDP(base.phi, np.stack([mdp.P for mdp in others]), np.stack([mdp.r for mdp in others]))
    weights = [xi / largest if largest > 0 else 0.0 for largest in whole.deviation]
    if not xi >= 0 or max(weights) > 1 or (xi > 0 and min(whole.deviation) == 0):
        raise ConfigError(f"xi: found {xi}, expected a number from 0 to {min(whole.deviation):.4g}")
    w, v = weights
    return ParallelMDP(base.phi, (1 - w) * base.P + w * whole.P, (1 - v) * base.r + v * whole.r)


def contextual(base: LinearMDP, nu: FloatArray, alpha: FloatArray, kappa: FloatArray, weight: float) -> ParallelMDP:
    """Definition 2: φ̃ = [(1 − w)φ; wκ(m)], so that P_m = (1 − w)φᵀμ + wκ(m)ᵀν and likewise r_m with θ and α.

    nu: ν_h ``(H, k, S)``; alpha: α_h ``(H, k)``; kappa: κ(m) ``(M, k)``, each a probability vector, as are the rows of
    ν; 0 ≤ w < 1.
    """
    if not 0 <= weight < 1:
        raise ConfigError(f"weight: found {weight}, expected 0 <= weight < 1")
    own_P = np.einsum("mk,hky->mhy", kappa, nu)[:, :, None, None, :]
    own_r = np.einsum("mk,hk->mh", kappa, alpha)[:, :, None, None]
    P, r = (1 - weight) * base.P + weight * own_P, (1 - weight) * base.r + weight * own_r
    return ParallelMDP((1 - weight) * base.phi, P, r, weight * kappa)


@dataclass(frozen=True, eq=False)
class MultiAgentMDP:
    """Definition 5: M agents in one MDP with joint actions a = Σ_m a_m·Π_{n>m} A_n and a reward each.

    phi: φ_m ``(M, S, A, d₁)``; common: φ_c ``(S, A, d₂)``; theta: θ_h ``(H, d₁)``; mu: μ_h ``(H, d₂, S)``; actions: A_m
    of every agent, with product A.  Every column [φ_m; φ_c] of Φ has norm at most 1, so ‖Φ‖ ≤ √M.
    Raises ConfigError as `LinearMDP` does.
    """

    phi: FloatArray
    common: FloatArray
    theta: FloatArray
    mu: FloatArray
    actions: tuple[int, ...]

    def __post_init__(self) -> None:
        M, S, A, d1 = self.phi.shape
        require_shape("phi", self.phi, (M, S, A, d1))
        require_shape("common", self.common, (S, A, self.common.shape[-1]))
        require_shape("theta", self.theta, (len(self.theta), d1))
        require_shape("mu", self.mu, (len(self.theta), self.common.shape[-1], S))
        if len(self.actions) != M or int(np.prod(self.actions)) != A:
            raise ConfigError(f"actions: found {self.actions}, expected {M} numbers with product {A}")
        require_bounded("features", self.columns)
        require_probabilities("P", self.P)
        require_rewards("r", self.r)

    @cached_property
    def columns(self) -> FloatArray:
        """The columns of Φ(x, a), [φ_m; φ_c]: ``(M, S, A, d)``."""
        return np.concatenate([self.phi, np.broadcast_to(self.common, (len(self.phi), *self.common.shape))], axis=-1)

    @cached_property
    def P(self) -> FloatArray:
        """P_h(x'|x, a), ``(H, S, A, S)``."""
        return np.asarray(np.einsum("xad,hdy->hxay", self.common, self.mu))

    @cached_property
    def r(self) -> FloatArray:
        """r_{m,h}(x, a), ``(M, H, S, A)``."""
        return np.asarray(np.einsum("mxad,hd->mhxa", self.phi, self.theta))

    def joint(self, own: IntArray) -> int:
        """The joint action of the agents' own ``(M,)``."""
        return int(np.ravel_multi_index(tuple(own), self.actions))


#: Most policies that `all_policies` lists.
MOST = 1_000_000


def optimal(P: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Q* and V* by Bellman's recursion V_h = max_a (r_h + P_h V_{h+1}), V_{H+1} = 0.

    P: ``(..., H, S, A, S)``; r: ``(..., H, S, A)``; Q*: as r; V*: ``(..., H, S)``.
    """
    H = r.shape[-3]
    Q, V = np.empty_like(r), np.zeros(r.shape[:-1])
    following = np.zeros_like(V[..., 0, :])
    for h in reversed(range(H)):
        Q[..., h, :, :] = r[..., h, :, :] + np.einsum("...xay,...y->...xa", P[..., h, :, :, :], following)
        following = Q[..., h, :, :].max(axis=-1)
        V[..., h, :] = following
    return Q, V


def policy_values(P: FloatArray, r: FloatArray, policies: IntArray) -> FloatArray:
    """V_1^π of deterministic policies ``(n, H, S)`` in one MDP with P ``(H, S, A, S)``.

    r: ``(..., H, S, A)``, one reward per agent, say; values ``(n, ..., S)``.
    """
    H, S = r.shape[-3], r.shape[-2]
    states = np.arange(S)
    values = np.zeros((len(policies), *r.shape[:-3], S))
    for h in reversed(range(H)):
        chosen = policies[:, h]
        gained = np.moveaxis(r[..., h, states, chosen], -2, 0)  # (n, ..., S)
        values = gained + np.einsum("nxy,n...y->n...x", P[h, states, chosen], values)
    return values


def all_policies(H: int, S: int, A: int) -> IntArray:
    """The A^(SH) deterministic policies ``(n, H, S)``; raises ConfigError for more than a million."""
    count = A ** (S * H)
    if count > MOST:
        raise ConfigError(f"policies: found {A}^({S}·{H}) = {count:,}, expected at most {MOST:,} to enumerate")
    digits = np.arange(count)[:, None] // A ** np.arange(S * H) % A
    return np.asarray(digits.reshape(count, H, S), dtype=np.int64)


def random_mdp(rng: np.random.Generator, S: int, A: int, H: int, d: int, *, phi: FloatArray | None = None) -> LinearMDP:
    """Definition 1 with φ(x, a) on the simplex of R^d; rows of μ_h near single states, θ_h uniform in [0, 1]^d.

    phi: features to use in place of random ones.
    """
    if phi is None:
        phi = rng.dirichlet(np.full(d, 0.3), (S, A))
    return LinearMDP(phi, rng.dirichlet(np.full(S, 0.3), (H, d)), rng.random((H, d)))


def random_twins(rng: np.random.Generator, base: LinearMDP, M: int) -> list[LinearMDP]:
    """M MDPs with the features of `base` and μ, θ of their own."""
    S, A, d = base.phi.shape
    return [random_mdp(rng, S, A, len(base.theta), d, phi=base.phi) for _ in range(M)]


def random_contexts(rng: np.random.Generator, M: int, k: int, chi: int) -> FloatArray:
    """Contexts κ(m) ``(M, k)``: probability vectors that span χ dimensions, the first χ agents at its corners.

    The χ corners are averages of disjoint sets of coordinates, so that κ has no coordinate that is always 0.
    """
    corners = np.zeros((chi, k))
    for j, part in enumerate(np.array_split(np.arange(k), chi)):
        corners[j, part] = 1 / len(part)
    mixture = rng.dirichlet(np.full(chi, 0.3), M)
    mixture[: min(chi, M)] = np.eye(chi)[: min(chi, M)]
    return np.asarray(mixture @ corners)


def random_multi_agent(
    rng: np.random.Generator, S: int, actions: tuple[int, ...], H: int, d1: int, d2: int
) -> MultiAgentMDP:
    """Definition 5 with φ_m and φ_c on their simplices, drawn towards the middle until ‖[φ_m; φ_c]‖ ≤ 1."""
    M, A = len(actions), int(np.prod(actions))
    phi = _short(rng.dirichlet(np.full(d1, 0.3), (M, S, A)))
    common = _short(rng.dirichlet(np.full(d2, 0.3), (S, A)))
    return MultiAgentMDP(phi, common, rng.random((H, d1)), rng.dirichlet(np.full(S, 0.3), (H, d2)), actions)


def _short(points: FloatArray) -> FloatArray:
    """Points of a simplex in R^d, d ≥ 2, moved towards its middle until their norm is at most √½."""
    d = points.shape[-1]
    square = np.sum(points**2, axis=-1, keepdims=True) - 1 / d
    keep = np.sqrt(np.minimum(1.0, (0.5 - 1 / d) / np.maximum(square, 1e-300)))
    return np.asarray(1 / d + keep * (points - 1 / d))


def with_contrast(mdp: LinearMDP, contrast: float) -> LinearMDP:
    """The same MDP with rewards (1 − g)/2 + g·r: gaps between actions are g times as large, and noise too.

    For features on the simplex, as `random_mdp` draws them: θ + 1 adds 1 to every reward.
    """
    return LinearMDP(mdp.phi, mdp.mu, (1 - contrast) / 2 + contrast * mdp.theta)


#: Sums of products of numbers of order one: some hundred roundings.
_ROUNDING = 1e-12


def require_shape(name: str, array: FloatArray, expected: tuple[int, ...]) -> None:
    """Raises ConfigError unless the array has this shape and finite entries."""
    if array.shape != expected:
        raise ConfigError(f"{name}: found shape {array.shape}, expected {expected}")
    if not np.all(np.isfinite(array)):
        raise ConfigError(f"{name}: found an entry that is not finite, expected numbers")


def require_bounded(name: str, features: FloatArray) -> None:
    """‖φ‖₂ ≤ 1 along the last axis (Definition 1); raises ConfigError."""
    norms = np.linalg.norm(features, axis=-1)
    if norms.max() > 1 + _ROUNDING:
        where = _where(norms, int(np.argmax(norms)))
        raise ConfigError(f"{name}{where}: found norm {norms.max():.6g}, expected at most 1")


def require_probabilities(name: str, P: FloatArray) -> None:
    """Every P(·|x, a) along the last axis is a probability; raises ConfigError."""
    if P.min() < -_ROUNDING:
        where = _where(P, int(np.argmin(P)))
        raise ConfigError(f"{name}{where}: found probability {P.min():.6g}, expected features that define none below 0")
    off = np.abs(P.sum(axis=-1) - 1)
    if off.max() > _ROUNDING * P.shape[-1]:
        where, total = _where(off, int(np.argmax(off))), P.sum(axis=-1).ravel()[np.argmax(off)]
        raise ConfigError(f"{name}{where}: found probabilities that sum to {total:.6g}, expected 1")


def require_rewards(name: str, r: FloatArray) -> None:
    """Rewards in [0, 1]; raises ConfigError."""
    outside = np.maximum(-r, r - 1)
    if outside.max() > _ROUNDING:
        k = int(np.argmax(outside))
        raise ConfigError(f"{name}{_where(r, k)}: found reward {r.ravel()[k]:.6g}, expected one in [0, 1]")


def _where(array: FloatArray, k: int) -> str:
    return str([int(i) for i in np.unravel_index(k, array.shape)])
