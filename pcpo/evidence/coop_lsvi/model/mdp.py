"""Hold finite linear MDPs, and solve them by dynamic programming.

Three kinds: one MDP, a parallel set of MDPs with an agent each, and one MDP that agents share.  States x, actions a,
steps h and agents m count from 0.  Features carry the rewards and transitions exactly, so that nothing is approximated:
P_h(x'|x, a) = ⟨φ(x, a), μ_h(x')⟩ and r_h(x, a) = ⟨φ(x, a), θ_h⟩ (Definition 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

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
    "with_contrast",
]

#: Tolerance of sums of products of numbers of order one: some hundred roundings.
_ROUNDING = 1e-12
#: Largest number of policies that `all_policies` enumerates.
_MOST = 1_000_000


@dataclass(frozen=True, eq=False)
class LinearMDP:
    """Hold one linear MDP (Definition 1).

    Args:
        phi: features φ ``(S, A, d)`` with ‖φ‖₂ ≤ 1.
        mu: measures μ_h ``(H, d, S)``.
        theta: weights θ_h ``(H, d)``.

    Raises:
        ConfigError: for wrong shapes, entries that are not finite, ‖φ‖₂ > 1, ‖μ_h(S)‖₂ or ‖θ_h‖₂ above √d, features
            that do not define probabilities, and rewards outside [0, 1].
    """

    phi: FloatArray
    mu: FloatArray
    theta: FloatArray

    def __post_init__(self) -> None:
        if self.phi.ndim != 3 or self.theta.ndim != 2:
            found = (self.phi.shape, self.theta.shape)
            raise ConfigError(f"phi, theta: found shapes {found}, expected (S, A, d) and (H, d)")
        S, _, d = self.phi.shape
        _require_shape("phi", self.phi, self.phi.shape)
        _require_shape("mu", self.mu, (len(self.theta), d, S))
        _require_shape("theta", self.theta, (len(self.theta), d))
        _require_bounded("phi", self.phi)
        _require_probabilities("P", self.P)
        _require_rewards("r", self.r)
        _require_bounded("mu(S)", self.mu.sum(axis=-1), d)
        _require_bounded("theta", self.theta, d)

    @cached_property
    def P(self) -> FloatArray:
        """Return P_h(x'|x, a), ``(H, S, A, S)``."""
        return np.asarray(np.einsum("xad,hdy->hxay", self.phi, self.mu))

    @cached_property
    def r(self) -> FloatArray:
        """Return r_h(x, a), ``(H, S, A)``."""
        return np.asarray(np.einsum("xad,hd->hxa", self.phi, self.theta))


@dataclass(frozen=True, eq=False)
class ParallelMDP:
    """Hold M agents, each alone in an MDP over the same states and actions (Section 3.1).

    Definition 2 stacks φ(x, a) and κ(m); `features` returns what an algorithm regresses on.

    Args:
        phi: φ ``(S, A, d)``.
        P: ``(M, H, S, A, S)``.
        r: ``(M, H, S, A)``.
        contexts: κ(m) ``(M, k)``, or None for agents without contexts.

    Raises:
        ConfigError: as `LinearMDP` does.
    """

    phi: FloatArray
    P: FloatArray
    r: FloatArray
    contexts: FloatArray | None = None

    def __post_init__(self) -> None:
        S, A, _ = self.phi.shape
        M, H = self.P.shape[:2]
        _require_shape("P", self.P, (M, H, S, A, S))
        _require_shape("r", self.r, (M, H, S, A))
        if self.contexts is not None:
            _require_shape("contexts", self.contexts, (M, self.contexts.shape[-1]))
        _require_bounded("features", self.features(use_contexts=True))
        _require_probabilities("P", self.P)
        _require_rewards("r", self.r)

    @property
    def M(self) -> int:
        """Return the number of agents."""
        return len(self.P)

    @property
    def H(self) -> int:
        """Return the number of steps of an episode."""
        return int(self.P.shape[1])

    def features(self, *, use_contexts: bool) -> FloatArray:
        """Return φ̃(m, x, a) ``(M, S, A, d + k)`` with contexts, φ(x, a) ``(1, S, A, d)`` without."""
        if not use_contexts or self.contexts is None:
            return np.ascontiguousarray(self.phi[None])
        M, k = self.contexts.shape
        S, A, d = self.phi.shape
        stacked = np.empty((M, S, A, d + k))
        stacked[..., :d] = self.phi
        stacked[..., d:] = self.contexts[:, None, None, :]
        return stacked

    def averaged(self) -> ParallelMDP:
        """Return the same agents with the mean context κ̄ in the place of each κ(m), as features [φ; κ̄] of all.

        What an algorithm loses on these is what ignoring the contexts costs: dimension, widths and features stay.

        Raises:
            ConfigError: without contexts.
        """
        if self.contexts is None:
            raise ConfigError("contexts: found none, expected those of agents with contexts")
        mean = np.broadcast_to(self.contexts.mean(axis=0), (*self.phi.shape[:2], self.contexts.shape[1]))
        return ParallelMDP(np.concatenate([self.phi, mean], axis=-1), self.P, self.r)

    @cached_property
    def deviation(self) -> tuple[float, float]:
        """Return the largest total variation ½‖·‖₁ and difference of rewards between two agents (Assumption 1)."""
        pairs = [(m, n) for m in range(self.M) for n in range(m)]
        variation = max((float(np.abs(self.P[m] - self.P[n]).sum(axis=-1).max()) / 2 for m, n in pairs), default=0.0)
        return variation, max((float(np.abs(self.r[m] - self.r[n]).max()) for m, n in pairs), default=0.0)

    @property
    def chi(self) -> int:
        """Return χ of Definition 3, read as the rank of the Gram matrix of the contexts κ(m); 0 without contexts."""
        return 0 if self.contexts is None else int(np.linalg.matrix_rank(self.contexts @ self.contexts.T))


@dataclass(frozen=True, eq=False)
class MultiAgentMDP:
    """Hold M agents in one MDP, each with a reward, that act jointly (Definition 5).

    The joint action is a = Σ_m a_m·Π_{n>m} A_n.  Every column [φ_m; φ_c] of Φ has norm at most 1, so ‖Φ‖ ≤ √M.

    Args:
        phi: φ_m ``(M, S, A, d₁)``.
        common: φ_c ``(S, A, d₂)``.
        theta: θ_h ``(H, d₁)``.
        mu: μ_h ``(H, d₂, S)``.
        actions: A_m of every agent, with product A.

    Raises:
        ConfigError: as `LinearMDP` does, and for numbers of actions that do not fit.
    """

    phi: FloatArray
    common: FloatArray
    theta: FloatArray
    mu: FloatArray
    actions: tuple[int, ...]

    def __post_init__(self) -> None:
        M, S, A, d1 = self.phi.shape
        _require_shape("phi", self.phi, (M, S, A, d1))
        _require_shape("common", self.common, (S, A, self.common.shape[-1]))
        _require_shape("theta", self.theta, (len(self.theta), d1))
        _require_shape("mu", self.mu, (len(self.theta), self.common.shape[-1], S))
        if len(self.actions) != M or int(np.prod(self.actions)) != A:
            raise ConfigError(f"actions: found {self.actions}, expected {M} numbers with product {A}")
        _require_bounded("features", self.columns)
        _require_probabilities("P", self.P)
        _require_rewards("r", self.r)
        _require_bounded("mu(S)", self.mu.sum(axis=-1), self.mu.shape[1])
        _require_bounded("theta", self.theta, d1)

    @cached_property
    def columns(self) -> FloatArray:
        """Return the columns [φ_m; φ_c] of Φ(x, a), ``(M, S, A, d)``."""
        return np.concatenate([self.phi, np.broadcast_to(self.common, (len(self.phi), *self.common.shape))], axis=-1)

    @cached_property
    def P(self) -> FloatArray:
        """Return P_h(x'|x, a), ``(H, S, A, S)``."""
        return np.asarray(np.einsum("xad,hdy->hxay", self.common, self.mu))

    @cached_property
    def r(self) -> FloatArray:
        """Return r_{m,h}(x, a), ``(M, H, S, A)``."""
        return np.asarray(np.einsum("mxad,hd->mhxa", self.phi, self.theta))

    def joint(self, own: IntArray) -> int:
        """Return the joint action of the agents' actions ``(M,)``."""
        return int(np.ravel_multi_index(tuple(own), self.actions))


def _require_shape(name: str, array: FloatArray, expected: tuple[int, ...]) -> None:
    """Raise ConfigError unless the array has this shape and finite entries."""
    if array.shape != expected:
        raise ConfigError(f"{name}: found shape {array.shape}, expected {expected}")
    if not np.all(np.isfinite(array)):
        raise ConfigError(f"{name}: found an entry that is not finite, expected numbers")


def _require_bounded(name: str, vectors: FloatArray, square: int = 1) -> None:
    """Raise ConfigError unless norms along the last axis are at most a root: √1 or √d of Definitions 1, 2 and 5."""
    norms = np.linalg.norm(vectors, axis=-1)
    if norms.max() > np.sqrt(square) * (1 + _ROUNDING):
        where = _where(norms, int(np.argmax(norms)))
        root = "1" if square == 1 else f"√{square} = {np.sqrt(square):.6g}"
        raise ConfigError(f"{name}{where}: found norm {norms.max():.6g}, expected at most {root}")


def _require_probabilities(name: str, P: FloatArray) -> None:
    """Raise ConfigError unless every P(·|x, a) along the last axis is a probability vector."""
    if P.min() < -_ROUNDING:
        where = _where(P, int(np.argmin(P)))
        raise ConfigError(f"{name}{where}: found probability {P.min():.6g}, expected features that define none below 0")
    off = np.abs(P.sum(axis=-1) - 1)
    if off.max() > _ROUNDING * P.shape[-1]:
        where, total = _where(off, int(np.argmax(off))), P.sum(axis=-1).ravel()[np.argmax(off)]
        raise ConfigError(f"{name}{where}: found probabilities that sum to {total:.6g}, expected 1")


def _require_rewards(name: str, r: FloatArray) -> None:
    """Raise ConfigError unless all rewards are in [0, 1]."""
    outside = np.maximum(-r, r - 1)
    if outside.max() > _ROUNDING:
        k = int(np.argmax(outside))
        raise ConfigError(f"{name}{_where(r, k)}: found reward {r.ravel()[k]:.6g}, expected one in [0, 1]")


def _where(array: FloatArray, k: int) -> str:
    """Return the index of the k-th entry as text: "[1, 2]"."""
    return str([int(i) for i in np.unravel_index(k, array.shape)])


def homogeneous(mdp: LinearMDP, M: int) -> ParallelMDP:
    """Give M agents a copy of one MDP each (Section 3.3)."""
    return ParallelMDP(mdp.phi, np.repeat(mdp.P[None], M, axis=0), np.repeat(mdp.r[None], M, axis=0))


def deviating(base: LinearMDP, others: list[LinearMDP], xi: float) -> ParallelMDP:
    """Make agents whose MDPs differ by exactly ξ, in total variation and in reward (Assumption 1).

    Agent m has (1 − w)·base + w·others[m] in μ, and likewise in θ with another weight; each weight is the one that
    makes the largest difference between two agents equal to ξ.

    Args:
        base: the MDP that all agents share.
        others: an MDP for each agent, with the features of `base`.
        xi: ξ ≥ 0.

    Raises:
        ConfigError: if no weight up to 1 gives ξ.
    """
    whole = ParallelMDP(base.phi, np.stack([mdp.P for mdp in others]), np.stack([mdp.r for mdp in others]))
    weights = [xi / largest if largest > 0 else 0.0 for largest in whole.deviation]
    if not xi >= 0 or max(weights) > 1 or (xi > 0 and min(whole.deviation) == 0):
        raise ConfigError(f"xi: found {xi}, expected a number from 0 to {min(whole.deviation):.4g}")
    w, v = weights
    return ParallelMDP(base.phi, (1 - w) * base.P + w * whole.P, (1 - v) * base.r + v * whole.r)


def contextual(base: LinearMDP, nu: FloatArray, alpha: FloatArray, kappa: FloatArray, weight: float) -> ParallelMDP:
    """Make agents with contexts (Definition 2), φ̃ = [(1 − w)φ; wκ(m)].

    Then P_m = (1 − w)φᵀμ + wκ(m)ᵀν, and likewise r_m with θ and α.

    Args:
        base: the MDP that all agents share.
        nu: ν_h ``(H, k, S)``, rows are probability vectors.
        alpha: α_h ``(H, k)``.
        kappa: κ(m) ``(M, k)``, each a probability vector.
        weight: 0 ≤ w < 1.

    Raises:
        ConfigError: for another weight, and for ‖ν_h(S)‖₂ or ‖α_h‖₂ above √k.
    """
    if not 0 <= weight < 1:
        raise ConfigError(f"weight: found {weight}, expected 0 <= weight < 1")
    _require_bounded("nu(S)", nu.sum(axis=-1), nu.shape[1])
    _require_bounded("alpha", alpha, alpha.shape[1])
    own_P = np.einsum("mk,hky->mhy", kappa, nu)[:, :, None, None, :]
    own_r = np.einsum("mk,hk->mh", kappa, alpha)[:, :, None, None]
    P, r = (1 - weight) * base.P + weight * own_P, (1 - weight) * base.r + weight * own_r
    return ParallelMDP((1 - weight) * base.phi, P, r, weight * kappa)


_Kind = TypeVar("_Kind", LinearMDP, MultiAgentMDP)


def with_contrast(mdp: _Kind, contrast: float) -> _Kind:
    """Return the MDP with rewards (1 − g)/2 + g·r, whose gaps between actions are g times as large.

    For features on the simplex, as `draws` makes them: adding 1 to θ adds 1 to every reward.
    """
    return replace(mdp, theta=(1 - contrast) / 2 + contrast * mdp.theta)


def optimal(P: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute Q* and V* by Bellman's recursion V_h = max_a (r_h + P_h V_{h+1}), V_{H+1} = 0.

    Args:
        P: ``(..., H, S, A, S)``.
        r: ``(..., H, S, A)``.

    Returns:
        Q* ``(..., H, S, A)`` and V* ``(..., H, S)``.
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
    """Compute V_1^π of deterministic policies in one MDP.

    Args:
        P: ``(H, S, A, S)``.
        r: ``(..., H, S, A)``, for example a reward for each agent.
        policies: ``(n, H, S)``.

    Returns:
        Values ``(n, ..., S)``.
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
    """Enumerate the A^(SH) deterministic policies ``(n, H, S)``.

    Raises:
        ConfigError: for more than a million.
    """
    count = A ** (S * H)
    if count > _MOST:
        raise ConfigError(f"policies: found {A}^({S}·{H}) = {count:,}, expected at most {_MOST:,} to enumerate")
    digits = np.arange(count)[:, None] // A ** np.arange(S * H) % A
    return np.asarray(digits.reshape(count, H, S), dtype=np.int64)
