"""Speed of the companion studies."""

from __future__ import annotations

from typing import Any

import pytest

from pcpo.evidence.coop_lsvi.model.bounds import betas
from pcpo.evidence.coop_lsvi.model.draws import random_mdp
from pcpo.evidence.coop_lsvi.model.mdp import homogeneous
from pcpo.evidence.coop_lsvi.model.parallel import noise, run
from pcpo.evidence.hierarchical.model.instances import section6_instance
from pcpo.evidence.hierarchical.model.simulation import simulated
from pcpo.simulation.noise import stream

STEPS = 200


@pytest.mark.parametrize("size", [50, 500, 5000])
def test_simulated_agents(benchmark: Any, size: int) -> None:
    """`STEPS` steps of two subpopulations of `size` agents, with their noise: the time grows in proportion."""
    instance = section6_instance(stream(0), size)
    system, gains = instance.system(size), instance.gains()

    def simulate() -> None:
        assert sum(len(parts[-1].costs) for parts in simulated(system, gains, STEPS, stream(1))) == STEPS

    benchmark.pedantic(simulate, rounds=5, warmup_rounds=1)


def test_cooperative_value_iteration(benchmark: Any) -> None:
    """A whole run of Algorithm 1 with S = 1: M = 16 agents, T = 5,000 episodes, H = 5, d = 10; meant: a minute."""
    M, T, H, d, states = 16, 5000, 5, 10, 20
    mdp = homogeneous(random_mdp(stream(0), states, 5, H, d), M)
    beta, drawn = betas("calibrated", T, M, H, d, scale=0.1), noise(stream(1), T, M, H, states)
    run(mdp, noise(stream(1), 10, M, H, states), beta[:10], 1.0)  # compiles
    benchmark.pedantic(lambda: run(mdp, drawn, beta, 1.0), rounds=1)
