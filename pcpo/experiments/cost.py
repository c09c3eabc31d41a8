"""Say what a run costs before it starts, and refuse what nobody can run.

Counts of rollouts and steps are exact.  Core hours are an expectation: the rates below were measured on one core of a
2.5 GHz Xeon with AVX-512, and other cores take up to about three times as long.  No result depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from pcpo import lqr
from pcpo.algorithms.registry import ALGORITHMS
from pcpo.algorithms.schedule import ModelFree
from pcpo.errors import BudgetError
from pcpo.simulation.estimators import noise_bytes
from pcpo.simulation.kernels import MAX_INPUTS, MAX_STATES, flops_per_step
from pcpo.simulation.noise import noise_law

if TYPE_CHECKING:
    from pcpo.experiments.experiment import Experiment

__all__ = [
    "DEFAULT_LIMITS",
    "Limits",
    "RunCost",
    "ScenarioCost",
    "check_configured",
    "check_run",
    "check_scenario",
    "in_words",
    "limits_of",
    "records_bytes",
    "run_cost",
    "scenario_cost",
    "seconds_per_rollout",
    "takes_long",
]

#: Nanoseconds of one step of one rollout, by law and number of states: compiled kernels, then NumPy beyond their sizes.
_COMPILED = {
    "signs": {1: 0.18, 2: 0.48, 4: 1.63, 8: 6.2, 12: 16.4},
    "sphere": {1: 0.18, 2: 0.85, 4: 3.1, 8: 12.5, 12: 31.0},
    "cube": {1: 0.40, 2: 0.90, 4: 2.4, 8: 7.5, 12: 19.0},
}
_NUMPY = {
    "signs": {13: 290.0, 20: 400.0, 30: 800.0, 50: 2600.0},
    "sphere": {13: 400.0, 20: 460.0, 30: 740.0, 50: 1380.0},
    "cube": {13: 370.0, 20: 420.0, 30: 670.0, 50: 1260.0},
}
#: Microseconds of one answer for one agent from its moments, by the number of unknowns D: measured in processor time
#: on the same machine, in an epoch of 300 iterations with all its anchors (`benchmarks/test_moment.py`; of two shapes
#: of D = 20 the slower).
_MOMENTS = {1: 0.5, 2: 1.2, 6: 3.4, 8: 11.4, 12: 14.5, 20: 39.9, 60: 333.0}
_ROW = 8 * 80  # bytes of a row of results, while a table is made
_MEMBER = 12  # bytes of a member of a set of a row per agent: as an index, and in the file's table
_OVERHEAD = 1.5  # what a run takes beyond its rollouts, by the reference run: 1.2 to 2
_WORTH_A_WARNING = 300.0  # core seconds of one run
#: Questions to the oracle of an epoch of `pcpo_auto`: iterations, curvatures, tests.
_QUESTIONS_OF_AN_EPOCH = 400
_LONG_HORIZON = 10_000  # steps
_SMALLEST_MINIBATCH = 30  # a smaller minibatch is not proposed


@dataclass(frozen=True)
class Limits:
    """Hold what is refused beyond: core hours of a run, of a scenario; GiB of a chunk of noise, and of a run's rows."""

    core_hours_per_run: float = 10.0
    core_hours: float = 500.0
    memory_gib: float = 4.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class RunCost:
    """Hold what one run takes.

    Attributes:
        rollouts: rollouts per agent that are simulated.
        agents: N.
        horizon: steps of a rollout.
        operations: floating-point operations of the recursion.
        core_seconds: expected; infinite beyond the range of floating-point numbers.
        memory: bytes of the noise of one chunk of rollouts.
        records: bytes of the rows of results, if the events of Theorem 1 hold.
        drawn: rollouts per agent that are not simulated: minibatches drawn from their moments.
    """

    rollouts: int
    agents: int
    horizon: int
    operations: int
    core_seconds: float
    memory: int
    records: int = 0
    drawn: int = 0

    @property
    def steps(self) -> int:
        """Return the steps of all rollouts of all agents."""
        return self.rollouts * self.agents * self.horizon

    @property
    def core_hours(self) -> float:
        """Return the expected core hours."""
        return self.core_seconds / 3600

    def __str__(self) -> str:
        """Say rollouts, steps and core hours."""
        duration = f"about {_duration(self.core_seconds)} in one run"
        drawn = f"{in_words(self.drawn)} rollouts per agent drawn from their moments"
        if not self.rollouts:
            return f"{drawn}, for {self.agents} agents, and {duration}"
        return (
            f"{in_words(self.rollouts)} rollouts per agent of {self.horizon} steps, which are "
            f"{in_words(self.steps)} steps of {self.agents} agents and {duration}"
            + (f", besides {drawn}" if self.drawn else "")
        )


