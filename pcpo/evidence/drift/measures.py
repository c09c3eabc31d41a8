"""Measure the claims on PCPO with an alarm."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.evidence.drift.population import AFTER

__all__ = [
    "SEEN",
    "UNHEARD",
    "again",
    "again_on_event",
    "allowed_epochs",
    "false_alarms",
    "false_alarms_on_event",
    "finite_pairs",
    "heard",
    "others",
    "recovered",
    "unheard",
]

#: Steps of C* over Δ_l: above the first, (22) promises an alarm; with all steps up to the second, half of the 3/4 that
#: a jump has to exceed, none is expected.
SEEN, UNHEARD = 1.5, 0.375
#: Last epochs over which gaps are averaged.
_LAST = 2


def _cell(tables: Tables, name: str) -> pd.DataFrame:
    """Return the rows of a condition."""
    frame = tables["drift"]
    found: pd.DataFrame = frame[frame["cell"] == name].sort_values(["seed", "epoch"])
    return found


def _on_event(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return whether (22) has held for all agents in all epochs so far, by the systems that are true in each."""
    found: pd.Series[bool] = frame.groupby(["cell", "seed"])["worst"].cummax() <= 1
    return found


def false_alarms(tables: Tables, bound: float) -> Finding:
    """Compare the probability that a run in which nothing changes has an alarm with a bound."""
    largest = _cell(tables, "undisturbed").groupby("seed")["largest"].max()
    return findings.failures(int((largest > 1).sum()), len(largest), bound)


def false_alarms_on_event(tables: Tables) -> Finding:
    """Count the runs in which an agent whose system stays raises an alarm although (22) has held."""
    frame = pd.concat([_cell(tables, "undisturbed"), _cell(tables, "switch")])
    return findings.violated((frame["largest"] > 1) & _on_event(frame), frame["seed"])


def allowed_epochs(jumps: FloatArray) -> FloatArray:
    """Return ⌈log₂(J/Δ_l)⌉ + 1, at least 1, of jumps J over 3Δ_l/4, the largest distance that (22) allows."""
    return np.maximum(0.0, np.ceil(np.log2(np.maximum(0.75 * jumps, 1.0)))) + 1


def _wrong_again(frame: pd.DataFrame, within: pd.Series[float] | float) -> pd.Series[bool]:
    """Return by seed whether a set is wrong in an epoch from AFTER + within on, or in the last one."""
    due = np.minimum(AFTER + within, frame["epoch"].max())
    found: pd.Series[bool] = ((frame["epoch"] >= due) & (frame["exact"] == 0)).groupby(frame["seed"]).any()
    return found


def again(tables: Tables, bound: float) -> Finding:
    """Compare the probability that sets are not right again in time with a bound."""
    frame = _cell(tables, "switch")
    jumps = frame[frame["epoch"] == AFTER + 1].set_index("seed")["jump"]
    within = frame["seed"].map(pd.Series(allowed_epochs(jumps.to_numpy()), jumps.index))
    wrong = _wrong_again(frame, within)
    return findings.failures(int(wrong.sum()), len(wrong), bound)


def again_on_event(tables: Tables) -> Finding:
    """Count the runs on the event (22) in which a set is wrong in an epoch after the change."""
    frame = _cell(tables, "switch")
    good = _on_event(frame).groupby(frame["seed"]).all()
    wrong = _wrong_again(frame, 1.0)[good]
    return findings.violated(wrong, wrong.index.to_series())


def finite_pairs(tables: Tables, upper: str, lower: str) -> tuple[FloatArray, FloatArray]:
    """Return two gaps in units of the last Δ_l, means over the last epochs, of a switch and of the undisturbed run.

    Pairs are left out where the *undisturbed* run has an infinite gap there or a wrong set: the change decides nothing.
    """
    base, disturbed = _cell(tables, "undisturbed"), _cell(tables, "switch")
    last = base["epoch"].max() - _LAST
    kept = (
        base[base["epoch"] > last]
        .groupby("seed")
        .agg(gap=(lower, "mean"), exact=("exact", "min"), Delta=("Delta", "min"))
    )
    kept = kept[np.isfinite(kept["gap"]) & (kept["exact"] == 1)]
    own = disturbed[disturbed["epoch"] > last].groupby("seed")[upper].mean()
    seeds = kept.index.intersection(own.index)
    above, below = (gap.loc[seeds] / kept.loc[seeds, "Delta"] for gap in (own, kept["gap"]))
    return above.to_numpy(), below.to_numpy()


def others(tables: Tables, bound: float) -> Finding:
    """Compare the ratio of the others' mean gap to that in an undisturbed run with a bound."""
    return findings.mean_ratio(*finite_pairs(tables, "others_gap", "others_gap"), bound, "others' gap/undisturbed")


def recovered(tables: Tables, bound: float) -> Finding:
    """Compare the ratio of the changed agent's mean gap to that of its new cluster, undisturbed, with a bound."""
    name = "gap of the changed agent/of its new cluster, undisturbed"
    return findings.mean_ratio(*finite_pairs(tables, "own_gap", "hosts_gap"), bound, name)


def heard(tables: Tables) -> Finding:
    """Count the drifts on the event (22) without an alarm in their first epoch with a step above 1.5Δ_l.

    Drifts that were heard before are left out: their agents are on coarser levels.
    """
    frame = _cell(tables, "drift")
    large = frame[(frame["step"] > SEEN) & _on_event(frame)]
    first = large.groupby("seed").head(1)
    before = frame[frame["alarm"] == 1].groupby("seed")["epoch"].min()
    fresh = first[~(first["seed"].map(before) < first["epoch"])]
    return findings.violated(fresh["alarm"] == 0, fresh["seed"])


def unheard(tables: Tables, bound: float) -> Finding:
    """Compare the probability that a drift whose steps are all up to 3Δ_l/8 raises an alarm with a bound."""
    frame = _cell(tables, "drift")
    runs = frame.groupby("seed").agg(step=("step", "max"), alarm=("alarm", "max"))
    slow = runs[runs["step"] <= UNHEARD]
    return findings.failures(int(slow["alarm"].sum()), len(slow), bound)
