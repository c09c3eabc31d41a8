"""Learn gains from rollouts alone, on the plants of one's own or on a fleet: agents, a budget, and nothing else.

The result is what the algorithm itself can say: clusters, gains, estimated costs with intervals.  Where a fleet says
what is true, `Experiment.model_free` evaluates a run against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from pcpo.algorithms.model_free.findings import Findings
from pcpo.algorithms.protocol import RunResult, Setting
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.schedule import ModelFree
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import Experiment, discounted_horizon
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.plant import Plant, PlantOracle, SingleEnvironment
from pcpo.oracles.rollout import LedgerOracle

__all__ = ["Plants", "learn", "result"]


@dataclass(frozen=True)
class Plants:
    """Hold agents of whom nothing is known but their plants.

    Attributes:
        plants: a plant for each agent, all with m inputs and n states (`pcpo.oracles.plant.Plant`).
        gamma: γ, the discount of the costs.
        initial_gains: K_i⁰, ``(N, m, n)`` or one ``(m, n)`` for all; zeros if not given.
        gains_known: False if no gain of finite cost is known: `learn` then finds some first (docs/annealing.md).

    Raises:
        ConfigError: for no plants, another γ than one in (0, 1), plants of different sizes, gains of another shape, or
            gains where none are known.
    """

    plants: Sequence[Plant | SingleEnvironment]
    gamma: float
    initial_gains: FloatArray | None = None
    gains_known: bool = True
    gains: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        if not self.plants:
            raise ConfigError("plants: found none, expected one for each agent")
        if not 0 < self.gamma < 1:
            raise ConfigError(f"gamma: found {self.gamma}, expected a discount between 0 and 1")
        sizes = [(getattr(plant, "m", None), getattr(plant, "n", None)) for plant in self.plants]
        for agent, size in enumerate(sizes):
            if size != sizes[0]:
                raise ConfigError(f"plants: found (m, n) = {size} of agent {agent}, expected {sizes[0]}, as of agent 0")
        if not all(isinstance(size, int | np.integer) and size > 0 for size in sizes[0]):
            raise ConfigError(f"plants: found (m, n) = {sizes[0]} of agent 0, expected two positive whole numbers")
        if not self.gains_known and self.initial_gains is not None:
            raise ConfigError("initial_gains: found some with gains_known=False, expected none")
        shape = (self.N, self.m, self.n)
        given = np.zeros(shape) if self.initial_gains is None else np.asarray(self.initial_gains, dtype=np.float64)
        if given.shape not in (shape, shape[1:]) or not np.isfinite(given).all():
            raise ConfigError(f"initial_gains: found shape {given.shape}, expected {shape} of finite numbers")
        object.__setattr__(self, "gains", np.broadcast_to(given, shape).copy())

    @property
    def N(self) -> int:
        """Return the number of agents."""
        return len(self.plants)

    @property
    def m(self) -> int:
        """Return the number of inputs."""
        return int(self.plants[0].m)

    @property
    def n(self) -> int:
        """Return the number of states."""
        return int(self.plants[0].n)


def learn(
    agents: Plants | Fleet,
    *,
    budget: int,
    seed: int = 0,
    horizon: int | None = None,
    progress: bool = False,
    **options: Any,
) -> Findings:
    """Learn a gain for every agent by `pcpo_auto` and say what was found.

    Args:
        agents: plants, or a fleet, whose linear systems are then simulated under noise of random signs.
        budget: rollouts per agent, all that is spent on measuring included.
        seed: of all random numbers.
        horizon: h, steps of a rollout; by default the first at which γ^h is below 10⁻⁴.
        progress: show a progress bar.
        options: of `pcpo_auto` (docs/methods/pcpo_auto.md).

    Returns:
        The findings: print them, or read clusters, gains, costs with intervals, rollouts by purpose, and warnings.

    Raises:
        ConfigError: for values out of range, and for agents whose costs cannot be learned from; naming the agent.
        BudgetError: for a budget that does not even pay for the first epoch, with the rollouts that it needs, or that
            ends before gains of finite cost are found, where none are known.
    """
    found = result(agents, budget=budget, seed=seed, horizon=horizon, progress=progress, **options)
    assert isinstance(found.findings, Findings)
    return found.findings


def result(
    agents: Plants | Fleet,
    *,
    budget: int,
    seed: int = 0,
    horizon: int | None = None,
    progress: bool = False,
    **options: Any,
) -> RunResult:
    """Learn as `learn` does, and return the whole run: sets, local and global gains of every epoch, and the findings.

    Arguments and errors are those of `learn`.
    """
    steps = discounted_horizon(agents.gamma) if horizon is None else horizon
    if steps < 1:
        raise ConfigError(f"horizon: found {steps}, expected 1 step or more")
    algorithm = make_algorithm("pcpo_auto", **options)
    if isinstance(agents, Fleet):
        experiment = Experiment.model_free(agents, rollouts=budget, horizon=steps)
        oracle: LedgerOracle = experiment.make_oracle(seed)
        gains = agents.initial_gains
    else:
        oracle = PlantOracle(agents, _given, seed=seed, horizon=steps)
        gains = agents.gains
    with tqdm(total=budget, unit="rollout", unit_scale=True, disable=not progress, desc=algorithm.name) as bar:
        oracle.on_rollouts = bar.update
        setting = Setting(gains, ModelFree(), gains_known=agents.gains_known)
        return run(algorithm, oracle, setting, budget)


def _given(agents: Any, agent: int) -> Plant | SingleEnvironment:
    """Return the plant of an agent."""
    plant: Plant | SingleEnvironment = agents.plants[agent]
    return plant
