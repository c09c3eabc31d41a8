"""Estimates by hand: intervals from formulas that are written out again, and samples that have no interval.

How often the intervals hold the truth is measured in tests/statistical/test_coverage.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from pcpo import statistics
from pcpo.statistics import FEWEST

SKEWED = np.array([0.1, 0.2, 0.2, 0.4, 0.5, 0.9, 1.3, 1.6, 2.9, 5.0])


def test_a_symmetric_sample_has_students_interval() -> None:
    values = np.array([-3.0, -1.0, -0.5, 0.5, 1.0, 3.0])
    low, high = stats.t.interval(0.95, 5, 0.0, values.std(ddof=1) / np.sqrt(6))
    found = statistics.mean(values)
    assert (found.estimate, found.replicates) == (0.0, 6)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.p_value(1.5) == pytest.approx(stats.ttest_1samp(values, 1.5).pvalue)


@pytest.mark.parametrize("positive", [True, False])
def test_a_skewed_sample_has_halls_interval(positive: bool) -> None:
    """Limits solve a/6 + ∫ max((1 + as/3)², 1/4) ds = ±t, a = skewness/√n, by quadrature and a root finder."""
    values = SKEWED if positive else SKEWED - 1.0
    n, centre = len(values), np.log(values.mean()) if positive else values.mean()
    rest = (values.sum() - values) / (n - 1)
    left_out = np.log(rest) if positive else rest
    influence = (n - 1) * (left_out.mean() - left_out)
    error = np.sqrt(np.sum(influence**2) / (n * (n - 1)))
    a = np.mean(influence**3) / np.mean(influence**2) ** 1.5 / np.sqrt(n)

    def ends(shift: float, skew: float, least: float) -> list[float]:
        def g(T: float) -> float:
            s = np.linspace(0.0, T, 20_001)
            return shift * a / 6 + float(np.trapezoid(np.maximum((1 + skew * a * s / 3) ** 2, least), s))

        cut = stats.t.isf(0.025, n - 1)
        roots = [optimize.brentq(lambda T, q=q: g(T) - q, -40, 40) for q in (cut, -cut)]
        limits = [centre - error * root for root in roots]
        return [float(np.exp(x)) for x in limits] if positive else limits

    found = statistics.mean(values)
    assert [found.low, found.high] == pytest.approx(ends(1, 1, 0.25), rel=1e-6)
    for other in ((0, 1, 0.25), (1, -1, 0.25), (1, 0, 0.25)):
        assert [found.low, found.high] != pytest.approx(ends(*other), rel=1e-3)
    if not positive:  # the long tail is far enough out to meet the least slope
        assert [found.low, found.high] != pytest.approx(ends(1, 1, 0.0), rel=1e-3)


def test_every_value_far_out_is_excluded_on_both_sides() -> None:
    """Hall's transform alone is flat on the side of the long tail, and a control there would not be refuted."""
    for values in (SKEWED, SKEWED - 1.0, 1 / SKEWED):
        found = statistics.mean(values)
        for away in (found.below, found.above):
            p = [away(found.estimate + k * found.estimate) for k in np.linspace(-0.9, 30, 60)]
            assert np.all(np.diff(p) <= 0) or np.all(np.diff(p) >= 0)
        assert found.below(1e3) < 1e-3


def test_the_jackknife_of_a_mean_is_student_s() -> None:
    low, high = stats.t.interval(0.95, 9, SKEWED.mean(), SKEWED.std(ddof=1) / np.sqrt(10))
    found = statistics.jackknife(SKEWED, lambda r: float(r.mean()))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_ratio_has_the_interval_of_its_logarithm() -> None:
    """By the delta method; the jackknife differs from it in second order only."""
    rng = np.random.default_rng(2)
    below = rng.uniform(1, 2, 400)
    above = 0.5 * below * rng.uniform(0.9, 1.1, 400)
    found = statistics.ratio(above, below)
    parts = above / above.mean() - below / below.mean()
    half = 1.966 * parts.std(ddof=1) / 20
    assert (found.low, found.high) == pytest.approx(found.estimate * np.exp([-half, half]), rel=1e-3)
    assert found.low < 0.5 < found.high


def test_proportions_are_clopper_pearson() -> None:
    for count, trials in ((0, 119), (3, 50), (7, 7)):
        found = statistics.proportion(count, trials)
        expected = stats.binomtest(count, trials).proportion_ci(confidence_level=0.95, method="exact")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        for value in (0.01, 0.2, 0.9):
            assert found.above(value) == pytest.approx(stats.binom.sf(count - 1, trials, value))
            assert found.below(value) == pytest.approx(stats.binom.cdf(count, trials, value))


