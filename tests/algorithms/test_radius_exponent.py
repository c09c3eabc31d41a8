"""Algorithm 1 with radii of exponent 1/6: what changes, what does not, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from support.small_fleets import experiment, three_clusters

from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.registry import ALGORITHMS, make_algorithm
from pcpo.algorithms.schedule import BalancedPlan, EpochPlan
from pcpo.errors import ConfigError
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import side_information
from pcpo.oracles.rollout import ExactOracle
from pcpo.simulation.noise import noise_law
from pcpo.storage.checkpoints import Checkpoint
from pcpo.theory.rates import balances

NAMES = {
    "pcpo_radius_1_6": "one_point",
    "pcpo_centred_radius_1_6": "centred",
    "pcpo_two_point_radius_1_6": "two_point",
}
FLEET = three_clusters()
KNOWN = balances(FLEET, noise_law("signs"))


def plan() -> EpochPlan:
    return experiment(FLEET, epochs=3, Delta0=16.0).schedule.plan(3)


def test_the_plan_changes_in_its_radii_alone() -> None:
    paper = plan()
    best = paper.balanced(5e4)
    assert isinstance(best, BalancedPlan)
    assert {k for k, v in asdict(best).items() if v != getattr(paper, k)} == {"radius_uncapped"}
    assert asdict(best).keys() == asdict(paper).keys(), "plans are written as before"
    assert best.radius_uncapped**6 == pytest.approx(paper.step_size * 5e4 / paper.minibatch, rel=1e-12)
    sizes = np.array([1, 64])
    small = replace(best, radius_cap=1e9)
    assert small.radius_global(sizes)[0] == pytest.approx(best.radius_uncapped / np.array([1, 2]), rel=1e-15)
    assert replace(paper, radius_cap=1e9).radius_global(sizes)[0][1] == paper.radius_uncapped / 64**0.25
    capped = paper.balanced(np.inf)
    assert capped.radius_local == capped.radius_cap == capped.radius_global(sizes)[0][1]
    assert capped.local_cap_active


@pytest.mark.parametrize("name", NAMES)
def test_runs_use_the_radius_of_their_estimator(name: str) -> None:
    chosen = experiment(FLEET, epochs=3, Delta0=16.0, c6=0.5)
    setting = Setting(FLEET.initial_gains, chosen.schedule, side_information(FLEET, noise_law("signs")))
    reports = run(make_algorithm(name), ExactOracle(FLEET), setting, chosen.budget).epochs
    sizes = np.full(FLEET.N, FLEET.N)
    assert len(reports) == 3
    for report in reports:
        paper = chosen.schedule.plan(report.plan.epoch)
        assert report.rollouts == chosen.schedule.rollouts_for(report.plan.epoch)
        wanted = (paper.step_size * KNOWN[NAMES[name]] / (paper.minibatch * sizes)) ** (1 / 6)
        assert (wanted < paper.radius_cap).any()
        np.testing.assert_allclose(report.radii_global, np.minimum(paper.radius_cap, wanted), rtol=1e-12)
        sizes = report.neighbourhoods.sizes
    assert sizes.max() < FLEET.N, "the sets have changed on the way"


def test_names_say_both_deviations() -> None:
    for name, estimator in NAMES.items():
        method = make_algorithm(name)
        assert method == PCPO(radius_exponent=1 / 6, estimator=estimator)
        assert method.name == name
        assert method.uses == {"balances"}
        assert ALGORITHMS[name].group == "extension"
    assert PCPO().uses == frozenset()
    assert PCPO(radius_exponent=1 / 4) == PCPO()


def test_an_experiment_hands_over_balances_and_resumes(tmp_path) -> None:
    chosen = experiment(FLEET, epochs=3, Delta0=16.0)
    whole = chosen.run("pcpo_centred_radius_1_6", seed=2)
    assert set(whole["epoch"]) == {1, 2, 3}
    paper = chosen.run("pcpo_centred", seed=2)
    assert not np.array_equal(whole["radius_global"], paper["radius_global"])
    assert whole["rollouts"].equals(paper["rollouts"])
    path = Checkpoint(tmp_path / "checkpoint.npz", "key")
    shorter = replace(chosen, budget=chosen.schedule.rollouts_for(2))
    shorter.run("pcpo_centred_radius_1_6", seed=2, checkpoint=path)
    resumed = chosen.run("pcpo_centred_radius_1_6", seed=2, checkpoint=path)
    assert resumed.equals(whole)


def test_plans_are_written_with_the_same_keys_as_before() -> None:
    written = json.loads(experiment(FLEET, epochs=2, Delta0=16.0).to_json())
    assert "radius_exponent" not in written["epochs"][0]
    assert set(written["schedule"]) == {"constants", "Delta0", "delta", "n_agents", "D"}


def test_other_exponents_and_missing_balances_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"radius_exponent: found 0\.2, expected 1/4 or 1/6"):
        PCPO(radius_exponent=0.2)
    chosen = experiment(FLEET, epochs=1, Delta0=16.0)
    setting = Setting(FLEET.initial_gains, chosen.schedule, side_information(FLEET))
    with pytest.raises(ConfigError, match="balances: found no such side information"):
        run(make_algorithm("pcpo_radius_1_6"), ExactOracle(FLEET), setting, chosen.budget)