@dataclass(frozen=True)
class ScenarioCost:
    """Hold how many runs of a scenario there are, in the comparison and in the tuning, and what each takes."""

    run: RunCost
    runs: int
    tuning: int

    @property
    def core_hours(self) -> float:
        """Return the expected core hours of all runs."""
        return (self.runs + self.tuning) * self.run.core_hours

    def __str__(self) -> str:
        """Say how many runs there are and their core hours."""
        tuning = f" and {self.tuning} of the tuning" if self.tuning else ""
        runs = "1 run" if self.runs == 1 else f"{self.runs} runs"
        return f"{runs}{tuning}, about {_duration(3600 * self.core_hours)} in all"


def in_words(number: float) -> str:
    """Write a count or an amount shortly: integers below a million in full, else two digits, as in 1.1e23."""
    if isinstance(number, int) and abs(number) < 10**6:
        return str(number)
    if not isinstance(number, int) and 1e-3 <= number < 10**5:
        return f"{number:.2g}" if number < 100 else f"{number:.0f}"
    mantissa, _, exponent = f"{Decimal(number):.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}" if exponent else mantissa


def _duration(core_seconds: float) -> str:
    """Write processor time in seconds, minutes or hours."""
    for most, unit, name in ((100, 1, "seconds"), (6000, 60, "minutes")):
        if core_seconds < most:
            return f"{core_seconds / unit:.2g} core {name}"
    return f"{in_words(core_seconds / 3600)} core hours"


def _between(table: Mapping[int, float], n: int) -> float:
    """Interpolate a rate, linearly in the logarithms of n and of the rate."""
    return float(np.exp(np.interp(np.log(n), np.log(list(table)), np.log(list(table.values())))))


def seconds_per_rollout(n: int, m: int, law: str, horizon: int, *, plant: bool = False) -> float:
    """Return the expected core seconds of one rollout: gains and directions, then h − 1 steps.

    A plant counts as an array program in NumPy; its own speed is not known.
    """
    if n <= MAX_STATES and m <= MAX_INPUTS and not plant:
        once, step = 45 + 0.8 * n * n * m, _between(_COMPILED[law], n)
    else:
        once, step = 8.0 * n * n + 18 * n * m, _between(_NUMPY[law], n)
    return _OVERHEAD * (once + step * (horizon - 1)) * 1e-9


def records_bytes(experiment: Experiment, rows: str) -> int:
    """Return the memory of the rows of a run of PCPO.

    Rows per agent list the members of every set: of two clusters that (7) cannot tell apart, |C*_i − C*_j| ≤ Δ_l, all
    are taken for members.
    """
    fleet, epochs = experiment.fleet, experiment.epochs
    if rows == "clusters":
        return _ROW * fleet.N + epochs * fleet.H * (_ROW + 8 * fleet.H)
    sizes, costs = np.bincount(fleet.labels), fleet.optimal_costs
    apart, pairs = np.abs(costs[:, None] - costs), np.outer(sizes, sizes)
    schedule = experiment.schedule
    if isinstance(schedule, ModelFree):  # what (7) can tell apart is not known beforehand
        members = epochs * fleet.N**2
    else:
        plans = map(schedule.plan, range(1, epochs + 1))
        members = sum(int(pairs[apart <= plan.Delta].sum()) for plan in plans)
    return epochs * fleet.N * _ROW + _MEMBER * members


