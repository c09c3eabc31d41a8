"""Oracles: the ledger, streams of their own for every use, exact answers, saturation, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from support.small_fleets import forked_fleet, one_cluster, three_clusters

from pcpo import lqr
from pcpo.errors import ConfigError, PcpoError
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.protocol import Estimates, Oracle
from pcpo.oracles.rollout import ExactOracle, LedgerOracle, RolloutOracle
from pcpo.simulation.estimators import cost_estimate, gradient_estimate
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.noise import NOISE_LAWS, NoiseLaw, Purpose, noise_law, stream

SIGNS = noise_law("signs")
HORIZON = 30


def rollout_oracle(fleet: Fleet, *, seed: int = 1, law: NoiseLaw = SIGNS, **options: int) -> RolloutOracle:
    return RolloutOracle(fleet, seed=seed, horizon=HORIZON, law=law, **options)


def ask(
    oracle: Oracle, fleet: Fleet, *, M: int = 200, r: float = 0.1, purpose: int = Purpose.LOCAL, epoch: int = 1
) -> Estimates:
    return oracle.gradients(fleet.initial_gains, M, np.full(fleet.N, r), purpose=purpose, epoch=epoch)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


@pytest.mark.parametrize("make", [rollout_oracle, ExactOracle], ids=["rollout", "exact"])
def test_every_question_is_entered_in_the_ledger(fleet: Fleet, make: type[ExactOracle]) -> None:
    oracle: LedgerOracle = make(fleet)
    told: list[int] = []
    oracle.on_rollouts = told.append
    assert (oracle.n_agents, oracle.gain_shape, oracle.rollouts) == (7, (1, 2), 0)
    ask(oracle, fleet, M=30)
    oracle.costs(fleet.initial_gains, 5, purpose=Purpose.COST, epoch=1)
    ask(oracle, fleet, M=7)
    assert oracle.rollouts == 42
    assert told == [30, 5, 7]
    np.testing.assert_array_equal(oracle.nonfinite, np.zeros(7))


@pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
def test_answers_are_the_engines_from_the_agents_own_streams(fleet: Fleet, law: NoiseLaw) -> None:
    """(seed, purpose, epoch, agent, 0) for directions and (…, 1) for noise, whatever else was asked before."""
    oracle = rollout_oracle(fleet, seed=5, law=law)
    oracle.costs(fleet.initial_gains, 100, purpose=Purpose.COST, epoch=2)
    ask(oracle, fleet, purpose=Purpose.LOCAL, epoch=2)
    found = ask(oracle, fleet, M=100, purpose=Purpose.GLOBAL, epoch=2).values
    costs = oracle.costs(fleet.initial_gains, 70, purpose=Purpose.COST, epoch=3).values
    for i in range(fleet.N):
        common = {"horizon": HORIZON, "law": law}
        directions, noise = (stream(5, Purpose.GLOBAL, 2, i, kind) for kind in (0, 1))
        system, gain = fleet.system_of(i), fleet.initial_gains[i]
        alone = gradient_estimate(system, gain, 0.1, 100, directions=directions, noise=noise, **common)
        np.testing.assert_array_equal(found[i], alone.value)
        assert costs[i] == cost_estimate(system, gain, 70, noise=stream(5, Purpose.COST, 3, i, 1), **common).value


def test_streams_differ_between_seeds_purposes_epochs_agents_and_questions() -> None:
    """Same systems and same gains, so that equal streams would show as equal answers."""
    fleet = one_cluster([[0.0, 0.0]] * 3)
    answers = []
    for seed in (1, 2):
        oracle = rollout_oracle(fleet, seed=seed)
        for epoch in (1, 2):
            for purpose in (Purpose.LOCAL, Purpose.GLOBAL):
                answers += [ask(oracle, fleet, purpose=purpose, epoch=epoch).values for _ in range(2)]
    numbers = np.concatenate(answers)[:, 0, 0]
    assert len(np.unique(numbers)) == len(numbers) == 2 * 2 * 2 * 2 * 3


@pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
def test_same_seed_same_bits_whatever_the_chunk(fleet: Fleet, law: NoiseLaw) -> None:
    def bits(**options: int) -> list[bytes]:
        oracle = rollout_oracle(fleet, law=law, **options)
        found = [ask(oracle, fleet, M=500).values.tobytes() for _ in range(2)]
        return [*found, oracle.costs(fleet.initial_gains, 300, purpose=Purpose.COST, epoch=1).values.tobytes()]

    assert bits() == bits(chunk=64) == bits(chunk=192)
    assert bits() != bits(seed=2)


def test_asking_for_one_purpose_leaves_the_others_alone(fleet: Fleet) -> None:
    disturbed, quiet = rollout_oracle(fleet), rollout_oracle(fleet)
    first = ask(disturbed, fleet).values
    ask(disturbed, fleet, purpose=Purpose.GLOBAL, epoch=4)
    disturbed.costs(fleet.initial_gains, 10, purpose=Purpose.COST, epoch=1)
    np.testing.assert_array_equal(first, ask(quiet, fleet).values)
    np.testing.assert_array_equal(ask(disturbed, fleet).values, ask(quiet, fleet).values)


def test_exact_oracle_answers_the_gradient_and_the_cost(fleet: Fleet) -> None:
    oracle = ExactOracle(fleet)
    gradients, costs = ask(oracle, fleet).values, oracle.costs(fleet.initial_gains, 1, purpose=2, epoch=1).values
    for i in range(fleet.N):
        system, gain = fleet.system_of(i), fleet.initial_gains[i]
        np.testing.assert_allclose(gradients[i], lqr.gradient(system, gain), rtol=1e-13)
        assert costs[i] == pytest.approx(lqr.cost(system, gain), rel=1e-13)


@pytest.mark.parametrize("make", [rollout_oracle, ExactOracle], ids=["rollout", "exact"])
def test_a_gain_of_infinite_cost_gives_finite_numbers_and_is_counted(make: type[ExactOracle]) -> None:
    """Rollouts of horizon 30 overflow only for a gain that is far off; the exact oracle sees any."""
    fleet = forked_fleet()
    oracle: LedgerOracle = make(fleet)
    gains = fleet.initial_gains.copy()
    gains[2] = 200.0
    assert not lqr.has_finite_cost(fleet.system_of(2), gains[2])
    answers = [
        oracle.gradients(gains, 50, np.full(5, 0.1), purpose=Purpose.GLOBAL, epoch=1),
        oracle.costs(gains, 50, purpose=Purpose.COST, epoch=1),
    ]
    for answer in answers:
        assert np.isfinite(answer.values).all()
        np.testing.assert_array_equal(answer.nonfinite, [0, 0, 50, 0, 0])
    assert answers[1].values[2] == pytest.approx(SATURATION, rel=1e-12)
    assert (np.delete(answers[1].values, 2) < 100).all()
    np.testing.assert_array_equal(oracle.nonfinite, [0, 0, 100, 0, 0])


@pytest.mark.parametrize("gain", [np.nan, np.inf, -np.inf, 1e300])
def test_even_gains_that_are_no_numbers_give_finite_answers(gain: float) -> None:
    fleet = one_cluster([[0.0, 0.0], [0.1, 0.0]])
    gains = fleet.initial_gains.copy()
    gains[0] = gain
    for oracle in (rollout_oracle(fleet), ExactOracle(fleet)):
        answer = oracle.gradients(gains, 20, np.full(2, 0.1), purpose=Purpose.LOCAL, epoch=1)
        assert np.isfinite(answer.values).all()
        np.testing.assert_array_equal(answer.nonfinite, [20, 0])


@pytest.mark.parametrize("make", [rollout_oracle, ExactOracle], ids=["rollout", "exact"])
class TestRefusals:
    def test_gains_of_another_shape(self, fleet: Fleet, make: type[ExactOracle]) -> None:
        oracle = make(fleet)
        with pytest.raises(PcpoError, match=r"gains: found shape \(7, 2, 1\), expected \(N, m, n\) = \(7, 1, 2\)"):
            oracle.costs(fleet.initial_gains.swapaxes(1, 2), 10, purpose=2, epoch=1)
        with pytest.raises(PcpoError, match="gains: found shape"):
            oracle.gradients(fleet.initial_gains[:-1], 10, np.full(7, 0.1), purpose=1, epoch=1)

    @pytest.mark.parametrize(
        "radii", [np.full(6, 0.1), np.full((7, 1), 0.1), np.zeros(7), np.r_[np.full(6, 0.1), np.nan], -np.ones(7)]
    )
    def test_radii(self, fleet: Fleet, make: type[ExactOracle], radii: np.ndarray) -> None:
        with pytest.raises(PcpoError, match="radii: found"):
            make(fleet).gradients(fleet.initial_gains, 10, radii, purpose=1, epoch=1)

    @pytest.mark.parametrize("minibatch", [0, -1])
    def test_minibatch(self, fleet: Fleet, make: type[ExactOracle], minibatch: int) -> None:
        oracle = make(fleet)
        with pytest.raises(PcpoError, match="minibatch: found"):
            oracle.costs(fleet.initial_gains, minibatch, purpose=2, epoch=1)
        with pytest.raises(PcpoError, match="minibatch: found"):
            ask(oracle, fleet, M=minibatch)
        assert oracle.rollouts == 0


def test_an_infinite_radius_is_refused_by_the_engine(fleet: Fleet) -> None:
    with pytest.raises(ConfigError, match="radius: found inf"):
        ask(rollout_oracle(fleet), fleet, r=np.inf)
