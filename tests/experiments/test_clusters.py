"""Rows per cluster: the numbers of the rows per agent, in files, figures and summaries; large fleets run in seconds."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.many_clusters import fleet_of
from support.small_fleets import experiment, three_clusters

from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Setting
from pcpo.errors import BudgetError, ConfigError, ResultsError
from pcpo.experiments.clusters import CLUSTER_SCHEMA, by_cluster
from pcpo.experiments.comparison import all_right, curves, final_table, run_means, share_right
from pcpo.experiments.cost import Limits, check_run, run_cost
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.records import evaluate, read_runs, write_runs
from pcpo.figures import elimination
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.oracles.rollout import ExactOracle
from pcpo.report.origin import _rollouts
from pcpo.simulation.noise import Purpose, stream


@pytest.fixture(scope="module")
def made() -> Experiment:
    return experiment(three_clusters(), epochs=3, Delta0=16.0, horizon=30)


@pytest.fixture(scope="module")
def agents(made: Experiment) -> pd.DataFrame:
    """Two runs, the first with a policy of infinite cost."""
    found = pd.concat([made.run(seed=seed) for seed in (4, 5)], ignore_index=True)
    found.loc[(found["seed"] == 4) & (found["agent"] == 0) & (found["epoch"] == 3), "global_gap"] = np.inf
    return found


@pytest.fixture(scope="module")
def clusters(agents: pd.DataFrame) -> pd.DataFrame:
    return by_cluster(agents)


def test_a_run_says_the_same_by_cluster_as_its_rows_per_agent_reduced(made: Experiment) -> None:
    direct = made.run(seed=5, rows="clusters")
    assert list(direct.columns) == CLUSTER_SCHEMA.names
    pd.testing.assert_frame_equal(direct, by_cluster(made.run(seed=5)), check_dtype=False, check_exact=True)
    assert (direct.groupby("epoch")["agents"].sum() == made.fleet.N).all()
    with pytest.raises(ConfigError, match="rows: found 'cells', expected one of agents, clusters"):
        made.run(seed=5, rows="cells")


def test_every_column_by_hand(agents: pd.DataFrame, clusters: pd.DataFrame) -> None:
    own = agents[(agents["seed"] == 4) & (agents["epoch"] == 3) & (agents["cluster"] == 0)]
    [row] = clusters[(clusters["seed"] == 4) & (clusters["epoch"] == 3) & (clusters["cluster"] == 0)].to_dict("records")
    assert (row["agents"], row["global_infinite"], row["local_infinite"]) == (len(own), 1, 0)
    assert row["mean_global_gap"] == row["worst_global_gap"] == np.inf
    assert row["mean_local_gap"] == pytest.approx(own["local_gap"].mean(), rel=1e-14)  # the order of sums differs
    assert (row["least_cost_estimate"], row["largest_cost_estimate"]) == (
        own["cost_estimate"].min(), own["cost_estimate"].max(),
    )  # fmt: skip
    assert row["correct"] == own["set_correct"].sum()
    assert row["nonfinite"] == own["nonfinite"].sum()
    members = np.concatenate(own["neighbours"].to_list())
    labels = agents.drop_duplicates("agent").set_index("agent")["cluster"]
    counts = np.bincount(labels[members], minlength=3) / (len(own) * np.bincount(labels))
    np.testing.assert_array_equal(row["shares"], counts)


def test_summaries_weigh_clusters_by_their_agents(agents: pd.DataFrame, clusters: pd.DataFrame) -> None:
    """Control: the plain mean over clusters of unequal size is another number."""
    for column in ("local_gap", "global_gap"):
        by = ("epoch", "seed")
        wanted, found = run_means(agents, column, by), run_means(clusters, column, by)
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
        plain = clusters.groupby(list(by))[f"mean_{column}"].mean()
        assert not np.allclose(plain[np.isfinite(plain)], wanted[np.isfinite(wanted)], rtol=1e-3)
    assert share_right(clusters) == pytest.approx(share_right(agents), rel=1e-13)
    key = ["seed", "epoch", "cluster"]
    kept = agents.assign(right=all_right(agents)).groupby(key)["right"].all()
    assert (clusters.assign(right=all_right(clusters)).set_index(key)["right"].sort_index() == kept.sort_index()).all()
    assert not kept.all()
    for summary in (final_table, curves):
        one, two = summary(agents), summary(clusters)
        pd.testing.assert_frame_equal(one, two, rtol=1e-12)


def test_files_of_both_kinds_are_read_together(agents: pd.DataFrame, clusters: pd.DataFrame, tmp_path: Path) -> None:
    first, second = tmp_path / "agents.parquet", tmp_path / "clusters.parquet"
    write_runs(agents[agents["seed"] == 4], first, {})
    write_runs(clusters[clusters["seed"] == 5], second, {})
    both = read_runs([first, second])
    pd.testing.assert_frame_equal(both, clusters, check_dtype=False)
    assert "agent" in read_runs([first]).columns
    assert _rollouts(first) + _rollouts(second) == 7 * 2 * agents["rollouts"].max()
    write_runs(clusters[(clusters["cluster"] != 1) | (clusters["epoch"] == 1)], second, {})
    with pytest.raises(ResultsError, match="lacks a cluster"):
        read_runs([second])
    write_runs(clusters.assign(mean_global_gap=np.nan), second, {})
    with pytest.raises(ResultsError, match="found NaN in column mean_global_gap"):
        read_runs([second])


def test_large_fleets_are_drawn_by_cluster(agents: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """More agents than a matrix can show, or rows per cluster: a matrix of clusters, with the same shares."""
    stars = pd.DataFrame({"cluster": [0, 1, 2], "optimal_cost": [20.0, 10.0, 30.0]})
    single = elimination.table(agents, stars)
    assert set(single["kind"]) == {"pair", "cost"}
    monkeypatch.setattr(elimination, "MOST_AGENTS", 6)
    numbers = elimination.table(agents, stars)
    pd.testing.assert_frame_equal(numbers, elimination.table(by_cluster(agents), stars))
    shares = numbers[(numbers["kind"] == "share") & (numbers["epoch"] == 1)]
    assert len(shares) == 9
    assert shares.drop_duplicates("row")["cluster"].tolist() == [1, 0, 2], "by optimal cost"
    sizes = agents.drop_duplicates("agent")["cluster"].value_counts()
    pairs = single[(single["kind"] == "pair") & (single["epoch"] == 1)]
    total = (
        shares["fraction"]
        * shares["cluster"].map(sizes)
        * shares["column"].map({0: sizes[1], 1: sizes[0], 2: sizes[2]})
    ).sum()
    assert total == pytest.approx(pairs["fraction"].sum(), rel=1e-13)
    figure = elimination.draw(numbers)
    assert figure.axes[0].get_ylabel() == "cluster of $i$"
    ranges = numbers[numbers["kind"] == "range"]
    assert (ranges["least"] <= ranges["cost_estimate"]).all()


def test_a_matrix_of_one_cluster_is_drawn() -> None:
    made = experiment(fleet_of(1, 4), epochs=1, Delta0=4.0, horizon=20)
    stars = pd.DataFrame({"cluster": [0], "optimal_cost": made.fleet.optimal_costs})
    elimination.draw(elimination.table(made.run(seed=1, rows="clusters"), stars))


def large(N: int) -> Experiment:
    """Make an experiment of N agents in four clusters, with the schedule of eight."""
    spec = FleetSpec(n=2, m=1, sizes=(2,) * 4, gamma=0.8, initial_gap=0.5, separation=4.0, optimal_cost=20.0,
                     condition_limit=2.0, gain_distance=0.1)  # fmt: skip
    small = experiment(random_fleet(spec, stream(1, Purpose.FLEET)), epochs=4, Delta0=16.0, horizon=20)
    fleet = random_fleet(replace(spec, sizes=(N // 4,) * 4), stream(1, Purpose.FLEET))
    return replace(small, fleet=fleet, schedule=replace(small.schedule, n_agents=N))


def test_two_thousand_agents_run_in_seconds() -> None:
    """Drawn, run over four epochs by exact answers, and recorded: a few seconds, most of them the oracle's."""
    start = time.process_time()
    made = large(2000)
    budget = made.schedule.rollouts_for(4)
    result = run(PCPO(), ExactOracle(made.fleet), Setting(made.fleet.initial_gains, made.schedule), budget)
    table = evaluate(made.fleet, result, scenario="s", seed=1, rows="clusters")
    last = table[table["epoch"] == 4]
    assert (last["correct"] == last["agents"]).all()
    rounds = sum(report.plan.iterations + 1 for report in result.epochs)
    assert last["messages_up"].iloc[0] == last["messages_down"].iloc[0] == 2000 * rounds
    assert time.process_time() - start < 60


def test_what_rows_and_moments_cost_is_said_before_they_run() -> None:
    made = replace(large(8000), oracle="moments", horizon=None)
    cost = run_cost(made)
    steps = 2 * sum(made.schedule.plan(epoch).iterations for epoch in range(1, made.epochs + 1))
    assert (cost.drawn, cost.rollouts, cost.horizon) == (made.schedule.rollouts_for(made.epochs), 0, 0)
    assert cost.core_seconds > 8000 * steps * 1e-7
    assert "rollouts per agent drawn from their moments, for 8000 agents" in str(cost)
    assert cost.records > 12 * 8000**2, "in epoch 1 of four clusters nobody is told apart"
    tight = Limits(memory_gib=cost.records / 2**30 / 2)
    with pytest.raises(BudgetError, match=r"GiB of rows of results, expected at most .*\(rows: clusters\)"):
        check_run(made, tight)
    assert check_run(made, tight, rows="clusters").records < 2**24
