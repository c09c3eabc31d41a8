"""Tuning: the same grid for every method, a rule fixed beforehand, separate seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.small_fleets import experiment, three_clusters

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.errors import ConfigError
from pcpo.experiments.tuning import Candidate, Trial, candidates, choose, final_gaps, scaled, try_candidate
from pcpo.pipeline.config import check_tuning

GRID = {"step_scale": [0.5, 1], "radius_scale": [1, 2]}


def test_the_grid_is_all_pairs() -> None:
    found = candidates(GRID, "pcpo")
    assert found == [Candidate(0.5, 1), Candidate(0.5, 2), Candidate(1, 1), Candidate(1, 2)]


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_only_methods_without_step_and_radius_are_not_tuned(name: str) -> None:
    """Where one candidate is tried, a very different one gives the same bits; everywhere else it does not."""
    small = experiment(three_clusters(), epochs=1, Delta0=6.0)
    gains = [
        np.stack(scaled(small, candidate).run(name, seed=1)["global_gain"].to_list())
        for candidate in (Candidate(1.0, 1.0), Candidate(0.5, 0.7))
    ]
    assert np.array_equal(*gains) == (candidates(GRID, name) == [Candidate(1.0, 1.0)])


def test_scaling_multiplies_step_and_radius_and_nothing_else() -> None:
    before = experiment(three_clusters(), epochs=2, Delta0=6.0)
    after = scaled(before, Candidate(step_scale=2.0, radius_scale=3.0))
    old, new = before.schedule.constants, after.schedule.constants
    assert (new.c1, new.c5) == (2 * old.c1, 9 * old.c5)
    assert (new.c2, new.c3, new.c4, new.c6, new.mode) == (old.c2, old.c3, old.c4, old.c6, old.mode)
    for epoch in (1, 2, 3):
        old_plan, new_plan = before.schedule.plan(epoch), after.schedule.plan(epoch)
        assert new_plan.rollouts == old_plan.rollouts
        assert new_plan.radius_uncapped == pytest.approx(3 * old_plan.radius_uncapped, rel=1e-12)
    assert (after.budget, after.horizon, after.noise) == (before.budget, before.horizon, before.noise)


def test_fewest_diverged_runs_first_then_the_smallest_gap() -> None:
    trials = [Trial(Candidate(1, 1), 4, 1, 0.1), Trial(Candidate(1, 2), 4, 0, 0.5), Trial(Candidate(2, 1), 4, 0, 0.4)]
    assert choose(trials) is trials[2]
    assert choose(trials[:1]) is trials[0]
    with pytest.raises(ConfigError, match="empty grid"):
        choose([])


def test_final_gaps_take_each_runs_own_last_epoch() -> None:
    runs = pd.DataFrame(
        {"seed": [1, 1, 1, 1, 2, 2], "epoch": [1, 1, 2, 2, 1, 1], "global_gap": [9.0, 9.0, 1.0, 3.0, np.inf, 0.0]}
    )
    assert final_gaps(runs).to_dict() == {1: 2.0, 2: np.inf}


def test_a_candidate_that_diverges_has_failed() -> None:
    setting = experiment(three_clusters(), epochs=1, Delta0=6.0)
    trial = try_candidate(setting, "local", Candidate(1000.0, 1.0), [1, 2])
    assert (trial.runs, trial.diverged, trial.mean_gap) == (2, 2, np.inf)
    assert try_candidate(setting, "local", Candidate(1.0, 1.0), [1, 2]).diverged == 0


@pytest.mark.parametrize("algorithm", [name for name, entry in ALGORITHMS.items() if entry.group != "extension"])
def test_methods_have_spent_the_same_rollouts_at_the_end_of_every_epoch_however_tuned(algorithm: str) -> None:
    setting = experiment(three_clusters(), epochs=2, Delta0=6.0)
    plans = [setting.schedule.plan(epoch).rollouts for epoch in (1, 2)]
    for candidate in (Candidate(1.0, 1.0), Candidate(0.5, 0.7)):
        runs = scaled(setting, candidate).run(algorithm, seed=3)
        assert runs.groupby("epoch")["rollouts"].unique().tolist() == [[plans[0]], [sum(plans)]]


def test_tuning_on_a_seed_of_the_comparison_is_refused() -> None:
    def scenario(first: int) -> dict[str, dict[str, object]]:
        seeds = {"first": 0, "count": 10, "per_job": 5}
        return {"a": {"seeds": seeds, "tuning": {"seeds": {"first": first, "count": 2}, "grid": {}}}}

    check_tuning(scenario(10))
    with pytest.raises(ConfigError, match=r"scenarios.a.tuning.seeds: found 9"):
        check_tuning(scenario(9))
