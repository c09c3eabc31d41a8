"""What FedLQR's experiment claims, as statistics with intervals, and verdicts by a rule fixed before any run.

The replicate is a run.  Intervals are percentile bootstraps over seeds, all conditions resampled together, since runs
of one seed share random numbers.  A verdict is "appears" if the whole interval lies where the claim says, "does not
appear" if it lies wholly outside, and "undecided" otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.errors import ResultsError
from pcpo.evidence.fedlqr.studies import MEASURES

__all__ = ["CLAIMS", "Claim", "claims_table", "rounds_to", "verdict"]

_RESAMPLES, _CONFIDENCE = 2000, 0.95

Curves = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Claim:
    """statistic(curves, rounds, floors) of mean curves ``(records,)``; the claim holds on [least, most].

    curves: `runs` are gaps by condition, ``(runs, records)``; floors: exact gaps of the best common gain.
    """

    name: str
    says: str
    statistic: Callable[[Curves, FloatArray, Mapping[str, float]], float]
    least: float
    most: float = np.inf


def rounds_to(gap: FloatArray, rounds: FloatArray, level: float) -> float:
    """First round at which a curve is at or below `level`, by linear interpolation; infinite if it never is."""
    below = np.flatnonzero(gap <= level)
    if not len(below):
        return np.inf
    k = int(below[0])
    if k == 0:
        return float(rounds[0])
    return float(rounds[k - 1] + (rounds[k] - rounds[k - 1]) * (gap[k - 1] - level) / (gap[k - 1] - gap[k]))


def _speed_up(condition: str) -> Callable[[Curves, FloatArray, Mapping[str, float]], float]:
    """T_1/T_M: T the rounds until the mean gap is half of the initial one."""

    def ratio(curves: Curves, rounds: FloatArray, floors: Mapping[str, float]) -> float:
        level = 0.5 * float(curves["number_1"][0, 0])
        one, many = (rounds_to(curves[name].mean(axis=0), rounds, level) for name in ("number_1", condition))
        return one / many if np.isfinite(many) else (0.0 if np.isfinite(one) else np.nan)

    return ratio


def _final_gap(curves: Curves, condition: str) -> float:
    return float(curves[condition][:, -1].mean())


def _growth(low: str, high: str) -> Callable[[Curves, FloatArray, Mapping[str, float]], float]:
    return lambda curves, rounds, floors: _final_gap(curves, high) - _final_gap(curves, low)


def _share_of_floor(low: str, high: str) -> Callable[[Curves, FloatArray, Mapping[str, float]], float]:
    return lambda curves, rounds, floors: _growth(low, high)(curves, rounds, floors) / (floors[high] - floors[low])


def _spread(condition: str) -> Callable[[Curves, FloatArray, Mapping[str, float]], float]:
    """sd(M = 1)/sd(M) over runs, root mean square over the rounds."""

    def ratio(curves: Curves, rounds: FloatArray, floors: Mapping[str, float]) -> float:
        one, many = (np.sqrt(curves[name][:, 1:].var(axis=0, ddof=1).mean()) for name in ("number_1", condition))
        return float(one / many) if many > 0 else np.nan

    return ratio


CLAIMS = (
    Claim("speed-up, M = 10", "10 agents halve the gap in fewer rounds than 1", _speed_up("number_10"), 1.0),
    Claim("speed-up, M = 50", "50 agents halve the gap in fewer rounds than 1", _speed_up("number_50"), 1.0),
    Claim("linear speed-up, M = 10", "10 agents need at most a tenth of the rounds", _speed_up("number_10"), 10.0),
    Claim("linear speed-up, M = 50", "50 agents need at most a fiftieth of the rounds", _speed_up("number_50"), 50.0),
    Claim("control: 10 copies", "10 identical agents halve the gap in fewer rounds", _speed_up("copies_10"), 1.0),
    Claim("control: 50 copies", "50 identical agents halve the gap in fewer rounds", _speed_up("copies_50"), 1.0),
    Claim("variance, 10 copies", "10 identical agents spread less from run to run", _spread("copies_10"), 1.0),
    Claim("variance, 50 copies", "50 identical agents spread less from run to run", _spread("copies_50"), 1.0),
    Claim("bias, 0 to 0.1", "the final gap grows from eps 0 to 0.1", _growth("level_0", "level_0.1"), 0.0),
    Claim("bias, 0.1 to 0.5", "the final gap grows from eps 0.1 to 0.5", _growth("level_0.1", "level_0.5"), 0.0),
    Claim(
        "bias is the floor",
        "the growth from eps 0 to 0.5 is the growth of the best common gain's gap, within a factor of 2",
        _share_of_floor("level_0", "level_0.5"),
        0.5,
        2.0,
    ),
)


def verdict(low: float, high: float, claim: Claim) -> str:
    """The rule; an interval with a nan end decides nothing."""
    if np.isnan(low) or np.isnan(high):
        return "undecided"
    if low > claim.least and high < claim.most:
        return "appears"
    if high < claim.least or low > claim.most:
        return "does not appear"
    return "undecided"


def claims_table(runs: pd.DataFrame, floors: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """A row per (claim, measure): estimate, interval, the same statistic of the noise-free curves, verdict, sentence.

    runs: all conditions, as `fedlqr_conditions.run_condition` makes them; floors: `fedlqr_conditions.floors`.
    Raises ResultsError if conditions have different seeds.
    """
    rows = []
    for measure in MEASURES:
        curves, exact, rounds = _curves(runs, measure)
        own = floors[floors["measure"] == measure]
        known = {str(name): float(gap) for name, gap in zip(own["condition"], own["floor"], strict=True)}
        count = len(next(iter(curves.values())))
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        picks = rng.integers(0, count, size=(_RESAMPLES, count))
        for claim in CLAIMS:
            estimate = claim.statistic(curves, rounds, known)
            with np.errstate(invalid="ignore", divide="ignore"):
                again = [claim.statistic({n: c[p] for n, c in curves.items()}, rounds, known) for p in picks]
            low, high = _percentiles(np.array(again)) if count > 1 else (np.nan, np.nan)
            quiet = np.nan if "variance" in claim.name else claim.statistic(exact, rounds, known)
            found = verdict(low, high, claim)
            row = {"claim": claim.name, "measure": measure, "statistic": estimate, "ci_low": low, "ci_high": high}
            rows.append({**row, "noise_free": quiet, "least": claim.least, "most": claim.most, "runs": count}
                        | {"verdict": found, "sentence": _sentence(claim, estimate, low, high, found)})  # fmt: skip
    return pd.DataFrame(rows)


def _percentiles(samples: FloatArray) -> tuple[float, float]:
    """Ends of the central interval; nan if any resample is undefined (say, a run that spreads not at all)."""
    if np.isnan(samples).any():
        return np.nan, np.nan
    tail = (1.0 - _CONFIDENCE) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail], method="inverted_cdf")
    return float(low), float(high)


def _curves(runs: pd.DataFrame, measure: str) -> tuple[dict[str, FloatArray], dict[str, FloatArray], FloatArray]:
    parts: dict[str, dict[str, FloatArray]] = {"rollouts": {}, "exact": {}}
    tables = [
        (str(condition), str(kind), part.pivot(index="seed", columns="round", values=measure))
        for (condition, kind), part in runs.groupby(["condition", "oracle"])
    ]
    first = next(table for _, kind, table in tables if kind == "rollouts")
    for condition, kind, table in tables:
        if not table.columns.equals(first.columns) or (kind == "rollouts" and not table.index.equals(first.index)):
            raise ResultsError(f"condition {condition}: found other seeds or rounds than elsewhere, expected the same")
        parts[kind][condition] = table.to_numpy()
    return parts["rollouts"], parts["exact"], first.columns.to_numpy(dtype=np.float64)


def _sentence(claim: Claim, estimate: float, low: float, high: float, found: str) -> str:
    wanted = f"above {claim.least:g}" if np.isinf(claim.most) else f"between {claim.least:g} and {claim.most:g}"
    return (
        f"That {claim.says} {found if found != 'undecided' else 'is undecided'}: "
        f"{estimate:.3g} [{low:.3g}, {high:.3g}], claimed {wanted}."
    )
