"""Run FedLQR: one common gain for all agents, by local zeroth-order steps and averages at a server.

Wang, Toso, Mitra and Anderson, arXiv:2308.11743, with the readings of docs/fedlqr.md.  The loop is for the experiment
of that paper, in its undiscounted finite-horizon setting; it has no epochs and no neighbourhood sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.protocol import Traffic
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["FedLQR", "FedLQRRun", "run"]


@dataclass(frozen=True)
class FedLQR:
    """Describe the steps of round t = 0, 1, …

    K_i ← K; L times K_i ← K_i − η g_i(K_i); then K ← K + (η_g/c^t)·(1/N) Σ_i (K_i − K).  The steps multiply: with
    L = 1, K ← K − (η η_g/c^t)·mean g.

    Args:
        server_step: η_g.
        local_step: η.
        local_updates: L.
        decay: c ≥ 1.
        minibatch: rollouts per gradient estimate.
        radius: smoothing radius r.

    Raises:
        ConfigError: naming the field, for a value out of range.
    """

    server_step: float
    local_step: float = 1e-4
    local_updates: int = 1
    decay: float = 1.0005
    minibatch: int = 5
    radius: float = 0.1

    def __post_init__(self) -> None:
        least = {"local_updates": 1, "decay": 1.0, "minibatch": 1}
        for name, value in vars(self).items():
            if not np.isfinite(value) or value <= 0 or value < least.get(name, 0.0):
                wanted = f"at least {least[name]:g}" if name in least else "above 0"
                raise ConfigError(f"{name}: found {value}, expected a finite number {wanted}")


@dataclass(frozen=True)
class FedLQRRun:
    """Hold a finished run.

    Args:
        rounds: rounds at which K was recorded, 0 for the start, ``(records,)``.
        gains: K after these rounds, ``(records, m, n)``.
        rollouts: per agent.
        nonfinite: saturated rollouts of all agents.
        traffic: what the server counted.
    """

    rounds: FloatArray
    gains: FloatArray
    rollouts: int
    nonfinite: int
    traffic: Traffic


def run(algorithm: FedLQR, oracle: Oracle, initial_gain: FloatArray, rounds: int, *, every: int = 1) -> FedLQRRun:
    """Run the algorithm from a gain that all agents know.

    Agents send their differences K_i − K, and the server sends the new K: m·n doubles per agent and round each way.

    Args:
        algorithm: its steps.
        oracle: answers for all agents.
        initial_gain: K_0, ``(m, n)``.
        rounds: how many.
        every: rounds from one record of K to the next.

    Raises:
        ConfigError: for `rounds` or `every` below 1, or `rounds` that is no multiple of `every`.
    """
    if rounds < 1 or every < 1 or rounds % every:
        raise ConfigError(f"rounds: found {rounds} with a record every {every}, expected a positive multiple")
    server, shape = Server(oracle.n_agents), (oracle.n_agents, *oracle.gain_shape)
    radii = np.full(oracle.n_agents, algorithm.radius)
    own = np.array(np.broadcast_to(initial_gain, shape), dtype=np.float64)
    step, recorded = algorithm.server_step, [own[0]]
    for t in range(1, rounds + 1):
        common = own
        for _ in range(algorithm.local_updates):
            answer = oracle.gradients(own, algorithm.minibatch, radii, purpose=Purpose.GLOBAL, epoch=0)
            own = own - algorithm.local_step * answer.values
        own = _exchange(server, common, own - common, step)
        step /= algorithm.decay
        if t % every == 0:
            recorded.append(own[0])
    marks = np.arange(0, rounds + 1, every, dtype=np.float64)
    return FedLQRRun(marks, np.stack(recorded), oracle.rollouts, int(oracle.nonfinite.sum()), server.traffic)


def _exchange(server: Server, common: FloatArray, differences: FloatArray, step: float) -> FloatArray:
    """Count one round at the server and return K + step·mean(differences), a copy for each agent ``(N, m, n)``."""
    server.open_round()
    server.up(differences)
    mean = differences.sum(axis=0) / len(differences)
    fresh: FloatArray = common + step * mean
    server.down(fresh)
    return fresh
