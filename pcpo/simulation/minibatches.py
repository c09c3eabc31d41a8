"""Estimate the gradients of all agents of a fleet in one compiled call, with the bits of a call for each agent.

`estimators.gradient_estimate` is the definition; between its calls, a small minibatch takes longer in Python than in
the kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcpo.errors import ConfigError
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.estimators import Array, Laid, compilable
from pcpo.simulation.kernels import BLOCK, accumulate, folded, normalise, rollout_kernel, saturate
from pcpo.simulation.noise import NoiseLaw
from pcpo.simulation.noise_formulas import Kind, words_per_step
from pcpo.simulation.normals import normals, words_per_column
from pcpo.simulation.vector import compiled
from pcpo.simulation.words import SEEDS, advance, expand

__all__ = ["FleetKernel", "Words", "minibatch_kernel"]

#: State of an SFC64 generator for directions, and of one for noise, of every agent: ``(N, 2, 4)``, advanced in place.
Words = NDArray[np.uint64]


_SEEDS_OF_BLOCK = SEEDS[0] * SEEDS[1]
# What each kernel has values of its own for: see `minibatch_kernel`.
_rollouts: Any = None
_D = _columns = _width = 0
_seeded = False


def _minibatch_sums(  # type: ignore[no-untyped-def]
    A, B, Q, R, cluster, K, radii, baselines, words, minibatch, most, scale, root, totals, saturated
):
    U, costs = np.empty((most, _D, BLOCK)), np.empty((most, BLOCK))
    raw = np.empty(most * _columns * BLOCK, dtype=np.uint64)
    draws = np.empty(most * scale.size * _width, dtype=np.uint64)
    seeds = np.empty(most * _SEEDS_OF_BLOCK, dtype=np.uint64)
    for agent in range(K.shape[0]):
        j, sums = cluster[agent], np.zeros((_D + 2, BLOCK))
        for first in range(0, minibatch, most * BLOCK):
            valid = min(minibatch - first, most * BLOCK)
            blocks = (valid + BLOCK - 1) // BLOCK
            direction_words = raw[: blocks * _columns * BLOCK]
            advance(words[agent, 0], direction_words)
            normals(direction_words.reshape((blocks, _columns, BLOCK)), U[:blocks])
            normalise(U[:blocks], 1.0)
            noise = draws[: blocks * scale.size * _width]
            if _seeded:
                own = seeds[: blocks * _SEEDS_OF_BLOCK]
                advance(words[agent, 1], own)
                expand(own.reshape((blocks, SEEDS[0], SEEDS[1])), noise.reshape((blocks, scale.size * _width)))
            else:
                advance(words[agent, 1], noise)
            _rollouts(
                A[j], B[j], Q[j], R[j], K[agent], radii[agent], U[:blocks],
                noise.reshape((blocks, scale.size, _width)), scale, root, costs[:blocks],
            )  # fmt: skip
            saturated[agent] += saturate(costs[:blocks], valid)
            if baselines.size:
                costs.reshape(costs.size)[:valid] -= baselines[agent]
            accumulate(costs[:blocks], U[:blocks], sums)
        totals[agent] = folded(sums)


@cache
def minibatch_kernel(n: int, m: int, kind: Kind) -> Callable[..., None]:
    """Return the loop over agents and chunks for n states, m inputs and a kind of noise, compiled at its first call.

    kernel(A, B, Q, R, cluster, K, radii, baselines, words, minibatch, most, scale, root, totals, saturated) adds, for
    every agent, Σ w U, Σ w and Σ w² of its minibatch to totals (N, m·n + 2), and the saturated rollouts to saturated.
    Matrices are those of the clusters (H, …), `most` is how many blocks are simulated at once.

    The kernel calls another compiled one, which must be a global name: Numba finds a function that encloses one in no
    cache but that of its own process.
    """
    own = {
        "_rollouts": rollout_kernel(n, m, kind),
        "_D": m * n,
        "_columns": words_per_column(m * n),
        "_width": words_per_step(kind, n),
        "_seeded": kind != "signs",
    }
    function = FunctionType(_minibatch_sums.__code__, {**globals(), **own}, "minibatch_sums")
    function.__module__ = __name__
    return compiled(function, f"{n}_{m}_{kind}")


@dataclass(frozen=True)
class FleetKernel:
    """Hold the systems of a fleet, laid out for the compiled loop over its agents."""

    matrices: Sequence[Array]
    shifts: Array
    cluster: NDArray[np.int64]
    laid: Laid
    law: NoiseLaw

    @classmethod
    def of(
        cls, systems: Sequence[LinearSystem], cluster: NDArray[np.int64], horizon: int, law: NoiseLaw
    ) -> FleetKernel | None:
        """Lay out the systems of the clusters; None if there is no kernel of this shape and law.

        Args:
            systems: by cluster, of one shape and discount.
            cluster: of every agent ``(N,)``.
            horizon: h, stages of a rollout.
            law: law of the noise.
        """
        laid = [Laid.of(system, horizon) for system in systems]
        n, m = laid[0].n, laid[0].m
        if not compilable(n, m) or law.kind(n) == "reals":
            return None
        matrices = [np.stack([one.matrices[k] for one in laid]) for k in range(4)]
        return cls(matrices, np.stack([one.shift for one in laid]), cluster, laid[0], law)

    def gradients(
        self, gains: Array, radii: Array, minibatch: int, words: Words, chunk: int, baselines: Array | None
    ) -> tuple[Array, NDArray[np.int64]]:
        """Estimate ∇C of every agent as `gradient_estimate` does with "one_point".

        Args:
            gains: ``(N, m, n)``.
            radii: r_i ``(N,)``, positive.
            minibatch: M.
            words: the agents' generators, advanced.
            chunk: rollouts held in memory at once.
            baselines: subtracted from every cost ``(N,)``; None for nothing.

        Returns:
            Gradients ``(N, m, n)`` and saturated rollouts ``(N,)``.

        Raises:
            ConfigError: for a radius that is not positive and finite.
        """
        if not np.all((radii > 0) & (radii < np.inf)):
            raise ConfigError(f"radius: found {radii.max()}, expected a finite number > 0")
        laid, n_agents, D = self.laid, len(gains), gains[0].size
        most = min(laid.blocks_per_chunk(self.law, chunk), -(-minibatch // BLOCK))
        totals, saturated = np.empty((n_agents, D + 2)), np.zeros(n_agents, dtype=np.int64)
        minibatch_kernel(laid.n, laid.m, self.law.kind(laid.n))(
            *self.matrices, self.cluster, gains - self.shifts[self.cluster], np.asarray(radii, dtype=np.float64),
            np.zeros(0) if baselines is None else baselines, words, minibatch, most, laid.scale, laid.root, totals,
            saturated,
        )  # fmt: skip
        return (totals[:, :-2] * (D / (radii * minibatch))[:, None]).reshape(gains.shape), saturated
