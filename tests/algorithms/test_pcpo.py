"""PCPO on noise-free answers and on rollouts: clusters, messages, and where the paper's text leads if followed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.small_fleets import experiment, forked_fleet, one_cluster, schedule_for, three_clusters

from pcpo import lqr
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import EpochReport, RunResult, Setting
from pcpo.algorithms.registry import make_algorithm
from pcpo.arrays import FloatArray
from pcpo.experiments.driver import run
from pcpo.experiments.records import evaluate, write_runs
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.protocol import Estimates
from pcpo.oracles.rollout import ExactOracle
from pcpo.simulation.noise import Purpose


def run_exactly(fleet: Fleet, *, Delta0: float, epochs: int, algorithm: str = "pcpo", c2: float = 1.5) -> RunResult:
    schedule = schedule_for(fleet, Delta0=Delta0, c2=c2)
    setting = Setting(fleet.initial_gains, schedule)
    return run(make_algorithm(algorithm), ExactOracle(fleet), setting, schedule.rollouts_for(epochs))


def correct(fleet: Fleet, report: EpochReport) -> bool:
    return bool(np.array_equal(report.neighbourhoods, fleet.labels[:, None] == fleet.labels[None, :]))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


@pytest.fixture(scope="module")
def result(fleet: Fleet) -> RunResult:
    """The three clusters without noise."""
    return run_exactly(fleet, Delta0=16.0, epochs=7, c2=4.0)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """The forked fleet on rollouts."""
    return experiment(forked_fleet(), epochs=4, Delta0=8.0).run(seed=1)


@pytest.fixture(scope="module")
def runs(fleet: Fleet) -> dict[int, pd.DataFrame]:
    """The three clusters on rollouts, with two seeds."""
    chosen = experiment(fleet, epochs=2, Delta0=16.0)
    return {seed: chosen.run(seed=seed) for seed in (4, 5)}


class TestThreeClustersWithoutNoise:
    """Δ = 3 and Δ_0 = 16: |Ĉ_i − Ĉ_j| ≥ 3 − o(1) falls out at Δ_l/2 < 3, that is from epoch 2 or 3 on."""

    def test_clusters_are_recovered_and_kept(self, fleet: Fleet, result: RunResult) -> None:
        verdicts = [correct(fleet, report) for report in result.epochs]
        first = verdicts.index(True)
        assert 0 < first <= 3  # not at once: the first epochs are shared with others
        assert all(verdicts[first:])

    def test_the_last_change_reinitialises_and_no_later_epoch_does(self, fleet: Fleet, result: RunResult) -> None:
        first = next(k for k, report in enumerate(result.epochs) if correct(fleet, report))
        assert result.epochs[first].reinitialised
        assert not any(report.reinitialised for report in result.epochs[first + 1 :])

    def test_agents_of_a_cluster_have_the_same_bits_from_then_on(self, fleet: Fleet, result: RunResult) -> None:
        first = next(k for k, report in enumerate(result.epochs) if correct(fleet, report))
        for report in result.epochs[first:]:
            for members in fleet.clusters:
                gains = report.global_gains[members]
                assert {gain.tobytes() for gain in gains} == {gains[0].tobytes()}
        assert len({gain.tobytes() for gain in result.final.global_gains}) == fleet.H
        assert len({gain.tobytes() for gain in result.final.local_gains}) == fleet.N

    def test_both_policies_converge(self, fleet: Fleet, result: RunResult) -> None:
        """Gradient descent with η = 1/(4h_max): a factor of at least (1 − h_min/(4h_max))² per iteration in the gap."""
        h = [lqr.hessian_eigenvalues(s) for s in fleet.systems]
        rate = (1 - min(x[0] for x in h) / (4 * max(x[-1] for x in h))) ** 2
        iterations = sum(report.plan.iterations for report in result.epochs)
        local = fleet.gaps(result.final.local_gains)
        assert local.max() < 10 * rate**iterations * fleet.gaps(fleet.initial_gains).max()
        assert local.max() < 1e-6
        assert fleet.gaps(result.final.global_gains).max() < 1e-6
        assert fleet.gaps(fleet.initial_gains).min() > 0.9

    def test_cost_estimates_are_those_of_the_local_policies(self, fleet: Fleet, result: RunResult) -> None:
        for report in result.epochs:
            np.testing.assert_allclose(report.cost_estimates, fleet.costs(report.local_gains), rtol=1e-12)

    def test_rounds_and_rollouts_are_those_of_the_schedule(self, fleet: Fleet, result: RunResult) -> None:
        iterations = [report.plan.iterations for report in result.epochs]
        assert len(set(iterations)) > 1
        for k, report in enumerate(result.epochs, start=1):
            assert report.traffic.rounds == sum(iterations[:k]) + k
            assert report.traffic.messages_up == report.traffic.messages_down == fleet.N * report.traffic.rounds
            assert report.rollouts == sum((2 * r.plan.iterations + 1) * r.plan.minibatch for r in result.epochs[:k])

    def test_radii_follow_the_set_of_the_epoch_before(self, fleet: Fleet, result: RunResult) -> None:
        sizes = np.full(fleet.N, fleet.N)
        for report in result.epochs:
            wanted = np.minimum(report.plan.radius_cap, report.plan.radius_uncapped / sizes**0.25)
            np.testing.assert_allclose(report.radii_global, wanted, rtol=1e-14)
            sizes = report.neighbourhoods.sizes


def test_epochs_step_by_step(fleet: Fleet) -> None:
    """Algorithm 1 again, with loops over agents and sets of indices, through the separation of the three clusters."""
    schedule, agents = schedule_for(fleet, Delta0=16.0), range(fleet.N)
    result = run(PCPO(), ExactOracle(fleet), Setting(fleet.initial_gains, schedule), schedule.rollouts_for(4))
    X, Y, N = fleet.initial_gains.copy(), fleet.initial_gains.copy(), [set(agents) for _ in agents]
    reinitialised = []
    for report in result.epochs:
        plan = report.plan
        for _ in range(plan.iterations):
            X = X - plan.step_size * np.stack([lqr.gradient(fleet.system_of(i), X[i]) for i in agents])
            g = [lqr.gradient(fleet.system_of(i), Y[i]) for i in agents]
            Y = Y - plan.step_size * np.stack([sum(g[j] for j in N[i]) / len(N[i]) for i in agents])
        C = [lqr.cost(fleet.system_of(i), X[i]) for i in agents]
        before, N = N, [{j for j in N[i] if abs(C[i] - C[j]) <= plan.Delta / 2} for i in agents]
        reinitialised.append(before != N)
        if before != N:
            Y = X[[min(N[i], key=lambda j: (C[j], j)) for i in agents]]
        np.testing.assert_allclose(report.local_gains, X, rtol=1e-11)
        np.testing.assert_allclose(report.global_gains, Y, rtol=1e-11)
        assert [set(np.flatnonzero(row)) for row in report.neighbourhoods.dense()] == N
        assert report.reinitialised == reinitialised[-1]
    assert set(reinitialised) == {True, False}


class Listener(ExactOracle):
    """Remembers every question: (kind, purpose, epoch, M, radii)."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self.heard: list[tuple[str, int, int, int, list[float]]] = []

    def gradients(self, gains: FloatArray, minibatch: int, radii: FloatArray, *, purpose: int, epoch: int) -> Estimates:
        self.heard.append(("gradients", purpose, epoch, minibatch, radii.tolist()))
        return super().gradients(gains, minibatch, radii, purpose=purpose, epoch=epoch)

    def costs(self, gains: FloatArray, minibatch: int, *, purpose: int, epoch: int) -> Estimates:
        self.heard.append(("costs", purpose, epoch, minibatch, []))
        return super().costs(gains, minibatch, purpose=purpose, epoch=epoch)