def run_cost(experiment: Experiment, rollouts: int | None = None, rows: str = "agents") -> RunCost:
    """Return the cost of a run that spends its budget, or `rollouts` per agent.

    Minibatches drawn from their moments take a time of their own, whatever their size.  Which they are is that of
    Algorithm 1: a method that divides its minibatches, as IFCA does, may simulate what Algorithm 1 draws.
    """
    fleet, spent = experiment.fleet, experiment.budget if rollouts is None else rollouts
    simulated, drawn, seconds = spent, 0, 0.0
    if experiment.oracle == "moments" and isinstance(experiment.schedule, ModelFree):
        questions = experiment.epochs * _QUESTIONS_OF_AN_EPOCH
        return RunCost(0, fleet.N, 0, 0, 1e-6 * questions * fleet.N * _between(_MOMENTS, fleet.D), 0,
                       records_bytes(experiment, rows), spent)  # fmt: skip
    if experiment.oracle != "rollouts":
        draws = experiment.draws(spent)
        simulated, drawn = sum(d.simulated for d in draws), sum(d.drawn for d in draws)
        answers = sum(d.moment_answers for d in draws)
        seconds = 1e-6 * _product(answers * fleet.N, _between(_MOMENTS, fleet.D))
    horizon = experiment.horizon
    records = records_bytes(experiment, rows)
    if not simulated or horizon is None:
        return RunCost(0, fleet.N, 0, 0, seconds, 0, records, drawn)
    plant = experiment.plant is not None
    each = seconds_per_rollout(fleet.n, fleet.m, experiment.noise, horizon, plant=plant)
    operations = simulated * fleet.N * (horizon - 1) * flops_per_step(fleet.n)
    memory = 16 * horizon if plant else noise_bytes(fleet.n, fleet.m, horizon, noise_law(experiment.noise))
    seconds += _product(simulated * fleet.N, each)
    return RunCost(simulated, fleet.N, horizon, operations, seconds, memory, records, drawn)


def _product(count: int, each: float) -> float:
    """Multiply, with infinity for a count beyond the range of floating-point numbers."""
    try:
        return float(count) * each
    except OverflowError:
        return float("inf")


def scenario_cost(run: RunCost, scenario: Mapping[str, Any]) -> ScenarioCost:
    """Return the cost of a scenario of a validated configuration, whose runs cost `run`."""
    algorithms, tuning = scenario["algorithms"], 0
    if settings := scenario.get("tuning"):
        pairs = len(settings["grid"]["step_scale"]) * len(settings["grid"]["radius_scale"])
        once = [name for name in algorithms if name in ALGORITHMS and ALGORITHMS[name].sees == "trajectories"]
        tuning = settings["seeds"]["count"] * (pairs * (len(algorithms) - len(once)) + len(once))
    return ScenarioCost(run, scenario["seeds"]["count"] * len(algorithms), tuning)


def check_run(
    experiment: Experiment, limits: Limits, where: str = "budget", scale: float | None = None, rows: str = "agents"
) -> RunCost:
    """Return the cost of a run.

    Args:
        experiment: what is run.
        limits: beyond which a run is refused.
        where: what the sentence begins with.
        scale: κ_M of the schedule, for a proposal; without it no κ_M is proposed.
        rows: "agents" or "clusters", what the rows of the results are about.

    Raises:
        BudgetError: beyond the limits, with the numbers and with what would be affordable.
    """
    cost = run_cost(experiment, rows=rows)
    if not cost.core_hours <= limits.core_hours_per_run:
        proposals = "; ".join(_proposals(experiment, cost, limits, scale))
        raise BudgetError(
            f"{where}: found {cost}, expected at most {limits.core_hours_per_run:g} core hours "
            f"(limits.core_hours_per_run); {proposals or 'cheaper is a smaller budget'}"
        )
    if not cost.memory <= limits.memory_gib * 2**30:
        raise BudgetError(
            f"{where}: found {cost}, with {in_words(cost.memory / 2**30)} GiB of noise at once, expected at most "
            f"{limits.memory_gib:g} GiB (limits.memory_gib); shorter rollouts need a gamma further below 1, initial "
            "gains of lower cost, or fewer epochs"
        )
    if not cost.records <= limits.memory_gib * 2**30:
        smaller = in_words(records_bytes(experiment, "clusters") / 2**30)
        raise BudgetError(
            f"{where}: found {cost}, with {in_words(cost.records / 2**30)} GiB of rows of results, expected at most "
            f"{limits.memory_gib:g} GiB (limits.memory_gib); rows per cluster take {smaller} GiB (rows: clusters)"
        )
    return cost


