"""Find the modes of a matrix that an input does not reach, by the orthogonal staircase form.

Orthogonal reductions need neither powers of A nor its eigenvalues, which are inaccurate where A is defective; both
matrices are scaled to unit norm first, so the answer does not depend on units.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["controllable_dimension", "slowest_unreached_mode"]

Array = NDArray[np.float64]

CONTROLLABILITY_RTOL = 1e-10


def _unreached_block(A: Array, B: Array) -> Array:
    """Return the block of A that B does not reach, (n − d, n − d) for a controllable subspace of dimension d."""
    size = max(float(np.linalg.norm(A)), float(np.finfo(np.float64).tiny))
    A = A / size
    B = B / max(np.linalg.norm(B), np.finfo(np.float64).tiny)
    while A.shape[0]:
        U, singular, _ = np.linalg.svd(B)
        rank = int(np.count_nonzero(singular > CONTROLLABILITY_RTOL))
        if rank == 0:
            break
        A = U.T @ A @ U
        A, B = A[rank:, rank:], A[rank:, :rank]
    return np.asarray(size * A)


def controllable_dimension(A: Array, B: Array) -> int:
    """Return the dimension of the controllable subspace of (A, B)."""
    return len(A) - len(_unreached_block(A, B))


def slowest_unreached_mode(A: Array, B: Array) -> complex | None:
    """Return the eigenvalue of A of largest modulus whose mode B does not reach; None if (A, B) is controllable.

    These are the λ at which [λI − A, B] loses rank (the test of Popov, Belevitch and Hautus): all of them have modulus
    below 1 if and only if (A, B) is stabilisable.
    """
    block = _unreached_block(A, B)
    if not len(block):
        return None
    eigenvalues = np.linalg.eigvals(block)
    return complex(eigenvalues[np.argmax(np.abs(eigenvalues))])