def test_questions_of_every_epoch() -> None:
    """R_l local gradients, one cost, R_l global gradients; all of M_l rollouts, each use under its own purpose."""
    fleet = forked_fleet()
    schedule, oracle = schedule_for(fleet, Delta0=8.0), Listener(fleet)
    result = run(PCPO(), oracle, Setting(fleet.initial_gains, schedule), schedule.rollouts_for(3))
    expected = []
    for report in result.epochs:
        plan, epoch = report.plan, report.plan.epoch
        expected += [("gradients", Purpose.LOCAL, epoch, plan.minibatch, [plan.radius_local] * 5)] * plan.iterations
        expected += [("costs", Purpose.COST, epoch, plan.minibatch, [])]
        expected += [
            ("gradients", Purpose.GLOBAL, epoch, plan.minibatch, report.radii_global.tolist())
        ] * plan.iterations
    assert oracle.heard == expected


def test_bytes_by_hand() -> None:
    """N = 2, m = 1, n = 2: a gradient or a gain is 16 bytes, Ĉ and |N_i| are 8 each; no set changes."""
    fleet = one_cluster([[0.02, 0.0], [0.0, 0.02]])
    for algorithm, extra in (("pcpo", 0), ("pcpo_sync", 16)):
        report = run_exactly(fleet, Delta0=8.0, epochs=1, algorithm=algorithm).final
        R = report.plan.iterations
        assert report.traffic.rounds == R + 1
        assert report.traffic.bytes_up == 2 * (16 * R + 16 + 8)
        assert report.traffic.bytes_down == 2 * (16 * R + 8 + extra)
        assert report.traffic.messages_up == report.traffic.messages_down == 2 * (R + 1)


