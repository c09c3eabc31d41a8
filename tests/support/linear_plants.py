"""The fleet's own linear systems as plants, and as environments: what any oracle of plants must agree with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.plant import SingleEnvironment
from pcpo.simulation.noise import NoiseLaw, noise_law


class LinearPlant:
    """x' = Ax + Bu + z and xᵀQx + uᵀRu, from x_0 = 0."""

    def __init__(self, system: LinearSystem, law: NoiseLaw) -> None:
        self.system, self.law = system, law
        self.n, self.m = system.n, system.m

    def reset(self, rng: np.random.Generator, count: int) -> FloatArray:
        return np.zeros((count, self.n))

    def step(self, states: FloatArray, actions: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        s = self.system
        costs = np.einsum("ki,ij,kj->k", states, s.Q, states) + np.einsum("ki,ij,kj->k", actions, s.R, actions)
        return states @ s.A.T + actions @ s.B.T + self.law.sample(rng, (len(states),), self.n), costs


def linear_plant(fleet: Fleet, agent: int) -> LinearPlant:
    """A factory, with noise of signs."""
    return LinearPlant(fleet.system_of(agent), noise_law("signs"))


class LinearEnvironment:
    """The same, as Gymnasium has it; `fails_at` and `ends_at` are steps at which it terminates or truncates."""

    def __init__(self, system: LinearSystem, *, fails_at: int | None = None, ends_at: int | None = None) -> None:
        self.plant = LinearPlant(system, noise_law("signs"))
        self.observation_space, self.action_space = (SimpleNamespace(shape=(k,)) for k in (system.n, system.m))
        self.fails_at, self.ends_at = fails_at, ends_at

    def reset(self, *, seed: int) -> tuple[FloatArray, dict[str, Any]]:
        self.rng, self.t = np.random.default_rng(seed), 0
        self.state = self.plant.reset(self.rng, 1)
        return self.state[0], {}

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        self.t += 1
        self.state, costs = self.plant.step(self.state, action[None], self.rng)
        return self.state[0], -float(costs[0]), self.t == self.fails_at, self.t == self.ends_at, {}


def linear_environment(fleet: Fleet, agent: int) -> SingleEnvironment:
    """A factory."""
    return SingleEnvironment(LinearEnvironment(fleet.system_of(agent)))
