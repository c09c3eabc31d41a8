"""Speed of the companion studies."""

from __future__ import annotations

from typing import Any

import pytest

from pcpo.randomness import stream
from pcpo.studies.hierarchical.section6 import section6_instance
from pcpo.studies.hierarchical.simulation import simulated

STEPS = 200


@pytest.mark.parametrize("size", [50, 500, 5000])
def test_simulated_agents(benchmark: Any, size: int) -> None:
    """`STEPS` steps of two subpopulations of `size` agents, with their noise: the time grows in proportion."""
    instance = section6_instance(stream(0), size)
    system, gains = instance.system(size), instance.gains()

    def simulate() -> None:
        assert sum(len(parts[-1].costs) for parts in simulated(system, gains, STEPS, stream(1))) == STEPS

    benchmark.pedantic(simulate, rounds=5, warmup_rounds=1)
