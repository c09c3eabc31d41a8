"""Gradients sent as one scalar: directions, what is rebuilt from scalars, what passes the server, what is unchanged."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from support.small_fleets import experiment, three_clusters

from pcpo.algorithms.baselines.base import descend, iterate
from pcpo.algorithms.pcpo import PCPO, PCPOState
from pcpo.algorithms.projection import SharedDirections, projected, rebuilt, spread, step_factor
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.errors import PcpoError
from pcpo.experiments.driver import run
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.rollout import ExactOracle
from pcpo.simulation.noise import Purpose, random_words, stream
from pcpo.storage.checkpoints import Checkpoint

FLEET = three_clusters()
RUNS = experiment(FLEET, epochs=3, Delta0=16.0)
N, D, WORD = FLEET.N, FLEET.D, 8


def directions(rounds: int, *, seed: int = 3, epoch: int = 1, shape: tuple[int, int] = (2, 3)) -> FloatArray:
    made = SharedDirections(seed, epoch, 4, shape)
    return np.stack([made.draw() for _ in range(rounds)])


def test_directions_have_unit_length_and_follow_from_seed_epoch_agent_and_round() -> None:
    found = directions(200)
    assert found.shape == (200, 4, 2, 3)
    assert np.abs(found) == pytest.approx(1 / np.sqrt(6), rel=1e-15)
    assert np.array_equal(found, directions(200)), "both ends draw the same"
    assert np.array_equal(found[:70], directions(70)), "rounds to come change nothing"
    bits = random_words(stream(3, Purpose.PROJECTION, 1, 2), (200, 1))[:, 0]
    expected = [[1.0 if int(word) >> k & 1 else -1.0 for k in range(6)] for word in bits]
    assert np.array_equal(np.sign(found[:, 2].reshape(200, 6)), expected), "coordinate k is bit k of the round's word"
    for other in (directions(200, seed=4), directions(200, epoch=2)):
        assert 0.4 < np.mean(np.sign(found) == np.sign(other)) < 0.6
    assert 0.4 < np.mean(np.sign(found[:, 0]) == np.sign(found[:, 1])) < 0.6, "agents have directions of their own"


def test_more_unknowns_than_a_word_has_bits() -> None:
    wide = directions(40, shape=(10, 13))
    assert wide.shape == (40, 4, 10, 13)
    assert (np.abs(wide.reshape(160, 130).mean(axis=0)) * np.sqrt(130) < 0.45).all(), "no coordinate is constant"


def test_over_all_signs_the_rebuilt_gradient_has_mean_g_and_d_times_its_square() -> None:
    g = np.array([[0.3, -1.2], [2.0, 0.7]])
    signs = np.array(list(product([-0.5, 0.5], repeat=4))).reshape(-1, 2, 2)
    copies = np.broadcast_to(g, signs.shape)
    found = rebuilt(projected(copies, signs), signs)
    assert found.mean(axis=0) == pytest.approx(g, rel=1e-14)
    assert np.sum(found**2, axis=(1, 2)).mean() == pytest.approx(4 * np.sum(g**2), rel=1e-14)
    pairs = (found[:, None] + found[None]) / 2
    assert np.sum(pairs**2, axis=(2, 3)).mean() == pytest.approx(spread(4, np.array([2]))[0] * np.sum(g**2), rel=1e-14)


def test_steps_are_shortened_where_the_spread_is_above_four() -> None:
    assert spread(7, np.array([1, 2, 3, 6])) == pytest.approx([7, 4, 3, 2], rel=1e-15)
    assert step_factor(7, np.array([1, 2, 3, 6])) == pytest.approx([4 / 7, 1, 1, 1], rel=1e-15)


def test_a_round_carries_one_number_up_and_the_mean_of_rebuilt_gradients_down() -> None:
    server, g, v = Server(4), np.random.default_rng(1).normal(size=(4, 2, 3)), directions(1)[0]
    server.neighbourhoods = Neighbourhoods.partition(np.array([0, 0, 1, 1]))
    found = server.average_projected(g, v)
    whole = [6 * np.sum(g[j] * v[j]) * v[j] for j in range(4)]
    expected = [(whole[0] + whole[1]) / 2] * 2 + [(whole[2] + whole[3]) / 2] * 2
    assert found == pytest.approx(np.array(expected), rel=1e-14)
    traffic = server.traffic
    assert (traffic.rounds, traffic.messages_up, traffic.bytes_up) == (1, 4, 4 * WORD)
    assert (traffic.messages_down, traffic.bytes_down) == (4, 4 * 6 * WORD)


def test_line_6_steps_along_the_rebuilt_mean() -> None:
    plan, oracle, server = RUNS.schedule.plan(2), ExactOracle(FLEET), Server(N)
    start = FLEET.initial_gains
    moved = descend(start, 1, plan, oracle, server, directions=SharedDirections(5, 2, N, oracle.gain_shape))
    g = oracle.gradients(start, 1, np.ones(N), purpose=Purpose.GLOBAL, epoch=2).values
    v = SharedDirections(5, 2, N, oracle.gain_shape).draw()
    mean = np.mean([D * np.sum(g[j] * v[j]) * v[j] for j in range(N)], axis=0)
    factor = min(1.0, 4 / (1 + (D - 1) / N))
    assert moved == pytest.approx(start - factor * plan.step_size * mean, rel=1e-12)


def test_directions_need_a_server() -> None:
    made = SharedDirections(0, 1, N, FLEET.initial_gains.shape[1:])
    with pytest.raises(PcpoError, match=r"^directions: found some without a server, expected a server that rebuilds"):
        iterate(FLEET.initial_gains, 1, RUNS.schedule.plan(1), ExactOracle(FLEET), np.ones(N), directions=made)


def test_everything_but_line_6_is_that_of_pcpo() -> None:
    plain, scalar = (RUNS.run(name, seed=4) for name in ("pcpo", "pcpo_scalar"))
    same = ["local_gap", "cost_estimate", "set_size", "set_correct", "rollouts", "rounds", "messages_up", "bytes_down"]
    assert plain[same].equals(scalar[same])
    assert not np.allclose(plain["global_gap"], scalar["global_gap"], rtol=1e-3)
    per_round = N * WORD * (D - 1)
    iterations = plain.groupby("epoch")["iterations"].first().cumsum()
    saved = (plain["bytes_up"] - scalar["bytes_up"]).groupby(plain["epoch"]).first()
    assert saved.equals((per_round * iterations).rename("bytes_up")), "bytes up, but for the gradients, are PCPO's"


def test_directions_are_drawn_anew_for_every_seed_of_a_run() -> None:
    results = [RUNS.result(PCPO(projected=True), seed=seed) for seed in (4, 4, 5)]
    first, again, other = (result.final.global_gains for result in results)
    assert np.array_equal(first, again)
    setting = Setting(FLEET.initial_gains, RUNS.schedule, shared_seed=5)
    exact = [run(PCPO(projected=True), ExactOracle(FLEET), s, RUNS.budget).final.global_gains
             for s in (setting, Setting(FLEET.initial_gains, RUNS.schedule, shared_seed=6))]  # fmt: skip
    assert not np.array_equal(exact[0], exact[1])
    assert not np.array_equal(first, other)


def test_a_resumed_run_has_the_same_directions(tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    whole = RUNS.run("pcpo_scalar", seed=6)

    class Stop(Exception):
        pass

    def stop(report: object) -> None:
        raise Stop

    saved = Checkpoint(tmp_path / "state", "key")
    with pytest.raises(Stop):
        RUNS.run("pcpo_scalar", seed=6, checkpoint=saved, on_epoch=stop)
    assert RUNS.run("pcpo_scalar", seed=6, checkpoint=saved).equals(whole)


def test_one_unknown_is_nothing_to_project() -> None:
    from pcpo.experiments.experiment import Experiment
    from pcpo.fleets.random import FleetSpec, random_fleet

    spec = FleetSpec(n=1, m=1, sizes=(2, 3), gamma=0.8, initial_gap=1.0, separation=8.0, optimal_cost=20.0)
    made = Experiment.calibrated(random_fleet(spec, stream(8, Purpose.FLEET), "scalar"), Delta0=12.0, epochs=2,
                                 minibatch_scale=0.01, oracle="moments")  # fmt: skip
    plain, scalar = (made.run(name, seed=1) for name in ("pcpo", "pcpo_scalar"))
    assert scalar["global_gap"].to_numpy() == pytest.approx(plain["global_gap"].to_numpy(), rel=1e-6)
    assert plain["bytes_up"].equals(scalar["bytes_up"])


def test_scalarfedlqr_is_naive_averaging_of_rebuilt_gradients() -> None:
    setting = Setting(FLEET.initial_gains, RUNS.schedule, shared_seed=2)
    oracle = ExactOracle(FLEET)
    result = run(make_algorithm("scalarfedlqr"), oracle, setting, RUNS.schedule.plan(1).rollouts)
    server, plan = Server(N), RUNS.schedule.plan(1)
    made = SharedDirections(2, 1, N, oracle.gain_shape)
    steps = 2 * plan.iterations + 1
    expected = descend(FLEET.initial_gains, steps, plan, ExactOracle(FLEET), server, directions=made)
    assert np.array_equal(result.final.global_gains, expected)
    assert result.final.traffic.bytes_up == N * WORD * steps
    assert result.final.traffic.bytes_down == N * WORD * D * steps
    assert make_algorithm("scalarfedlqr", synchronise_first=True).name == "scalarfedlqr_sync"


def test_the_state_is_that_of_pcpo() -> None:
    state = PCPO(projected=True).init(Setting(FLEET.initial_gains, RUNS.schedule))
    assert isinstance(state, PCPOState)
    assert PCPO(projected=True, estimator="two_point").name == "pcpo_two_point_scalar"
