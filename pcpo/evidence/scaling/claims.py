"""Claims on Theorem 2 of PCPO: a gap of O(1/√(|M|T)), and no bias from heterogeneity.

How a verdict is reached: `measures.py` turns the table of the study into a finding (estimate, interval, p-value), the
claim's rule turns the finding into a verdict (`pcpo.claims.judging`), and the verdict counts only if the same measure
and rule refute the claim on the tables of its negative controls.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.claims import power
from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.judging import Agrees, AtMost
from pcpo.evidence.scaling.measures import (
    bound_failures,
    collapse,
    overlay_ratio,
    paired_ratio,
    plateau,
    read_cells,
    scatter,
    size_exponent,
    total_exponent,
)
from pcpo.evidence.scaling.studies import NAIVE_NAME, PCPO_NAME, STUDY
from pcpo.simulation.noise import stream

__all__ = ["CLAIMS"]

#: Failure probability δ of the runs, the study's default.
_DELTA = float(STUDY.defaults["delta"])
#: Largest rms deviation of cells from the overlay that still counts as one curve.
_ONE_CURVE = 0.2


def _rate(tables: Tables) -> Finding:
    """Compare the exponent of the cluster size with −1/2."""
    return size_exponent(tables, predicted=-0.5)


def _one_curve(tables: Tables) -> Finding:
    """Compare the rms deviation of the cells from the overlay with the largest that counts as one curve."""
    return collapse(tables, _ONE_CURVE)


def _bound(tables: Tables) -> Finding:
    """Compare the fraction of runs above the bound of Theorem 2 with δ."""
    return bound_failures(tables, _DELTA)


def _collapse_power(tables: Tables, level: float) -> float:
    """Return the probability that `collapse` refutes if cells deviate by twice the limit."""
    _, variances = scatter(read_cells(tables))
    C = len(variances)
    limit = C * float(np.mean(1 / variances)) * _ONE_CURVE**2
    critical = scipy.stats.ncx2.isf(level / 2, C, limit)
    return float(scipy.stats.ncx2.sf(critical, C, 4 * limit))


def _as_local(tables: Tables) -> Tables:
    """Put local gaps in the place of global gaps."""
    frame = tables["scaling"]
    local = frame.assign(global_gap=frame["local_gap"], worst_global_gap=frame["worst_local_gap"])
    return {**tables, "scaling": local}


def _naive(tables: Tables) -> Tables:
    """Put the runs of naive averaging in the place of collaborative epochs of PCPO."""
    frame = tables["scaling"]
    frame = frame[frame["algorithm"] == NAIVE_NAME]
    return {**tables, "scaling": frame.assign(algorithm=PCPO_NAME, clean=True)}


def _shuffled(tables: Tables) -> Tables:
    """Exchange the gaps of every seed's fleets by a random permutation of the sizes, the same in all epochs."""
    frame = tables["scaling"]
    frame = frame[(frame["cluster"] == 0) & (frame["algorithm"] == PCPO_NAME)]
    sizes = np.sort(frame["size"].unique())
    moved = ["global_gap", "worst_global_gap", "clean", "local_cap_active", "global_cap_active"]
    at = frame.set_index(["seed", "epoch", "size"])[moved]
    order = {seed: stream(int(seed), len(sizes)).permutation(sizes) for seed in frame["seed"].unique()}
    source = [
        (seed, epoch, order[seed][np.searchsorted(sizes, size)])
        for seed, epoch, size in zip(frame["seed"], frame["epoch"], frame["size"], strict=True)
    ]
    swapped = at.reindex(pd.MultiIndex.from_tuples(source)).reset_index(drop=True)
    fixed = frame.drop(columns=moved).reset_index(drop=True)
    return {**tables, "scaling": fixed.join(swapped)}


_LOCAL = Control("local", "local gaps in place of global ones: no collaboration", _as_local)
_NAIVE = Control("naive", "gradients averaged over the whole fleet for ever: a bias from heterogeneity", _naive)
_SHUFFLED = Control("shuffled", "cluster sizes exchanged at random in every run", _shuffled)


CLAIMS: Sequence[Claim] = [
    Claim(
        id="overlay",
        measure=overlay_ratio,
        rule=Agrees(0.2),
        controls=[_LOCAL, _NAIVE],
        power=power.shift(overlay_ratio, 0.3, "a mean gap 30 % off the overlay"),
        figure="scaling",
        mode="calibrated, oracle auto",
        primary=True,
    ),
    Claim(
        id="exponent",
        measure=total_exponent,
        rule=Agrees(0.1),
        controls=[_LOCAL, _SHUFFLED, _NAIVE],
        power=power.shift(total_exponent, 0.15, "a slope 0.15 off the overlay's"),
        figure="scaling",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="size_exponent",
        measure=size_exponent,
        rule=Agrees(0.15),
        controls=[_LOCAL, _SHUFFLED],
        power=power.shift(size_exponent, 0.25, "a slope 1/4 off the overlay's"),
        figure="scaling",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="size_rate",
        measure=_rate,
        rule=AtMost(),
        controls=[_LOCAL, _SHUFFLED],
        power=power.shift(_rate, 0.25, "a slope of −1/4"),
        figure="scaling",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="paired",
        measure=paired_ratio,
        rule=Agrees(0.2, relative=True),
        controls=[_LOCAL, _NAIVE],
        power=power.shift(paired_ratio, lambda found: found.predicted / 3, "a ratio a third off the overlay's"),
        figure="scaling",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="collapse",
        measure=_one_curve,
        rule=AtMost(),
        controls=[_LOCAL, _SHUFFLED, _NAIVE],
        power=Power(f"an rms deviation of {2 * _ONE_CURVE:.0%}", _collapse_power),
        figure="collapse",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="no_bias",
        measure=plateau,
        rule=Agrees(0.5),
        controls=[_NAIVE, _LOCAL],
        power=power.shift(plateau, 1.0, "a bias as large as the smallest overlay"),
        figure="collapse",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="bound",
        measure=_bound,
        rule=AtMost(),
        controls=[_NAIVE],
        power=power.probability(_bound, 0.2, "one run in five fails"),
        figure="scaling",
        mode="calibrated, oracle auto",
    ),
]
