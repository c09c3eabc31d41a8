"""The oracle that takes rollouts below M* and moments above: each answer is that of one of the two, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.small_fleets import three_clusters

from pcpo.fleets.fleet import Fleet
from pcpo.oracles.auto import DRIFT, AutoOracle, EpochThresholds, GradientThresholds, drift_with, from_moments
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.protocol import IteratingOracle, TrajectoryOracle
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law

LAW, HORIZON, M = noise_law("signs"), 30, 200


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


def thresholds(cost: int | None, local: int | None, everyone: int | None) -> EpochThresholds:
    at = (GradientThresholds(one_point=each, centred=each, two_point=each) for each in (local, everyone))
    return EpochThresholds(1, cost, *at)


def auto(fleet: Fleet, *of: EpochThresholds, seed: int = 3) -> AutoOracle:
    return AutoOracle(fleet, seed=seed, horizon=HORIZON, law=LAW, thresholds=of)


def rollouts(fleet: Fleet, seed: int = 3) -> RolloutOracle:
    return RolloutOracle(fleet, seed=seed, horizon=HORIZON, law=LAW)


def moments(fleet: Fleet, seed: int = 3) -> MomentOracle:
    return MomentOracle(fleet, seed=seed, law=LAW, drift=DRIFT)


def answers(oracle: Any, fleet: Fleet, epoch: int = 1, **options: Any) -> list[np.ndarray]:
    """Ask for everything twice, each for its purpose."""
    radii, found = np.full(fleet.N, 0.05), []
    for _ in range(2):
        for purpose in (Purpose.LOCAL, Purpose.GLOBAL):
            asked = oracle.gradients(fleet.initial_gains, M, radii, purpose=purpose, epoch=epoch, **options)
            found.append(asked.values)
        found.append(oracle.costs(fleet.initial_gains, M, purpose=Purpose.COST, epoch=epoch).values)
    return found


@pytest.mark.parametrize(
    ("of", "drawn"),
    [
        ((M + 1, M + 1, M + 1), (False, False, False)),
        ((None, None, None), (False, False, False)),
        ((M, M, M), (True, True, True)),
        ((M + 1, M, M + 1), (True, False, False)),
        ((M, M + 1, None), (False, False, True)),
    ],
)
def test_every_answer_is_that_of_the_one_that_the_minibatch_says(
    fleet: Fleet, of: tuple[Any, ...], drawn: tuple[bool, ...]
) -> None:
    found = answers(auto(fleet, thresholds(*of)), fleet)
    simulated, exact = answers(rollouts(fleet), fleet), answers(moments(fleet), fleet)
    for index, answer in enumerate(found):
        expected, other = (exact, simulated) if drawn[index % 3] else (simulated, exact)
        assert answer.tobytes() == expected[index].tobytes()
        assert answer.tobytes() != other[index].tobytes()


def test_an_epoch_without_a_threshold_is_simulated(fleet: Fleet) -> None:
    found = answers(auto(fleet, thresholds(1, 1, 1)), fleet, epoch=2)
    for answer, expected in zip(found, answers(rollouts(fleet), fleet, epoch=2), strict=True):
        assert answer.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("options", "name"),
    [({"estimator": "two_point"}, "two_point"), ({"baseline": np.full(7, 20.0)}, "centred"), ({}, "one_point")],
)
def test_each_estimator_has_a_threshold_of_its_own(
    fleet: Fleet, options: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the moments are asked is what was asked of the oracle; here they only take it down."""
    asked = []

    def gradients(self: MomentOracle, question: Any) -> Any:
        asked.append((question.estimator, question.baseline is not None))
        return rollouts(fleet)._gradients(question)

    monkeypatch.setattr(MomentOracle, "_gradients", gradients)
    for own, other in ((M, M + 1), (M + 1, M)):
        at = GradientThresholds(**{**dict.fromkeys(("one_point", "centred", "two_point"), other), name: own})
        answers(auto(fleet, EpochThresholds(1, None, at, at)), fleet, **options)
        kind = (options.get("estimator", "one_point"), "baseline" in options)
        assert asked == ([kind] * 4 if own == M else [])
        asked.clear()


