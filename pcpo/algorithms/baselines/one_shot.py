"""Run one-shot clustering with a known Δ: the thought experiment of section 3 of the PCPO paper."""

from __future__ import annotations

from dataclasses import dataclass

from pcpo.algorithms.baselines.base import OneSequence, Progress, State, alone, descend, given, nobody_else
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.errors import ConfigError
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["OneShot"]


@dataclass(frozen=True)
class OneShot(OneSequence):
    """Run local PO up to the epoch L in which Δ_L ≤ Δ/2; one cost estimate, one clustering, then only collaboration.

    Epochs before L: 2R_l + 1 local iterations.  Epoch L: 2R_L of them and a cost estimate, good to Δ_L/4 ≤ Δ/8 each, so
    that |Ĉ_i − Ĉ_j| ≤ Δ/2 tells the clusters; every agent takes the cheapest gain of its set, (8).  Later: 2R_l + 1
    global iterations.  With one cluster, Δ = ∞ and L = 1.  Its cost estimates are NaN but in epoch L.
    Told a multiple of Δ (`told`), it takes that for Δ: a named deviation.
    """

    told: float = 1.0

    name = "one_shot"
    uses = frozenset({"separation"})

    def first_sets(self, setting: Setting) -> Neighbourhoods:
        """Return N_i = {i}, until the clustering."""
        return nobody_else(setting)

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Iterate alone, then cluster, then iterate together."""
        if state.memory == "clustered":
            gains = descend(state.gains, 2 * plan.iterations + 1, plan, oracle, server)
            return Progress(gains, memory="clustered")
        separation = self.told * given(state.setting, "separation")
        if not separation > 0:
            raise ConfigError(f"separation: found {separation:g}, expected a positive one, which {self.name} is told")
        if plan.Delta > separation / 2:
            return Progress(alone(state.gains, 2 * plan.iterations + 1, plan, oracle))
        X = alone(state.gains, 2 * plan.iterations, plan, oracle)
        C_hat = oracle.costs(X, plan.minibatch, purpose=Purpose.COST, epoch=plan.epoch).values
        server.neighbourhoods = Neighbourhoods.everyone(oracle.n_agents)
        closing = server.close_epoch(X, C_hat, X, separation, synchronise=True)
        return Progress(closing.global_gains, C_hat, reinitialised=True, memory="clustered")
