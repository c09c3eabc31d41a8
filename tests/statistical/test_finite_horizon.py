"""The finite-horizon oracle against exact numbers: cost, initial states, and the gradient of the smoothed cost."""

from __future__ import annotations

import numpy as np
import pytest
from support.judging import LEVEL, Array, consistent, mean_p_value, z_score

from pcpo.evidence.fedlqr.model.finite_horizon import FiniteHorizon, costs, gradients
from pcpo.evidence.fedlqr.model.oracles import FiniteHorizonOracle
from pcpo.simulation.noise import Purpose

pytestmark = pytest.mark.statistical

A = np.array([[[0.9, 0.3], [0.0, 0.8]], [[1.1, 0.0], [0.2, 0.7]]])
B = np.array([[[0.0], [1.0]], [[1.0], [0.5]]])
GAINS = np.array([[[0.1, 0.4]], [[0.5, 0.2]]])
stages = pytest.mark.parametrize("first", [0, 1])


def setting_with(first: int) -> FiniteHorizon:
    return FiniteHorizon(A, B, np.diag([1.0, 2.0]), [[0.5]], 10, first)


@stages
def test_mean_cost_of_rollouts_is_the_exact_cost(first: int) -> None:
    """Brute force; another first stage or a horizon shorter by one is told apart by the same samples."""
    setting = setting_with(first)
    oracle = FiniteHorizonOracle(setting, seed=70)
    samples = np.stack([oracle.costs(GAINS, 50, purpose=Purpose.COST, epoch=0).values for _ in range(4000)])
    exact = costs(setting, GAINS)
    assert consistent(*(z_score(samples[:, i], exact[i]) for i in range(2)))
    shorter = costs(FiniteHorizon(A, B, setting.Q, setting.R, 9, first), GAINS)
    for wrong in (costs(setting_with(1 - first), GAINS), shorter):
        assert not all(consistent(z_score(samples[:, i], wrong[i])) for i in range(2))


def smoothed_gradient(setting: FiniteHorizon, r: float, points: int = 64) -> Array:
    """∇C_r = E (D/r)·C(K + rU)·U ``(N, D)``, D = 2: the mean over equal angles, exact, since C is a polynomial."""
    angles = 2 * np.pi * np.arange(points) / points
    U = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    weighted = costs(setting, GAINS + r * U[:, None, None, :])[:, :, None] * U[:, None, :]
    return np.asarray(2 / r * weighted.mean(axis=0))


@stages
def test_estimates_have_the_mean_of_the_smoothed_gradient(first: int) -> None:
    """Hotelling's T²; neither the gradient at another gain, nor the negative, nor without the factor D."""
    setting, r, count = setting_with(first), 0.3, 3000
    oracle = FiniteHorizonOracle(setting, seed=72)
    found = np.stack(
        [oracle.gradients(GAINS, 100, np.full(2, r), purpose=Purpose.GLOBAL, epoch=0).values for _ in range(count)]
    )[:, :, 0]
    expected = smoothed_gradient(setting, r)
    np.testing.assert_allclose(expected, smoothed_gradient(setting, r, 128), rtol=1e-12)
    for i in range(2):
        assert mean_p_value(found[:, i], expected[i]) > LEVEL
        for wrong in (-expected[i], expected[i] / 2, gradients(setting, GAINS + 0.2)[i, 0]):
            assert mean_p_value(found[:, i], wrong) < LEVEL


def test_initial_states_and_directions_are_independent_between_agents_and_rollouts() -> None:
    """Correlations of costs of identical agents: between agents, and of successive rollouts."""
    twins = FiniteHorizon(A[[0, 0]], B[[0, 0]], np.eye(2), [[1.0]], 10)
    oracle = FiniteHorizonOracle(twins, seed=73)
    same = GAINS[[0, 0]]
    samples = np.stack([oracle.costs(same, 1, purpose=Purpose.COST, epoch=0).values for _ in range(20_000)])
    centred = samples - samples.mean(axis=0)
    between, along = centred[:, 0] * centred[:, 1], centred[1:, 0] * centred[:-1, 0]
    assert consistent(z_score(between, 0.0), z_score(along, 0.0))
    assert not consistent(z_score(centred[:, 0] ** 2, 0.0))
