"""Carry every message between agents, count it, and hold the neighbourhood sets.

An algorithm has no other way to move a number from one agent to another, so rounds, messages and bytes are
measured where they pass, never computed from a formula.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pcpo.algorithms.projection import projected, rebuilt
from pcpo.algorithms.protocol import Traffic
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import PcpoError
from pcpo.neighbourhoods import Neighbourhoods

__all__ = ["Closing", "Server"]


@dataclass(frozen=True)
class Closing:
    """Hold what the agents receive at the end of an epoch.

    |N_i|, and by (8) a policy if there was a reinitialisation.
    """

    set_sizes: IntArray
    reinitialised: bool
    global_gains: FloatArray


class Server:
    """Aggregate centrally for N agents, over counted channels.

    Every array that passes has one row per agent: a row is one message of `row.nbytes` bytes.
    """

    def __init__(self, n_agents: int) -> None:
        self.n_agents = n_agents
        self._neighbourhoods = Neighbourhoods.everyone(n_agents)
        self.traffic = Traffic()

    @property
    def neighbourhoods(self) -> Neighbourhoods:
        """Return the sets N_i of all agents; a boolean matrix ``(N, N)`` may be assigned too."""
        return self._neighbourhoods

    @neighbourhoods.setter
    def neighbourhoods(self, sets: Neighbourhoods | BoolArray) -> None:
        """Replace the sets; PcpoError unless they are sets of these agents."""
        found = Neighbourhoods.of(sets)
        if found.n_agents != self.n_agents:
            raise PcpoError(f"neighbourhoods: found {found.n_agents} agents, expected {self.n_agents}")
        self._neighbourhoods = found

    def up(self, *payload: FloatArray | IntArray) -> None:
        """Send from agents to server: one message per agent, with its row of every array of the payload."""
        size = self._size(payload)
        self.traffic = replace(
            self.traffic,
            messages_up=self.traffic.messages_up + self.n_agents,
            bytes_up=self.traffic.bytes_up + size,
        )

    def down(self, *payload: FloatArray | IntArray) -> None:
        """Send from server to agents: one message per agent, with its row of every array of the payload."""
        size = self._size(payload)
        self.traffic = replace(
            self.traffic,
            messages_down=self.traffic.messages_down + self.n_agents,
            bytes_down=self.traffic.bytes_down + size,
        )

    def broadcast(self, *payload: FloatArray | IntArray) -> None:
        """Send from server to agents.

        One message per agent, each with the whole of every array (such as H candidates).
        """
        self.traffic = replace(
            self.traffic,
            messages_down=self.traffic.messages_down + self.n_agents,
            bytes_down=self.traffic.bytes_down + self.n_agents * sum(array.nbytes for array in payload),
        )

    def open_round(self) -> None:
        """Begin a round: one exchange, agents to server and back."""
        self.traffic = replace(self.traffic, rounds=self.traffic.rounds + 1)

    def average(self, gradients: FloatArray) -> FloatArray:
        """Run one round of global policy optimisation: g_j up, G_i of eq. (6) down."""
        self.open_round()
        self.up(gradients)
        averaged = self.neighbourhoods.average(gradients)
        self.down(averaged)
        return averaged

    def average_projected(self, gradients: FloatArray, directions: FloatArray) -> FloatArray:
        """Run one round of (6) with gradients rebuilt from scalars: ⟨v_j, g_j⟩ up, G_i down.

        Args:
            gradients: g_j, ``(N, m, n)``.
            directions: v_j, ``(N, m, n)``, which both ends make from their shared seed.
        """
        self.open_round()
        scalars = projected(gradients, directions)
        self.up(scalars)
        averaged = self.neighbourhoods.average(rebuilt(scalars, directions))
        self.down(averaged)
        return averaged

    def book_averages(self, rounds: int, gradients: FloatArray) -> None:
        """Count `rounds` rounds of `average` that an oracle ran itself, each with gradients of this size."""
        messages, size = rounds * self.n_agents, rounds * self._size((gradients,))
        self.traffic = Traffic(
            rounds=self.traffic.rounds + rounds,
            messages_up=self.traffic.messages_up + messages,
            messages_down=self.traffic.messages_down + messages,
            bytes_up=self.traffic.bytes_up + size,
            bytes_down=self.traffic.bytes_down + size,
        )

    def adopt_cheapest(self, gains: FloatArray, cost_estimates: FloatArray) -> FloatArray:
        """Run one round: gains and their estimated costs up, and by (8) the cheapest of its set down to every agent."""
        self.open_round()
        self.up(gains, cost_estimates)
        adopted = gains[self.neighbourhoods.cheapest(cost_estimates)]
        self.down(adopted)
        return adopted

    def close_epoch(
        self,
        local_gains: FloatArray,
        cost_estimates: FloatArray,
        global_gains: FloatArray,
        Delta: float,
        *,
        synchronise: bool = False,
        eliminate: bool = True,
        reinitialise: bool = True,
        threshold: float = 0.5,
        remember: bool = True,
        reset: Literal["all", "touched"] = "all",
        gain_distance: float | None = None,
        returning: BoolArray | None = None,
    ) -> Closing:
        """Run the last round of an epoch: X_i and Ĉ_i up; (7); |N_i| down, with the policy of (8) if any set changed.

        global_gains are the agents' K̂_i^(l); they do not travel, and come back unchanged without (8).

        Args:
            synchronise: apply (8) even if no set changed, a named deviation.
            eliminate: False leaves out (7), a named deviation.
            reinitialise: False leaves out (8), a named deviation.
            threshold: (7) takes away what differs by more than threshold·Δ_l; any other than ½ is a named deviation.
            remember: False starts (7) from all agents, a named deviation.
            reset: "touched" gives (8) to those agents alone whose set holds one whose set changed, a named deviation.
            gain_distance: with (7) also takes away agents whose X_j is farther from X_i (Frobenius), an extension; None
                for (7) alone.
            returning: agents ``(N,)`` for whose pairs (7) starts from all, as `remember` does for everyone's; None for
                none.
        """
        self.open_round()
        self.up(local_gains, cost_estimates)
        before = self.neighbourhoods
        kept = before if remember else Neighbourhoods.everyone(self.n_agents)
        if returning is not None:
            kept = kept.released(returning)
        self.neighbourhoods = kept.pruned(cost_estimates, 2 * threshold * Delta) if eliminate else before
        if eliminate and gain_distance is not None:
            self.neighbourhoods = self.neighbourhoods.within(local_gains, gain_distance)
        sizes = self.neighbourhoods.sizes
        changed = sizes != before.sizes  # (7) only takes agents away
        if not remember or returning is not None:  # from all agents it may bring some back, too
            changed = (self.neighbourhoods.dense() != before.dense()).any(axis=1)
        reinitialised = synchronise or (reinitialise and bool(changed.any()))
        if not reinitialised:
            self.down(sizes)
            return Closing(sizes, False, global_gains)
        fresh = local_gains[self.neighbourhoods.cheapest(cost_estimates)]
        self.down(sizes, fresh)
        if reset == "touched":  # the others receive a policy like everyone and do not take it
            touched = self.neighbourhoods.average(changed.astype(np.float64)) > 0
            fresh = np.where(touched[:, None, None], fresh, global_gains)
        return Closing(sizes, True, fresh)

    def _size(self, payload: tuple[FloatArray | IntArray, ...]) -> int:
        """Return the bytes of one message, an agent's row of every array."""
        for array in payload:
            if array.shape[0] != self.n_agents:
                raise ValueError(f"payload: found {array.shape[0]} rows, expected one per agent ({self.n_agents})")
        return sum(array.nbytes for array in payload)
