"""Claims on Theorem 2 of PCPO: a gap of O(1/√(|M|T)), and no bias from heterogeneity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.claims.contract import ALPHA, Agrees, AtMost, Claim, Control, Group, Power, Tables
from pcpo.evidence.scaling.figures import COLLAPSE, SCALING
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

__all__ = ["GROUP"]

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


_CLAIMS = [
    Claim(
        id="scaling.overlay",
        title="The mean gap is what the theory predicts, with nothing fitted",
        source="Theorem 2, eqs. (9) and (11)",
        statement=r"After correct clustering $C(\hat K_i)-C^*\le\tilde O(1/\sqrt{|\mathcal{M}|T})$, by the variance "
        r"reduction of averaging over $\mathcal{M}$; the linearised iteration has a mean gap in closed form.",
        quantity="mean over cluster sizes and collaborative epochs of (mean global gap)/(overlay), dimensionless",
        measure=overlay_ratio,
        rule=Agrees(0.2),
        controls=[_LOCAL, _NAIVE],
        power=Power("a mean gap 30 % off the overlay", _shift(overlay_ratio, 0.3)),
        figure="scaling",
        primary=True,
    ),
    Claim(
        id="scaling.exponent",
        title=r"One exponent for rollouts and agents together",
        source="Theorem 2, eqs. (9) and (35)",
        statement=r"$C(\hat K_i)-C^*$ falls as $(|\mathcal{M}|M_l)^{-1/2}$ while $c_{(p,6)}$ does not cut the radius; "
        r"at finite radius, as the overlay says.",
        quantity="least-squares slope of log mean global gap against log(M·|M|), dimensionless",
        measure=total_exponent,
        rule=Agrees(0.1),
        controls=[_LOCAL, _SHUFFLED, _NAIVE],
        power=Power("a slope 0.15 off the overlay's", _shift(total_exponent, 0.15)),
        figure="scaling",
    ),
    Claim(
        id="scaling.size_exponent",
        title="The exponent of the cluster size at fixed minibatch",
        source="Theorem 2, eq. (9)",
        statement=r"At fixed $M_l$ the gap falls with $|\mathcal{M}|$ as the overlay: near $|\mathcal{M}|^{-1/2}$.",
        quantity="least-squares slope of log mean global gap against log|M| within epochs, dimensionless",
        measure=size_exponent,
        rule=Agrees(0.15),
        controls=[_LOCAL, _SHUFFLED],
        power=Power("a slope 1/4 off the overlay's", _shift(size_exponent, 0.25)),
        figure="scaling",
    ),
    Claim(
        id="scaling.size_rate",
        title="Collaboration is worth at least the square root of the cluster size",
        source="Theorem 2, eq. (9)",
        statement=r"$\sqrt{|\mathcal{M}|}$-factor speedup for each agent: the gap falls at least as fast as "
        r"$|\mathcal{M}|^{-1/2}$.",
        quantity="least-squares slope of log mean global gap against log|M| within epochs, dimensionless",
        measure=lambda tables: size_exponent(tables, predicted=-0.5),
        rule=AtMost(),
        controls=[_LOCAL, _SHUFFLED],
        power=Power("a slope of −1/4", _shift(lambda tables: size_exponent(tables, predicted=-0.5), 0.25)),
        figure="scaling",
    ),
    Claim(
        id="scaling.paired",
        title="Global against local gaps of the same agents",
        source="Theorem 2, eq. (11)",
        statement=r"$E\,\mathrm{gap}_{global}/E\,\mathrm{gap}_{local}=|\mathcal{M}|^{-1/2}$ at small radius; at finite "
        r"radius the smoothing bias makes it smaller, as the overlay says.",
        quantity="geometric mean over sizes |M| > 1 and epochs of √|M| (mean global gap)/(mean local gap)",
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
        id="scaling.collapse",
        title="All cluster sizes lie on one curve",
        source="Theorem 2, eq. (9)",
        statement=r"The gap depends on $|\mathcal{M}|$ and $T$ through $|\mathcal{M}|T$, but for terms of the overlay.",
        quantity="root mean square over sizes and epochs of (mean global gap)/(overlay) − 1 beyond sampling",
        measure=lambda tables: collapse(tables, _ONE_CURVE),
        rule=AtMost(),
        controls=[_LOCAL, _SHUFFLED, _NAIVE],
        power=Power(f"an rms deviation of {2 * _ONE_CURVE:.0%}", _collapse_power),
        figure="collapse",
    ),
    Claim(
        id="scaling.no_bias",
        title="No additive bias from heterogeneity",
        source="Theorem 2 and its discussion",
        statement="Collaborative gains can be achieved without any additive bias: no constant is added to the overlay.",
        quantity="constant added to the overlay, in units of its smallest value",
        measure=plateau,
        rule=Agrees(0.5),
        controls=[_NAIVE, _LOCAL],
        power=Power("a bias as large as the smallest overlay", _shift(plateau, 1.0)),
        figure="collapse",
    ),
    Claim(
        id="scaling.bound",
        title="The bound of Theorem 2 holds (it is loose)",
        source="Theorem 2, eq. (35) with Table 2",
        statement=r"With probability at least $1-\delta$, $8\sqrt{|\mathcal{M}_{\sigma(i)}|}"
        r"(C(\hat K_i^{(\bar L)})-C^*)/\Delta_{\bar L}\le 1$ for all agents; vacuous alone: the mean is far below it.",
        quantity="fraction of runs (fleet × seed) with an agent above the bound after the last epoch",
        measure=lambda tables: bound_failures(tables, _DELTA),
        rule=AtMost(),
        controls=[_NAIVE],
        power=Power("one run in five fails", _bound_power),
        figure="scaling",
    ),
]

GROUP = Group(
    name="scaling",
    title="Collaboration: the gap falls with the rollouts of the whole cluster",
    introduction=(
        r"Theorem 2 promises a gap of $\tilde O(1/\sqrt{|\mathcal{M}|T})$ without a bias from heterogeneity. We "
        f"measure {_SIZES}: the same system, the same strangers, the same minibatches, radii and iterations, so what "
        r"differs between curves is collaboration alone. A replicate is a seed with all its fleets; after correct "
        r"clustering a cluster's agents hold the same global policy and count once. Only collaborative epochs enter: "
        r"right sets before and after, no reinitialisation (8) at the end, and the cap $c_{(p,6)}$ not active. "
        r"Estimands are means of gaps, not of their logarithms. The overlay has no fitted parameter: it is the steady "
        r"state of the iteration linearised at the minimiser of $C_r$, to all orders in the radius $r$, started from "
        r"the law of a local policy and run for $R_l$ steps. At leading order in $r$ it reads "
        r"$\frac{\eta}{2}\frac{DV_r}{r^2M|\mathcal{M}|}\sum_i\frac{1}{2-\eta h_i}"
        r"+\frac{r^4 g_3^\top H^{-1}g_3}{8(D+2)^2}$, and is drawn beside it. With the paper's "
        r"$r\propto(M|\mathcal{M}|)^{-1/4}$ the first term has slope $-1/2$ and the second, the square of the "
        r"smoothing bias, slope $-1$; $V_r$ falls to its limit as well. So slopes are steeper than $-1/2$ at first."
    ),
    studies=[STUDY],
    claims=_CLAIMS,
    figures={"scaling": SCALING, "collapse": COLLAPSE},
)
