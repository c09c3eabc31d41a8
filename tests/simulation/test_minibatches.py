"""Test that the compiled loop over agents has the bits of one estimate after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.protocol import Estimates
from pcpo.oracles.rollout import RolloutOracle, agent_streams
from pcpo.simulation.estimators import cost_estimate, gradient_estimate
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.simulation.words import advance

SEED, HORIZON = 11, 7


def fleet_of(n: int, m: int, *, cross: float = 0.0) -> Fleet:
    """Make two clusters of two agents and one, with gains that differ."""
    rng = stream(4, Purpose.FLEET, n, m)
    systems = []
    for level in (1.0, 2.0):
        A, B = 0.4 * rng.standard_normal((n, n)) / n, rng.standard_normal((n, m))
        N = cross * np.ones((n, m))
        systems.append(LinearSystem(A, B, (level + n * m) * np.eye(n), (1.0 + n * m) * np.eye(m), 0.9, N))
    gains = 0.05 * rng.standard_normal((3, m, n))
    return Fleet("x", tuple(systems), np.array([0, 1, 0]), gains)


def one_by_one(
    fleet: Fleet, gains: np.ndarray, law: str, minibatches: list[int], baseline: np.ndarray | None, radii: np.ndarray
) -> list[Estimates]:
    """Answer gradients, costs, gradients, … by a call of the estimators for each agent."""
    streams, answers = agent_streams(SEED, fleet.N).at(Purpose.LOCAL, 1), []
    shared = {"horizon": HORIZON, "law": noise_law(law)}
    for M in minibatches:
        found = [
            gradient_estimate(
                fleet.system_of(i), gains[i], radii[i], M, directions=s.directions, noise=s.noise,
                baseline=None if baseline is None else float(baseline[i]), **shared,
            )
            for i, s in enumerate(streams)
        ]  # fmt: skip
        answers.append(Estimates(np.stack([f.value for f in found]), np.array([f.nonfinite for f in found])))
        costs = [cost_estimate(fleet.system_of(i), gains[i], M, noise=s.noise, **shared) for i, s in enumerate(streams)]
        answers.append(Estimates(np.array([c.value for c in costs]), np.array([c.nonfinite for c in costs])))
    return answers


@pytest.mark.parametrize(
    ("n", "m", "law", "cross"),
    [(2, 1, "signs", 0.0), (3, 2, "sphere", 0.1), (1, 1, "sphere", 0.0), (2, 2, "cube", 0.0), (13, 1, "signs", 0.0)],
)
def test_bits_are_those_of_one_agent_after_the_other(n: int, m: int, law: str, cross: float) -> None:
    fleet = fleet_of(n, m, cross=cross)
    gains, radii = fleet.initial_gains.copy(), np.array([0.1, 0.2, 0.3])
    gains[2] = 1e6  # saturated
    for baseline in (None, np.array([1.0, 2.0, 3.0])):
        minibatches = [1, 64, 65, 200]
        oracle = RolloutOracle(fleet, seed=SEED, horizon=HORIZON, law=noise_law(law), chunk=128)
        known = iter(one_by_one(fleet, gains, law, minibatches, baseline, radii))
        for M in minibatches:
            asked = {"purpose": Purpose.LOCAL, "epoch": 1}
            gradients = oracle.gradients(gains, M, radii, baseline=baseline, **asked)
            for answer, expected in ((gradients, next(known)), (oracle.costs(gains, M, **asked), next(known))):
                np.testing.assert_array_equal(answer.values, expected.values)
                np.testing.assert_array_equal(answer.nonfinite, expected.nonfinite)
            assert gradients.nonfinite.tolist() == [0, 0, M]


def test_a_horizon_of_one_stage_costs_nothing() -> None:
    fleet = fleet_of(2, 1)
    oracle = RolloutOracle(fleet, seed=SEED, horizon=1, law=noise_law("signs"))
    found = oracle.gradients(fleet.initial_gains, 10, np.full(3, 0.1), purpose=Purpose.LOCAL, epoch=1)
    assert not found.values.any()


def test_agents_of_equal_gains_differ_by_their_streams() -> None:
    fleet = fleet_of(2, 1)
    same = replace(fleet, initial_gains=np.zeros((3, 1, 2)))
    oracle = RolloutOracle(same, seed=SEED, horizon=HORIZON, law=noise_law("signs"))
    first, second = (
        oracle.gradients(same.initial_gains, 10, np.full(3, 0.1), purpose=Purpose.LOCAL, epoch=1).values
        for _ in range(2)
    )
    assert len(np.unique(np.concatenate([first, second]).reshape(6, -1), axis=0)) == 6


def test_a_state_is_continued_as_numpy_does() -> None:
    generator = stream(SEED, 1)
    generator.bit_generator.random_raw(5)
    state, words = generator.bit_generator.state["state"]["state"].copy(), np.empty(100, dtype=np.uint64)
    advance(state, words)
    np.testing.assert_array_equal(words, generator.bit_generator.random_raw(100))
    np.testing.assert_array_equal(state, generator.bit_generator.state["state"]["state"])