class TestOneClusterWithDifferentStarts:
    """No set ever changes, so (8) never fires, and the agents keep the offsets they started with."""

    OFFSETS = np.array([[0.05, 0.0], [-0.02, 0.04], [0.0, -0.05]])

    def gaps_and_prediction(self, size: float) -> tuple[np.ndarray, np.ndarray]:
        """Final global gaps, and ½ d_iᵀHd_i for offsets d_i from the mean."""
        fleet = one_cluster(size * self.OFFSETS)
        result = run_exactly(fleet, Delta0=4.0, epochs=8, c2=6.0)
        assert all(r.neighbourhoods.dense().all() and not r.reinitialised for r in result.epochs)
        d = (fleet.initial_gains - fleet.initial_gains.mean(axis=0)).reshape(3, -1)
        H = lqr.hessian_at(fleet.systems[0], fleet.optimal_gains[0])
        return fleet.gaps(result.final.global_gains), 0.5 * np.einsum("ki,ij,kj->k", d, H, d)

    def test_offsets_are_conserved_and_the_agents_plateau(self) -> None:
        """The plateau is ½ dᵀHd up to a relative O(|d|): the deviation halves with the offsets."""
        deviations = []
        for size in (1.0, 0.5, 0.25):
            gaps, predicted = self.gaps_and_prediction(size)
            deviations.append(np.max(np.abs(gaps / predicted - 1)))
        assert deviations[0] < 0.3
        assert deviations[1] / deviations[0] == pytest.approx(0.5, abs=0.1)
        assert deviations[2] / deviations[1] == pytest.approx(0.5, abs=0.05)

    @pytest.mark.parametrize("exact", [True, False], ids=["exact", "rollouts"])
    def test_offsets_are_conserved_to_rounding(self, exact: bool) -> None:
        fleet = one_cluster(self.OFFSETS)
        if exact:
            final = run_exactly(fleet, Delta0=4.0, epochs=5).final.global_gains
        else:
            frame = experiment(fleet, epochs=2, Delta0=16.0).run(seed=3)
            assert not frame["reinitialised"].any()
            final = np.stack(frame.query("epoch == 2")["global_gain"].to_list()).reshape(3, 1, 2)
        moved = final - fleet.initial_gains
        np.testing.assert_allclose(moved - moved[0], 0.0, atol=1e-13)
        assert np.abs(moved).max() > 1e-3

    def test_the_named_deviation_synchronises_and_converges(self) -> None:
        fleet = one_cluster(self.OFFSETS)
        result = run_exactly(fleet, Delta0=4.0, epochs=8, c2=6.0, algorithm="pcpo_sync")
        assert result.algorithm == "pcpo_sync"
        assert [r.reinitialised for r in result.epochs] == [True] + [False] * 7
        for report in result.epochs:
            assert (report.global_gains == report.global_gains[0]).all()
        assert fleet.gaps(result.final.global_gains).max() < 1e-6 < self.gaps_and_prediction(1.0)[0].min()

    def test_common_starts_converge_without_it(self) -> None:
        fleet = one_cluster([[0.05, -0.03]] * 3)
        result = run_exactly(fleet, Delta0=4.0, epochs=8, c2=6.0)
        assert not any(r.reinitialised for r in result.epochs)
        assert fleet.gaps(result.final.global_gains).max() < 1e-6


