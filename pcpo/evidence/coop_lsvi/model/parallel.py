"""Run Algorithms 1 and 3 and their baselines, with rounds in which agents exchange transitions through the server."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.protocol import Traffic
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray, IntArray
from pcpo.evidence.coop_lsvi.model.kernels import Log, Model, Truth, episodes
from pcpo.evidence.coop_lsvi.model.mdp import ParallelMDP, optimal

__all__ = ["ALONE", "EVERY_EPISODE", "Noise", "Run", "noise", "run"]

#: Thresholds S for which the trigger (7) never holds, and always holds.
ALONE, EVERY_EPISODE = np.inf, 0.0


@dataclass(frozen=True)
class Noise:
    """Hold initial states ``(T, M)`` and the uniform numbers behind the transitions ``(T, M, H)``."""

    starts: IntArray
    uniforms: FloatArray


def noise(rng: np.random.Generator, T: int, M: int, H: int, S: int) -> Noise:
    """Draw initial states uniform over S, and uniform numbers.

    Fewer agents or episodes of the same generator have different noise.
    """
    return Noise(rng.integers(0, S, (T, M)), rng.random((T, M, H)))


@dataclass(frozen=True)
class Run:
    """Hold the results of a run.

    Args:
        regret: ``(T, M)``, as in `Log`; likewise width and pessimism.
        width: ``(T, M)``.
        pessimism: ``(T, M)``.
        rounds: episodes after which the agents communicated, ``(rounds,)``.
        log_det: log det Λ_h − log det λI with the data of all agents, ``(H,)``.
        traffic: messages and bytes that the server counted.
    """

    regret: FloatArray
    width: FloatArray
    pessimism: FloatArray
    rounds: IntArray
    log_det: FloatArray
    traffic: Traffic


def run(
    mdp: ParallelMDP, noise: Noise, betas: FloatArray, threshold: float, *, use_contexts: bool = False, lam: float = 1.0
) -> Run:
    """Run Algorithm 1, or Algorithm 3 with `use_contexts`; with one agent this is LSVI-UCB.

    Args:
        mdp: the agents' MDPs.
        noise: of T episodes.
        betas: β_t ``(T,)``.
        threshold: S of (7); `ALONE` for agents without communication, `EVERY_EPISODE` for communication after every
            episode.
        use_contexts: whether to regress on φ̃ with contexts.
        lam: λ.
    """
    (T, M), H = noise.starts.shape, mdp.H
    S, A, _ = mdp.phi.shape
    grouped = mdp.features(use_contexts=use_contexts)
    features = np.ascontiguousarray(grouped.reshape(-1, A, grouped.shape[-1]))
    group = np.arange(M) if len(grouped) == M and use_contexts else np.zeros(M, dtype=np.int64)
    truth = _truth(mdp)
    shared = _Shared(features, group, H, S, lam)
    model, server = shared.model(M), Server(M)
    log = Log(np.empty((T, M, H, 3), np.int64), *(np.empty(shape) for shape in ((T, M, H), *[(T, M)] * 3)))
    since, t, rounds = 0, 0, []
    while t < T:
        t, held = episodes(
            features, group, truth, model, log, noise.starts, noise.uniforms, betas, threshold, since, t, T
        )
        if held:
            _exchange(server, log, since, t)
            shared.absorb(log, since, t)
            shared.hand_out(model)
            rounds.append(t)
            since = t
    shared.absorb(log, since, T)
    return Run(log.regret, log.width, log.pessimism, np.array(rounds, np.int64), shared.log_det(), server.traffic)


def _exchange(server: Server, log: Log, first: int, last: int) -> None:
    """Exchange transitions in one round (lines 23-32): those since the last round up, their union down to all agents.

    Args:
        server: counts the messages.
        log: of the run.
        first: first episode since the last round.
        last: episode after the round's.
    """
    moves = np.ascontiguousarray(np.swapaxes(log.moves[first:last], 0, 1))
    rewards = np.ascontiguousarray(np.swapaxes(log.rewards[first:last], 0, 1))
    server.open_round()
    server.up(moves, rewards)
    server.broadcast(moves, rewards)


def _truth(mdp: ParallelMDP) -> Truth:
    """Return what the recorder of a run knows."""
    Q, V = optimal(mdp.P, mdp.r)
    return Truth(mdp.P, np.cumsum(mdp.P, axis=-1), mdp.r, Q, V)


class _Shared:
    """Hold the statistics of all transitions that have passed the server, which every agent has after a round."""

    def __init__(self, features: FloatArray, group: IntArray, H: int, S: int, lam: float) -> None:
        N, _, D = features.shape
        self.features, self.group, self.S, self.lam = features, group, S, lam
        self.Lambda = np.repeat(lam * np.eye(D)[None], H, axis=0)
        self.b, self.B = np.zeros((H, D)), np.zeros((H, D, N))

    def model(self, M: int) -> Model:
        """Return a copy for each of M agents."""
        H, D = self.b.shape
        N, A, _ = self.features.shape
        model = Model(*(np.empty((M, H, *s)) for s in ((D, D), (D,), (D, N), (N, A), ())))
        self.hand_out(model)
        return model

    def absorb(self, log: Log, first: int, last: int) -> None:
        """Add the transitions of all agents in the episodes first, …, last − 1."""
        moves = log.moves[first:last]
        offsets = self.group[None, :] * self.S
        for h in range(len(self.b)):
            rows = (offsets + moves[:, :, h, 0]).ravel()
            phi = self.features[rows, moves[:, :, h, 1].ravel()]
            self.Lambda[h] += phi.T @ phi
            self.b[h] += log.rewards[first:last, :, h].ravel() @ phi
            np.add.at(self.B[h].T, (offsets + moves[:, :, h, 2]).ravel(), phi)

    def hand_out(self, model: Model) -> None:
        """Overwrite every agent's statistics with the shared ones, and reset the trigger."""
        N, A, D = self.features.shape
        inverse = np.linalg.inv(self.Lambda)
        inverse = (inverse + np.swapaxes(inverse, 1, 2)) / 2
        flat = self.features.reshape(N * A, D)
        model.inverse[:] = inverse
        model.b[:] = self.b
        model.B[:] = self.B
        model.variance[:] = np.sum((flat @ inverse) * flat, axis=-1).reshape(-1, N, A)
        model.growth[:] = 0.0

    def log_det(self) -> FloatArray:
        """Return log det Λ_h − log det λI, ``(H,)``."""
        D = self.Lambda.shape[-1]
        return np.asarray(np.linalg.slogdet(self.Lambda)[1] - D * np.log(self.lam))
