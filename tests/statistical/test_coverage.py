"""Intervals hold the truth as often as they say, on samples like the real ones: skewed gaps of few runs.

Gaps are weighted χ², as those of a linearised iteration are: coefficients of variation from .7 to 1 and skewness up to
2, where most cells of the grid and of the scaling study lie.  The coverage of every kind must be compatible with 94 to
96 %: neither end of that range is excluded at LEVEL by the binomial law of the count.  Intervals known to be too narrow
are the controls: the bootstrap (BCa) of ten runs, Student's t of a skewed mean, and the largest of five equal means
with the interval of whichever is largest.  docs/evidence.md has the table; `slow` tests measure it more sharply.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from support.judging import LEVEL

from pcpo import statistics
from pcpo.arrays import FloatArray
from pcpo.statistics import Estimate, Interval

pytestmark = pytest.mark.statistical

#: Weights of the squares: coefficients of variation 1, .93 and .73.
WEIGHTS = {"two": (1.0, 1.0), "unequal": (1.0, 0.5, 0.25), "six": (1.0, 0.7, 0.5, 0.3, 0.2, 0.1)}
SIZES = np.log([1.0, 2.0, 4.0, 8.0, 16.0])


def gaps(rng: np.random.Generator, shape: tuple[int, ...], weights: tuple[float, ...]) -> FloatArray:
    """Draw weighted χ² of mean 1."""
    squares = rng.standard_normal((*shape, len(weights))) ** 2
    return np.asarray(squares @ np.array(weights) / sum(weights))


def mean_gap(rng: np.random.Generator, n: int, weights: tuple[float, ...]) -> tuple[Interval, float]:
    return statistics.mean(gaps(rng, (n,), weights)), 1.0


def difference(rng: np.random.Generator, n: int, weights: tuple[float, ...]) -> tuple[Interval, float]:
    """The mean difference of a gap from a prediction is of either sign, so no logarithm takes its skewness away."""
    return statistics.mean(gaps(rng, (n,), weights) - 0.7), 0.3


def paired_ratio(rng: np.random.Generator, n: int, weights: tuple[float, ...]) -> tuple[Interval, float]:
    """Half of the gap is common to both runs of a pair."""
    common, own = gaps(rng, (n,), weights), gaps(rng, (2, n), weights)
    return statistics.ratio(0.3 * (common + own[0]), common + own[1]), 0.3


def slope(rng: np.random.Generator, n: int, weights: tuple[float, ...]) -> tuple[Interval, float]:
    """Slope of log mean gap in log size."""
    runs = gaps(rng, (n, len(SIZES)), weights) * np.exp(-0.5 * SIZES)
    z = SIZES - SIZES.mean()
    return statistics.jackknife(runs, lambda r: float(np.log(r.mean(axis=0)) @ z / (z @ z))), -0.5


def near(rng: np.random.Generator, n: int, weights: tuple[float, ...]) -> tuple[Interval, float]:
    """The distance from a target is held as often as the mean itself, once the target is far."""
    return statistics.distance(statistics.mean(gaps(rng, (n,), weights)), 5.0), 4.0


KINDS: dict[str, Callable[..., tuple[Interval, float]]] = {
    "mean": mean_gap,
    "difference": difference,
    "paired ratio": paired_ratio,
    "slope": slope,
    "distance": near,
}


def held(draw: Callable[..., tuple[Interval, float]], seed: int, repetitions: int, n: int, **given: object) -> int:
    """Count the intervals that hold the truth."""
    rng = np.random.default_rng(np.random.SeedSequence([8, seed]))
    found = [draw(rng, n, **given) for _ in range(repetitions)]
    return sum(interval.low <= truth <= interval.high for interval, truth in found)


def nominal(count: int, repetitions: int, low: float = 0.94, high: float = 0.96) -> bool:
    """Whether a coverage from 94 to 96 % could have given the count; at LEVEL on either side."""
    few, many = stats.binom.cdf(count, repetitions, low), stats.binom.sf(count - 1, repetitions, high)
    return bool(few > LEVEL and many > LEVEL)


@pytest.mark.parametrize("n", [10, 20, 60])
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_the_truth(kind: str, n: int) -> None:
    repetitions = 1500 if n < 60 else 800
    weights = list(WEIGHTS.values())[n % 3]
    assert nominal(held(KINDS[kind], n, repetitions, n, weights=weights), repetitions)


@pytest.mark.slow
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("n", [10, 20, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_the_truth_sharply(kind: str, n: int, weights: str) -> None:
    repetitions = 6000
    assert nominal(held(KINDS[kind], n, repetitions, n, weights=WEIGHTS[weights]), repetitions)


def bca(rng: np.random.Generator, n: int, weights: tuple[float, ...]) -> tuple[Interval, float]:
    """What the claims were judged by before."""
    sample = gaps(rng, (n,), weights)
    found = stats.bootstrap((sample,), np.mean, n_resamples=999, rng=rng).confidence_interval
    return Interval(float(sample.mean()), float(found.low), float(found.high)), 1.0


def student(rng: np.random.Generator, n: int, weights: tuple[float, ...]) -> tuple[Interval, float]:
    """Student's t, without a correction for skewness."""
    sample = gaps(rng, (n,), weights)
    found = stats.t.interval(0.95, n - 1, sample.mean(), sample.std(ddof=1) / np.sqrt(n))
    return Interval(float(sample.mean()), *found), 1.0


