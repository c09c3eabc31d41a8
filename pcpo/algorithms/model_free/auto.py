"""Run PCPO on rollouts alone: no model, no schedule, no guess of the separation (`pcpo_auto`).

The steps of an epoch are those of Algorithm 1 in another order (`epoch`); what they need is measured (`probing`), and
what follows from measurements is decided by standard errors (`rules`).  Epochs get twice the rollouts of the one
before, and the last ends with the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from pcpo.algorithms.model_free.annealing import Annealing
from pcpo.algorithms.model_free.epoch import EPOCHS_IN_PARTS, Epoch
from pcpo.algorithms.model_free.findings import Findings, doubts
from pcpo.algorithms.model_free.probing import Curvature, CurvatureRule, Point, fewest_rollouts, probe
from pcpo.algorithms.model_free.rules import Shares
from pcpo.algorithms.model_free.state import PURPOSES, AutoState
from pcpo.algorithms.protocol import EpochReport, Setting
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.oracles.protocol import Estimator, Oracle

__all__ = ["InitialPhase", "PCPOAuto"]

#: Rollouts per agent of probing without a budget, and of the first epoch.
_PROBING, _FIRST, _GROWTH = 6_000, 3_000, 2.0
_SHARES = Shares(curvature=0.05, local=0.32, costs=0.10, tests=0.12, output=0.05)
_LATER_LOCAL = 0.12
#: What a fleet, a fleet file or plants may say in place of gains of finite cost.
_UNKNOWN = "which gains_known=False in Python, or initial_gains: unknown in a fleet file, asks for"


class InitialPhase(Protocol):
    """Find gains of finite cost before anything is measured, such as by annealing the discount.

    A frozen dataclass, so that an algorithm with one can be compared and hashed.
    """

    @property
    def name(self) -> str:
        """Return what is added to the algorithm's name."""

    def rollouts(self, setting: Setting) -> int:
        """Return the most rollouts per agent that `gains` spends."""

    def gains(self, setting: Setting, oracle: Oracle, server: Server) -> FloatArray:
        """Return gains ``(N, m, n)`` of finite cost; streams are keyed by epoch 1."""


