"""Offer the MDPs as environments: Gymnasium's `Env`, and PettingZoo's `ParallelEnv` for an MDP that agents share.

Both packages are optional (`pip install ".[environments]"` from the checkout); the algorithms of this package do not
need them.

An observation is the number h·S + x of step h = 0, …, H and state x, so that the optimal policy is a function of the
observation.  An episode *terminates* after H steps and is never truncated.  Each transition takes one uniform number
through the same inverse distribution function as the kernels, so that equal numbers give equal trajectories.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from pettingzoo import ParallelEnv

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.evidence.coop_lsvi.model.mdp import MultiAgentMDP, ParallelMDP

__all__ = ["AgentEnv", "SharedEnv", "agent_envs"]


def _next_state(P: FloatArray, uniform: float) -> int:
    """Return the state that a uniform number in [0, 1) selects from probabilities ``(S,)``."""
    return int(np.searchsorted(np.cumsum(P)[:-1], uniform, side="right"))


def _start(options: dict[str, Any] | None, rng: np.random.Generator, S: int) -> int:
    """Return the initial state in `options`, or draw one uniformly; raise ConfigError for a state that is not there."""
    state = (options or {}).get("state")
    if state is None:
        return int(rng.integers(S))
    if not 0 <= int(state) < S:
        raise ConfigError(f"options.state: found {state!r}, expected an integer from 0 to {S - 1}")
    return int(state)


class AgentEnv(gymnasium.Env):  # type: ignore[misc]
    """Offer the MDP of one agent; `reset(options={"state": x})` starts in a given state.

    Args:
        P: ``(H, S, A, S)``.
        r: ``(H, S, A)``.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, P: FloatArray, r: FloatArray) -> None:
        self.P, self.r, self.render_mode = P, r, None
        self.H, self.S, self.A = r.shape
        self.observation_space = spaces.Discrete((self.H + 1) * self.S)
        self.action_space = spaces.Discrete(self.A)
        self.step_number, self.state = self.H, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Start an episode and return (observation, info)."""
        super().reset(seed=seed)
        self.step_number, self.state = 0, _start(options, self.np_random, self.S)
        return self._observed()

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take a step and return (observation, reward, terminated, truncated, info).

        Raises:
            ConfigError: for an action that is not there, and for a step after the last.
        """
        if self.step_number >= self.H:
            raise ConfigError(f"step: found step {self.step_number + 1}, expected reset() after {self.H} steps")
        if not self.action_space.contains(action):
            raise ConfigError(f"action: found {action!r}, expected an integer from 0 to {self.A - 1}")
        h, x, a = self.step_number, self.state, int(action)
        self.state = _next_state(self.P[h, x, a], self.np_random.random())
        self.step_number += 1
        observation, info = self._observed()
        return observation, float(self.r[h, x, a]), self.step_number == self.H, False, info

    def _observed(self) -> tuple[int, dict[str, Any]]:
        """Return (observation, info) of the current step."""
        return self.step_number * self.S + self.state, {"step": self.step_number, "state": self.state}


def agent_envs(mdp: ParallelMDP) -> list[AgentEnv]:
    """Return an environment for each agent of a parallel MDP."""
    return [AgentEnv(mdp.P[m], mdp.r[m]) for m in range(mdp.M)]


class SharedEnv(ParallelEnv):  # type: ignore[misc]
    """Offer a multi-agent MDP: "agent_0", … act at once, all observe the state, and each receives a reward."""

    metadata: dict[str, Any] = {"name": "coop_lsvi_v0", "render_modes": [], "is_parallelizable": True}  # noqa: RUF012

    def __init__(self, mdp: MultiAgentMDP) -> None:
        self.mdp, self.render_mode = mdp, None
        _, self.H, self.S, _ = mdp.r.shape
        self.possible_agents = [f"agent_{m}" for m in range(len(mdp.actions))]
        self.agents: list[str] = []
        self.observation_spaces = {name: spaces.Discrete((self.H + 1) * self.S) for name in self.possible_agents}
        self.action_spaces = {
            name: spaces.Discrete(count) for name, count in zip(self.possible_agents, mdp.actions, strict=True)
        }
        self.np_random: np.random.Generator | None = None
        self.step_number, self.state_number = self.H, 0

    def observation_space(self, agent: str) -> Any:
        """Return the observation space of an agent, the same object at every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        """Return the action space of an agent, the same object at every call."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
        """Start an episode and return (observations, infos), each by agent."""
        if seed is not None or self.np_random is None:
            self.np_random, _ = seeding.np_random(seed)
        self.agents = list(self.possible_agents)
        self.step_number, self.state_number = 0, _start(options, self.np_random, self.S)
        return self._observed()

    def step(self, actions: dict[str, int]) -> tuple[dict[str, Any], ...]:
        """Take a step and return (observations, rewards, terminations, truncations, infos), each by agent.

        Raises:
            ConfigError: before the first reset and after the last step, and unless there is a valid action of each
                agent.
        """
        if not self.agents or self.np_random is None:
            raise ConfigError("step: found no agent that acts, expected reset() first and after the last step")
        if actions.keys() != set(self.agents):
            raise ConfigError(f"actions: found those of {sorted(actions)}, expected one of each of {self.agents}")
        for name, action in actions.items():
            if not self.action_spaces[name].contains(action):
                raise ConfigError(
                    f"actions[{name!r}]: found {action!r}, expected a member of {self.action_spaces[name]}"
                )
        h, x = self.step_number, self.state_number
        a = self.mdp.joint(np.array([int(actions[name]) for name in self.possible_agents]))
        self.state_number = _next_state(self.mdp.P[h, x, a], self.np_random.random())
        self.step_number += 1
        rewards = {name: float(self.mdp.r[m, h, x, a]) for m, name in enumerate(self.possible_agents)}
        observations, infos = self._observed()
        over = dict.fromkeys(self.agents, self.step_number == self.H)
        if self.step_number == self.H:
            self.agents = []
        return observations, rewards, over, dict.fromkeys(over, False), infos

    def _observed(self) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
        """Return (observations, infos) of the current step, each by agent."""
        observation = self.step_number * self.S + self.state_number
        info = {"step": self.step_number, "state": self.state_number}
        return dict.fromkeys(self.agents, observation), {name: dict(info) for name in self.agents}