@pytest.mark.parametrize(("narrow", "repetitions"), [(bca, 600), (student, 3000)])
def test_intervals_that_are_too_narrow_are_noticed(
    narrow: Callable[..., tuple[Interval, float]], repetitions: int
) -> None:
    assert not nominal(held(narrow, 1, repetitions, 10, weights=WEIGHTS["two"]), repetitions)


def of_five(rng: np.random.Generator, n: int, means: tuple[float, ...], *, alone: bool) -> tuple[Interval, float]:
    """The largest of five means: by `largest`, or alone, by the interval of the one that is largest."""
    found = [statistics.mean(gaps(rng, (n,), WEIGHTS["two"]) * mean) for mean in means]
    return (max(found, key=lambda one: one.estimate) if alone else statistics.largest(found)), max(means)


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize("means", [(1.0,) * 5, (1.0, 0.9, 0.8, 0.7, 0.6), (1.0, 0.2, 0.2, 0.2, 0.2)])
def test_the_interval_of_a_maximum_holds_it(n: int, means: tuple[float, ...]) -> None:
    """It is long, since no interval of a maximum has exactly 95 % whether its rivals are near or far."""
    repetitions = 500
    assert nominal(held(of_five, n, repetitions, n, means=means, alone=False), repetitions, high=1.0)
    if means[-1] == 1.0:
        assert not nominal(held(of_five, n, repetitions, n, means=means, alone=True), repetitions, high=1.0)


def exact(interval: Callable[[int, int], Interval], n: int) -> FloatArray:
    """Return the coverage of a binomial interval at probabilities from .001 to .999, by summing over all counts."""
    found = [interval(k, n) for k in range(n + 1)]
    p = np.linspace(0.001, 0.999, 333)
    held = np.array([[one.low <= x <= one.high for one in found] for x in p])
    return np.asarray(np.sum(stats.binom.pmf(np.arange(n + 1), n, p[:, None]) * held, axis=1))


def wald(k: int, n: int) -> Interval:
    """The interval that must not be used: p̂ ± 1.96·SE."""
    p = k / n
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    return Interval(p, p - half, p + half)


@pytest.mark.parametrize("n", [5, 10, 30, 119])
def test_proportions_cover_at_every_probability(n: int) -> None:
    assert exact(statistics.proportion, n).min() >= 0.95
    assert exact(wald, n).min() < 0.5


@pytest.mark.parametrize("n", [10, 40])
def test_p_values_are_those_of_the_intervals(n: int) -> None:
    """A value is outside the interval at a level exactly if its p-value is below the level, whatever the kind."""
    rng = np.random.default_rng(4)
    runs = gaps(rng, (n, 3), WEIGHTS["two"])
    estimates: list[Estimate] = [
        statistics.mean(runs[:, 0]),
        statistics.mean(runs[:, 0] - 1.0),
        statistics.ratio(runs[:, 0], runs[:, 1]),
        statistics.proportion(3, n),
        statistics.largest([statistics.mean(column) for column in runs.T]),
        statistics.distance(statistics.mean(runs[:, 0]), 0.2),
        statistics.normal(1.0, 0.3, "normal", n),
    ]
    for found in estimates:
        for tail in (0.1, 0.025, 0.001):
            low, high = found.limits(tail)
            for value, tested in ((low, found.above), (high, found.below)):
                assert tested(value) == pytest.approx(tail, rel=1e-6), found.kind


def power(found: Estimate, truth: float, level: float) -> float:
    return found.power(1.0, truth, level)


@pytest.mark.parametrize("level", [0.05, 0.002])
def test_power_is_the_share_of_refutations(level: float) -> None:
    """Of a mean 1.3 times the predicted one: as often as the p-value is below the level in fresh samples.

    The estimate of the power has the error of the sample that it is from, so its mean over samples is compared.
    """
    rng = np.random.default_rng(5)
    found = [statistics.mean(1.3 * gaps(rng, (60,), WEIGHTS["six"])) for _ in range(400)]
    refuted = np.mean([one.p_value(1.0) < level for one in found])
    expected = np.mean([power(one, 1.3, level) for one in found])
    error = 3.3 * np.sqrt(refuted * (1 - refuted) / 400)
    assert expected == pytest.approx(refuted, abs=error + 0.02)
    assert expected != pytest.approx(np.mean([power(one, 1.3, level / 10) for one in found]), abs=error + 0.02)
