"""Break the projection in one place each: what the negative controls of the group run."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pcpo.algorithms.projection import SharedDirections, projected
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.simulation.noise import Purpose, stream

__all__ = ["CommonDirections", "Fault", "FaultyServer"]

#: "unscaled": the server leaves out the factor D; "unshared": it draws directions of its own.
Fault = Literal["unscaled", "unshared"]


class FaultyServer:
    """Pass everything on to a server, but rebuild gradients wrongly.

    Args:
        server: the right one.
        fault: what is wrong.
        seed: of the server's own directions.
    """

    def __init__(self, server: Server, fault: Fault, seed: int) -> None:
        self._server, self._fault = server, fault
        self._rng = stream(seed, Purpose.PROJECTION, 0, server.n_agents)

    def __getattr__(self, name: str) -> Any:
        """Return what the right server has."""
        return getattr(self._server, name)

    def average_projected(self, gradients: FloatArray, directions: FloatArray) -> FloatArray:
        """Run one round with the fault."""
        if self._fault == "unscaled":
            return np.asarray(self._server.average_projected(gradients, directions) / directions[0].size)
        signs = 2.0 * self._rng.integers(0, 2, directions.shape) - 1.0
        own = signs / np.sqrt(directions[0].size)
        received = projected(gradients, directions)[:, None, None] * own  # ⟨own, received⟩ is the scalar that was sent
        return self._server.average_projected(received, own)


class CommonDirections(SharedDirections):
    """Draw one direction in every round, the same for all agents of a set of consecutive ones.

    Args:
        seed, epoch, n_agents, shape: as of `SharedDirections`.
        size: agents of a set.
    """

    def __init__(self, seed: int, epoch: int, n_agents: int, shape: tuple[int, int], size: int) -> None:
        super().__init__(seed, epoch, n_agents, shape)
        self._leader = np.arange(n_agents) // size * size

    def draw(self) -> FloatArray:
        """Return the directions of the next round, those of the first agent of every set."""
        return super().draw()[self._leader]
