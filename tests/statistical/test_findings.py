"""Findings on samples of known truth: coverage of the intervals, level under the null, power under an alternative.

Counts of simulated experiments are judged against binomial limits at LEVEL; each has a control that fails them.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.judging import LEVEL

from pcpo.claims.contract import ALPHA, Verdict
from pcpo.claims.findings import failures, mean, violated, violations
from pcpo.claims.judging import AtMost, holm

pytestmark = pytest.mark.statistical

EXPERIMENTS, RUNS = 200, 60


def plausible(count: int, trials: int, low: float, high: float) -> bool:
    """Whether a probability within [low, high] could have given the count."""
    enough, few = stats.binom.cdf(count, trials, low), stats.binom.sf(count - 1, trials, high)
    return bool(enough > LEVEL and few > LEVEL)


@pytest.fixture(scope="module")
def gaps() -> np.ndarray:
    """Skewed like suboptimality gaps: χ²₂, mean 2; (experiments, runs)."""
    return np.random.default_rng(np.random.SeedSequence(1)).chisquare(2, (EXPERIMENTS, RUNS))


def test_level_and_power_of_a_mean(gaps: np.ndarray) -> None:
    refuted = sum(mean(runs, 2.0).p_value < ALPHA for runs in gaps)
    assert plausible(refuted, EXPERIMENTS, 0.04, 0.06)
    # Power on normal samples against that of the t-test.
    samples = np.random.default_rng(np.random.SeedSequence(6)).normal(0.4, 1.0, (150, RUNS))
    expected = float(stats.nct.sf(stats.t.isf(ALPHA / 2, RUNS - 1), RUNS - 1, 0.4 * np.sqrt(RUNS)))
    refuted = sum(mean(sample, 0.0).p_value < ALPHA for sample in samples)
    assert plausible(refuted, 150, expected - 0.02, expected + 0.02)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_further_a_prediction_the_smaller_its_p_value(sign: int, gaps: np.ndarray) -> None:
    """Without a floor on either side of a skewed mean; on that of the long tail p falls slowly, as it must."""
    runs = gaps[0]
    error = float(runs.std() / np.sqrt(RUNS))
    found = [mean(runs, float(runs.mean()) + sign * k * error).p_value for k in range(1, 30)]
    assert np.all(np.diff(found) <= 0)
    assert found[0] > ALPHA > found[5]
    assert found[28] < (1e-3 if sign > 0 else 1e-50)


def test_agents_of_a_run_taken_apart_would_not_cover() -> None:
    """The control of "the replicate is a whole run": 5 agents a run that share half their variance."""
    rng = np.random.default_rng(np.random.SeedSequence(2))
    runs = rng.standard_normal((EXPERIMENTS, 40, 1)) + rng.standard_normal((EXPERIMENTS, 40, 5))

    whole = [mean(sample.mean(axis=1), 0.0) for sample in runs]
    apart = [mean(sample.ravel(), 0.0) for sample in runs]
    assert plausible(sum(f.low <= 0 <= f.high for f in whole), EXPERIMENTS, 0.94, 0.96)
    assert not plausible(sum(f.low <= 0 <= f.high for f in apart), EXPERIMENTS, 0.94, 0.96)


def test_failures_are_judged_at_the_stated_level() -> None:
    bound, runs = 0.05, 2000

    @functools.cache
    def verdict(count: int) -> Verdict:
        found = failures(count, runs, bound)
        return AtMost().verdict(found, found.p_value)

    for rate, expected in ((0.025, Verdict.SUPPORTED), (0.1, Verdict.REFUTED)):
        counts = np.random.default_rng(np.random.SeedSequence(3)).binomial(runs, rate, 200)
        assert [verdict(int(k)) for k in counts].count(expected) > 190
    at_bound = np.random.default_rng(np.random.SeedSequence(4)).binomial(runs, bound, 2000)
    refuted = sum(verdict(int(k)) is Verdict.REFUTED for k in at_bound)
    assert plausible(refuted, 2000, 0.0, ALPHA / 2)  # exact intervals are conservative, and one side refutes


def test_clean_runs_certify_a_probability_only_when_there_are_enough() -> None:
    def verdict(runs: int) -> Verdict:
        found = failures(0, runs, 0.025)
        return AtMost().verdict(found, found.p_value)

    assert verdict(145) is Verdict.INCONCLUSIVE
    assert verdict(146) is Verdict.SUPPORTED


def test_holm_keeps_the_level_of_a_family_and_uncorrected_tests_do_not() -> None:
    p = np.random.default_rng(np.random.SeedSequence(5)).random((4000, 10))
    assert plausible(sum(min(holm(row.tolist())) < ALPHA for row in p), 4000, 0.0, ALPHA)
    assert not plausible(int((p.min(axis=1) < ALPHA).sum()), 4000, 0.0, ALPHA)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_divergence_is_not_trimmed_and_equal_runs_have_no_interval() -> None:
    diverged = mean(np.array([1.0, np.inf, 1.0]), 1.0)
    assert (diverged.estimate, diverged.high, diverged.p_value) == (np.inf, np.inf, 0.0)
    equal = mean(np.full(12, 3.0), 3.0)
    assert (equal.low, equal.high, equal.p_value) == (3.0, 3.0, 1.0)
    assert mean(np.full(12, 3.0), 2.0).p_value == 0.0
    assert mean(np.array([3.0] * 4), 2.0).p_value == 1.0, "too few runs to say anything"


def test_violations_decide_at_once() -> None:
    assert (violations(0, 50).p_value, violations(1, 50).p_value) == (1.0, 0.0)
    assert violations(3, 50).estimate == 3


def test_the_rate_of_violations_is_of_what_is_independent() -> None:
    """0 of 14,460 excludes a rate above 2.6e-4; of 300 runs with 14,460 steps, 1.2e-2."""
    steps, runs = violations(0, 14_460), violations(0, 14_460, independent=300)
    assert steps.high == pytest.approx(1 - 0.025 ** (1 / 14_460))
    assert (runs.n_runs, runs.trials) == (300, 14_460)
    assert runs.high == pytest.approx(1 - 0.025 ** (1 / 300))
    assert violations(0, 0).n_runs == 0


def test_runs_that_differ_by_rounding_are_equal() -> None:
    """Otherwise the interval is made of rounding errors, and its p-value can be anything."""
    values = 1.0435 * (1 + np.finfo(float).eps * (np.arange(30) % 3 - 1))
    assert len(set(values)) == 3
    found = mean(values, 0.5)
    assert (found.low, found.high, found.p_value) == (found.estimate, found.estimate, 0.0)
    assert mean(values, 1.0435).p_value == 1.0
    scattered = mean(values * (1 + 1e-9 * np.random.default_rng(0).standard_normal(30)), 0.5)
    assert scattered.low < scattered.estimate < scattered.high


def test_runs_that_share_a_seed_are_one_unit() -> None:
    """Ten seeds in three cells: two violations with one seed are one unit, and fewer units say less."""
    seed = pd.Series(np.tile(np.arange(10), 3))
    cell = pd.Series(np.repeat(list("abc"), 10))
    flags = (seed == 4) & (cell != "a")
    of_seeds, of_runs = violated(flags, seed), violated(flags, cell, seed)
    assert (of_seeds.estimate, of_seeds.n_runs, of_seeds.trials) == (1, 10, 30)
    assert (of_runs.estimate, of_runs.n_runs) == (2, 30)
    assert of_seeds.high > of_runs.high
    assert violated(flags[:0], seed[:0]).n_runs == 0