def check_scenario(cost: ScenarioCost, limits: Limits, where: str) -> None:
    """Raise BudgetError if the runs of a scenario take longer together than the limit."""
    if not cost.core_hours <= limits.core_hours:
        raise BudgetError(
            f"{where}: found {cost}, each of {cost.run}, expected at most {limits.core_hours:g} core hours "
            f"(limits.core_hours), for example at most {int(limits.core_hours / cost.run.core_hours)} runs"
        )


def takes_long(cost: RunCost) -> bool:
    """Return whether a run within the limits takes so long that its cost should be shown."""
    return cost.core_seconds >= _WORTH_A_WARNING


def limits_of(config: Mapping[str, Any]) -> Limits:
    """Return the limits of a validated configuration."""
    return Limits(**config.get("limits", {}))


def check_configured(experiment: Experiment, config: Mapping[str, Any], scenario: str) -> ScenarioCost:
    """Return the cost of a scenario of a validated configuration; raises BudgetError as the checks that it makes."""
    limits, settings = limits_of(config), config["scenarios"][scenario]
    where = f"scenarios.{scenario}"
    scale = settings["schedule"]["minibatch_scale"] if "schedule" in settings else None
    run = check_run(experiment, limits, f"{where}.budget", scale, settings["rows"])
    cost = scenario_cost(run, settings)
    check_scenario(cost, limits, where)
    return cost


def _proposals(experiment: Experiment, cost: RunCost, limits: Limits, scale: float | None) -> Iterator[str]:
    """Yield what would make a run affordable, with numbers; the horizon is taken to stay."""
    fleet, schedule = experiment.fleet, experiment.schedule
    starts, best = float(fleet.costs(fleet.initial_gains).max()), [float(c) for c in fleet.optimal_costs]
    if fleet.gains_known and starts > 2 * max(best):
        V = max(c**2 + lqr.rollout_variance(s, lqr.riccati(s).K, noise_law(experiment.noise)) for c, s in
                zip(best, fleet.systems, strict=True))  # fmt: skip
        yield (
            f"initial gains of lower cost would do most: found costs up to {in_words(starts)}, where the optimal ones "
            f"are {in_words(min(best))} to {in_words(max(best))}, and minibatches grow as the squares of costs, "
            f"here {in_words(max(1.0, starts**2 / V))} times"
        )
    factor = limits.core_hours_per_run / cost.core_hours
    if isinstance(schedule, ModelFree):
        yield f"budget: {{rollouts: {int(_down(factor * experiment.budget))}}} is within the limit"
        return
    fitting = [
        epochs
        for epochs in range(1, experiment.epochs)
        if run_cost(experiment, schedule.rollouts_for(epochs)).core_hours <= limits.core_hours_per_run
    ]
    if fitting:
        yield f"budget: {{epochs: {fitting[-1]}}} is within the limit"
    if scale is not None and factor >= 1e-4 and schedule.plan(1).minibatch * factor >= _SMALLEST_MINIBATCH:
        yield f"schedule.minibatch_scale: {in_words(_down(scale * factor))} would be"
    if factor > 0 and (larger := schedule.Delta0 / factor**0.5) <= max(starts, *best):
        yield f"schedule.Delta0: {in_words(_up(larger))} would be, if the clusters differ by so much"
    elif schedule.Delta0 < 1e-2 * max(best):
        yield (
            f"schedule.Delta0: found {schedule.Delta0:g} beside optimal costs up to {in_words(max(best))}, and "
            "rollouts grow as the square of their ratio"
        )
    if cost.horizon > _LONG_HORIZON:
        yield f"a gamma further below 1: at {fleet.gamma:.12g} rollouts have to last {cost.horizon} steps"


def _down(value: float) -> float:
    """Round down to one digit."""
    digit = 10.0 ** np.floor(np.log10(value))
    return float(np.floor(value / digit) * digit)


def _up(value: float) -> float:
    """Round up to one digit."""
    digit = 10.0 ** np.floor(np.log10(value))
    return float(np.ceil(value / digit) * digit)
