"""Check the examples: the fleet is the linearised simulator, the files hold it, the baseline spends its budget."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.small_fleets import schedule_for, three_clusters

from pcpo.algorithms.protocol import Setting
from pcpo.experiments.driver import run
from pcpo.fleets.files import read_fleet
from pcpo.oracles.rollout import ExactOracle
from pcpo.pipeline.config import check_tuning
from pcpo.schema import load_schema, validated


@pytest.fixture(scope="module")
def pendulums(repository: Path) -> dict[str, Any]:
    return runpy.run_path(str(repository / "examples/pendulums.py"))


def test_the_linear_fleet_is_the_jacobian_of_the_plant(pendulums: dict[str, Any]) -> None:
    """Compare with central differences of width e, whose error f'''e²/6 must fall as e² and be small."""
    fleet = pendulums["linear_fleet"]()
    for agent in range(fleet.N):
        plant, system = pendulums["pendulum_of"](fleet, agent), fleet.system_of(agent)

        def off(width: float, plant: Any = plant, system: Any = system) -> float:
            steps = width * np.eye(3)
            ahead, behind = (plant.moved(s * steps[:, :2], s * steps[:, 2:]) for s in (1, -1))
            jacobian = ((ahead - behind) / (2 * width)).T
            return float(np.abs(jacobian - np.hstack([system.A, system.B])).max())

        assert off(1e-1) / off(1e-2) == pytest.approx(100.0, rel=0.01)
        assert off(1e-3) < 1e-7
        other = fleet.systems[1 - fleet.labels[agent]]
        assert off(1e-3, system=other) > 1e-2


def test_the_plant_is_not_linear(pendulums: dict[str, Any]) -> None:
    plant = pendulums["KINDS"][0]
    states = np.array([[20.0, 0.0], [40.0, 0.0]])
    once, twice = plant.moved(states, np.zeros((2, 1)))
    assert np.abs(twice - 2 * once).max() > 0.1


@pytest.mark.parametrize("suffix", ["yaml", "npz"])
def test_the_files_hold_the_fleet(suffix: str, repository: Path, pendulums: dict[str, Any]) -> None:
    kept, made = read_fleet(repository / f"examples/pendulums.{suffix}"), pendulums["linear_fleet"]()
    np.testing.assert_array_equal(kept.labels, made.labels)
    for name in ("A", "B", "Q", "R"):
        for one, other in zip(kept.systems, made.systems, strict=True):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-14)
    np.testing.assert_allclose(kept.initial_gains, made.initial_gains, rtol=1e-9)  # of an iterated Riccati equation


def test_the_baseline_spends_the_rollouts_of_the_schedule(repository: Path) -> None:
    (entry,) = runpy.run_path(str(repository / "examples/together_then_alone.py"))["ENTRIES"]
    fleet = three_clusters()
    schedule = schedule_for(fleet, Delta0=16.0, c4=40.0)
    oracle = ExactOracle(fleet)
    result = run(entry.factory(), oracle, Setting(fleet.initial_gains, schedule), schedule.rollouts_for(3))
    assert [r.rollouts for r in result.epochs] == [schedule.rollouts_for(k) for k in (1, 2, 3)]
    assert result.final.traffic.rounds == sum(schedule.plan(k).iterations for k in (1, 2, 3))
    assert entry.group == "method"


def test_the_configuration_is_valid(repository: Path) -> None:
    config = yaml.safe_load((repository / "examples/config.yaml").read_text(encoding="utf-8"))
    checked = validated(config, load_schema(repository / "workflow/schemas/config.schema.yaml"))
    check_tuning(checked["scenarios"])
    used = [*checked["extensions"], *(s["fleet"]["file"] for s in checked["scenarios"].values())]
    assert all((repository / name).is_file() for name in used)
    assert checked["scenarios"]["pendulums"]["plant"] == "pendulums"
