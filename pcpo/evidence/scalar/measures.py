"""Measure the claims on projected gradients.  A replicate is a seed, with all methods, clusters and epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables, named_control
from pcpo.errors import ResultsError
from pcpo.evidence.scalar.studies import MORE, PLAIN, SCALAR
from pcpo.evidence.scalar.studies_rounds import LARGEST, TABLE

__all__ = [
    "bytes_off",
    "collaborative",
    "gap_with_more",
    "grew",
    "price",
    "rounds_over_law",
    "sets_off",
    "table_price",
]

_NUMBER = 8  # bytes
#: Gaps, infinite ones too, count as at most so many times the closed form.
_MOST = 100.0


def collaborative(tables: Tables, cell: str, unit: str) -> pd.DataFrame:
    """Return the rows of a cell from collaborative epochs, with their gap in a unit as column `value`.

    Raises:
        ResultsError: if there is none.
    """
    frame = tables["scalar"]
    frame = frame[(frame["cell"] == cell) & frame["clean"].astype(bool)]
    if frame.empty:
        raise ResultsError(f"scalar: found no collaborative epoch of {cell}, expected some")
    return frame.assign(value=np.minimum(frame["gap"] / frame[unit], _MOST))


def _sums(frames: Sequence[pd.DataFrame]) -> FloatArray:
    """Return sum and number of the values of every frame by common seed, ``(n, frames, 2)``."""
    sums = [frame.groupby("seed")["value"].agg(["sum", "count"]) for frame in frames]
    common = sorted(set.intersection(*(set(one.index) for one in sums)))
    return np.stack([one.loc[common].to_numpy(dtype=np.float64) for one in sums], axis=1)


def _ratio(runs: FloatArray) -> float:
    """Return the mean value of the first frame over that of the second."""
    total = runs.sum(axis=0)
    return float(total[0, 0] / total[0, 1] / (total[1, 0] / total[1, 1]))


def price(tables: Tables, margin: float) -> Finding:
    """Compare the distance from 1 of (gap over PCPO's)/(the same of the closed form) with a margin.

    Gaps of each method are in units of its own closed form, so that every system, size and epoch counts equally.
    """
    runs = _sums([collaborative(tables, cell, "predicted") for cell in (SCALAR, PLAIN)])
    prices = [collaborative(tables, SCALAR, "whole")["value"].mean(), _mean_form(tables)]
    prices[0] /= collaborative(tables, PLAIN, "whole")["value"].mean()
    name = f"gap over PCPO's, over the closed form's; price {prices[0]:.3g}, closed form {prices[1]:.3g}"
    return findings.within(runs, _ratio, 1.0, margin, name)


def _mean_form(tables: Tables) -> float:
    """Return the mean price of the closed form."""
    frame = collaborative(tables, SCALAR, "whole")
    return float((frame["predicted"] / frame["whole"]).mean())


def gap_with_more(tables: Tables, margin: float) -> Finding:
    """Compare the distance from 1 of (gap with D times the rollouts)/(PCPO's gap) with a margin, in units of PCPO's."""
    plain = collaborative(tables, PLAIN, "whole")
    key = ["seed", "cluster", "epoch"]
    unit = plain[[*key, "whole"]].rename(columns={"whole": "unit"})
    more = collaborative(tables, MORE, "whole").merge(unit, on=key)
    more = more.assign(value=np.minimum(more["gap"] / more["unit"], _MOST))
    return findings.within(_sums([more, plain]), _ratio, 1.0, margin, "gap with D times the rollouts over PCPO's")


def _paired(tables: Tables, columns: Sequence[str]) -> pd.DataFrame:
    """Return a row per seed and epoch with columns of PCPO and, with "_scalar", of `pcpo_scalar`."""
    frame, key = tables["scalar"], ["seed", "epoch"]
    first = [frame[frame["cell"] == cell].drop_duplicates(key)[[*key, *columns]] for cell in (PLAIN, SCALAR)]
    fixed = frame[frame["cell"] == PLAIN].drop_duplicates(key)[[*key, "n", "m", "agents"]]
    return first[0].merge(first[1], on=key, suffixes=("", "_scalar")).merge(fixed, on=key)


def bytes_off(tables: Tables) -> Finding:
    """Count the seeds in which the bytes of gradients are not PCPO's over mn, or any other traffic differs.

    What is sent up at the end of an epoch is mn + 1 numbers from every agent, with both.
    """
    counted = ["rounds", "messages_up", "bytes_up", "bytes_down"]
    frame = _paired(tables, counted)
    D = frame["n"] * frame["m"]
    closing = _NUMBER * frame["agents"] * frame["epoch"] * (D + 1)
    off = D * (frame["bytes_up_scalar"] - closing) != frame["bytes_up"] - closing
    for name in ("rounds", "messages_up", "bytes_down"):
        off |= frame[name] != frame[f"{name}_scalar"]
    return findings.violated(off, frame["seed"])


def sets_off(tables: Tables) -> Finding:
    """Count the seeds in which sets, local gains or cost estimates are not those of PCPO, to the last bit."""
    frame = _paired(tables, ["sets", "local_state"])
    off = (frame["sets"] != frame["sets_scalar"]) | (frame["local_state"] != frame["local_state_scalar"])
    return findings.violated(off, frame["seed"])


def _rounds(tables: Tables) -> pd.DataFrame:
    """Return the rows of the study of rounds that are no controls."""
    frame = tables["scalar_rounds"]
    return frame[[not named_control(cell) for cell in frame["cell"]]]


def rounds_over_law(tables: Tables, margin: float) -> Finding:
    """Compare the distance from 1 of (rounds)/(rounds of the closed form) with a margin, a mean over cells by seed."""
    frame = _rounds(tables)
    frame = frame[frame["step"] == LARGEST]
    ratio = (frame["rounds"] / frame["rounds_law"]).groupby(frame["seed"]).mean()
    prices = [(frame[name] / frame["rounds_whole"]).mean() for name in ("rounds", "rounds_law")]
    name = f"rounds over the closed form's; price {prices[0]:.3g}, closed form {prices[1]:.3g}"
    return findings.mean_within(ratio.to_numpy(), 1.0, margin, name)


def table_price(tables: Tables, bound: float, fewest: int) -> Finding:
    """Compare rounds over those with whole gradients with a bound, at Table 2's step and for sets of some size on."""
    frame = _rounds(tables)
    frame = frame[(frame["step"] == TABLE) & (frame["size"] >= fewest)]
    if frame.empty:
        raise ResultsError(f"scalar_rounds: found no set of {fewest} or more agents, expected some")
    found = (frame["rounds"] / frame["rounds_whole"]).groupby(frame["seed"]).mean()
    name = f"rounds over those of whole gradients, sets of {fewest} or more, geometric mean"
    return findings.jackknife(found.to_numpy(), _geometric_mean, bound, name, logarithm=True)


def _geometric_mean(values: FloatArray) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.log(values).mean()))


def grew(tables: Tables) -> Finding:
    """Count the seeds with a set size for which the mean gap has grown at the largest step."""
    frame = _rounds(tables)
    frame = frame[frame["step"] == LARGEST]
    return findings.violated(frame["last"] > 1, frame["seed"])
