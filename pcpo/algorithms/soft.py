"""Run PCPO with soft clusters: agents average where that pays, whether or not they can be told apart by (7).

Hard PCPO averages over all agents that (7) has not yet told apart.  If clusters are too close in cost for the budget,
it averages different agents to the end and its gap is their bias, which may be many times the gap of learning alone.
Here the server chooses, within the sets of (7), the partition of smallest estimated loss (`pcpo.algorithms.partition`).
An extension; not the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pcpo.algorithms.baselines.base import given, iterate
from pcpo.algorithms.partition import Fit, Weights, fitted, partition
from pcpo.algorithms.protocol import EpochReport, Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["PCPOSoft", "SoftState"]

#: How the sets come about.
Sets = Literal["chosen", "everyone", "alone", "known"]
#: Share of the local iterations of epoch 1, the last ones, whose gradients are used: the first are far from K*.
_TAIL = 0.75


@dataclass(frozen=True)
class SoftState:
    """Hold the state between epochs: local and global gains ``(N, m, n)``, the sets N_i of (7), and the blocks chosen.

    Attributes:
        setting: what the agents know at the start.
        epoch: l.
        local_gains: X_i.
        global_gains: K̂_i.
        candidates: N_i, by (7).
        blocks: the block of every agent, by the smallest agent in it, ``(N,)``; −1 before the first choice.
        fit: what the gradients of epochs 2, 3, … say of the optima; None before and without a choice.
    """

    setting: Setting
    epoch: int
    local_gains: FloatArray
    global_gains: FloatArray
    candidates: Neighbourhoods
    blocks: IntArray
    fit: Fit | None = None


@dataclass(frozen=True)
class PCPOSoft:
    """Run Algorithm 1 with averages over chosen sets S_i ⊆ N_i that form a partition.

    An epoch spends R_l·M_l rollouts on local iterations, M_l on costs and R_l·M_l on global iterations, as PCPO does.
    After local iterations and costs, every agent sends X_i and Ĉ_i, and from the gradients that it has Z_i, p_i and
    s_i² (`partition.Fit`), of this epoch and of those before but the first.  The server applies (7) to N_i, chooses the
    partition within N_i, and gives the members of every block that changed the cheapest local gain of the block: (8)
    within S_i.  Then come the global iterations.

    Every field that is not at its default is a named deviation and appears in `name`:

    bias_weight, noise_weight: of the parts of the estimated loss.
    sets: "everyone", "alone" or "known" (the true clusters) in place of the choice, whatever (7) says: what a choice is
    compared with, at the same rollouts and with the same draws.
    """

    bias_weight: float = 1.0
    noise_weight: float = 1.0
    sets: Sets = "chosen"

    tells_equal_costs = True

    def __post_init__(self) -> None:
        if self.sets not in get_args(Sets):
            raise ConfigError(f"sets: found {self.sets!r}, expected one of {', '.join(get_args(Sets))}")
        for name in ("bias_weight", "noise_weight"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise ConfigError(f"{name}: found {value}, expected a number of at least 0")

    @property
    def name(self) -> str:
        """Return "pcpo_soft" and a suffix for every deviation."""
        deviations = {"bias": self.bias_weight, "noise": self.noise_weight}
        fixed = "" if self.sets == "chosen" else f"_{self.sets}"
        weights = "".join(f"_{part}_{weight:g}" for part, weight in deviations.items() if weight != 1)
        return "pcpo_soft" + fixed + weights

    @property
    def uses(self) -> frozenset[str]:
        """Return the Hessians, of which the loss is made; the true clusters for known sets; else nothing."""
        return frozenset({"chosen": {"hessians"}, "known": {"labels"}}.get(self.sets, ()))

    def init(self, setting: Setting) -> SoftState:
        """Start with K̂_i⁰ = X_i⁰ = K_i⁰, N_i⁰ = [N]."""
        gains = setting.initial_gains
        N = len(gains)
        return SoftState(setting, 0, gains, gains, Neighbourhoods.everyone(N), np.full(N, -1, dtype=np.int64))

    def next_rollouts(self, state: SoftState) -> int:
        """Return T_l of the next epoch."""
        return state.setting.schedule.plan(state.epoch + 1).rollouts

    def step(self, state: SoftState, oracle: Oracle, server: Server) -> tuple[SoftState, EpochReport]:
        """Run local iterations, costs, (7), the choice of sets, (8) within them, and global iterations."""
        plan = state.setting.schedule.plan(state.epoch + 1)
        before = oracle.nonfinite.copy()
        X, fit = self._local(state, plan, oracle)
        C_hat = oracle.costs(X, plan.minibatch, purpose=Purpose.COST, epoch=plan.epoch).values

        server.open_round()
        server.up(X, C_hat, *(() if fit is None else (fit.optima, fit.precisions, fit.spreads)))
        candidates = state.candidates.pruned(C_hat, plan.Delta)
        blocks = self._fixed(state.setting) if fit is None else self._chosen(state.setting, candidates, fit, plan)
        changed = _changed(state.blocks, blocks)
        Y = _adopted(state.global_gains, X, C_hat, blocks, changed, server)

        radii, capped = plan.radius_global(server.neighbourhoods.sizes)
        Y = iterate(Y, plan.iterations, plan, oracle, radii, server=server)
        report = EpochReport(
            plan=plan,
            local_gains=X,
            global_gains=Y,
            cost_estimates=C_hat,
            neighbourhoods=server.neighbourhoods,
            radii_global=radii,
            global_cap_active=capped,
            reinitialised=bool(changed.any()),
            nonfinite=oracle.nonfinite - before,
            rollouts=oracle.rollouts,
            traffic=server.traffic,
        )
        return SoftState(state.setting, plan.epoch, X, Y, candidates, blocks, fit if plan.epoch > 1 else None), report

    def _local(self, state: SoftState, plan: EpochPlan, oracle: Oracle) -> tuple[FloatArray, Fit | None]:
        """Run line 4 of Algorithm 1 and, for a choice, fit the optima to the gradients of the last iterations."""
        X, R, radii = state.local_gains, plan.iterations, np.full(oracle.n_agents, plan.radius_local)
        if self.sets != "chosen":
            return iterate(X, R, plan, oracle, radii), None
        if R < 2:
            raise ConfigError(
                f"schedule: found {R} iteration in epoch {plan.epoch}, expected 2 or more, which {self.name} needs to "
                "measure the noise of gradients"
            )
        visited, found = [], []
        for _ in range(R):
            g = oracle.gradients(X, plan.minibatch, radii, purpose=Purpose.LOCAL, epoch=plan.epoch).values
            visited.append(X.reshape(len(X), -1))
            found.append(g.reshape(len(X), -1))
            X = X - plan.step_size * g
        last = max(2, round(_TAIL * R)) if plan.epoch == 1 else R
        fit = fitted(np.stack(visited[-last:]), np.stack(found[-last:]), given(state.setting, "hessians"))
        return X, fit.after(state.fit)

    def _chosen(self, setting: Setting, candidates: Neighbourhoods, fit: Fit, plan: EpochPlan) -> IntArray:
        """Choose the blocks within the sets of (7)."""

        def relief(sizes: IntArray) -> FloatArray:
            return np.asarray((plan.radius_local / plan.radius_global(sizes)[0]) ** 2 / sizes)

        hessians, weights = given(setting, "hessians"), Weights(self.bias_weight, self.noise_weight)
        gaps = noise_gaps(hessians, fit.spreads, plan.step_size)
        return partition(candidates.dense(), fit, hessians, gaps, relief, weights)

    def _fixed(self, setting: Setting) -> IntArray:
        """Return the blocks that are not chosen, each by its smallest agent."""
        N = len(setting.initial_gains)
        alike = {"everyone": np.zeros(N, dtype=np.int64), "alone": np.arange(N)}
        labels = given(setting, "labels") if self.sets == "known" else alike[self.sets]
        return np.asarray((labels[:, None] == labels).argmax(axis=1))


def noise_gaps(hessians: FloatArray, spreads: FloatArray, step_size: float) -> FloatArray:
    """Return the mean gap due to noise of K ← K − ηg in its steady state: (ηs²/2) Σ_k 1/(2 − ηh_k), ``(N,)``.

    Gradients have noise of covariance s² I; h_k are the eigenvalues of H.  As in `pcpo.theory.predictions`.
    """
    h = np.linalg.eigvalsh(hessians)
    return np.asarray(step_size * spreads / 2 * np.sum(1 / (2 - step_size * h), axis=1))


def _changed(before: IntArray, after: IntArray) -> BoolArray:
    """Return which agents are in a block that was none before, ``(N,)``."""
    same = (before[:, None] == before) & (before >= 0)
    return np.asarray((same != (after[:, None] == after)).any(axis=1))


def _adopted(
    gains: FloatArray, X: FloatArray, C_hat: FloatArray, blocks: IntArray, changed: BoolArray, server: Server
) -> FloatArray:
    """Set the server's sets, send their sizes down and, if a block changed, a gain to everyone: (8) in new blocks."""
    server.neighbourhoods = Neighbourhoods.partition(blocks)
    sizes = server.neighbourhoods.sizes
    if not changed.any():
        server.down(sizes)
        return gains
    cheapest = X[server.neighbourhoods.cheapest(C_hat)]
    server.down(sizes, cheapest)
    return np.asarray(np.where(changed[:, None, None], cheapest, gains))
