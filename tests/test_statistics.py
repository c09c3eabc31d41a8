"""Intervals cover as often as they say: exactly for proportions, by simulation for means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pcpo.statistics import Interval, binomial_interval, mean_interval

RUNS, REPETITIONS = 100, 300


def coverage(confidence: float, draw: str) -> float:
    """Share of intervals, at the given confidence, that hold the true mean 1."""
    held = 0
    for k in range(REPETITIONS):
        rng = np.random.default_rng([7, k])
        values = rng.normal(1.0, 1.0, RUNS) if draw == "normal" else rng.chisquare(2, RUNS) / 2
        found = mean_interval(values, confidence=confidence)
        held += found.low <= 1.0 <= found.high
    return held / REPETITIONS


@pytest.mark.statistical
@pytest.mark.parametrize("draw", ["normal", "chi_square"])
def test_coverage_of_the_mean(draw: str) -> None:
    """At 95 %, within 3.3 binomial standard errors; intervals of 80 % are the control."""
    error = 3.3 * np.sqrt(0.95 * 0.05 / REPETITIONS)
    assert coverage(0.95, draw) == pytest.approx(0.95, abs=error)
    assert coverage(0.80, draw) != pytest.approx(0.95, abs=error)


def test_the_interval_of_a_mean_is_as_wide_as_students() -> None:
    """The bootstrap's own error is a few per cent; an interval from half of the runs would be 41 % wider."""
    values = np.random.default_rng(3).normal(size=400)
    student = stats.t.interval(0.95, 399, values.mean(), values.std(ddof=1) / 20)
    found = mean_interval(values)
    assert found.high - found.low == pytest.approx(student[1] - student[0], rel=0.1)


def wald(k: int, n: int) -> Interval:
    """The interval that must not be used: p̂ ± 1.96·SE."""
    p = k / n
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    return Interval(p, p - half, p + half)


@pytest.mark.parametrize("n", [5, 30, 119])
def test_binomial_intervals_cover_at_every_probability(n: int) -> None:
    """Exactly, by summing the probabilities of the outcomes whose interval holds p."""

    def least_coverage(interval: type[Interval] | object) -> float:
        found = [interval(k, n) for k in range(n + 1)]  # type: ignore[operator]
        grid = np.linspace(0.001, 0.999, 333)
        held = np.array([[f.low <= p <= f.high for f in found] for p in grid])
        return float(np.min(np.sum(stats.binom.pmf(np.arange(n + 1), n, grid[:, None]) * held, axis=1)))

    assert least_coverage(binomial_interval) >= 0.95
    assert least_coverage(wald) < 0.5


def test_no_failure_in_119_runs() -> None:
    """The one-sided 95 % limit is below .025, the upper end of the two-sided 95 % interval is not."""
    assert binomial_interval(0, 119, confidence=0.90).high == pytest.approx(1 - 0.05 ** (1 / 119), rel=1e-9)
    assert binomial_interval(0, 119, confidence=0.90).high < 0.025
    assert binomial_interval(0, 119).high == pytest.approx(0.0305, abs=1e-4)
    assert binomial_interval(0, 119) == Interval(0.0, 0.0, binomial_interval(0, 119).high)
    assert binomial_interval(5, 5).high == 1.0


def test_the_bootstrap_has_a_stream_of_its_own() -> None:
    values = np.random.default_rng(1).normal(size=40)
    np.random.seed(0)  # noqa: NPY002 - the global state must not matter
    first = mean_interval(values)
    np.random.seed(1)  # noqa: NPY002
    assert mean_interval(values) == first != mean_interval(values, seed=1)
    assert first.low < first.estimate == np.mean(values) < first.high


def test_divergence_is_not_trimmed_away() -> None:
    found = mean_interval(np.array([1.0, 2.0, np.inf]))
    assert found.estimate == found.high == np.inf
    assert np.isnan(found.low)


@pytest.mark.parametrize("values", [[3.0], [3.0] * 20, [2.0, 3.0, 4.0], [2.0] * 4 + [3.0] + [4.0] * 4])
def test_no_interval_without_spread_or_of_few_runs(values: list[float]) -> None:
    found = mean_interval(np.array(values))
    assert found.estimate == 3.0
    assert np.isnan([found.low, found.high]).all()


def test_few_runs_would_not_cover() -> None:
    """Why there is a `FEWEST`: of four skewed runs the bootstrap misses the mean far more often than it says."""
    samples = np.random.default_rng(5).chisquare(2, (REPETITIONS, 4))
    intervals = [
        stats.bootstrap((s,), np.mean, n_resamples=500, rng=np.random.default_rng(1)).confidence_interval
        for s in samples
    ]
    covered = float(np.mean([i.low <= 2.0 <= i.high for i in intervals]))
    assert covered < 0.95 - 3.3 * np.sqrt(0.95 * 0.05 / REPETITIONS) - 0.05
