"""Run PCPO, personalised and collaborative policy optimisation (PCPO paper, Algorithm 1), and its variants.

Ablations are Algorithm 1 with one of its ideas taken out; they show what the idea is for.  Extensions estimate
gradients with smaller variance from the same number of rollouts: the second moment of (5) is nearly all C², which
carries no information on the gradient; a baseline or a difference takes it away, and the noise of the rollouts is left.
Neither ablations nor extensions are the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pcpo.algorithms.baselines.base import AnyEstimator, estimator_options, given, iterate
from pcpo.algorithms.projection import SharedDirections
from pcpo.algorithms.protocol import EpochReport, Setting
from pcpo.algorithms.schedule import BalancedPlan, EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = [
    "PCPO",
    "PCPOState",
    "balanced",
    "by_gains",
    "centred",
    "eliminate_once",
    "no_elimination",
    "no_radius_scaling",
    "no_reinitialisation",
    "one_sequence",
    "scalar",
    "synchronised",
    "two_point",
]


@dataclass(frozen=True)
class PCPOState:
    """Hold the state between epochs.

    Local gains X_i, global gains K̂_i (both ``(N, m, n)``), and each agent's |N_i|.
    """

    setting: Setting
    epoch: int
    local_gains: FloatArray
    global_gains: FloatArray
    set_sizes: IntArray


@dataclass(frozen=True)
class PCPO:
    """Run Algorithm 1 to the letter, with the readings of docs/reading.md, unless a field says otherwise.

    Every field that is not at its default is a named deviation and appears in `name`:

    synchronise_first: apply (8) at the end of epoch 1 even if no set changed.  With one cluster and different starts,
    (8) never fires otherwise and the agents keep their initial offsets.
    two_sequences=False: one sequence, global, of 2R_l iterations; its costs and gains are those of (7) and (8), and
    the local gains of the reports are its gains before (8).
    reinitialise=False: (8) is left out.  scale_radius=False: r̃_l instead of r̃_l/|N_i|^(1/4) in line 6.
    last_elimination: (7) is applied up to that epoch only; 0 is never.
    threshold: agents of a set differ by at most threshold·Δ_l in (7), ½ in the paper.
    remember=False: (7) starts from [N] in every epoch, so that an agent may come back.
    reset="touched": (8) for those agents alone whose set holds one whose set changed, not for all.
    estimator: "one_point" is (5).  Not the paper's, with the same M_l rollouts: "centred" spends ⌊√M_l⌋ of them on an
    estimate of C(K), which it subtracts from the costs of the others (the number balances the noise of the baseline and
    its price); "two_point" uses M_l/2 pairs C(K + rU; Z) − C(K − rU; Z').
    radius_exponent: of M_l and |N_i| in the radii of lines 4 and 6, 1/4 in the paper.  1/6 is the other choice: the
    mean gap of the estimator is then smallest (`pcpo.theory.rates`), for constants that are side information.
    prune_by_gains: with (7), agents whose X_i and X_j are farther apart than √(2Δ_l/μ) are taken out of each other's
    sets too, μ of `SideInformation.growth`; clusters may then have equal optimal costs (docs/equal_costs.md).
    projected: in line 6 an agent sends one scalar in place of its gradient, the component along a random direction that
    the server knows, and steps with min(1, 4/q_i)·η, q_i = 1 + (mn − 1)/|N_i| (`pcpo.algorithms.projection`).
    """

    synchronise_first: bool = False
    two_sequences: bool = True
    reinitialise: bool = True
    scale_radius: bool = True
    last_elimination: int | None = None
    threshold: float = 0.5
    remember: bool = True
    reset: Literal["all", "touched"] = "all"
    estimator: AnyEstimator = "one_point"
    radius_exponent: float = EpochPlan.radius_exponent
    prune_by_gains: bool = False
    projected: bool = False

    def __post_init__(self) -> None:
        if self.estimator not in ("one_point", "centred", "two_point"):
            raise ConfigError(f"estimator: found {self.estimator!r}, expected one_point, centred or two_point")
        if self.last_elimination is not None and not self.last_elimination >= 0:
            raise ConfigError(f"last_elimination: found {self.last_elimination}, expected an epoch, or 0 for none")
        if self.radius_exponent not in (EpochPlan.radius_exponent, BalancedPlan.radius_exponent):
            raise ConfigError(f"radius_exponent: found {self.radius_exponent}, expected 1/4 or 1/6")
        if not self.threshold > 0:
            raise ConfigError(f"threshold: found {self.threshold}, expected a positive multiple of Delta_l")

    @property
    def name(self) -> str:
        """Return "pcpo" and a suffix for every deviation: "pcpo_sync", "pcpo_no_reinit", …"""
        last = self.last_elimination
        elimination = {None: "", 0: "_no_elimination", 1: "_eliminate_once"}.get(last, f"_eliminate_until_{last}")
        deviations = {
            "_sync": self.synchronise_first,
            "_one_sequence": not self.two_sequences,
            "_no_reinit": not self.reinitialise,
            "_no_radius_scaling": not self.scale_radius,
            elimination: True,
            f"_threshold_{self.threshold:g}": self.threshold != 0.5,
            "_memoryless": not self.remember,
            "_reset_touched": self.reset == "touched",
            f"_{self.estimator}": self.estimator != "one_point",
            "_radius_1_6": self._balanced,
            "_gains": self.prune_by_gains,
            "_scalar": self.projected,
        }
        return "pcpo" + "".join(suffix for suffix, present in deviations.items() if present)

    @property
    def uses(self) -> frozenset[str]:
        """Return no field: PCPO has no side information.

        The radius of exponent 1/6 needs the balances, pruning by gains the growth of the costs.
        """
        needed = {"balances": self._balanced, "growth": self.prune_by_gains}
        return frozenset(name for name, used in needed.items() if used)

    @property
    def tells_equal_costs(self) -> bool:
        """Return whether clusters of equal optimal cost are told apart."""
        return self.prune_by_gains

    @property
    def needs_separation(self) -> bool:
        """Return whether the clusters must differ in their optimal costs: (7) sees nothing else."""
        return not self.prune_by_gains and self.last_elimination != 0

    def init(self, setting: Setting) -> PCPOState:
        """Start with K̂_i⁰ = X_i⁰ = K_i⁰, N_i⁰ = [N] (line 1)."""
        gains = setting.initial_gains
        N = gains.shape[0]
        return PCPOState(setting, 0, gains, gains, np.full(N, N, dtype=np.int64))

    def next_rollouts(self, state: PCPOState) -> int:
        """Return T_l of the next epoch."""
        return state.setting.schedule.plan(state.epoch + 1).rollouts

    def step(self, state: PCPOState, oracle: Oracle, server: Server) -> tuple[PCPOState, EpochReport]:
        """Run lines 3-15: local PO, cost estimation, global PO, elimination (7) and reinitialisation (8)."""
        epoch = state.epoch + 1
        plan = self._plan(state.setting, epoch)
        R = plan.iterations
        before = oracle.nonfinite.copy()

        if self.two_sequences:
            X = state.local_gains
            r_local = np.full(oracle.n_agents, plan.radius_local)
            X = iterate(X, R, plan, oracle, r_local, **estimator_options(self.estimator, plan))
            C_hat = _cost_estimates(oracle, X, plan)

        Y = state.global_gains
        r_global, capped = plan.radius_global(state.set_sizes if self.scale_radius else np.ones_like(state.set_sizes))
        steps = R if self.two_sequences else 2 * R
        directions = None
        if self.projected:
            directions = SharedDirections(state.setting.shared_seed, epoch, oracle.n_agents, oracle.gain_shape)
        options = estimator_options(self.estimator, plan)
        Y = iterate(Y, steps, plan, oracle, r_global, server=server, directions=directions, **options)

        if not self.two_sequences:
            X, C_hat = Y, _cost_estimates(oracle, Y, plan)
        closing = server.close_epoch(
            X,
            C_hat,
            Y,
            plan.Delta,
            **self.closing_options(state, plan, C_hat),
        )
        report = EpochReport(
            plan=plan,
            local_gains=X,
            global_gains=closing.global_gains,
            cost_estimates=C_hat,
            neighbourhoods=server.neighbourhoods,
            radii_global=r_global,
            global_cap_active=capped,
            reinitialised=closing.reinitialised,
            nonfinite=oracle.nonfinite - before,
            rollouts=oracle.rollouts,
            traffic=server.traffic,
        )
        return PCPOState(state.setting, epoch, X, closing.global_gains, closing.set_sizes), report

    def closing_options(self, state: PCPOState, plan: EpochPlan, cost_estimates: FloatArray) -> dict[str, Any]:
        """Return what `Server.close_epoch` is told of (7) and (8) at the end of the epoch of that plan."""
        return {
            "synchronise": self.synchronise_first and plan.epoch == 1,
            "eliminate": self.last_elimination is None or plan.epoch <= self.last_elimination,
            "reinitialise": self.reinitialise,
            "threshold": self.threshold,
            "remember": self.remember,
            "reset": self.reset,
            "gain_distance": self._gain_distance(state.setting, plan) if self.prune_by_gains else None,
        }

    @property
    def _balanced(self) -> bool:
        """Return whether radii have the exponent 1/6."""
        return self.radius_exponent == BalancedPlan.radius_exponent

    def _gain_distance(self, setting: Setting, plan: EpochPlan) -> float:
        """Return √(2Δ_l/μ): on the good event, how far apart the X_i of a cluster are at most at the end of epoch l."""
        return float(np.sqrt(2.0 * plan.Delta / given(setting, "growth")))

    def _plan(self, setting: Setting, epoch: int) -> EpochPlan:
        """Return the row of Table 2, with the radius that the exponent asks for."""
        plan = setting.schedule.plan(epoch)
        return plan.balanced(given(setting, "balances")[self.estimator]) if self._balanced else plan


def _cost_estimates(oracle: Oracle, gains: FloatArray, plan: EpochPlan) -> FloatArray:
    """Estimate Ĉ_i from M_l rollouts (line 5)."""
    return oracle.costs(gains, plan.minibatch, purpose=Purpose.COST, epoch=plan.epoch).values


def synchronised(**options: Any) -> PCPO:
    """Make PCPO with the initial synchronisation, a named deviation from the paper."""
    return PCPO(synchronise_first=True, **options)


def one_sequence(**options: Any) -> PCPO:
    """Make PCPO with one sequence, which clusters and collaborates and takes all 2R_l iterations."""
    return PCPO(two_sequences=False, **options)


def no_reinitialisation(**options: Any) -> PCPO:
    """Make PCPO without (8): global policies that other clusters have destabilised are never repaired."""
    return PCPO(reinitialise=False, **options)


def no_radius_scaling(**options: Any) -> PCPO:
    """Make PCPO with r̃_l in line 6 whatever |N_i|: the smoothing bias of larger sets stays that of one agent."""
    return PCPO(scale_radius=False, **options)


def no_elimination(**options: Any) -> PCPO:
    """Make PCPO without (7): N_i = [N] for ever, beside local sequences without a purpose."""
    return PCPO(last_elimination=0, **options)


def eliminate_once(**options: Any) -> PCPO:
    """Make PCPO with (7) at the end of epoch 1 only, with the Δ_1 of that epoch."""
    return PCPO(last_elimination=1, **options)


def centred(**options: Any) -> PCPO:
    """Make PCPO with an estimate of C(K), from ⌊√M_l⌋ of the M_l rollouts, subtracted from every cost in (5)."""
    return PCPO(estimator="centred", **options)


def two_point(**options: Any) -> PCPO:
    """Make PCPO with the two-point estimator (D/2r)(C(K + rU; Z) − C(K − rU; Z'))U.

    The noise is independent; M_l rollouts are M_l/2 directions of two rollouts each.
    """
    return PCPO(estimator="two_point", **options)


def by_gains(**options: Any) -> PCPO:
    """Make PCPO that prunes sets by the distance of local gains too, for clusters of equal optimal cost."""
    return PCPO(prune_by_gains=True, **options)


def balanced(**options: Any) -> PCPO:
    """Make PCPO with radii ∝ (M_l|N_i|)^(−1/6), which balance noise and smoothing bias in the mean gap."""
    return PCPO(radius_exponent=BalancedPlan.radius_exponent, **options)


def scalar(**options: Any) -> PCPO:
    """Make PCPO whose agents send one scalar in place of every gradient of line 6."""
    return PCPO(projected=True, **options)
