"""Claims on Theorem 2 of PCPO: a gap of O(1/√(|M|T)), and no bias from heterogeneity."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.claims.contract import ALPHA, Claim, Control, Power, Tables
from pcpo.claims.judging import Agrees, AtMost
from pcpo.evidence.scaling.measures import (
    bound_failures,
    collapse,
    normal_power,
    overlay_ratio,
    paired_ratio,
    plateau,
    read_cells,
    size_exponent,
    total_exponent,
)
from pcpo.evidence.scaling.studies import NAIVE, PCPO, STUDY
from pcpo.simulation.noise import stream

__all__ = ["CLAIMS"]

#: Failure probability δ of the runs, the study's default.
_DELTA = float(STUDY.defaults["delta"])
#: Largest rms deviation of cells from the overlay that still counts as one curve.
_ONE_CURVE = 0.2
_SIZES = "the cluster under study in fleets that differ in |M| alone, with two strangers of other dynamics"


def _as_local(tables: Tables) -> Tables:
    frame = tables["scaling"]
    local = frame.assign(global_gap=frame["local_gap"], worst_global_gap=frame["worst_local_gap"])
    return {**tables, "scaling": local}


def _naive(tables: Tables) -> Tables:
    """The runs of naive averaging, taken for collaborative epochs of PCPO."""
    frame = tables["scaling"]
    frame = frame[frame["algorithm"] == NAIVE]
    return {**tables, "scaling": frame.assign(algorithm=PCPO, clean=True)}


def _shuffled(tables: Tables) -> Tables:
    """Every seed's fleets exchange their gaps by a random permutation of the sizes, the same in all epochs."""
    frame = tables["scaling"]
    frame = frame[(frame["cluster"] == 0) & (frame["algorithm"] == PCPO)]
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


def _shift(measure: Callable[[Tables], object], shift: float) -> Callable[[Tables], float]:
    return lambda tables: normal_power(measure(tables), shift)  # type: ignore[arg-type]


def _bound_power(tables: Tables) -> float:
    """Probability that the check refutes if one run in five fails."""
    n = bound_failures(tables, _DELTA).n_runs
    counts = np.arange(n + 1)
    rejects = (2 * scipy.stats.binom.sf(counts - 1, n, _DELTA) < ALPHA) & (counts > n * _DELTA)
    return float(scipy.stats.binom.pmf(counts[rejects], n, 0.2).sum())


def _collapse_power(tables: Tables) -> float:
    """Probability that the check refutes if cells deviate by 2 × the limit, from the spread within cells."""
    c = read_cells(tables)
    n, C = c.clean.sum(axis=0), c.clean.shape[1]
    ratios = c.shared / c.shared_overlay
    spread = np.sum(c.clean * (ratios - ratios.sum(axis=0) / n) ** 2) / max(np.sum(n - 1), 1)
    square = C * float(np.mean(n / spread)) * _ONE_CURVE**2
    critical = scipy.stats.ncx2.isf(ALPHA / 2, C, square)
    return float(scipy.stats.ncx2.sf(critical, C, 4 * square))


CLAIMS: Sequence[Claim] = [
    Claim(
        id="overlay",
        measure=overlay_ratio,
        rule=Agrees(0.2),
        controls=[_LOCAL, _NAIVE],
        power=Power("a mean gap 30 % off the overlay", _shift(overlay_ratio, 0.3)),
        figure="scaling",
        primary=True,
    ),
    Claim(
        id="exponent",
        measure=total_exponent,
        rule=Agrees(0.1),
        controls=[_LOCAL, _SHUFFLED, _NAIVE],
        power=Power("a slope 0.15 off the overlay's", _shift(total_exponent, 0.15)),
        figure="scaling",
    ),
    Claim(
        id="size_exponent",
        measure=size_exponent,
        rule=Agrees(0.15),
        controls=[_LOCAL, _SHUFFLED],
        power=Power("a slope 1/4 off the overlay's", _shift(size_exponent, 0.25)),
        figure="scaling",
    ),
    Claim(
        id="size_rate",
        measure=lambda tables: size_exponent(tables, predicted=-0.5),
        rule=AtMost(),
        controls=[_LOCAL, _SHUFFLED],
        power=Power("a slope of −1/4", _shift(lambda tables: size_exponent(tables, predicted=-0.5), 0.25)),
        figure="scaling",
    ),
    Claim(
        id="paired",
        measure=paired_ratio,
        rule=Agrees(0.2, relative=True),
        controls=[_LOCAL, _NAIVE],
        power=Power(
            "a ratio a third off the overlay's",
            lambda tables: normal_power(found := paired_ratio(tables), found.predicted / 3),
        ),
        figure="scaling",
    ),
    Claim(
        id="collapse",
        measure=lambda tables: collapse(tables, _ONE_CURVE),
        rule=AtMost(),
        controls=[_LOCAL, _SHUFFLED, _NAIVE],
        power=Power(f"an rms deviation of {2 * _ONE_CURVE:.0%}", _collapse_power),
        figure="collapse",
    ),
    Claim(
        id="no_bias",
        measure=plateau,
        rule=Agrees(0.5),
        controls=[_NAIVE, _LOCAL],
        power=Power("a bias as large as the smallest overlay", _shift(plateau, 1.0)),
        figure="collapse",
    ),
    Claim(
        id="bound",
        measure=lambda tables: bound_failures(tables, _DELTA),
        rule=AtMost(),
        controls=[_NAIVE],
        power=Power("one run in five fails", _bound_power),
        figure="scaling",
    ),
]
