"""Matrices of a partially exchangeable system: their blocks, and Lemma 1's matrices made of them (section 5.1).

Agents are numbered subpopulation by subpopulation.  A matrix over all agents is exchangeable if its block (i, j)
depends only on the subpopulations of i and j, and on whether i = j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from ...contracts import FloatArray
from ...errors import FleetError

__all__ = ["Blocks", "extracted"]

#: Differences of blocks, relative to the largest entry, that are rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Blocks:
    """own[l] = M^{i,i}, i in N^l; across[l][k] = M^{i,j}, i in N^l, j in N^k, i ≠ j: ``(rows of l, columns of k)``."""

    own: Sequence[FloatArray]
    across: Sequence[Sequence[FloatArray]]

    def full(self, sizes: Sequence[int]) -> FloatArray:
        """The matrix over all agents."""
        L = range(len(sizes))
        rows = []
        for a in L:
            row = [np.kron(np.ones((sizes[a], sizes[c])), self.across[a][c]) for c in L]
            row[a] = row[a] + np.kron(np.eye(sizes[a]), self.difference(a))
            rows.append(row)
        return np.block(rows)

    def difference(self, group: int) -> FloatArray:
        """A_l = a^l − ă^{l,l}, and B_l, Q_l, R_l likewise."""
        return np.asarray(self.own[group] - self.across[group][group])

    def pulled(self, sizes: Sequence[int]) -> FloatArray:
        """rows(Ă_1, …, Ă_L) with Ă_l = cols(|N^1| ă^{l,1}, …, |N^L| ă^{l,L})."""
        return np.block([[size * block for size, block in zip(sizes, row, strict=True)] for row in self.across])

    def mean_field(self, sizes: Sequence[int]) -> FloatArray:
        """Ā = diag(A_1, …, A_L) + rows(Ă_1, …, Ă_L), and B̄ likewise."""
        return np.asarray(block_diag(*(self.difference(a) for a in range(len(sizes)))) + self.pulled(sizes))

    def weighed(self, sizes: Sequence[int]) -> FloatArray:
        """Q̄ = Q̆ + diag(|N^l| Q_l), Q̆^{l,k} = |N^l||N^k| q̆^{l,k}, and R̄ likewise."""
        rows = np.concatenate([np.full(len(own), size) for own, size in zip(self.own, sizes, strict=True)])
        return np.asarray(rows[:, None] * self.mean_field(sizes))


def extracted(name: str, matrix: FloatArray, sizes: Sequence[int], rows: Sequence[int], cols: Sequence[int]) -> Blocks:
    """The blocks of a matrix over all agents, the converse of `Blocks.full`; rows[l] and cols[l] are those of an agent.

    Raises FleetError, naming two agents, if exchanging agents of a subpopulation changes the matrix (Definition 1).
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
