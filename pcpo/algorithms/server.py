"""Carry every message between agents, count it, and hold the neighbourhood sets.

An algorithm has no other way to move a number from one agent to another, so rounds, messages and bytes are
measured where they pass, never computed from a formula.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcpo.algorithms.protocol import Traffic
from pcpo.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Closing", "Server", "average_over_sets", "best_in_set", "prune", "same_label"]


def average_over_sets(gradients: FloatArray, sets: BoolArray) -> FloatArray:
    """Return G_i = (1/|N_i|) Σ_{j ∈ N_i} g_j (paper, eq. (6)).

    Agents with the same set get the same bits: the mean of each distinct set is computed once, in the order of the
    agents.

    Args:
        gradients: g_j, ``(N, m, n)``.
        sets: N_i, ``(N, N)`` boolean.
    """
    distinct, which = np.unique(sets, axis=0, return_inverse=True)
    means = np.stack([gradients[members].sum(axis=0) / members.sum() for members in distinct])
    return means[which.reshape(-1)]


def prune(sets: BoolArray, cost_estimates: FloatArray, Delta: float) -> BoolArray:
    """Return N_i^(l) = {j ∈ N_i^(l−1) : |Ĉ_j − Ĉ_i| ≤ Δ_l/2} (paper, eq. (7)); ``(N, N)`` boolean.

    Symmetric but not transitive: the sets need not form a partition until the clusters are separated.
    """
    close = np.abs(cost_estimates[:, None] - cost_estimates[None, :]) <= Delta / 2
    return sets & close


def best_in_set(cost_estimates: FloatArray, sets: BoolArray) -> IntArray:
    """Return argmin_{j ∈ N_i} Ĉ_j for every agent (paper, eq. (8)); ties go to the lowest index; ``(N,)``."""
    best: IntArray = np.argmin(np.where(sets, cost_estimates[None, :], np.inf), axis=1)
    return best


def same_label(labels: IntArray) -> BoolArray:
    """Return the neighbourhoods of a partition: ``(N, N)``, true where two agents have the same label ``(N,)``."""
    return np.asarray(labels[:, None] == labels[None, :], dtype=np.bool_)


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
        self.neighbourhoods: BoolArray = np.ones((n_agents, n_agents), dtype=np.bool_)
        self.traffic = Traffic()

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
        averaged = average_over_sets(gradients, self.neighbourhoods)
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
        adopted = gains[best_in_set(cost_estimates, self.neighbourhoods)]
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
    ) -> Closing:
        """Run the last round of an epoch: X_i and Ĉ_i up; (7); |N_i| down, with the policy of (8) if any set changed.

        global_gains are the agents' K̂_i^(l); they do not travel, and come back unchanged without (8).

        Args:
            synchronise: apply (8) even if no set changed, a named deviation.
            eliminate: False leaves out (7), a named deviation.
            reinitialise: False leaves out (8), a named deviation.
        """
        self.open_round()
        self.up(local_gains, cost_estimates)
        pruned = prune(self.neighbourhoods, cost_estimates, Delta) if eliminate else self.neighbourhoods
        reinitialised = synchronise or (reinitialise and not np.array_equal(pruned, self.neighbourhoods))
        self.neighbourhoods = pruned
        sizes = pruned.sum(axis=1, dtype=np.int64)
        if not reinitialised:
            self.down(sizes)
            return Closing(sizes, False, global_gains)
        fresh = local_gains[best_in_set(cost_estimates, pruned)]
        self.down(sizes, fresh)
        return Closing(sizes, True, fresh)

    def _size(self, payload: tuple[FloatArray | IntArray, ...]) -> int:
        """Return the bytes of one message, an agent's row of every array."""
        for array in payload:
            if array.shape[0] != self.n_agents:
                raise ValueError(f"payload: found {array.shape[0]} rows, expected one per agent ({self.n_agents})")
        return sum(array.nbytes for array in payload)