def test_iterations_above_the_threshold_are_those_of_the_moment_oracle(fleet: Fleet) -> None:
    of, radii = thresholds(M, M, None), np.full(fleet.N, 0.05)
    oracle, exact = auto(fleet, of), moments(fleet)
    assert isinstance(oracle, IteratingOracle)
    assert oracle.iterates(M, purpose=Purpose.LOCAL, epoch=1)
    assert not oracle.iterates(M - 1, purpose=Purpose.LOCAL, epoch=1)
    assert not oracle.iterates(M, purpose=Purpose.GLOBAL, epoch=1)
    assert not oracle.iterates(M, purpose=Purpose.LOCAL, epoch=2)
    booked: list[int] = []
    oracle.on_rollouts = booked.append
    steps = [
        each.iterate(fleet.initial_gains, 5, 1e-3, M, radii, purpose=Purpose.LOCAL, epoch=1) for each in (oracle, exact)
    ]
    assert steps[0].tobytes() == steps[1].tobytes()
    assert oracle.rollouts == exact.rollouts == sum(booked) == 5 * M
    assert oracle.errors == exact.errors


def test_the_ledger_counts_all_rollouts_and_saturated_ones_of_both(fleet: Fleet) -> None:
    oracle = auto(fleet, thresholds(M, M + 1, M))
    answers(oracle, fleet)
    assert oracle.rollouts == 6 * M
    hopeless = fleet.initial_gains + 1e6  # rollouts saturate, and C is infinite
    for minibatch in (M - 1, M):
        before = oracle.nonfinite.copy()
        oracle.costs(hopeless, minibatch, purpose=Purpose.COST, epoch=1)
        assert (oracle.nonfinite - before == minibatch).all()
    oracle.resume(10, np.arange(fleet.N))
    assert oracle.rollouts == 6 * M + 2 * M - 1 + 10
    assert (oracle.nonfinite == 2 * M - 1 + np.arange(fleet.N)).all()


def test_saturated_iterations_are_counted(fleet: Fleet) -> None:
    oracle = auto(fleet, thresholds(M, M, M))
    oracle.iterate(fleet.initial_gains + 1e6, 3, 0.0, M, np.full(fleet.N, 0.05), purpose=Purpose.LOCAL, epoch=1)
    assert (oracle.nonfinite == 3 * M).all()


def test_trajectories_are_simulated(fleet: Fleet) -> None:
    oracle, simulated = auto(fleet, thresholds(1, 1, 1)), rollouts(fleet)
    assert isinstance(oracle, TrajectoryOracle)
    shown = [
        each.trajectories(fleet.initial_gains, 4, 6, 1.0, purpose=Purpose.TRAJECTORIES, epoch=1)
        for each in (oracle, simulated)
    ]
    assert shown[0].states.tobytes() == shown[1].states.tobytes()
    assert oracle.rollouts == 4


def test_streams_of_the_two_are_apart(fleet: Fleet) -> None:
    """A question that moments answer does not change what rollouts answer next in the same epoch."""
    of, radii = thresholds(None, M, None), np.full(fleet.N, 0.05)
    mixed, simulated = auto(fleet, of), rollouts(fleet)
    asked = {"purpose": Purpose.LOCAL, "epoch": 1}
    mixed.gradients(fleet.initial_gains, M, radii, **asked)
    after = [each.gradients(fleet.initial_gains, M - 1, radii, **asked).values for each in (mixed, simulated)]
    assert after[0].tobytes() == after[1].tobytes()


def test_thresholds_through_json() -> None:
    of = EpochThresholds(2, None, GradientThresholds(100, 2000, None), GradientThresholds(110, 2100, 400))
    assert EpochThresholds.from_dict(of.to_dict()) == of
    assert of.of_gradients(Purpose.LOCAL, "one_point") == 100
    assert of.of_gradients(Purpose.BASELINE, "one_point", centred=True) == 2100
    assert of.of_gradients(Purpose.LOCAL, "two_point") is None
    assert not from_moments(10**30, None)
    assert from_moments(100, 100)
    assert not from_moments(99, 100)


def test_moments_are_renewed_later_the_more_rollouts_there_are() -> None:
    assert drift_with(400, 400) == drift_with(10, None) == DRIFT
    assert drift_with(1600, 400) == pytest.approx(2 * DRIFT)
    assert drift_with(40_000, 400) == drift_with(10**9, 400) == pytest.approx(10 * DRIFT)
