"""Partially exchangeable systems: Lemma 1, Definition 4 and the auxiliary systems of Proposition 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import block_diag

from ...contracts import FloatArray
from ...errors import FleetError
from .blocks import Blocks, extracted
from .regulator import Regulator, require_definite

__all__ = ["ExchangeableSystem", "Gains", "from_matrices"]


@dataclass(frozen=True, eq=False)
class Gains:
    """Gains of the auxiliary systems: own[l] = K_l ``(k_l, d_l)`` and K̄ ``(Σk_l, Σd_l)``."""

    own: Sequence[FloatArray]
    mean_field: FloatArray


@dataclass(frozen=True, eq=False)
class ExchangeableSystem:
    """Equation (5) with L subpopulations of `sizes` agents, each at least two; A, B, Q, R by their blocks.

    noise[l] = Φ^l ``(d_l, d_l)``: covariance of w^i, independent over agents.  exploration = σ: u = −Kx + σz with
    z ~ N(0, I) independent over agents, as in (5).  Then the exploration of S_l has covariance σ²(1 − 1/|N^l|)I, that
    of S̄ has σ²/|N^l|·I, and the two are independent: the noises of Proposition 1 in the same way.
    Raises FleetError unless Q_l, Q̄, R_l and R̄ are symmetric and positive definite (Assumption 1).
    """

    sizes: tuple[int, ...]
    A: Blocks
    B: Blocks
    Q: Blocks
    R: Blocks
    noise: Sequence[FloatArray]
    exploration: float

    def __post_init__(self) -> None:
        for size in self.sizes:
            if size < 2:
                raise FleetError(f"sizes: found a subpopulation of {size}, expected at least two agents in each")
        for letter in ("Q", "R"):
            blocks: Blocks = getattr(self, letter)
            for group in self.groups:
                require_definite(f"{letter}_{group + 1}", blocks.difference(group))
            require_definite(f"{letter} of the mean field", blocks.weighed(self.sizes))

    @property
    def groups(self) -> range:
        """l = 0, …, L − 1."""
        return range(len(self.sizes))

    @cached_property
    def states(self) -> tuple[int, ...]:
        """d_l."""
        return tuple(len(block) for block in self.A.own)

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """k_l."""
        return tuple(block.shape[1] for block in self.B.own)

    @cached_property
    def auxiliary(self) -> tuple[Regulator, ...]:
        """S_1, …, S_L, one agent each: (A_l, B_l, Q_l, R_l) with noise (1 − 1/|N^l|)Φ^l (Proposition 1)."""
        made = []
        for group, size in enumerate(self.sizes):
            A, B, Q, R = (blocks.difference(group) for blocks in (self.A, self.B, self.Q, self.R))
            left = 1 - 1 / size
            Psi = self.exploration**2 * left * np.eye(self.inputs[group])
            made.append(Regulator(A, B, Q, R, left * self.noise[group], Psi, f"subpopulation {group + 1}"))
        return tuple(made)

    @cached_property
    def mean_field(self) -> Regulator:
        """S̄: (Ā, B̄, Q̄, R̄) with noise diag(Φ^l/|N^l|) (Proposition 1)."""
        Phi = block_diag(*(noise / size for noise, size in zip(self.noise, self.sizes, strict=True)))
        Psi = self.exploration**2 * np.diag(1 / np.repeat(self.sizes, self.inputs))
        A, B = self.A.mean_field(self.sizes), self.B.mean_field(self.sizes)
        return Regulator(A, B, self.Q.weighed(self.sizes), self.R.weighed(self.sizes), Phi, Psi, "the mean field")

    @cached_property
    def roots(self) -> tuple[FloatArray, FloatArray]:
        """√|N^l| for every entry of x̄, and of ū."""
        x, u = (np.sqrt(np.repeat(self.sizes, width)) for width in (self.states, self.inputs))
        return x, u

    @cached_property
    def balanced(self) -> Regulator:
        """S̄ in the coordinates √|N^l| x̄^l, in which its noise and costs are those of one agent: same cost C̄."""
        x, u = self.roots
        S = self.mean_field
        A, B = x[:, None] * S.A / x, x[:, None] * S.B / u
        Q, R = S.Q / np.outer(x, x), S.R / np.outer(u, u)
        return Regulator(A, B, Q, R, S.Phi * np.outer(x, x), S.Psi * np.outer(u, u), "the mean field")

    def balanced_gain(self, K: FloatArray) -> FloatArray:
        """K̄ in the coordinates of `balanced`, the same if all subpopulations have one size."""
        x, u = self.roots
        return np.asarray(u[:, None] * K / x)

    @cached_property
    def full(self) -> Regulator:
        """The undecomposed problem (5), all agents together."""
        A, B, Q, R = (blocks.full(self.sizes) for blocks in (self.A, self.B, self.Q, self.R))
        Phi = block_diag(*(np.kron(np.eye(size), self.noise[group]) for group, size in enumerate(self.sizes)))
        return Regulator(A, B, Q, R, Phi, self.exploration**2 * np.eye(B.shape[1]), "the whole system")

    def full_gain(self, gains: Gains) -> FloatArray:
        """K with u = −Kx, from u^i = −K_l(x^i − x̄^l) − [K̄x̄]^l (Definition 4)."""
        rows = np.concatenate([[0], np.cumsum(self.inputs)])
        columns = np.concatenate([[0], np.cumsum(self.states)])
        blocks = np.split(gains.mean_field, rows[1:-1])
        across = [np.split(block, columns[1:-1], axis=1) for block in blocks]
        for a in self.groups:
            across[a][a] = across[a][a] - gains.own[a]
        across = [[block / size for block, size in zip(row, self.sizes, strict=True)] for row in across]
        return Blocks([across[a][a] + gains.own[a] for a in self.groups], across).full(self.sizes)

    def optimal_gains(self) -> Gains:
        """K_l* and K̄*."""
        return Gains([S.K_star for S in self.auxiliary], self.mean_field.K_star)

    def require_stable(self, gains: Gains) -> None:
        """Raises FleetError for gains that do not stabilise every auxiliary system (Assumption 2)."""
        for S, K in zip((*self.auxiliary, self.mean_field), (*gains.own, gains.mean_field), strict=True):
            S.require_stable(K)

    def gap(self, gains: Gains) -> float:
        """C(K) − C(K*) = C̄ − C̄* + Σ_l |N^l|(C̃_l − C̃_l*): Proposition 2, with Lemma 2's cost of one agent."""
        own = [size * S.gap(K) for size, S, K in zip(self.sizes, self.auxiliary, gains.own, strict=True)]
        return float(self.mean_field.gap(gains.mean_field) + sum(own))

    def cost(self, gains: Gains) -> float:
        """C(K) = C̄(K̄) + Σ_l |N^l| C̃(K_l), Proposition 2."""
        own = [size * S.cost(K) for size, S, K in zip(self.sizes, self.auxiliary, gains.own, strict=True)]
        return float(self.mean_field.cost(gains.mean_field) + sum(own))


def from_matrices(
    sizes: Sequence[int],
    A: FloatArray,
    B: FloatArray,
    Q: FloatArray,
    R: FloatArray,
    Phi: FloatArray,
    exploration: float,
) -> ExchangeableSystem:
    """The system of full matrices, agents numbered by subpopulation, all agents with as many states and inputs.

    Raises FleetError for a system without partial exchangeability, or with noise that is not independent over agents.
    """
    N = sum(sizes)
    d, k = A.shape[0] // N, B.shape[1] // N
    x, u = [d] * len(sizes), [k] * len(sizes)
    widths = {"A": (A, x, x), "B": (B, x, u), "Q": (Q, x, x), "R": (R, u, u), "Phi": (Phi, x, x)}
    blocks = {name: extracted(name, matrix, sizes, rows, cols) for name, (matrix, rows, cols) in widths.items()}
    if any(np.any(block) for row in blocks["Phi"].across for block in row):
        raise FleetError("Phi: found noise that two agents share, expected noise that is independent over agents")
    noise = blocks.pop("Phi").own
    return ExchangeableSystem(tuple(sizes), **blocks, noise=noise, exploration=exploration)
