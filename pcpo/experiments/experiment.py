"""Describe an experiment: a fleet, a schedule, a law of the noise, a horizon and a budget.

All of a run but its seed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from tqdm.auto import tqdm

from pcpo.algorithms.protocol import Algorithm, EpochReport, RunResult, Setting, SideInformation
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.schedule import Constants, ModelFree, ProblemConstants, Schedule, literal_constants
from pcpo.errors import BudgetError, ConfigError
from pcpo.experiments.cost import DEFAULT_LIMITS, Limits, check_run
from pcpo.experiments.draws import EpochDraws, draws_of, in_epochs
from pcpo.experiments.driver import run
from pcpo.experiments.records import evaluate
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.timetable import Change, Timetable, changes_of, check_changes
from pcpo.lqr.optimum import growth_constant
from pcpo.oracles.auto import AutoOracle, EpochThresholds
from pcpo.oracles.changing import ChangingOracle
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.moment_rules import check_unknowns
from pcpo.oracles.plant import PlantFactory, PlantOracle, plant_factory
from pcpo.oracles.rollout import LedgerOracle, RolloutOracle
from pcpo.simulation.noise import NoiseLaw, noise_law
from pcpo.storage.checkpoints import Checkpoint
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants
from pcpo.theory.rates import balances, optimal_hessians
from pcpo.theory.thresholds import planned_thresholds

__all__ = ["Experiment", "OracleName", "discounted_horizon", "read_experiment", "side_information"]

OracleName = Literal["rollouts", "moments", "auto"]
_ORACLES: Mapping[OracleName, str] = {"rollouts": "", "moments": ", moment oracle", "auto": ", oracle auto"}
_NO_THRESHOLDS = (
    "oracle: found 'auto' without a schedule, expected 'rollouts' or 'moments': the minibatch from which moments may "
    "stand for rollouts is computed from the schedule"
)
#: What of a bounded cost the end of a rollout may leave out.
_LEFT_OUT = 1e-4


@dataclass(frozen=True)
class Experiment:
    """Describe runs with any seed.

    `experiment.run(seed=0)` returns a tidy table with the columns of `records.RUN_SCHEMA`.

    Attributes:
        fleet: the agents and their systems.
        schedule: the plan of every epoch; `ModelFree` where the methods measure what they need.
        noise: name of the law.
        horizon: h of a rollout (steps), None for no end.
        budget: T, rollouts per agent.
        oracle: "rollouts" simulates, "moments" draws the estimates from their exact moments (`pcpo.oracles.moment`),
            "auto" does one or the other, question by question (`pcpo.oracles.auto`).
        plant: simulated instead of the linear systems, by name or as a factory (`pcpo.oracles.plant`); schedule,
            horizon and evaluation stay those of the linear systems, and `noise` is what they assume: the plant draws
            its noise itself.
        known_thresholds: those of a plan that was read; computed from the rest if not given.
        thresholds: of "auto", M* of every epoch; empty for another oracle.
        changes: of the agents' systems between epochs (`pcpo.fleets.timetable`).  Schedule, horizon and side
            information are those of the fleet at the start.
        timetable: which fleet is true in which epoch; None without changes.
    """

    fleet: Fleet
    schedule: Schedule | ModelFree
    noise: str
    horizon: int | None
    budget: int
    oracle: OracleName = "rollouts"
    plant: str | PlantFactory | None = None
    known_thresholds: InitVar[Sequence[EpochThresholds] | None] = None
    thresholds: Sequence[EpochThresholds] = field(init=False, default=())
    changes: Sequence[Change] = ()
    timetable: Timetable | None = field(init=False, default=None)

    def __post_init__(self, known_thresholds: Sequence[EpochThresholds] | None) -> None:
        if self.oracle not in get_args(OracleName):
            raise ConfigError(f"oracle: found {self.oracle!r}, expected 'rollouts', 'moments' or 'auto'")
        if self.oracle != "moments" and self.horizon is None:
            raise ConfigError("horizon: found None, expected a number of stages for simulated rollouts")
        _check_moments(self.oracle, self.plant, self.fleet)
        if self.changes:
            check_changes(self.oracle, "agents")
        if not isinstance(self.schedule, ModelFree):
            self.fleet.require_gains("a schedule")
        if self.oracle == "auto":
            if isinstance(self.schedule, ModelFree):
                raise ConfigError(_NO_THRESHOLDS)
            found = known_thresholds
            if found is None:
                found = planned_thresholds(self.fleet, self.schedule, noise_law(self.noise), self.epochs)
            object.__setattr__(self, "thresholds", tuple(found))
        if self.changes:
            epochs = None if isinstance(self.schedule, ModelFree) else self.epochs
            object.__setattr__(self, "timetable", Timetable(self.fleet, tuple(self.changes), epochs))

    @classmethod
    def calibrated(
        cls,
        fleet: Fleet,
        *,
        Delta0: float,
        delta: float = 0.05,
        minibatch_scale: float = 1.0,
        noise: str = "signs",
        epochs: int | None = None,
        rollouts: int | None = None,
        oracle: OracleName = "rollouts",
        plant: str | PlantFactory | None = None,
        changes: Sequence[Change] = (),
    ) -> Experiment:
        """Make an experiment with calibrated constants (`pcpo.theory.calibration`) for some epochs or rollouts.

        With the oracle "moments" there is no horizon: the moments are those of C itself.

        Raises:
            ConfigError: for values out of range, and for a plant with another oracle than "rollouts".
            FleetError: for a fleet without gains of finite cost.
            BudgetError: if `rollouts` does not reach the end of epoch 1.
        """
        fleet.require_gains("a schedule")
        law = noise_law(noise)
        if not Delta0 > 0:
            raise ConfigError(f"Delta0: found {Delta0}, expected a positive number (units of cost)")
        _check_moments(oracle, plant, fleet)  # before the constants, which take longer
        local = local_constants(fleet, law, Delta0)
        constants = calibrated_constants(local, D=fleet.D, Delta0=Delta0, minibatch_scale=minibatch_scale)
        schedule = Schedule(constants, Delta0, delta, fleet.N, fleet.D)
        budget, last = _budget(schedule, epochs, rollouts)
        horizon = None if oracle == "moments" else horizon_for(fleet, schedule, last)
        return cls(fleet, schedule, noise, horizon, budget, oracle, plant, changes=changes)

    @classmethod
    def literal(
        cls,
        fleet: Fleet,
        problem: ProblemConstants,
        *,
        Delta0: float,
        Delta0_tilde: float,
        horizon: int | None = None,
        delta: float = 0.05,
        noise: str = "signs",
        epochs: int | None = None,
        rollouts: int | None = None,
        oracle: OracleName = "moments",
    ) -> Experiment:
        """Make an experiment with the constants of Table 2 as printed, from given problem constants.

        The minibatches are beyond simulation, hence the moment oracle, unless `oracle` and a horizon say otherwise.
        """
        constants = literal_constants(problem, D=fleet.D, Delta0=Delta0, Delta0_tilde=Delta0_tilde)
        schedule = Schedule(constants, Delta0, delta, fleet.N, fleet.D)
        budget, _ = _budget(schedule, epochs, rollouts)
        return cls(fleet, schedule, noise, horizon, budget, oracle)

    @classmethod
    def model_free(
        cls,
        fleet: Fleet,
        *,
        rollouts: int,
        noise: str = "signs",
        oracle: OracleName = "rollouts",
        plant: str | PlantFactory | None = None,
        horizon: int | None = None,
        changes: Sequence[Change] = (),
    ) -> Experiment:
        """Make an experiment for methods that measure what they need, such as `pcpo_auto`, from a budget of rollouts.

        Nothing is computed from the systems; they serve to simulate and, afterwards, to say how good the gains are.

        Args:
            rollouts: T, per agent.
            horizon: h of a rollout (steps), by default `discounted_horizon`.

        Raises:
            ConfigError: for values out of range, and for a plant with another oracle than "rollouts".
        """
        noise_law(noise)
        if oracle == "auto":
            raise ConfigError(_NO_THRESHOLDS)
        if rollouts < 1:
            raise ConfigError(f"rollouts: found a budget of {rollouts:,} per agent, expected 1 or more")
        chosen = discounted_horizon(fleet.gamma) if horizon is None and oracle == "rollouts" else horizon
        return cls(fleet, ModelFree(), noise, chosen, rollouts, oracle, plant, changes=changes)

    @property
    def planned(self) -> Schedule:
        """Return the schedule; ConfigError if there is none."""
        if isinstance(self.schedule, ModelFree):
            raise ConfigError("schedule: found none, expected one, with mode calibrated or literal")
        return self.schedule

    @property
    def mode(self) -> str:
        """Return the label of the results: the schedule's mode, the oracle if it does not simulate, a plant if any.

        Of "auto" it says which epochs of Algorithm 1 are drawn how.
        """
        epochs = f": {in_epochs(self.draws())}" if self.oracle == "auto" else ""
        name = self.plant if isinstance(self.plant, str) else getattr(self.plant, "__name__", "of one's own")
        return self.short_mode + epochs + ("" if self.plant is None else f", plant {name}")

    @property
    def short_mode(self) -> str:
        """Return the schedule's mode and the oracle: a label for cells whose epochs are drawn variously."""
        return self.schedule.mode + _ORACLES[self.oracle]

    def labelled(self, mode: str) -> str:
        """Return the label of results of a method with a mode of its own: the mode, the oracle, a plant if any."""
        name = self.plant if isinstance(self.plant, str) else getattr(self.plant, "__name__", "of one's own")
        return mode + _ORACLES[self.oracle] + ("" if self.plant is None else f", plant {name}")

    def draws(self, rollouts: int | None = None) -> Sequence[EpochDraws]:
        """Return how Algorithm 1 gets each answer of each epoch within the budget, or within `rollouts` per agent."""
        if isinstance(self.schedule, ModelFree):
            return []
        last = self.schedule.epochs_within(self.budget if rollouts is None else rollouts)
        plans = (self.schedule.plan(epoch) for epoch in range(1, last + 1))
        return [draws_of(plan, self.oracle, self.thresholds) for plan in plans]

    def make_oracle(self, seed: int) -> LedgerOracle:
        """Return the oracle of the run of that seed."""
        if self.timetable is not None:
            return ChangingOracle(self.timetable, lambda fleet: self._oracle_of(fleet, seed))
        return self._oracle_of(self.fleet, seed)

    def _oracle_of(self, fleet: Fleet, seed: int) -> LedgerOracle:
        """Return the oracle of a fleet, in the run of that seed."""
        law = noise_law(self.noise)
        if self.oracle == "moments":
            return MomentOracle(fleet, seed=seed, law=law, horizon=self.horizon)
        assert self.horizon is not None
        if self.oracle == "auto":
            return AutoOracle(fleet, seed=seed, horizon=self.horizon, law=law, thresholds=self.thresholds)
        if self.plant is not None:
            make = plant_factory(self.plant) if isinstance(self.plant, str) else self.plant
            return PlantOracle(fleet, make, seed=seed, horizon=self.horizon)
        return RolloutOracle(fleet, seed=seed, horizon=self.horizon, law=law)

    def truth(self, epoch: int) -> Fleet:
        """Return the fleet that is true in epoch l."""
        return self.fleet if self.timetable is None else self.timetable.at(epoch)

    @property
    def epochs(self) -> int:
        """Return L̄: how many epochs of PCPO the budget allows."""
        return self.schedule.epochs_within(self.budget)

    def run(
        self,
        algorithm: str | Algorithm = "pcpo",
        *,
        seed: int,
        scenario: str = "",
        progress: bool = False,
        on_epoch: Callable[[EpochReport], None] | None = None,
        checkpoint: Checkpoint | None = None,
        limits: Limits | None = DEFAULT_LIMITS,
        rows: str = "agents",
        **options: Any,
    ) -> pd.DataFrame:
        """Run once and evaluate against the true systems.

        Args:
            algorithm: its name, or the algorithm itself.
            seed: of all random numbers of the run.
            scenario: label in the table; by default the fleet's name.
            progress: show a progress bar.
            on_epoch: called after every epoch.
            checkpoint: state is saved there after every epoch, and the run resumes from it.
            limits: beyond which the run is refused; None for a run of any length.
            rows: "agents" or "clusters", as in `records.evaluate`.
            options: of the algorithm, if it is given by name.

        Returns:
            The table of `records.evaluate`: a row per (epoch, agent), or per (epoch, cluster).

        Raises:
            BudgetError: if the run would take longer, or more memory, than the limits.
        """
        if limits is not None:
            check_run(self, limits, rows=rows)
        chosen = make_algorithm(algorithm, **options) if isinstance(algorithm, str) else algorithm
        result = self.result(chosen, seed=seed, progress=progress, on_epoch=on_epoch, checkpoint=checkpoint)
        if self.changes:
            check_changes(self.oracle, rows)
        return evaluate(self.truth, result, scenario=scenario or self.fleet.name, seed=seed, rows=rows)

    def result(
        self,
        algorithm: Algorithm,
        *,
        seed: int,
        progress: bool = False,
        on_epoch: Callable[[EpochReport], None] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> RunResult:
        """Run once, as `run` does, whatever it costs, and return what the algorithm reports, without an evaluation."""
        oracle = self.make_oracle(seed)
        law = noise_law(self.noise) if "balances" in algorithm.uses else None
        fleet = self.fleet
        side = side_information(fleet, law, hessians="hessians" in algorithm.uses)
        setting = Setting(
            fleet.initial_gains,
            self.schedule,
            side,
            gains_known=fleet.gains_known,
            shared_seed=seed,
        )
        with tqdm(total=self.budget, unit="rollout", unit_scale=True, disable=not progress, desc=algorithm.name) as bar:
            oracle.on_rollouts = bar.update
            found = run(algorithm, oracle, setting, self.budget, on_epoch=on_epoch, checkpoint=checkpoint)
        return replace(found, mode=self.mode if found.mode == self.schedule.mode else self.labelled(found.mode))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the fleet, for a JSON file; with the plan of every epoch, for people to read.

        Raises:
            ConfigError: for a plant without a name.
        """
        if self.plant is not None and not isinstance(self.plant, str):
            raise ConfigError("plant: found a factory, expected the name of a plant, which can be written down")
        planned = 0 if isinstance(self.schedule, ModelFree) else self.epochs
        plans = [{**asdict(p), "rollouts": p.rollouts} for p in map(self.schedule.plan, range(1, planned + 1))]
        auto: dict[str, Any] = {}
        if self.oracle == "auto":
            plans = [{**plan, "drawn": draws.to_dict()} for plan, draws in zip(plans, self.draws(), strict=True)]
            auto = {"thresholds": [found.to_dict() for found in self.thresholds]}
        return {
            "noise": self.noise,
            "horizon": self.horizon,
            "budget": self.budget,
            "oracle": self.oracle,
            "schedule": {"mode": self.schedule.mode} if isinstance(self.schedule, ModelFree) else asdict(self.schedule),
            "epochs": plans,
            **({} if self.plant is None else {"plant": self.plant}),
            **({"changes": [change.to_dict() for change in self.changes]} if self.changes else {}),
            **auto,
        }

    @classmethod
    def from_dict(cls, fleet: Fleet, data: Mapping[str, Any]) -> Experiment:
        """Rebuild an experiment from what `to_dict` returned; ConfigError if a key is missing or unknown."""
        try:
            schedule = dict(data["schedule"])
            planned: Schedule | ModelFree = ModelFree()
            if schedule != {"mode": planned.mode}:
                planned = Schedule(**{**schedule, "constants": Constants(**schedule["constants"])})
            oracle = data.get("oracle", "rollouts")
            settings = (data["noise"], data["horizon"], data["budget"], oracle, data.get("plant"))
            known = [EpochThresholds.from_dict(found) for found in data["thresholds"]] if oracle == "auto" else None
            return cls(fleet, planned, *settings, known, changes=changes_of(data.get("changes", ())))
        except (KeyError, TypeError) as error:
            raise ConfigError(f"experiment: found a description with a wrong or missing key ({error})") from None

    def to_json(self) -> str:
        """Return `to_dict` as text, with exact floats."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"


def read_experiment(fleet: Fleet, path: Path) -> Experiment:
    """Read the experiment of a fleet from a plan (JSON); raises ConfigError as `Experiment.from_dict` does."""
    return Experiment.from_dict(fleet, json.loads(path.read_text(encoding="utf-8")))


def discounted_horizon(gamma: float) -> int:
    """Return the smallest h with γ^h ≤ 10⁻⁴: after so many steps, bounded stage costs hardly count.

    It needs no model, unlike `pcpo.theory.calibration.horizon_for`.
    """
    return max(1, math.ceil(math.log(_LEFT_OUT) / math.log(gamma)))


def side_information(fleet: Fleet, law: NoiseLaw | None = None, *, hessians: bool = False) -> SideInformation:
    """Return all side information about a fleet; the driver hands over the fields that a method declares.

    Args:
        fleet: the agents' systems.
        law: of the noise, on which the balances depend; without it there are none.
        hessians: whether to compute ∇²C(K*), which takes long for systems with many unknowns.
    """
    return SideInformation(
        labels=fleet.labels,
        separation=fleet.separation,
        n_clusters=fleet.H,
        state_costs=fleet.stacked.Q,
        input_costs=fleet.stacked.R,
        cross_costs=fleet.stacked.N,
        gamma=fleet.gamma,
        growth=min(map(growth_constant, fleet.systems)),
        balances=None if law is None else balances(fleet, law),
        hessians=optimal_hessians(fleet)[fleet.labels] if hessians else None,
    )


def _check_moments(oracle: OracleName, plant: str | PlantFactory | None, fleet: Fleet) -> None:
    """Raise an error if moments are asked of a plant, or of more unknowns D than they are offered for."""
    if oracle == "rollouts":
        return
    if plant is not None:
        raise ConfigError(
            f"plant: found one with the oracle {oracle!r}, expected the oracle 'rollouts': "
            "the moments of a plant are not known"
        )
    check_unknowns(fleet.D)


def _budget(schedule: Schedule, epochs: int | None, rollouts: int | None) -> tuple[int, int]:
    """Return the budget of rollouts per agent and the number of epochs of PCPO that it allows."""
    if (epochs is None) == (rollouts is None):
        raise ConfigError(f"budget: found epochs={epochs} and rollouts={rollouts}, expected exactly one of them")
    if epochs is not None:
        if epochs < 1:
            raise ConfigError(f"epochs: found {epochs}, expected 1 or more")
        return schedule.rollouts_for(epochs), epochs
    assert rollouts is not None
    last = schedule.epochs_within(rollouts)
    if last == 0:
        needed = schedule.rollouts_for(1)
        raise BudgetError(
            f"rollouts: found a budget of {rollouts:,} per agent, expected at least {needed:,}, "
            "which the first epoch needs"
        )
    return rollouts, last
