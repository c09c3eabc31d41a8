"""Power of the checks of deterministic quantities, and findings whose interval is arithmetic and not chance."""

from __future__ import annotations

import numpy as np
import scipy  # loads scipy.stats at its first use

from pcpo.claims.contract import ALPHA, Finding

__all__ = ["agreement_power", "bounded", "never_power"]


def bounded(statistic: str, estimate: float, low: float, high: float, predicted: float, runs: int) -> Finding:
    """A quantity known up to an arithmetic uncertainty [low, high] (rounding of R_l): p is 1 inside and 0 outside."""
    inside = bool(low <= predicted <= high)
    return Finding(statistic, estimate, low, high, predicted, float(inside), runs)


def never_power(trials: int, share: float) -> float:
    """P(at least one violation) if a share of independent trials violates: 1 − (1 − share)^trials."""
    return float(1 - (1 - share) ** trials)


def agreement_power(finding: Finding, alternative: float, family: int) -> float:
    """P(refuted) were the truth `alternative`, with the finding's own spread and the smallest level of Holm's method.

    The normal approximation of the interval; an arithmetic one has no chance in it, and gives 0 or 1.
    """
    shift = abs(alternative - finding.predicted)
    half = (finding.high - finding.low) / 2
    if finding.p_value in (0.0, 1.0):
        return float(shift > finding.high - finding.low)
    if not np.isfinite(half) or half <= 0:
        return float("nan")
    z = shift * scipy.stats.norm.ppf(0.975) / half
    cut = scipy.stats.norm.isf(ALPHA / family / 2)
    return float(scipy.stats.norm.sf(cut - z) + scipy.stats.norm.cdf(-cut - z))
