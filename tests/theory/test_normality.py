"""How far from normal means are: exact cumulants of an estimate, Edgeworth's bound, lattices, and M*."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from pcpo import lqr
from pcpo.fleets.examples import SYSTEMS
from pcpo.simulation.noise import noise_law
from pcpo.theory.normality import (
    answer_cumulants,
    directions,
    edgeworth_distance,
    lattice_distance,
    raw_moments,
    visible_below,
)


def test_cumulants_of_an_estimate_are_those_of_all_signs_and_directions() -> None:
    """With one unknown the sphere has two points, and an estimate is ±C(K ± r; Z)/r."""
    system, r, h = SYSTEMS["scalar"], 0.3, 10
    K = lqr.riccati(system).K + 0.1
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=h - 1)))
    answers = []
    for sign in (-1, 1):
        gain = float((K + sign * r)[0, 0])
        x, total = np.zeros(len(signs)), np.zeros(len(signs))
        for t in range(h):
            total += system.gamma**t * (1 + gain**2) * x**2
            x = (0.9 - gain) * x + (signs[:, t] if t < h - 1 else 0)
        answers.append(sign * total / r)
    d = np.concatenate(answers)
    d = d - d.mean()
    second = (d**2).mean()
    expected = np.array([(d**3).mean() / second**1.5, (d**4).mean() / second**2 - 3])
    found = answer_cumulants(system, K, r, noise_law("signs"), h, None)[:, 0]
    np.testing.assert_allclose(found * [np.sign(directions(1)[0, 0]), 1], expected, rtol=1e-9)


def test_raw_moments_are_those_of_a_gamma_variable() -> None:
    found = raw_moments(np.array(3.0), np.array([3.0, 6.0, 18.0]))  # of shape 3: κ_k = 3 (k − 1)!
    np.testing.assert_allclose(found, [stats.gamma.moment(k, 3.0) for k in (1, 2, 3, 4)])


def test_edgeworth_distance_is_that_of_a_law_with_these_cumulants() -> None:
    """Compare with standardised gamma variables of shape M exactly; the remainder is of order M^(−3/2)."""
    x = np.linspace(-6, 8, 20_001)
    for M in (100, 1000, 10_000):
        exact = np.abs(stats.gamma.cdf(M + np.sqrt(M) * x, M) - stats.norm.cdf(x)).max()
        assert abs(edgeworth_distance(2.0, 6.0, M) - exact) < 3 / M  # the terms of order 1/M do not cancel in the bound
        assert exact <= edgeworth_distance(2.0, 6.0, M) * (1 + 10 / M)
    assert edgeworth_distance(2.0, 6.0, 1e-9) == 1.0


def test_the_distance_of_a_lattice_is_half_its_jump_and_a_normal_rest_smooths_it() -> None:
    """Sums of M signs exactly, and with normal noise of variance v for each by convolution."""
    for M in (50, 400):
        k = np.arange(M + 1)
        weights, values = stats.binom.pmf(k, M, 0.5), (2 * k - M) / np.sqrt(M)
        jump = np.abs(np.cumsum(weights) - stats.norm.cdf(values)).max()
        assert lattice_distance(2.0, 0.0, 1.0, M) == pytest.approx(jump, rel=0.02)
        x = np.linspace(-3, 3, 4001)
        for rest in (0.0005, 0.004):
            spread = np.sqrt(1 + rest)
            smooth = stats.norm.cdf((x[:, None] * spread - values) / np.sqrt(rest)) @ weights
            exact = np.abs(smooth - stats.norm.cdf(x)).max()
            bound = lattice_distance(2.0, rest, 1 + rest, M) + edgeworth_distance(0.0, 2.0, M)
            assert exact <= bound * 1.01
    assert lattice_distance(0.0, 0.0, 1.0, 10) == 0.0


def test_the_threshold_is_where_the_rate_of_rejection_may_double() -> None:
    for skew, kurtosis, samples in ((2.0, 6.0, 1500), (1e-3, 0.2, 9000), (-1.0, 0.0, 100)):
        M, level = visible_below(skew, kurtosis, samples, 1e-3), 1e-3
        room = np.sqrt(np.log(2 / level) / (2 * samples)) - edgeworth_distance(skew, kurtosis, M)
        assert 2 * np.exp(-2 * samples * room**2) == pytest.approx(2 * level, rel=1e-6)
    assert visible_below(2.0, 6.0, 6000, 1e-3) / visible_below(2.0, 6.0, 1500, 1e-3) == pytest.approx(4, rel=0.1)
