"""Hold partially exchangeable systems: Lemma 1, Definition 4 and the auxiliary systems of Proposition 1.

Agents are numbered subpopulation by subpopulation.  A matrix over all agents is exchangeable if its block (i, j)
depends only on the subpopulations of i and j, and on whether i = j; `Blocks` holds such a matrix by its different
blocks and makes Lemma 1's matrices of them (section 5.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import block_diag

from pcpo.arrays import FloatArray
from pcpo.errors import FleetError
from pcpo.evidence.hierarchical.model.regulator import Regulator, require_definite

__all__ = ["Blocks", "ExchangeableSystem", "Gains", "extracted", "from_matrices"]

#: Largest difference of blocks that counts as rounding, relative to the largest entry.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Blocks:
    """Hold an exchangeable matrix M over all agents by its blocks.

    Args:
        own: own[l] = M^{i,i} for i in N^l, ``(rows of l, columns of l)``.
        across: across[l][k] = M^{i,j} for i in N^l, j in N^k, i ≠ j, ``(rows of l, columns of k)``.
    """

    own: Sequence[FloatArray]
    across: Sequence[Sequence[FloatArray]]

    def full(self, sizes: Sequence[int]) -> FloatArray:
        """Return the matrix over all agents, for subpopulations of these sizes."""
        L = range(len(sizes))
        rows = []
        for a in L:
            row = [np.kron(np.ones((sizes[a], sizes[c])), self.across[a][c]) for c in L]
            row[a] = row[a] + np.kron(np.eye(sizes[a]), self.difference(a))
            rows.append(row)
        return np.block(rows)

    def difference(self, group: int) -> FloatArray:
        """Return A_l = a^l − ă^{l,l} of subpopulation l = group, and B_l, Q_l, R_l likewise."""
        return np.asarray(self.own[group] - self.across[group][group])

    def pulled(self, sizes: Sequence[int]) -> FloatArray:
        """Return rows(Ă_1, …, Ă_L) with Ă_l = cols(|N^1| ă^{l,1}, …, |N^L| ă^{l,L}), and likewise for B, Q, R."""
        return np.block([[size * block for size, block in zip(sizes, row, strict=True)] for row in self.across])

    def mean_field(self, sizes: Sequence[int]) -> FloatArray:
        """Return Ā = diag(A_1, …, A_L) + rows(Ă_1, …, Ă_L), and B̄ likewise."""
        return np.asarray(block_diag(*(self.difference(a) for a in range(len(sizes)))) + self.pulled(sizes))

    def weighed(self, sizes: Sequence[int]) -> FloatArray:
        """Return Q̄ = Q̆ + diag(|N^l| Q_l) with Q̆^{l,k} = |N^l||N^k| q̆^{l,k}, and R̄ likewise."""
        rows = np.concatenate([np.full(len(own), size) for own, size in zip(self.own, sizes, strict=True)])
        return np.asarray(rows[:, None] * self.mean_field(sizes))


def extracted(name: str, matrix: FloatArray, sizes: Sequence[int], rows: Sequence[int], cols: Sequence[int]) -> Blocks:
    """Extract the blocks of a matrix over all agents: the inverse of `Blocks.full`.

    Args:
        name: of the matrix, for error messages.
        matrix: over all agents.
        sizes: number of agents of each subpopulation.
        rows: rows[l] is the number of rows of each agent of subpopulation l.
        cols: cols[l] is the number of columns of each agent of subpopulation l.

    Raises:
        FleetError: for a wrong shape; and naming two agents, if exchanging agents of a subpopulation changes the matrix
            (Definition 1).
    """
    group = np.repeat(np.arange(len(sizes)), sizes)
    ends = [np.cumsum(np.concatenate([[0], np.asarray(width)[group]])) for width in (rows, cols)]
    if matrix.shape != (expected := (int(ends[0][-1]), int(ends[1][-1]))):
        raise FleetError(f"{name}: found shape {matrix.shape}, expected {expected}")

    def block(i: int, j: int) -> FloatArray:
        return matrix[ends[0][i] : ends[0][i + 1], ends[1][j] : ends[1][j + 1]]

    first = np.concatenate([[0], np.cumsum(sizes)])
    L = range(len(sizes))
    own = [block(first[a], first[a]) for a in L]
    across = [[block(first[a], first[c] + (a == c and sizes[a] > 1)) for c in L] for a in L]
    found = Blocks(own, across)
    wrong = np.abs(matrix - found.full(sizes)) > _ROUNDING * np.abs(matrix).max()
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        i, j = (int(np.searchsorted(end, at, "right")) - 1 for end, at in zip(ends, (row, column), strict=True))
        raise FleetError(
            f"{name}: found that the block of agents {i} and {j} is not that of the first agents of subpopulations "
            f"{group[i]} and {group[j]}, expected exchangeable agents in every subpopulation"
        )
    return found


@dataclass(frozen=True, eq=False)
class Gains:
    """Hold the gains of the auxiliary systems.

    Args:
        own: own[l] = K_l ``(k_l, d_l)``.
        mean_field: K̄ ``(Σk_l, Σd_l)``.
    """

    own: Sequence[FloatArray]
    mean_field: FloatArray


@dataclass(frozen=True, eq=False)
class ExchangeableSystem:
    """Hold equation (5) with L subpopulations, each of at least two agents.

    Exploration is u = −Kx + σz with z ~ N(0, I) independent over agents, as in (5).  Then the exploration of S_l has
    covariance σ²(1 − 1/|N^l|)I, that of S̄ has σ²/|N^l|·I, and the two are independent; likewise for the noises of
    Proposition 1.

    Args:
        sizes: number of agents of each subpopulation.
        A, B, Q, R: the matrices of (5) by their blocks.
        noise: noise[l] = Φ^l ``(d_l, d_l)``, covariance of w^i for i in N^l, independent over agents.
        exploration: σ.

    Raises:
        FleetError: for a subpopulation of one agent, and unless Q_l, Q̄, R_l and R̄ are symmetric and positive definite
            (Assumption 1).
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
        """Return the numbers of the subpopulations, l = 0, …, L − 1."""
        return range(len(self.sizes))

    @cached_property
    def states(self) -> tuple[int, ...]:
        """Return d_l, the number of states of an agent, by subpopulation."""
        return tuple(len(block) for block in self.A.own)

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Return k_l, the number of inputs of an agent, by subpopulation."""
        return tuple(block.shape[1] for block in self.B.own)

    @cached_property
    def auxiliary(self) -> tuple[Regulator, ...]:
        """Return S_1, …, S_L of one agent each: (A_l, B_l, Q_l, R_l) with noise (1 − 1/|N^l|)Φ^l (Proposition 1)."""
        made = []
        for group, size in enumerate(self.sizes):
            A, B, Q, R = (blocks.difference(group) for blocks in (self.A, self.B, self.Q, self.R))
            left = 1 - 1 / size
            Psi = self.exploration**2 * left * np.eye(self.inputs[group])
            made.append(Regulator(A, B, Q, R, left * self.noise[group], Psi, f"subpopulation {group + 1}"))
        return tuple(made)

    @cached_property
    def mean_field(self) -> Regulator:
        """Return S̄: (Ā, B̄, Q̄, R̄) with noise diag(Φ^l/|N^l|) (Proposition 1)."""
        Phi = block_diag(*(noise / size for noise, size in zip(self.noise, self.sizes, strict=True)))
        Psi = self.exploration**2 * np.diag(1 / np.repeat(self.sizes, self.inputs))
        A, B = self.A.mean_field(self.sizes), self.B.mean_field(self.sizes)
        return Regulator(A, B, self.Q.weighed(self.sizes), self.R.weighed(self.sizes), Phi, Psi, "the mean field")

    @cached_property
    def roots(self) -> tuple[FloatArray, FloatArray]:
        """Return √|N^l| for every entry of x̄, and for every entry of ū."""
        x, u = (np.sqrt(np.repeat(self.sizes, width)) for width in (self.states, self.inputs))
        return x, u

    @cached_property
    def balanced(self) -> Regulator:
        """Return S̄ in the coordinates √|N^l| x̄^l, where noise and costs are those of one agent; C̄ is the same."""
        x, u = self.roots
        S = self.mean_field
        A, B = x[:, None] * S.A / x, x[:, None] * S.B / u
        Q, R = S.Q / np.outer(x, x), S.R / np.outer(u, u)
        return Regulator(A, B, Q, R, S.Phi * np.outer(x, x), S.Psi * np.outer(u, u), "the mean field")

    def balanced_gain(self, K: FloatArray) -> FloatArray:
        """Return K̄ in the coordinates of `balanced`; it is unchanged if all subpopulations have the same size."""
        x, u = self.roots
        return np.asarray(u[:, None] * K / x)

    @cached_property
    def full(self) -> Regulator:
        """Return the undecomposed problem (5) of all agents together."""
        A, B, Q, R = (blocks.full(self.sizes) for blocks in (self.A, self.B, self.Q, self.R))
        Phi = block_diag(*(np.kron(np.eye(size), self.noise[group]) for group, size in enumerate(self.sizes)))
        return Regulator(A, B, Q, R, Phi, self.exploration**2 * np.eye(B.shape[1]), "the whole system")

    def full_gain(self, gains: Gains) -> FloatArray:
        """Return K of u = −Kx for all agents, where u^i = −K_l(x^i − x̄^l) − [K̄x̄]^l (Definition 4)."""
        rows = np.concatenate([[0], np.cumsum(self.inputs)])
        columns = np.concatenate([[0], np.cumsum(self.states)])
        blocks = np.split(gains.mean_field, rows[1:-1])
        across = [np.split(block, columns[1:-1], axis=1) for block in blocks]
        for a in self.groups:
            across[a][a] = across[a][a] - gains.own[a]
        across = [[block / size for block, size in zip(row, self.sizes, strict=True)] for row in across]
        return Blocks([across[a][a] + gains.own[a] for a in self.groups], across).full(self.sizes)

    def pairs(self, gains: Gains) -> list[tuple[Regulator, FloatArray]]:
        """Pair the auxiliary systems with their gains: (S_1, K_1), …, (S_L, K_L), (S̄, K̄)."""
        return list(zip((*self.auxiliary, self.mean_field), (*gains.own, gains.mean_field), strict=True))

    def optimal_gains(self) -> Gains:
        """Return K_1*, …, K_L* and K̄*."""
        return Gains([S.K_star for S in self.auxiliary], self.mean_field.K_star)

    def require_stable(self, gains: Gains) -> None:
        """Raise FleetError for gains that do not stabilise every auxiliary system (Assumption 2)."""
        for S, K in self.pairs(gains):
            S.require_stable(K)

    def gap(self, gains: Gains) -> float:
        """Return C(K) − C(K*) = C̄ − C̄* + Σ_l |N^l|(C̃_l − C̃_l*): Proposition 2, C̃_l of one agent (Lemma 2)."""
        own = [size * S.gap(K) for size, S, K in zip(self.sizes, self.auxiliary, gains.own, strict=True)]
        return float(self.mean_field.gap(gains.mean_field) + sum(own))

    def cost(self, gains: Gains) -> float:
        """Return C(K) = C̄(K̄) + Σ_l |N^l| C̃(K_l), Proposition 2."""
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
    """Make a system from full matrices.

    Args:
        sizes: number of agents of each subpopulation; agents are numbered by subpopulation.
        A, B, Q, R: the matrices of (5) over all N agents, all with the same number of states and of inputs.
        Phi: covariance of the noise of all agents, block-diagonal.
        exploration: σ.

    Raises:
        FleetError: for a system without partial exchangeability, or with noise that is not independent over agents.
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
