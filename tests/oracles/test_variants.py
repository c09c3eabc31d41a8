"""Estimators beside (5): baselines and pairs by hand, bits of the one-point path, ledger, trajectories, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.small_fleets import forked_fleet, three_clusters

from pcpo.errors import ConfigError, PcpoError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.protocol import TrajectoryOracle
from pcpo.oracles.rollout import ExactOracle, LedgerOracle, RolloutOracle
from pcpo.simulation.estimators import GradientEstimate, gradient_estimate, rollout_costs
from pcpo.simulation.kernels import BLOCK
from pcpo.simulation.noise import NOISE_LAWS, Purpose, draw_directions, noise_law, stream

SYSTEM = LinearSystem(
    [[0.9, 0.3, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]],
    [[0.0, 1.0], [1.0, 0.0], [0.5, 0.2]],
    np.diag([1.0, 2.0, 0.5]),
    [[1.0, 0.2], [0.2, 2.0]],
    0.9,
)
GAIN = np.array([[0.2, 0.1, 0.0], [0.0, 0.3, 0.1]])
HORIZON, RADIUS = 20, 0.1

laws = pytest.mark.parametrize("law", NOISE_LAWS)


def estimate(minibatch: int = 1000, law: str = "signs", **changes: Any) -> GradientEstimate:
    streams = {"directions": stream(1, 0), "noise": stream(1, 1)}
    return gradient_estimate(
        SYSTEM, GAIN, RADIUS, minibatch, **{"horizon": HORIZON, "law": noise_law(law), **streams, **changes}
    )


@pytest.mark.parametrize(
    ("law", "first"),
    [
        ("signs", "0x1.e8c840e4beed7p+6"),
        ("sphere", "0x1.c8d9dfb9819d2p+6"),
        ("cube", "0x1.b42c74019eb5fp+6"),
    ],
)
def test_the_one_point_path_keeps_the_bits_it_had_before_there_were_others(law: str, first: str) -> None:
    found = estimate(law=law)
    assert float(found.value[0, 0]).hex() == first
    assert estimate(law=law, estimator="one_point", baseline=0.0).value.tobytes() == found.value.tobytes()


def by_hand(directions: int, law: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C(K + rU; Z), C(K − rU; Z') and U ``(q, D)``: block b of the pairs has the noise blocks 2b and 2b + 1."""
    blocks = -(-directions // BLOCK)
    U = np.empty((blocks, 6, BLOCK))
    draw_directions(stream(1, 0), U)
    Z = noise_law(law).draw(stream(1, 1), 2 * blocks, HORIZON - 1, 3)
    plus, _ = rollout_costs(SYSTEM, GAIN, Z[0::2], law=noise_law(law), directions=U, radius=RADIUS)
    minus, _ = rollout_costs(SYSTEM, GAIN, Z[1::2], law=noise_law(law), directions=-U, radius=RADIUS)
    return plus.ravel()[:directions], minus.ravel()[:directions], U.transpose(0, 2, 1).reshape(-1, 6)[:directions]


@laws
@pytest.mark.parametrize("directions", [1, 64, 150])
def test_two_point_by_hand(law: str, directions: int) -> None:
    plus, minus, U = by_hand(directions, law)
    expected = 6 / (2 * RADIUS * directions) * ((plus - minus) @ U)
    found = estimate(2 * directions, law, estimator="two_point")
    np.testing.assert_allclose(found.value.ravel(), expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    assert found.mean_square_cost == pytest.approx(np.mean((plus - minus) ** 2) / 4, rel=1e-10)


@laws
def test_two_point_does_not_depend_on_the_chunk(law: str) -> None:
    found = {estimate(700, law, estimator="two_point", chunk=chunk).value.tobytes() for chunk in (64, 192, 1024)}
    assert len(found) == 1


def test_the_odd_rollout_of_two_point_is_not_used() -> None:
    even, odd = (estimate(M, estimator="two_point").value for M in (300, 301))
    assert even.tobytes() == odd.tobytes() != estimate(302, estimator="two_point").value.tobytes()
    assert even.tobytes() == estimate(300, estimator="two_point", baseline=5.0).value.tobytes()
    with pytest.raises(ConfigError, match="minibatch: found 1, expected an integer of at least 2"):
        estimate(1, estimator="two_point")


@laws
@pytest.mark.parametrize("minibatch", [1, 64, 100, 2500])
def test_a_baseline_is_subtracted_from_every_cost(law: str, minibatch: int) -> None:
    b, raw, centred = 7.0, estimate(minibatch, law), estimate(minibatch, law, baseline=7.0)
    U = np.empty((-(-minibatch // BLOCK), 6, BLOCK))
    draw_directions(stream(1, 0), U)
    mean = U.transpose(0, 2, 1).reshape(-1, 6)[:minibatch].mean(axis=0)
    expected = raw.value.ravel() - 6 / RADIUS * b * mean
    np.testing.assert_allclose(centred.value.ravel(), expected, rtol=1e-9, atol=1e-9 * np.abs(raw.value).max())
    assert centred.mean_cost == pytest.approx(raw.mean_cost - b, rel=1e-9)
    assert centred.nonfinite == raw.nonfinite == 0


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(ConfigError, match="estimator: found 'three_point'"):
        estimate(estimator="three_point")


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


def oracles(fleet: Fleet) -> list[LedgerOracle]:
    return [RolloutOracle(fleet, seed=3, horizon=HORIZON, law=noise_law("signs")), ExactOracle(fleet)]


def test_every_rollout_is_in_the_ledger_whatever_the_estimator(fleet: Fleet) -> None:
    r, asked = np.full(fleet.N, 0.1), {"purpose": Purpose.LOCAL, "epoch": 1}
    for oracle in oracles(fleet):
        assert isinstance(oracle, TrajectoryOracle)
        oracle.gradients(fleet.initial_gains, 31, r, **asked, estimator="two_point")
        oracle.gradients(fleet.initial_gains, 7, r, **asked, baseline=np.full(fleet.N, 20.0))
        oracle.trajectories(fleet.initial_gains, 5, 3, 1.0, purpose=Purpose.TRAJECTORIES, epoch=1)
        assert oracle.rollouts == 43
        with pytest.raises(PcpoError, match=r"baseline: found shape \(2,\)"):
            oracle.gradients(fleet.initial_gains, 7, r, **asked, baseline=np.zeros(2))
        with pytest.raises(PcpoError, match="horizon: found 0"):
            oracle.trajectories(fleet.initial_gains, 5, 0, 1.0, purpose=Purpose.TRAJECTORIES, epoch=1)
        assert oracle.rollouts == 43


def test_baselines_reach_their_own_agents(fleet: Fleet) -> None:
    r, b = np.full(fleet.N, 0.1), np.arange(fleet.N) * 3.0
    rollouts, exact = oracles(fleet)
    again, _ = oracles(fleet)
    raw = again.gradients(fleet.initial_gains, 200, r, purpose=1, epoch=1).values
    found = rollouts.gradients(fleet.initial_gains, 200, r, purpose=1, epoch=1, baseline=b).values
    assert np.array_equal(found[0], raw[0])
    shift = (raw - found)[1:, 0] / b[1:, None]
    assert np.linalg.norm(shift, axis=1).max() < 4 * 2 / 0.1 / np.sqrt(200)  # the mean of 200 directions, times D/r
    assert (np.linalg.norm(shift, axis=1) > 0).all()
    for options in ({}, {"baseline": b}, {"estimator": "two_point"}):
        answer = exact.gradients(fleet.initial_gains, 200, r, purpose=1, epoch=1, **options).values
        assert np.array_equal(answer, exact.gradients(fleet.initial_gains, 1, r, purpose=1, epoch=1).values)


def residuals(fleet: Fleet, oracle: LedgerOracle, excitation: float = 0.5) -> np.ndarray:
    """x' − Ax − Bu of all agents' trajectories ``(N, count, h, n)``; inputs must be −Kx ± excitation."""
    K = fleet.initial_gains
    data = oracle.trajectories(K, 40, 6, excitation, purpose=Purpose.TRAJECTORIES, epoch=2)
    assert data.states.shape == (fleet.N, 40, 7, fleet.n)
    assert data.inputs.shape == (fleet.N, 40, 6, fleet.m)
    assert not data.states[:, :, 0].any()
    x = data.states[:, :, :-1]
    np.testing.assert_allclose(np.abs(data.inputs + np.einsum("imn,icsn->icsm", K, x)), excitation, rtol=1e-12)
    A, B = fleet.stacked.A, fleet.stacked.B
    predicted = np.einsum("iab,icsb->icsa", A, x) + np.einsum("iam,icsm->icsa", B, data.inputs)
    return data.states[:, :, 1:] - predicted


def test_trajectories_follow_the_systems(fleet: Fleet) -> None:
    noisy, quiet = (residuals(fleet, oracle) for oracle in oracles(fleet))
    np.testing.assert_allclose(np.abs(noisy), 1.0, rtol=1e-12)  # the noise: signs
    np.testing.assert_allclose(quiet, 0.0, atol=1e-12)
    assert len({agent.tobytes() for agent in np.round(noisy)}) == fleet.N


def test_trajectories_out_of_range_are_zero_and_counted() -> None:
    fleet = forked_fleet()
    gains = fleet.initial_gains.copy()
    gains[2] = 1e12
    for oracle in oracles(fleet):
        data = oracle.trajectories(gains, 10, 30, 1.0, purpose=Purpose.TRAJECTORIES, epoch=1)
        np.testing.assert_array_equal(data.nonfinite, [0, 0, 10, 0, 0])
        np.testing.assert_array_equal(oracle.nonfinite, data.nonfinite)
        assert not data.states[2].any()
        assert not data.inputs[2].any()
        assert np.isfinite(data.states).all()
