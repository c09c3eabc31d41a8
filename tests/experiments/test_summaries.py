"""Check the rows by epoch against the table of agents, and their flags against runs with known sets."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo.algorithms.pcpo import PCPO
from pcpo.experiments import summaries
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.margins import margins
from pcpo.experiments.records import evaluate
from pcpo.fleets.population import PopulationSpec, draw_fleet
from pcpo.simulation.noise import stream


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    spec = PopulationSpec(n=1, sizes=(2, 3), gamma=0.8, open_loop="stable", separation=0.2)
    fleet = draw_fleet(spec, stream(1, 0, 0), stream(1, 0, 1)).fleet
    return Experiment.calibrated(fleet, Delta0=24.0, minibatch_scale=0.01, epochs=4, oracle="moments")


def test_rows_agree_with_the_table_of_agents(experiment: Experiment) -> None:
    result = experiment.result(PCPO(), seed=3)
    fleet, rows = experiment.fleet, summaries.by_epoch(experiment.fleet, result)
    agents = evaluate(fleet, result, scenario="", seed=3)
    expected = margins(fleet, agents)
    for column in ("margin", "gap_margin", "estimate_margin", "lost", "exact", "rollouts", "Delta_l"):
        np.testing.assert_allclose(rows[column], expected[column], rtol=1e-9, err_msg=column)
    by_epoch = agents.groupby("epoch")
    np.testing.assert_allclose(rows["gap"], by_epoch["global_gap"].mean(), rtol=1e-12)
    np.testing.assert_allclose(rows["local_gap"], by_epoch["local_gap"].mean(), rtol=1e-12)
    first = agents[agents["cluster"] == 0].groupby("epoch")["global_gap"].mean()
    np.testing.assert_allclose(rows["first_gap"], first, rtol=1e-12)
    size = np.bincount(fleet.labels)[agents["cluster"]]
    bound = (8 * np.sqrt(size) * agents["global_gap"] / agents["Delta"]).groupby(agents["epoch"]).max()
    np.testing.assert_allclose(rows["bound_margin"], bound, rtol=1e-12)
    assert rows["rounds"].tolist() == by_epoch["rounds"].first().tolist()
    assert list(rows.columns) == list(summaries.COLUMNS)


def test_clean_epochs_have_exact_sets_before_and_after_and_no_reinitialisation(experiment: Experiment) -> None:
    rows = summaries.by_epoch(experiment.fleet, experiment.result(PCPO(), seed=3))
    exact = rows["exact"].tolist()
    assert exact[-1] == 1
    first = exact.index(1)
    assert rows["clean"].tolist() == [int(k > first) for k in range(len(rows))]
    assert rows["everyone"].tolist()[0] in (0, 1)


@pytest.mark.parametrize(("variant", "grows"), [(PCPO(), False), (PCPO(remember=False), True)])
def test_sets_without_memory_grow_again_and_those_of_the_paper_never(
    experiment: Experiment, variant: PCPO, grows: bool
) -> None:
    noisy = Experiment.calibrated(experiment.fleet, Delta0=24.0, minibatch_scale=1e-6, epochs=4, oracle="moments")
    rows = [summaries.by_epoch(noisy.fleet, noisy.result(variant, seed=seed)) for seed in range(5)]
    assert any(frame["grew"].any() for frame in rows) == grows


def test_thresholds_of_the_pruning_move_the_epoch_in_which_sets_part(experiment: Experiment) -> None:
    settled = []
    for threshold in (0.25, 0.5, 1.0):
        variant = PCPO(threshold=threshold)
        assert ("threshold" in variant.name) == (threshold != 0.5)
        exact = summaries.by_epoch(experiment.fleet, experiment.result(variant, seed=1))["exact"].tolist()
        settled.append(exact.index(1))
    assert settled[0] <= settled[1] < settled[2]
