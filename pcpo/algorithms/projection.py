"""Send one number in place of a gradient: its component along a random direction that both ends know.

After ScalarFedLQR (Rostami, Talebi and Kia 2026, arXiv:2604.05088, Algorithm 1).  In every round agent j has a
direction v_j of its own, with D = mn coordinates ±1/√D of independent random signs.  It sends the scalar ⟨v_j, g_j⟩,
and the server rebuilds ĝ_j = D⟨v_j, g_j⟩v_j.  With fixed g, and with the mean ḡ of |N| such estimates of one g,

    E ĝ = g,    E‖ĝ‖² = D‖g‖²,    E‖ḡ‖² = q‖g‖²,    q = 1 + (D − 1)/|N|.

*Step.*  Let C have the Hessian H at K* and largest eigenvalue h_max, and let a set of |N| agents with this C and exact
gradients step along ḡ from e = K − K*: near K*, g = He and

    E‖e − ηḡ‖² = ‖e‖² − 2η eᵀHe + η²q‖He‖² ≤ ‖e‖² − η(2 − ηq h_max) eᵀHe.

So the mean square falls for every η < 2/(q h_max), where whole gradients allow 2/h_max, and for H = hI no larger step
keeps it from growing.  Likewise, on a set where C is φ-smooth, E C(K − ηḡ) ≤ C(K) − η(1 − ηqφ/2)‖∇C(K)‖².  Table 2 has
η ≤ 1/(4φ), so it leaves room for q ≤ 4: the step of a set is `step_factor` = min(1, 4/q) times η, at most 1/(qφ).

*Noise.*  Of an estimate g + ξ with covariance s²I, the rebuilt one has the noise D⟨v, ξ⟩v of covariance D s²I: the mean
over |N| agents has D s²/|N| for every |N|.  The gap that noise leaves at a given step is D times as large, or as large
from D times the rollouts.
"""

from __future__ import annotations

import math

import numpy as np

from pcpo.arrays import FloatArray, IntArray
from pcpo.simulation.noise import Purpose, random_words, stream

__all__ = ["SharedDirections", "projected", "rebuilt", "spread", "step_factor"]

_BLOCK = 64  # rounds drawn at once
_BITS = 64  # signs in a word
_ROOM = 4.0  # Table 2 has η ≤ 1/(4φ); descent in the mean asks for η ≤ 1/(qφ)


class SharedDirections:
    """Draw the directions of all agents, round by round, from a seed that agents and server share.

    A direction depends on the seed, the epoch, the agent and the number of the round in the epoch alone.  All of these
    are known at both ends, so no direction travels, and a resumed run has the same ones.

    Args:
        seed: shared by the agents and the server.
        epoch: l.
        n_agents: N.
        shape: of a gain, (m, n).
    """

    def __init__(self, seed: int, epoch: int, n_agents: int, shape: tuple[int, int]) -> None:
        self._streams = [stream(seed, Purpose.PROJECTION, epoch, agent) for agent in range(n_agents)]
        self._shape, self._D = shape, shape[0] * shape[1]
        self._block, self._used = np.zeros((0, n_agents, *shape)), 0

    def draw(self) -> FloatArray:
        """Return v_j of the next round, entries ±1/√D: ``(N, m, n)``."""
        if self._used == len(self._block):
            self._block, self._used = self._draw_block(), 0
        self._used += 1
        return np.asarray(self._block[self._used - 1])

    def _draw_block(self) -> FloatArray:
        """Return the directions of the next rounds, ``(rounds, N, m, n)``: a word holds 64 signs."""
        words = math.ceil(self._D / _BITS)
        drawn = np.stack([random_words(rng, (_BLOCK, words)) for rng in self._streams], axis=1)
        bits = np.unpackbits(drawn.astype("<u8").view(np.uint8), axis=-1, count=self._D, bitorder="little")
        signs = 2.0 * bits.astype(np.float64) - 1.0
        return (signs / math.sqrt(self._D)).reshape(_BLOCK, len(self._streams), *self._shape)


def projected(gradients: FloatArray, directions: FloatArray) -> FloatArray:
    """Return ⟨v_j, g_j⟩ of every agent, ``(N,)``, from gradients and directions ``(N, m, n)``."""
    return np.asarray(np.einsum("imn,imn->i", gradients, directions))


def rebuilt(scalars: FloatArray, directions: FloatArray) -> FloatArray:
    """Return D⟨v_j, g_j⟩v_j, ``(N, m, n)``, from the scalars ``(N,)`` and the directions ``(N, m, n)``."""
    return np.asarray(directions[0].size * scalars[:, None, None] * directions)


def spread(D: int, set_sizes: IntArray) -> FloatArray:
    """Return q_i = 1 + (D − 1)/|N_i|, by which the mean square of an averaged gradient grows, ``(N,)``."""
    return np.asarray(1.0 + (D - 1) / np.asarray(set_sizes, dtype=np.float64))


def step_factor(D: int, set_sizes: IntArray) -> FloatArray:
    """Return min(1, 4/q_i): the factor of Table 2's step size with which descent in the mean is kept, ``(N,)``."""
    return np.asarray(np.minimum(1.0, _ROOM / spread(D, set_sizes)))
