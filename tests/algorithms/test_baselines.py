"""Comparison methods on noise-free answers: each goes where its theory says; identification also on noisy data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.small_fleets import forked_fleet, one_cluster, scalar, schedule_for, three_clusters

from pcpo import lqr
from pcpo.algorithms.baselines.base import State, descend
from pcpo.algorithms.baselines.cfl import CFL, bipartition
from pcpo.algorithms.baselines.cluster_sysid import clustered
from pcpo.algorithms.baselines.ifca import farthest
from pcpo.algorithms.baselines.least_squares import LeastSquares, certainty_equivalent
from pcpo.algorithms.pcpo import PCPO, PCPOState
from pcpo.algorithms.protocol import EpochReport, RunResult, Setting
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.server import Server
from pcpo.errors import ConfigError
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import side_information
from pcpo.fleets.fleet import Fleet
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.rollout import ExactOracle, LedgerOracle, RolloutOracle
from pcpo.simulation.noise import noise_law
from pcpo.theory.transfer import common_gain, shifted_plateaus

EPOCHS, DELTA0, C2 = 6, 16.0, 6.0


def setting_of(fleet: Fleet, *, Delta0: float = DELTA0, c2: float = C2, c4: float = 40.0) -> Setting:
    return Setting(fleet.initial_gains, schedule_for(fleet, Delta0=Delta0, c2=c2, c4=c4), side_information(fleet))


def run_exactly(fleet: Fleet, name: str, *, epochs: int = EPOCHS, Delta0: float = DELTA0, **options: Any) -> RunResult:
    setting = setting_of(fleet, Delta0=Delta0)
    budget = setting.schedule.rollouts_for(epochs)  # type: ignore[attr-defined]
    return run(make_algorithm(name, **options), ExactOracle(fleet), setting, budget)


def correct(fleet: Fleet, report: EpochReport) -> bool:
    return bool(np.array_equal(report.neighbourhoods, fleet.labels[:, None] == fleet.labels[None, :]))


def two_clusters() -> Fleet:
    """K* on either side of a common first gain, so that gradients at K̄ are opposite."""
    systems = (scalar(0.9, 1.0, 10.0), scalar(0.3, 1.0, 14.0))
    labels = np.array([0, 1, 1, 0, 1])
    return Fleet("two", systems, labels, np.full((5, 1, 1), 0.3))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


class TestFixedGroups:
    def test_local_goes_to_each_agents_optimum_without_a_message(self, fleet: Fleet) -> None:
        result = run_exactly(fleet, "local")
        assert fleet.gaps(result.final.global_gains).max() < 1e-9
        assert result.final.traffic.rounds == result.final.traffic.bytes_up == result.final.traffic.bytes_down == 0
        np.testing.assert_array_equal(result.final.neighbourhoods, np.eye(fleet.N, dtype=bool))
        np.testing.assert_array_equal(result.final.radii_global, result.final.plan.radius_local)

    def test_local_takes_every_minibatch_for_an_iteration(self, fleet: Fleet) -> None:
        report = run_exactly(fleet, "local", epochs=1).final
        X = fleet.initial_gains.copy()
        for _ in range(2 * report.plan.iterations + 1):
            X = X - report.plan.step_size * lqr.gradient(fleet.stacked, X)
        np.testing.assert_allclose(report.local_gains, X, rtol=1e-12)
        assert np.array_equal(report.local_gains, report.global_gains)

    @pytest.mark.parametrize("name", ["naive_average", "fedlqr"])
    def test_after_synchronisation_one_policy_for_all_goes_to_the_common_gain(self, fleet: Fleet, name: str) -> None:
        """With L local steps FedLQR stops near K̄, not at it: the agents' own steps pull apart."""
        K_bar, options = common_gain(fleet), {"synchronise_first": True}
        result = run_exactly(fleet, name, **options, **({"local_steps": 1} if name == "fedlqr" else {}))
        assert (result.epochs[0].reinitialised, result.epochs[1].reinitialised) == (True, False)
        assert result.algorithm == f"{name}_sync"
        for gain in result.final.global_gains:
            np.testing.assert_allclose(gain, K_bar.gain, atol=1e-6)
        np.testing.assert_allclose(fleet.gaps(result.final.global_gains), K_bar.plateaus[fleet.labels], atol=1e-6)
        drifted = run_exactly(fleet, "fedlqr", local_steps=5, **options).final.global_gains[0]
        assert 1e-5 < np.linalg.norm(drifted - K_bar.gain) < 0.1

    @pytest.mark.parametrize("name", ["naive_average", "fedlqr", "maml_lqr"])
    def test_agents_start_from_their_own_gains_and_keep_their_offsets(self, fleet: Fleet, name: str) -> None:
        """Nothing but gradients is averaged: no (8), one x for all, and the gaps end where Σ C_i(K_i⁰ + x) is least."""
        result = run_exactly(
            fleet, name, **{"fedlqr": {"local_steps": 1}, "maml_lqr": {"inner_scale": 0.0}}.get(name, {})
        )
        steps = result.final.global_gains - fleet.initial_gains
        np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-12)
        assert np.ptp(fleet.initial_gains, axis=0).max() > 0.1
        assert not any(report.reinitialised for report in result.epochs)
        gaps = fleet.gaps(result.final.global_gains)
        means = [gaps[members].mean() for members in fleet.clusters]
        np.testing.assert_allclose(means, shifted_plateaus(fleet), atol=1e-6)
        assert not np.allclose(means, common_gain(fleet).plateaus, rtol=0.01)

    @pytest.mark.parametrize("name", ["naive_average", "fedlqr", "cfl", "maml_lqr"])
    def test_the_registry_has_every_averaging_method_with_8_first(self, fleet: Fleet, name: str) -> None:
        named, option = run_exactly(fleet, f"{name}_sync"), run_exactly(fleet, name, synchronise_first=True)
        plain = run_exactly(fleet, name)
        assert np.array_equal(named.final.global_gains, option.final.global_gains)
        assert not np.array_equal(named.final.global_gains, plain.final.global_gains)
        spent = [report.rollouts for report in named.epochs]
        assert spent == [report.rollouts for report in plain.epochs]

    @pytest.mark.parametrize("name", ["naive_average", "fedlqr", "cfl", "maml_lqr"])
    def test_where_no_gain_suits_all_8_loses_policies_and_averaging_does_not(self, name: str) -> None:
        """Mirror images x⁺ = 2x ± u: no gain has finite cost for both, and everybody's own start has."""
        systems = (scalar(2.0, 1.0, 10.0), scalar(2.0, -1.0, 12.0))
        labels = np.array([0, 1, 0, 1])
        starts = (
            np.stack([lqr.riccati(systems[j]).K for j in labels]) + np.array([0.1, -0.1, -0.1, 0.05])[:, None, None]
        )
        mirror = Fleet("mirror", systems, labels, starts)
        for sync in (False, True):
            result = run_exactly(mirror, f"{name}_sync" if sync else name, epochs=3)
            lost = [bool(np.isinf(mirror.gaps(report.global_gains)).any()) for report in result.epochs]
            assert lost == [sync] * 3

    def test_fedlqr_with_one_local_step_is_naive_averaging(self, fleet: Fleet) -> None:
        one, naive = run_exactly(fleet, "fedlqr", local_steps=1), run_exactly(fleet, "naive_average")
        assert np.array_equal(one.final.global_gains, naive.final.global_gains)
        assert one.final.traffic == naive.final.traffic

    @pytest.mark.parametrize("steps", [1, 2, 5, 1000])
    def test_fedlqr_saves_rounds(self, fleet: Fleet, steps: int) -> None:
        """⌈(2R + 1)/L⌉ rounds, a message of mn doubles each way; (8) first: ⌈2R/L⌉, and one round with Ĉ."""
        report = run_exactly(fleet, "fedlqr", epochs=1, local_steps=steps).final
        rounds = -(-(2 * report.plan.iterations + 1) // steps)
        assert report.traffic.rounds == rounds
        assert report.traffic.bytes_up == report.traffic.bytes_down == fleet.N * 16 * rounds
        report = run_exactly(fleet, "fedlqr_sync", epochs=1, local_steps=steps).final
        rounds = -(-2 * report.plan.iterations // steps)
        assert report.traffic.rounds == 1 + rounds
        assert report.traffic.bytes_up == fleet.N * (16 * (1 + rounds) + 8)
        assert report.traffic.bytes_down == fleet.N * 16 * (1 + rounds)

    def test_a_larger_server_step_is_a_larger_step(self, fleet: Fleet) -> None:
        server_step = {s: run_exactly(fleet, "fedlqr", epochs=1, server_step=s).final.global_gains for s in (1.0, 0.5)}
        assert not np.allclose(server_step[1.0], server_step[0.5])
        with pytest.raises(ConfigError, match="local_steps: found 0"):
            make_algorithm("fedlqr", local_steps=0)
        with pytest.raises(ConfigError, match="server_step: found 0"):
            make_algorithm("fedlqr", server_step=0)

    def test_known_clusters_go_to_their_optima(self, fleet: Fleet) -> None:
        result = run_exactly(fleet, "oracle_clusters")
        assert all(correct(fleet, report) for report in result.epochs)
        assert fleet.gaps(result.final.global_gains).max() < 1e-9
        assert len({gain.tobytes() for gain in result.epochs[0].global_gains}) == fleet.H

    def test_known_clusters_make_the_updates_of_pcpo_after_separation(self, fleet: Fleet) -> None:
        """From the same gains and the same random streams: PCPO's R_l iterations, bit by bit, and R_l + 1 more."""
        setting = setting_of(fleet, c4=400.0)
        gains = fleet.optimal_gains[fleet.labels] + 0.01
        truth = fleet.labels[:, None] == fleet.labels[None, :]
        servers = [Server(fleet.N) for _ in range(3)]
        for server in servers:
            server.neighbourhoods = truth
        oracles = [RolloutOracle(fleet, seed=8, horizon=40, law=noise_law("signs")) for _ in range(3)]
        sizes, plan = truth.sum(axis=1), setting.schedule.plan(3)
        _, pcpo = PCPO().step(PCPOState(setting, 2, gains, gains, sizes), oracles[0], servers[0])
        assert not pcpo.reinitialised
        same = descend(gains, plan.iterations, plan, oracles[1], servers[1])
        assert np.array_equal(pcpo.global_gains, same)
        _, known = make_algorithm("oracle_clusters").step(State(setting, 2, gains), oracles[2], servers[2])
        more = descend(same, plan.iterations + 1, plan, oracles[1], servers[1])
        assert np.array_equal(known.global_gains, more)
        np.testing.assert_array_equal(known.radii_global, pcpo.radii_global)


class TestOneShot:
    def test_clusters_once_at_the_epoch_that_delta_asks_for(self, fleet: Fleet) -> None:
        """Δ = 3, Δ_0 = 16: Δ_l ≤ 3/2 first in epoch 4."""
        result = run_exactly(fleet, "one_shot")
        assert [correct(fleet, r) for r in result.epochs] == [False] * 3 + [True] * 3
        assert [r.reinitialised for r in result.epochs] == [False] * 3 + [True] + [False] * 2
        assert [r.traffic.rounds > 0 for r in result.epochs] == [False] * 3 + [True] * 3
        assert fleet.gaps(result.final.global_gains).max() < 1e-9
        before = result.epochs[2]
        np.testing.assert_array_equal(before.neighbourhoods, np.eye(fleet.N, dtype=bool))

    def test_one_cluster_is_found_at_once(self) -> None:
        alike = one_cluster([[0.1, 0.0], [0.0, 0.1], [-0.1, 0.0]])
        assert correct(alike, run_exactly(alike, "one_shot", epochs=1).final)


class TestIFCA:
    @pytest.mark.parametrize("offset", [0.01, -0.05])
    def test_good_candidates_find_the_clusters_and_their_optima(self, fleet: Fleet, offset: float) -> None:
        result = run_exactly(fleet, "ifca", candidates=fleet.optimal_gains + offset)
        assert all(correct(fleet, report) for report in result.epochs)
        assert fleet.gaps(result.final.global_gains).max() < 1e-9
        np.testing.assert_allclose(result.final.cost_estimates, fleet.optimal_costs[fleet.labels], rtol=1e-9)

    def test_all_candidates_travel_and_are_counted(self, fleet: Fleet) -> None:
        report = run_exactly(fleet, "ifca", epochs=1, candidates=fleet.optimal_gains).final
        rounds = 2 * report.plan.iterations + 1
        assert report.traffic.rounds == rounds
        assert report.traffic.messages_down == fleet.N * rounds
        assert report.traffic.bytes_down == fleet.N * rounds * fleet.H * (16 + 8)
        assert report.traffic.bytes_up == fleet.N * ((rounds - 1) * (16 + 8) + 8)

    def test_candidates_that_are_not_good_enough_stay_wrong(self, fleet: Fleet) -> None:
        """Two clusters prefer the first candidate from the start, and it settles between them: IFCA needs good ones."""
        result = run_exactly(fleet, "ifca", candidates=fleet.optimal_gains + 0.05)
        gaps = fleet.gaps(result.final.global_gains)
        assert (gaps > 0.05).tolist() == [True] * 3 + [False] * 2 + [True] * 2
        assert result.final.neighbourhoods.count == 2

    def test_equal_candidates_find_one_cluster(self, fleet: Fleet) -> None:
        """The control: what cannot be told apart is not."""
        result = run_exactly(fleet, "ifca", candidates=np.repeat(fleet.optimal_gains[:1], 3, axis=0))
        assert not any(correct(fleet, report) for report in result.epochs)

    @pytest.mark.parametrize("made", [three_clusters(), forked_fleet(15.0)], ids=["three", "forked"])
    def test_without_candidates_it_begins_alone(self, made: Fleet) -> None:
        result = run_exactly(made, "ifca", Delta0=8.0)
        np.testing.assert_array_equal(result.epochs[0].neighbourhoods, np.eye(made.N, dtype=bool))
        assert correct(made, result.final)

    def test_a_longer_warm_up(self, fleet: Fleet) -> None:
        result = run_exactly(fleet, "ifca", warm_up=3)
        alone = run_exactly(fleet, "local", epochs=3)
        assert [correct(fleet, report) for report in result.epochs] == [False] * 3 + [True] * 3
        assert np.array_equal(result.epochs[2].local_gains, alone.final.local_gains)

    def test_candidates_far_apart(self) -> None:
        points = np.array([0.0, 0.1, 5.0, 5.1, -3.0])[:, None, None]
        assert farthest(points, 3).ravel().tolist() == [0.0, 5.1, -3.0]

    def test_refusals(self, fleet: Fleet) -> None:
        with pytest.raises(ConfigError, match="selection_share: found 1"):
            make_algorithm("ifca", selection_share=1.0)
        with pytest.raises(ConfigError, match="warm_up: found 0"):
            make_algorithm("ifca", warm_up=0)


class TestCFL:
    @given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
    def test_opposite_gradients_are_parted(self, D: int, left: int, right: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        axis = rng.standard_normal(D)
        axis /= np.linalg.norm(axis)
        side = rng.permutation(np.repeat([1.0, -1.0], [left, right]))
        pulls = side[:, None] * (axis + 0.1 * rng.uniform(-1, 1, (left + right, D)) / np.sqrt(D))
        labels = bipartition(pulls * rng.uniform(0.5, 2.0, (left + right, 1)))
        np.testing.assert_array_equal(labels == labels[0], side == side[0])

    def test_two_clusters_are_parted_and_go_to_their_optima(self) -> None:
        made = two_clusters()
        result = run_exactly(made, "cfl")
        assert correct(made, result.final)
        assert made.gaps(result.final.global_gains).max() < 1e-9

    def test_three_clusters_by_two_cuts(self, fleet: Fleet) -> None:
        result = run_exactly(fleet, "cfl_sync")
        groups = [report.neighbourhoods.count for report in result.epochs]
        assert groups == sorted(groups)
        assert groups[0] <= 2
        assert correct(fleet, result.final)

    def test_agents_that_agree_are_not_parted(self) -> None:
        alike = one_cluster([[0.1, 0.0], [0.0, 0.1], [-0.1, 0.0]])
        result = run_exactly(alike, "cfl_sync")
        assert all(report.neighbourhoods.dense().all() for report in result.epochs)

    def test_agents_of_one_system_that_start_apart_are_parted(self) -> None:
        """The mean gradient vanishes and each member's does not: the offsets, not the systems, part them."""
        alike = one_cluster([[0.1, 0.0], [0.0, 0.1], [-0.1, 0.0]])
        assert run_exactly(alike, "cfl").final.neighbourhoods.count > 1

    def test_noise_does_not_part_agents_and_a_signal_does(self) -> None:
        """Pulls of mean zero: within 4 standard deviations of their own noise, and far beyond."""
        rng, everyone = np.random.default_rng(5), Neighbourhoods.everyone(10)
        sides = np.repeat([1.0, -1.0], 5)[:, None] * np.array([1.0, 0.0])
        for signal, parted in ((0.0, False), (20.0, True)):
            halves = [signal * sides + np.sqrt(2) * rng.standard_normal((10, 2)) for _ in range(2)]
            found = CFL()._split(halves[0], halves[1], everyone)
            assert (found.count == 1) != parted
            if parted:
                np.testing.assert_array_equal(found.dense()[0], sides[:, 0] > 0)


class TestMAML:
    @pytest.mark.parametrize("scale", [0.0, 1.0, 2.0])
    def test_goes_to_its_stationary_point_and_adapts_from_it(self, fleet: Fleet, scale: float) -> None:
        algorithm = make_algorithm("maml_lqr_sync", inner_scale=scale)
        state, oracle, server = algorithm.init(setting_of(fleet)), ExactOracle(fleet), Server(fleet.N)
        for _ in range(EPOCHS):
            state, report = algorithm.step(state, oracle, server)
        K, step = state.memory, scale * report.plan.step_size
        adapted = K - step * lqr.gradient(fleet.stacked, K)
        np.testing.assert_allclose(report.global_gains, adapted, rtol=1e-12)
        outer = lqr.gradient(fleet.stacked, adapted)
        assert np.linalg.norm(outer.sum(axis=0)) < 1e-6 * np.linalg.norm(outer, axis=(1, 2)).max()
        K_bar = common_gain(fleet)
        assert np.allclose(K, K_bar.gain, atol=1e-6) == (scale == 0.0)
        if scale:
            assert (fleet.gaps(report.global_gains) < fleet.gaps(K)).all()


class TestIdentification:
    def test_without_noise_least_squares_is_exact(self, fleet: Fleet) -> None:
        oracle, state = ExactOracle(fleet), LeastSquares().init(setting_of(fleet))
        state, report = LeastSquares().step(state, oracle, Server(fleet.N))
        truth = np.concatenate([fleet.stacked.A, fleet.stacked.B], axis=2)
        np.testing.assert_allclose(state.memory.models(), truth, atol=1e-10)
        assert fleet.gaps(report.global_gains).max() < 1e-15
        assert report.traffic.rounds == 0

    @pytest.mark.parametrize("law", ["signs", "sphere", "cube"])
    def test_with_noise_it_is_within_its_standard_error(self, fleet: Fleet, law: str) -> None:
        """Errors of row a of Θ have covariance (Σzzᵀ)⁻¹ (noise of covariance I): Σ of squared scores is χ²."""
        setting = setting_of(fleet, c4=400.0)
        oracle: LedgerOracle = RolloutOracle(fleet, seed=4, horizon=40, law=noise_law(law))
        state, _ = LeastSquares().step(LeastSquares().init(setting), oracle, Server(fleet.N))
        data, truth = state.memory, np.concatenate([fleet.stacked.A, fleet.stacked.B], axis=2)

        def p_value(models: np.ndarray, grams: np.ndarray, expected: np.ndarray) -> float:
            off = models - expected
            T2 = float(np.einsum("iab,ibc,iac->", off, grams, off))
            return float(stats.chi2.sf(T2, off.size))

        assert p_value(data.models(), data.gram, truth) > 1e-4
        assert p_value(data.models(), data.gram, truth + 0.05) < 1e-4
        labels, models = clustered(data, fleet.H)
        same = labels[:, None] == labels[None, :]
        np.testing.assert_array_equal(same, fleet.labels[:, None] == fleet.labels[None, :])
        first = [int(np.flatnonzero(labels == k)[0]) for k in range(fleet.H)]
        pooled = np.stack([data.gram[labels == k].sum(axis=0) for k in range(fleet.H)])
        assert p_value(models, pooled, truth[first]) > 1e-4
        assert p_value(data.models(), 4 * data.gram, truth) < 1e-4  # half the standard error is refuted
        assert p_value(models, 9 * pooled, truth[first]) < 1e-4

    def test_clustered_identification(self, fleet: Fleet) -> None:
        """Both methods collect the same trajectories, and pooling helps the fleet as a whole."""
        setting, gaps = setting_of(fleet, c4=100.0), {}
        for name in ("least_squares", "cluster_sysid"):
            oracle = RolloutOracle(fleet, seed=5, horizon=40, law=noise_law("signs"))
            result = run(make_algorithm(name), oracle, setting, setting.schedule.rollouts_for(2))  # type: ignore[attr-defined]
            gaps[name] = fleet.gaps(result.final.global_gains)
        assert correct(fleet, result.final)
        assert result.final.traffic.rounds == 2
        assert gaps["cluster_sysid"].mean() < gaps["least_squares"].mean() < 0.1

    def test_a_model_without_an_optimum_leaves_the_agent_where_it_was(self, fleet: Fleet) -> None:
        models = np.concatenate([fleet.stacked.A, fleet.stacked.B], axis=2)
        models[0], models[1, 0, 0] = 0.0, np.nan
        gains = certainty_equivalent(models, setting_of(fleet))
        np.testing.assert_array_equal(gains[:2], fleet.initial_gains[:2])
        np.testing.assert_allclose(gains[2:], fleet.optimal_gains[fleet.labels][2:], rtol=1e-9)

    def test_an_oracle_of_costs_only_is_refused(self, fleet: Fleet) -> None:
        class CostsOnly:
            n_agents, nonfinite = fleet.N, np.zeros(fleet.N, dtype=np.int64)

        with pytest.raises(ConfigError, match="least_squares: found an oracle of costs only"):
            LeastSquares().step(LeastSquares().init(setting_of(fleet)), CostsOnly(), Server(fleet.N))  # type: ignore[arg-type]


class TestVariantsOfPCPO:
    def test_names(self) -> None:
        assert PCPO().name == "pcpo"
        assert PCPO(synchronise_first=True, estimator="centred").name == "pcpo_sync_centred"
        assert PCPO(last_elimination=3, two_sequences=False).name == "pcpo_one_sequence_eliminate_until_3"
        with pytest.raises(ConfigError, match="estimator: found 'x'"):
            PCPO(estimator="x")  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="last_elimination: found -1"):
            PCPO(last_elimination=-1)

    def test_what_each_leaves_out(self, fleet: Fleet) -> None:
        runs = {
            n: run_exactly(fleet, n) for n in ("pcpo", "pcpo_no_reinit", "pcpo_no_elimination", "pcpo_eliminate_once")
        }
        runs |= {n: run_exactly(fleet, n) for n in ("pcpo_no_radius_scaling", "pcpo_one_sequence")}
        pcpo = runs.pop("pcpo")
        assert any(r.reinitialised for r in pcpo.epochs)
        assert not any(r.reinitialised for r in runs["pcpo_no_reinit"].epochs)
        assert correct(fleet, runs["pcpo_no_reinit"].final)
        assert all(r.neighbourhoods.dense().all() for r in runs["pcpo_no_elimination"].epochs)
        sets = [r.neighbourhoods for r in runs["pcpo_eliminate_once"].epochs]
        assert all(np.array_equal(s, sets[0]) for s in sets)
        assert np.array_equal(sets[0], pcpo.epochs[0].neighbourhoods)
        for r in runs["pcpo_no_radius_scaling"].epochs:
            np.testing.assert_array_equal(r.radii_global, r.plan.radius_local)
        one, R = runs["pcpo_one_sequence"], [r.plan.iterations for r in pcpo.epochs]
        assert [r.traffic.rounds for r in one.epochs] == np.cumsum(2 * np.array(R) + 1).tolist()
        for name in ("pcpo_no_reinit", "pcpo_no_elimination", "pcpo_eliminate_once", "pcpo_no_radius_scaling"):
            assert np.array_equal(runs[name].final.local_gains, pcpo.final.local_gains)

    @pytest.mark.parametrize("name", ["pcpo_centred", "pcpo_two_point"])
    def test_extensions_are_pcpo_where_there_is_no_noise(self, fleet: Fleet, name: str) -> None:
        assert np.array_equal(
            run_exactly(fleet, name).final.global_gains, run_exactly(fleet, "pcpo").final.global_gains
        )

    def test_a_minibatch_of_one_has_no_rollout_to_set_aside(self) -> None:
        alike = one_cluster([[0.1, 0.0], [0.0, 0.1]])
        setting = setting_of(alike, Delta0=1e3, c4=1e-6)
        assert setting.schedule.plan(1).minibatch == 1
        run(PCPO(estimator="centred"), ExactOracle(alike), setting, setting.schedule.plan(1).rollouts)