class TestBeforeSeparation:
    """Cluster 2 leaves in epoch 1, (8) fires, and hands cluster 1 the policy of cluster 0, unstable on its system."""

    def test_the_handed_policy_has_infinite_cost(self, frame: pd.DataFrame) -> None:
        fleet = forked_fleet()
        first = frame.query("epoch == 1")
        assert first["reinitialised"].all()
        assert first["neighbours"].map(len).tolist() == [4, 4, 4, 4, 1]
        assert first["status"].tolist() == ["ok", "ok", "global_infinite_cost", "global_infinite_cost", "ok"]
        for gain in first.query("cluster == 1")["global_gain"]:
            K = np.reshape(gain, (1, 1))
            assert not lqr.has_finite_cost(fleet.systems[1], K)
            assert lqr.has_finite_cost(fleet.systems[0], K)
        assert first["nonfinite"].sum() == 0

    def test_estimates_stay_finite_and_saturation_is_counted(self, frame: pd.DataFrame) -> None:
        second = frame.query("epoch == 2")
        assert (second.query("cluster == 1")["nonfinite"] > 0).all()
        assert second["set_correct"].tolist() == [False, False, False, False, True]
        assert (second.query("cluster < 2")["status"] == "global_infinite_cost").all()
        assert np.isfinite(np.stack(frame["global_gain"].to_list())).all()
        assert np.isfinite(frame["cost_estimate"]).all()

    def test_clustering_uses_the_local_policies_which_are_untouched(self, frame: pd.DataFrame) -> None:
        assert np.isfinite(frame["local_gap"]).all()
        assert frame["local_gap"].max() < 0.1

    def test_the_first_correct_epoch_repairs_everything(self, frame: pd.DataFrame) -> None:
        correct_epochs = frame.groupby("epoch")["set_correct"].all()
        first = correct_epochs.idxmax()
        assert 2 < first < correct_epochs.index.max()
        assert (frame.query("epoch >= @first")["status"] == "ok").all()
        assert frame.query("epoch == @first")["nonfinite"].sum() > 0
        assert frame.query("epoch > @first")["nonfinite"].sum() == 0
        assert frame.query("epoch >= @first")["global_gap"].max() < 0.1

    def test_the_exact_oracle_shows_the_same(self) -> None:
        fleet = forked_fleet()
        frame = evaluate(fleet, run_exactly(fleet, Delta0=8.0, epochs=4), scenario="forked", seed=0)
        assert (frame.query("epoch == 1 and cluster == 1")["status"] == "global_infinite_cost").all()
        assert (frame.query("epoch == 2 and cluster == 1")["nonfinite"] > 0).all()
        assert (frame.query("epoch == 4")["status"] == "ok").all()

    def test_clusters_with_distant_costs_are_never_disturbed(self) -> None:
        """The control: with C* = 10, 15, 20 all clusters part in the same epoch."""
        frame = experiment(forked_fleet(middle=15.0), epochs=3, Delta0=8.0).run(seed=1)
        assert (frame["status"] == "ok").all()
        assert frame["nonfinite"].sum() == 0


_CHILD = """
import sys
from support.small_fleets import experiment, three_clusters
from pcpo.experiments.records import write_runs
write_runs(experiment(three_clusters(), epochs=2, Delta0=16.0).run(seed=4), sys.argv[1], {})
"""


class TestReproducibility:
    def test_same_seed_same_table_in_any_order_of_seeds(self, runs: dict[int, pd.DataFrame]) -> None:
        chosen = experiment(three_clusters(), epochs=2, Delta0=16.0)
        for seed in (5, 4):
            assert chosen.run(seed=seed).equals(runs[seed])

    def test_another_seed_gives_another_table(self, runs: dict[int, pd.DataFrame]) -> None:
        assert not runs[4].assign(seed=5).equals(runs[5])
        assert (runs[4]["cost_estimate"] != runs[5]["cost_estimate"]).all()

    def test_another_process_writes_the_same_bytes(
        self, runs: dict[int, pd.DataFrame], tmp_path: Path, repository: Path
    ) -> None:
        write_runs(runs[4], tmp_path / "here.parquet", {})
        there = tmp_path / "there.parquet"
        paths = f"{repository}:{repository / 'tests'}"
        subprocess.run([sys.executable, "-c", _CHILD, str(there)], check=True, env={"PYTHONPATH": paths}, timeout=200)
        assert there.read_bytes() == (tmp_path / "here.parquet").read_bytes()