@dataclass(frozen=True)
class PCPOAuto:
    """Run Algorithm 1 with everything measured; each field that is not at its default appears in `name`.

    Attributes:
        probe_share: of the budget that measures the constants at the initial gains.
        reprobe: measure them again in every epoch; False keeps those of the initial gains.
        curvature: how the largest curvature is found: "full" (all entries of the Hessian, up to 8 unknowns, "spread"
            beyond), "spread" (mean square of second differences) or "trace" (their mean and a prior).
        constants: (radius, largest curvature, variance of a rollout) that are used as they are in place of measured
            ones; for controls.
        iterations: most iterations of a sequence in an epoch.
        stopping: end iterations when the mean of the last gradients of every agent is within two standard errors of
            zero; the rollouts go to later steps.
        cooling: step sizes of the global sequence fall linearly to zero within an epoch.
        step_scale: η·h_max.
        sets: "tests" groups agents by tests of gains; "costs" by the closure of (7), then (8) after a test.
        safe: False is (7) and (8) as printed: sets that need not be a partition, adoption without a test, no return to
            earlier gains, and no adoption by local sequences; needs sets="costs".
        Delta0: a guess of Δ for sets="costs": (7) asks for Δ_0/2^(l+1), and for k standard errors at least; None for
            these alone.
        errors: k, standard errors that a difference must have before anything follows from it.
        collaborate: False has every agent alone, with all rollouts in its local sequence.
        radius_exponent: of M|N_i| in the radius; the paper has 1/4.
        estimator: of gradients; "centred" spends ⌊√M⌋ rollouts on an estimate of C(K).
        initial: finds gains of finite cost first; None starts from the agents' own, and where none are known from those
            of `Annealing()`.
    """

    probe_share: float = 0.08
    reprobe: bool = True
    curvature: CurvatureRule = "full"
    constants: tuple[float, float, float] | None = None
    iterations: int = 48
    stopping: bool = False
    cooling: bool = True
    step_scale: float = 0.5
    sets: Literal["tests", "costs"] = "tests"
    safe: bool = True
    Delta0: float | None = None
    errors: float = 4.0
    collaborate: bool = True
    radius_exponent: float = 1 / 6
    estimator: Estimator | Literal["centred"] = "two_point"
    initial: InitialPhase | None = None

    tells_equal_costs = True

    @property
    def mode(self) -> str:
        """Return "model-free", and the initial phase if there is one."""
        return "model-free" if self.initial is None else f"model-free, {self.initial.name} first"

    def __post_init__(self) -> None:
        choices = {
            "curvature": ("full", "spread", "trace"),
            "sets": ("tests", "costs"),
            "estimator": ("one_point", "centred", "two_point"),
        }
        for key, known in choices.items():
            if getattr(self, key) not in known:
                raise ConfigError(f"{key}: found {getattr(self, key)!r}, expected one of {', '.join(known)}")
        for key, low, high in (
            ("probe_share", 0, 0.5),
            ("step_scale", 0, 2),
            ("radius_exponent", 0, 1),
            ("errors", 0, 100),
        ):
            if not low < getattr(self, key) < high:
                raise ConfigError(f"{key}: found {getattr(self, key)}, expected a number between {low} and {high}")
        if self.iterations < 1:
            raise ConfigError(f"iterations: found {self.iterations}, expected 1 or more")
        if self.sets == "tests" and (not self.safe or self.Delta0 is not None):
            key = "Delta0" if self.safe else "safe"
            raise ConfigError(f"{key}: found it with sets 'tests', expected sets 'costs', whose rule (7) it changes")
        if self.Delta0 is not None and not 0 < self.Delta0 < math.inf:
            raise ConfigError(f"Delta0: found {self.Delta0}, expected a positive finite number (units of cost)")

    @property
    def name(self) -> str:
        """Return "pcpo_auto" and a suffix for every field that is not at its default."""
        given = {
            f"_probe_{self.probe_share:g}": self.probe_share != 0.08,
            "_probe_once": not self.reprobe,
            f"_{self.curvature}": self.curvature != "full",
            "_given_constants": self.constants is not None,
            f"_iterations_{self.iterations}": self.iterations != 48,
            "_stopping": self.stopping,
            "_constant_steps": not self.cooling,
            f"_step_{self.step_scale:g}": self.step_scale != 0.5,
            f"_{self.sets}": self.sets != "tests",
            "_unsafe": not self.safe,
            f"_Delta0_{self.Delta0 or 0:g}": self.Delta0 is not None,
            f"_errors_{self.errors:g}": self.errors != 4.0,
            "_alone": not self.collaborate,
            f"_exponent_{self.radius_exponent:.3g}": self.radius_exponent != 1 / 6,
            f"_{self.estimator}": self.estimator != "two_point",
            "" if self.initial is None else f"_{self.initial.name}": self.initial is not None,
        }
        return "pcpo_auto" + "".join(suffix for suffix, present in given.items() if present)

    @property
    def uses(self) -> frozenset[str]:
        """Return no field: nothing but rollouts is used."""
        return frozenset()

    def shares_in(self, epoch: int) -> Shares:
        """Return how the rollouts of an epoch are divided: local sequences need most of them in the first two."""
        shares = _SHARES if epoch <= EPOCHS_IN_PARTS else replace(_SHARES, local=_LATER_LOCAL)
        if not self.reprobe or self.constants is not None:
            shares = replace(shares, curvature=0.0)
        return shares if self.collaborate else replace(shares, local=0.94 - shares.curvature, costs=0.06, output=0.0)

    def finding_gains(self) -> PCPOAuto:
        """Return the algorithm for agents without gains of finite cost: with an initial phase."""
        return self if self.initial is not None else replace(self, initial=Annealing())

    def init(self, setting: Setting) -> AutoState:
        """Start with K̂_i⁰ = X_i⁰ = K_i⁰; nothing is measured yet, and the setting's schedule is not read."""
        return AutoState.start(setting)

    def next_rollouts(self, state: AutoState) -> int:
        """Return how many rollouts per agent the next epoch spends at most, the first with all that precedes it."""
        spent = sum(state.spent.values())
        if state.epoch:
            return self._epoch_rollouts(state, spent)
        first = self._initial_rollouts(state.setting) + self._probing_rollouts(state.setting)
        return first + self._epoch_rollouts(state, first)

    def step(self, state: AutoState, oracle: Oracle, server: Server) -> tuple[AutoState, EpochReport]:
        """Run an epoch; the first begins with the initial phase, if any, and with probing."""
        most, before = self.next_rollouts(state), oracle.rollouts
        nonfinite = oracle.nonfinite.copy()
        if not state.epoch:
            state = self._begun(state, oracle, server)
        left = most - (oracle.rollouts - before)
        if self.initial is not None and not state.epoch:  # an initial phase hardly ever spends all that it may
            left = min(left, self._epoch_rollouts(state, sum(state.spent.values())))
        return Epoch(self, state, oracle, server, left).run(nonfinite)

    def findings(self, state: AutoState) -> Findings:
        """Return what a run has found that ended in this state."""
        known = state.known
        labels = known.labels
        order = sorted(np.unique(labels), key=lambda label: float(known.output_costs[labels == label].min()))
        resolution = float(self.errors * np.median(known.errors) * math.sqrt(2))
        told = doubts(known, resolution, self.errors)
        return Findings(
            clusters=tuple(np.flatnonzero(labels == label) for label in order),
            gains=state.global_gains,
            costs=known.output_costs,
            errors=known.output_errors,
            resolution=resolution,
            rollouts=dict(state.spent),
            warnings=tuple(told if self.collaborate else ()),
        )

    def _initial_rollouts(self, setting: Setting) -> int:
        """Return the most rollouts of the initial phase."""
        return 0 if self.initial is None else self.initial.rollouts(setting)

    def _probing_rollouts(self, setting: Setting) -> int:
        """Return the rollouts of probing: a share of the budget, and enough to measure anything at all."""
        if self.constants is not None:
            return 0
        wanted = _PROBING if setting.budget is None else int(self.probe_share * setting.budget)
        return max(wanted, fewest_rollouts(setting.initial_gains[0].size))

    def _epoch_rollouts(self, state: AutoState, spent: int) -> int:
        """Return the rollouts of the next epoch after `spent`: twice those of the one before, up to the budget.

        With a budget the epochs' sizes are T_1, 2T_1, 4T_1, …, with the largest number of epochs for which T_1 is at
        least 3,000.
        """
        budget = state.setting.budget
        if budget is None:
            return int(_FIRST * _GROWTH**state.epoch)
        left = budget - spent
        ahead = (state.epochs_planned or _epochs_in(left)) - state.epoch
        if ahead <= 0 or left < _FIRST:
            return max(left, _FIRST)
        return max(min(left, _FIRST), int(left / (_GROWTH**ahead - 1)))

    def _begun(self, state: AutoState, oracle: Oracle, server: Server) -> AutoState:
        """Run the initial phase and probing; return the state with which epoch 1 begins."""
        gains, start = state.local_gains, oracle.rollouts
        if self.initial is not None:
            gains = self.initial.gains(state.setting, oracle, server)
        spent = dict.fromkeys(PURPOSES, 0)
        spent["initial"] = oracle.rollouts - start
        before = oracle.rollouts
        if self.constants is None:
            at, bent = self._probed(state.setting, gains, oracle)
        else:
            at, bent = Epoch.told(self.constants, oracle, gains)
        spent["probing"] = oracle.rollouts - before
        budget = state.setting.budget
        planned = 0 if budget is None else _epochs_in(budget - sum(spent.values()))
        return state.measured(at, bent, spent, planned)

    def _probed(self, setting: Setting, gains: FloatArray, oracle: Oracle) -> tuple[Point, Curvature]:
        """Probe at gains; where rollouts diverge at the agents' own, the error says what to do."""
        nonfinite = oracle.nonfinite.copy()
        try:
            return probe(oracle, gains, self._probing_rollouts(setting), epoch=1, rule=self.curvature)
        except ConfigError as error:
            if self.initial is None and (oracle.nonfinite > nonfinite).any():
                raise ConfigError(f"{error}, {_UNKNOWN}") from None
            raise


def _epochs_in(rollouts: int) -> int:
    """Return how many epochs, each twice the one before and the first of 3,000 or more, fit; at least 1."""
    return max(1, int(math.log2(max(rollouts, 1) / _FIRST + 1)))
