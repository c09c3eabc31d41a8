"""Simulated rollouts against their closed forms: mean at a horizon, truncation, variance by law, almost-sure bound."""

from __future__ import annotations

import numpy as np
import pytest
from support.judging import SYSTEMS, THREE, TWO, consistent, gain_near, simulated_costs, variance_z_score, z_score

from pcpo import lqr
from pcpo.fleets.fleet import LinearSystem
from pcpo.lqr.moments import QuarticLaw
from pcpo.simulation.estimators import cost_estimate, rollout_costs
from pcpo.simulation.kernels import BLOCK
from pcpo.simulation.noise import NOISE_LAWS, NoiseLaw, noise_law, stream

pytestmark = pytest.mark.statistical

systems = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
laws = pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
LONG = 90  # γ^90 ≈ 2e-9: nothing is left to truncate

ROLLOUTS = 400_000


@systems
@laws
@pytest.mark.parametrize("horizon", [2, 8, 20])
def test_mean_cost_is_the_cost_less_the_truncation_bias(system: LinearSystem, law: NoiseLaw, horizon: int) -> None:
    """E C_h(K;Z) = C − γ^h [C + tr(P_K Σ_h)], at the optimum and away from it."""
    scores, forgotten, spreadless = [], [], []
    for k, size in enumerate((0.0, 0.3)):
        K = gain_near(system, size)
        costs, _ = simulated_costs(system, K, law, horizon=horizon, rollouts=ROLLOUTS // 2, seed=10 + k)
        C, bias = lqr.cost(system, K), lqr.truncation_bias(system, K, horizon)
        scores.append(z_score(costs, C - bias))
        forgotten.append(z_score(costs, C))
        spreadless.append(z_score(costs, C - system.gamma**horizon * C))
    assert consistent(*scores)
    assert not consistent(*forgotten)
    assert not consistent(*spreadless)


@systems
@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_horizon_that_is_off_by_one_is_seen(system: LinearSystem, wrong: int) -> None:
    """The cost sums the stages t = 0 … h − 1, not one more or less."""
    K = gain_near(system, 0.3)
    costs, _ = simulated_costs(system, K, noise_law("signs"), horizon=10, rollouts=200_000, seed=12)
    assert consistent(z_score(costs, lqr.truncated_cost(system, K, 10)))
    assert not consistent(z_score(costs, lqr.truncated_cost(system, K, 10 + wrong)))


class WithoutQuarticTerm:
    """d = 0, as if zᵀPz did not vary."""

    def quartic_term(self, P: np.ndarray) -> np.ndarray:
        return np.zeros(P.shape[:-2])


class Gaussian:
    """d = 2‖P‖²: what the variance would be with normal noise."""

    def quartic_term(self, P: np.ndarray) -> np.ndarray:
        return np.asarray(2.0 * np.sum(P * P, axis=(-1, -2)))


@systems
@laws
def test_variance_of_a_rollout_follows_the_law(system: LinearSystem, law: NoiseLaw) -> None:
    K = gain_near(system, 0.2)
    costs, _ = simulated_costs(system, K, law, horizon=LONG, rollouts=ROLLOUTS, seed=20)

    def judged(claimed: QuarticLaw) -> bool:
        return consistent(variance_z_score(costs, lqr.rollout_variance(system, K, claimed)))

    def resolved(claimed: QuarticLaw) -> bool:
        """Whether these samples can tell: the claim lies two thresholds from the truth, in standard errors."""
        right, wrong = (lqr.rollout_variance(system, K, x) for x in (law, claimed))
        return not consistent((variance_z_score(costs, right) - variance_z_score(costs, wrong)) / 2)

    others: list[QuarticLaw] = [other for other in NOISE_LAWS.values() if other is not law]
    wrong = [claimed for claimed in (*others, Gaussian(), WithoutQuarticTerm()) if resolved(claimed)]
    assert judged(law)
    assert [claimed for claimed in wrong if judged(claimed)] == []
    assert len(wrong) >= 3


@systems
def test_variance_needs_the_terms_between_times(system: LinearSystem) -> None:
    """Omitting 4 Σ_k γ^{2k} ‖P_K A_K^k‖², or halving it, is seen."""
    K, law = gain_near(system, 0.2), noise_law("signs")
    costs, _ = simulated_costs(system, K, law, horizon=LONG, rollouts=400_000, seed=21)
    full = lqr.rollout_variance(system, K, law)
    own = system.gamma**2 / (1 - system.gamma**2) * law.quartic_term(lqr.value_matrix(system, K))
    assert consistent(variance_z_score(costs, full))
    assert not consistent(variance_z_score(costs, own))
    assert not consistent(variance_z_score(costs, (own + full) / 2))


@systems
@laws
def test_cost_estimates_have_the_mean_and_variance_of_a_minibatch(system: LinearSystem, law: NoiseLaw) -> None:
    """Ĉ of M rollouts: mean C, variance σ_C²/M; and the sample variance it reports is unbiased for σ_C²."""
    K, M, count, noise = gain_near(system, 0.2), 10, 4000, stream(22, 1)
    found = [cost_estimate(system, K, M, horizon=LONG, law=law, noise=noise) for _ in range(count)]
    values, reported = np.array([f.value for f in found]), np.array([f.variance for f in found])
    C, variance = lqr.cost(system, K), lqr.rollout_variance(system, K, law)
    assert consistent(z_score(values, C), variance_z_score(values, variance / M), z_score(reported, variance))
    assert not consistent(variance_z_score(values, variance / (2 * M)))
    assert not consistent(z_score(reported, (M - 1) / M * variance))


@systems
@laws
def test_no_rollout_exceeds_the_bound_and_the_bound_is_not_vacuous(system: LinearSystem, law: NoiseLaw) -> None:
    K = gain_near(system, 0.2)
    costs, _ = simulated_costs(system, K, law, horizon=LONG, rollouts=20_000, seed=23)
    bound = lqr.rollout_bound(system, K, law)
    assert costs.max() <= bound < 100 * lqr.cost(system, K)
    assert costs.max() > 2 * lqr.cost(system, K)  # a bound by the mean would not hold


@pytest.mark.parametrize(("a", "gamma"), [(0.5, 0.9), (0.95, 0.6)])
def test_the_engines_worst_rollout_attains_the_bound(a: float, gamma: float) -> None:
    """One state, all signs +1: sign words of zeros.  A bound lower by 0.1 % would be false."""
    system = LinearSystem([[a]], [[1.0]], [[2.0]], [[1.0]], gamma)
    words = np.zeros((1, 500, 1), dtype=np.uint64)
    costs, _ = rollout_costs(system, np.zeros((1, 1)), words)
    bound = lqr.rollout_bound(system, np.zeros((1, 1)), noise_law("signs"))
    np.testing.assert_array_less(costs, bound * (1 + 1e-12))
    assert costs.shape == (1, BLOCK)
    assert costs[0, 0] > 0.999 * bound


def test_the_systems_differ_in_shape() -> None:
    assert ((TWO.n, TWO.m), (THREE.n, THREE.m)) == ((2, 1), (3, 2))