def test_no_failure_in_119_runs() -> None:
    """The one-sided 95 % limit is below .025, the upper end of the two-sided 95 % interval is not."""
    found = statistics.proportion(0, 119)
    assert found.limits(0.05)[1] == pytest.approx(1 - 0.05 ** (1 / 119), rel=1e-9)
    assert found.limits(0.05)[1] < 0.025 < found.high == pytest.approx(0.0305, abs=1e-4)


def test_divergence_is_not_trimmed_away() -> None:
    for found in (
        statistics.mean(np.array([1.0, 2.0, np.inf])),
        statistics.ratio(np.array([np.inf, 1.0]), np.array([1.0, 1.0])),
        statistics.jackknife(np.array([1.0, np.inf]), lambda r: float(r.mean())),
    ):
        assert found.estimate == found.high == np.inf
        assert np.isnan(found.low)
        assert found.p_value(1e9) == 0.0
        assert found.below(1e9) == 1.0, "nothing is supported"


def test_a_statistic_that_runs_do_not_determine_has_no_interval() -> None:
    runs = np.arange(8.0)
    sometimes = statistics.jackknife(runs, lambda r: float(r.mean()) if 3.0 in r else np.inf)
    assert (sometimes.p_value(0.0), sometimes.estimate) == (1.0, 3.5)
    always = statistics.jackknife(runs, lambda r: float("inf"))
    assert (always.p_value(0.0), always.high) == (0.0, np.inf)


def test_few_runs_have_no_interval_and_equal_runs_one_without_width() -> None:
    few = statistics.mean(np.arange(1.0, FEWEST))
    assert np.isnan([few.low, few.high]).all()
    assert few.p_value(99.0) == 1.0
    equal = statistics.mean(np.full(20, 3.0))
    assert (equal.estimate, equal.low, equal.high) == (3.0, 3.0, 3.0)
    assert (equal.p_value(3.0), equal.p_value(3.001)) == (1.0, 0.0)
    assert equal.kind == "none: all runs are equal"
    slopes = statistics.jackknife(
        np.stack([np.arange(9.0), np.arange(9.0) + 2.5], 1), lambda r: float(np.ptp(r.mean(0)))
    )
    assert (slopes.low, slopes.high, slopes.kind) == (2.5, 2.5, "none: the same without any run")


def test_bounds_without_chance() -> None:
    found = statistics.known(1.0, 0.9, 1.05, "rounding bound")
    assert [found.p_value(x) for x in (0.89, 0.9, 1.0, 1.05, 1.06)] == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert (found.power(1.0, 1.1, 0.05), found.power(1.0, 1.2, 0.05)) == (0.0, 1.0)


def test_the_largest_needs_all_to_support_and_one_to_refute() -> None:
    cells = [statistics.proportion(count, 100) for count in (0, 12, 3)]
    found = statistics.largest(cells)
    assert found.estimate == 0.12
    assert found.low == pytest.approx(stats.beta.ppf(0.025 / 3, 12, 89))
    assert found.high == pytest.approx(stats.beta.ppf(0.975, 13, 88))
    assert found.above(0.05) == pytest.approx(3 * stats.binom.sf(11, 100, 0.05))
    assert found.below(0.3) == pytest.approx(stats.binom.cdf(12, 100, 0.3))
    assert statistics.largest([statistics.proportion(0, 40), statistics.proportion(0, 400)]).replicates == 40


def test_a_distance_is_judged_by_two_one_sided_tests() -> None:
    base = statistics.normal(1.1, 0.1, "normal", 9)
    found = statistics.distance(base, 1.0)
    assert (found.estimate, found.low) == (pytest.approx(0.1), 0.0)
    assert found.high == pytest.approx(0.1 + 1.959964 * 0.1)
    assert found.below(0.3) == pytest.approx(stats.norm.sf(2.0), rel=1e-3), "P(1.1 or less | truth 1.3)"
    far = statistics.distance(statistics.normal(0.5, 0.1, "normal", 9), 1.0)
    assert far.above(0.2) == pytest.approx(stats.norm.sf(3.0), rel=1e-6), "P(0.5 or less | truth 0.8)"


def test_nothing_is_drawn_at_random() -> None:
    values = np.random.default_rng(1).normal(size=40)
    first = statistics.mean(values)
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    again = statistics.mean(values)
    assert (first.low, first.high) == (again.low, again.high)
