"""Test the environments: conventions of Gymnasium and PettingZoo, and the same trajectories as the kernels."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo.errors import ConfigError
from pcpo.evidence.coop_lsvi.model.draws import random_mdp, random_multi_agent
from pcpo.evidence.coop_lsvi.model.mdp import homogeneous

gymnasium = pytest.importorskip("gymnasium", reason="the environments need the extra `environments`")
pytest.importorskip("pettingzoo", reason="the environments need the extra `environments`")

from gymnasium.utils.env_checker import check_env  # noqa: E402
from pettingzoo.test import parallel_api_test, parallel_seed_test  # noqa: E402

from pcpo.evidence.coop_lsvi.model.environments import AgentEnv, SharedEnv, agent_envs  # noqa: E402

S, A, H = 4, 3, 2


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed))


def env() -> AgentEnv:
    return agent_envs(homogeneous(random_mdp(rng(), S, A, H, 3), 2))[1]


def shared() -> SharedEnv:
    return SharedEnv(random_multi_agent(rng(), S, (2, 3), H, 3, 3))


@pytest.mark.filterwarnings("ignore:.*(not a|different from the unwrapped|render|spec|`check_env`).*:UserWarning")
def test_gymnasium_accepts_it() -> None:
    check_env(env(), skip_render_check=True)


def test_pettingzoo_accepts_it() -> None:
    parallel_api_test(shared(), num_cycles=20)
    parallel_seed_test(shared, num_cycles=20)


def test_equal_numbers_give_the_transitions_of_the_kernel() -> None:
    found = env()
    observation, info = found.reset(seed=3, options={"state": 2})
    assert (observation, info) == (2, {"step": 0, "state": 2})
    twin = np.random.Generator(np.random.PCG64(np.random.SeedSequence(3)))
    x = 2
    for h in range(H):
        uniform = twin.random()
        y = 0
        while y < S - 1 and uniform >= np.cumsum(found.P[h, x, 1])[y]:
            y += 1
        observation, reward, terminated, truncated, info = found.step(1)
        assert (observation, reward) == ((h + 1) * S + y, found.r[h, x, 1])
        assert (terminated, truncated) == (h == H - 1, False)
        x = y
    with pytest.raises(ConfigError, match=r"found step 3, expected reset\(\) after 2 steps"):
        found.step(0)


def test_frequencies_are_the_probabilities() -> None:
    found, runs = env(), 3000
    counts = np.zeros(S)
    found.reset(seed=4)
    for _ in range(runs):
        found.reset(options={"state": 1})
        counts[found.step(2)[0] - S] += 1
    p = found.P[0, 1, 2]
    assert np.all(np.abs(counts / runs - p) <= 4 * np.sqrt(p * (1 - p) / runs) + 1e-12)


def test_agents_share_a_state_and_have_rewards_of_their_own() -> None:
    found = shared()
    found.reset(seed=5, options={"state": 1})
    observations, rewards, terminations, truncations, infos = found.step({"agent_0": 1, "agent_1": 2})
    assert observations["agent_0"] == observations["agent_1"]
    assert [rewards[name] for name in found.possible_agents] == found.mdp.r[:, 0, 1, 5].tolist()
    assert not any(terminations.values())
    assert not any(truncations.values())
    assert infos["agent_0"]["step"] == 1
    found.step({"agent_0": 0, "agent_1": 0})
    assert found.agents == []
    with pytest.raises(ConfigError, match="found no agent that acts"):
        found.step({})


def test_wrong_actions_and_states_are_refused() -> None:
    single, joint = env(), shared()
    with pytest.raises(ConfigError, match=r"options\.state: found 9, expected an integer from 0 to 3"):
        single.reset(options={"state": 9})
    single.reset(seed=0)
    with pytest.raises(ConfigError, match="action: found 3, expected an integer from 0 to 2"):
        single.step(3)
    joint.reset(seed=0)
    with pytest.raises(ConfigError, match=r"actions: found those of \['agent_0'\]"):
        joint.step({"agent_0": 0})
    with pytest.raises(ConfigError, match=r"actions\['agent_1'\]: found 3"):
        joint.step({"agent_0": 0, "agent_1": 3})
