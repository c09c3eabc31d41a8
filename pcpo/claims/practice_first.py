"""Claims of the group "practice" on the first experiments and on Δ → 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from . import practice_measures as measure
from .contract import AtMost, Claim, Control, Finding, Power, Tables
from .practice_estimates import binomial_power, normal_power
from .practice_measures import cell

__all__ = ["CLAIMS", "binomial", "replaced", "shifted"]

Measure = Callable[[Tables], Finding]
_CLOSE, _FAR = 0.25, 4.0


def replaced(study: str, name: str, by: Callable[[Tables], pd.DataFrame]) -> Callable[[Tables], Tables]:
    """Tables in which the rows of a cell are others."""

    def tables_of(tables: Tables) -> Tables:
        frame = tables[study]
        others = frame[frame["cell"] != name]
        return {**tables, study: pd.concat([others, by(tables).assign(cell=name)], ignore_index=True)}

    return tables_of


def shifted(found: Measure, shift: float, alternative: str) -> Power:
    """Power against a truth that is `shift` beyond the bound or margin."""

    def value(tables: Tables) -> float:
        finding = found(tables)
        # Of a distance from a prediction, `low` may be cut at 0; `high` never is.
        return normal_power(finding, finding.high - finding.estimate, shift)

    return Power(alternative, value)


def binomial(found: Measure, probability: float, what: str) -> Power:
    """Power against a truth in which a fraction of runs does what it should not."""
    return Power(f"{what} in {probability:.0%} of runs", lambda t: binomial_power(found(t), probability))


def _as_local(tables: Tables) -> pd.DataFrame:
    frame = cell(tables, "first_runs", "homogeneous")
    return frame.assign(global_gap=frame["local_gap"])


def _from(name: str) -> Callable[[Tables], pd.DataFrame]:
    return lambda tables: cell(tables, "first_runs", name)


def gaps_of(study: str, name: str, other: str) -> Callable[[Tables], Tables]:
    """Tables in which a cell has the global gaps of another, by run, and keeps its own predictions."""

    def rows_of(tables: Tables) -> pd.DataFrame:
        own, keys = cell(tables, study, name), ["seed", "value", "epoch"]
        gaps = cell(tables, study, other).set_index(keys)["global_gap"]
        return own.assign(global_gap=gaps.reindex(pd.MultiIndex.from_frame(own[keys])).to_numpy())

    return replaced(study, name, rows_of)


def _swapped_methods(tables: Tables) -> Tables:
    frame = tables["separation_limit"]
    return {**tables, "separation_limit": frame.assign(cell=frame["cell"].map({"pcpo": "local", "local": "pcpo"}))}


def _mirror_forced(tables: Tables) -> Finding:
    return measure.survivors(cell(tables, "first_runs", "forced_mirror"))


def _mirror_pcpo(tables: Tables) -> Finding:
    return measure.not_exact(cell(tables, "first_runs", "unforced_mirror"))


def _near(values: Any) -> Any:
    return values <= _CLOSE


def _far(values: Any) -> Any:
    return values >= _FAR


def _harm(tables: Tables) -> Finding:
    return measure.collaboration(tables, "local", _near)


def _help(tables: Tables) -> Finding:
    return measure.collaboration(tables, "pcpo", _far)


_ALONE = Control(
    "alone", "local gaps in place of global ones: no collaboration", replaced("first_runs", "homogeneous", _as_local)
)
_SWAPPED = Control("swapped", "PCPO and local learning exchanged", _swapped_methods)

CLAIMS = [
    Claim(
        id="practice.size_slope",
        title="One cluster: what N agents gain over one",
        source="Theorem 2, eqs. (9) and (11)",
        statement=r"With all agents in one cluster, $E\,\mathrm{gap}_{global}/E\,\mathrm{gap}_{local}$ falls with $N$ "
        r"as "
        r"the linearised iteration says: $N^{-1/2}$ at small radius, a little steeper at a finite one.",
        quantity="distance of the least-squares slope of log(mean global gap/mean local gap) in log N from the "
        "prediction",
        measure=measure.size_slope,
        rule=AtMost(),
        controls=[_ALONE],
        power=shifted(measure.size_slope, 0.3, "a slope 0.3 beyond the margin"),
        figure="first_experiments",
        primary=True,
    ),
    Claim(
        id="practice.size_rate",
        title="One cluster: at least the square root of N",
        source="Theorem 2, eq. (9)",
        statement=r"All agents in one cluster gain at least $\sqrt N$: gap ratio $\le N^{-1/2}$ in exponent.",
        quantity="least-squares slope of log(mean global gap/mean local gap) in log N, dimensionless",
        measure=measure.size_rate,
        rule=AtMost(),
        controls=[_ALONE],
        power=shifted(measure.size_rate, 0.3, "a slope of −0.2"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.two_sets",
        title="Two clusters: the sets split exactly",
        source="Theorem 1.2",
        statement=r"$\mathcal{N}_i^{(l)}=\mathcal{M}_{\sigma(i)}$ for all $i$ from $L=\min\{l:\Delta_l\le\Delta/2\}$ "
        r"on.",
        quantity=r"fraction of runs with other sets at an epoch with Δ_l ≤ Δ/2",
        measure=measure.without_exact_sets,
        rule=AtMost(),
        controls=[
            Control("never", "sets that are never pruned", replaced("first_runs", "two_clusters", _from("never_prune")))
        ],
        power=binomial(measure.without_exact_sets, 0.2, "wrong sets"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.forced_plateau",
        title="Forced averaging stops at one policy for all",
        source="Section 3, negative transfer",
        statement=r"With $\mathcal{N}_i=[N]$ for ever the gap does not fall below "
        r"$\sum_j|\mathcal{M}_j|(C_j(\bar K)-C_j^*)/N$, $\bar K=\arg\min\sum_j|\mathcal{M}_j|C_j$, plus noise.",
        quantity="relative distance of the mean gap over agents from the plateau with its linearised noise",
        measure=measure.forced_plateau,
        rule=AtMost(),
        controls=[Control("pcpo", "PCPO's runs", gaps_of("first_runs", "forced", "unforced"))],
        power=shifted(measure.forced_plateau, 0.05, "a gap 10 % off the prediction"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.below_plateau",
        title="PCPO is below forced averaging at the same rollouts",
        source="Section 3, negative transfer",
        statement="Two sequences and sequential elimination prevent negative transfer: PCPO's gap is at most half of "
        "that of forced averaging.",
        quantity="mean gap of PCPO over mean gap of averaging over everybody, same seeds and rollouts",
        measure=measure.saving,
        rule=AtMost(),
        controls=[
            Control("forced", "averaging's runs in PCPO's place", replaced("first_runs", "unforced", _from("forced")))
        ],
        power=shifted(measure.saving, 0.25, "a ratio of 3/4"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.forced_instability",
        title="Where no gain suits both clusters, forced averaging destabilises",
        source="Section 3, negative transfer",
        statement="Collaborating with agents from a different cluster can lead to destabilising policies.",
        quantity="fraction of runs of forced averaging that end with finite costs for all agents",
        measure=_mirror_forced,
        rule=AtMost(),
        controls=[Control("pcpo", "PCPO's runs", replaced("first_runs", "forced_mirror", _from("unforced_mirror")))],
        power=binomial(_mirror_forced, 0.5, "finite costs"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.unforced_stability",
        title="PCPO does not, on the same fleet",
        source="Theorems 1 and 2",
        statement=r"With probability $\ge1-\delta$ PCPO's sets are the clusters and its policies have finite cost.",
        quantity="fraction of runs that end with wrong sets or an infinite cost",
        measure=_mirror_pcpo,
        rule=AtMost(),
        controls=[
            Control("forced", "averaging's runs", replaced("first_runs", "unforced_mirror", _from("forced_mirror")))
        ],
        power=binomial(_mirror_pcpo, 0.2, "failure"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.merged",
        title="Δ → 0 at a fixed budget: clusters merge, and pay the price of one policy for all",
        source="open question 4 (soft clusters); eq. (7)",
        statement=r"Where $\Delta$ is far below $\Delta_{\bar L}$ and (7) removes nobody, the global gap is that of "
        r"$\bar K$: PCPO is outside the $T\ge\tilde O(1/\Delta^2)$ of Theorem 2.",
        quantity="relative distance of the mean gap over agents at the smallest Δ from the plateau with its noise, in "
        "runs in which nobody was removed",
        measure=measure.merged_plateau,
        rule=AtMost(),
        controls=[
            Control(
                "local",
                "local learners in the place of PCPO",
                gaps_of("separation_limit", "pcpo", "local"),
            )
        ],
        power=shifted(measure.merged_plateau, 0.05, "a gap 10 % off the prediction"),
        figure="separation_limit",
    ),
    Claim(
        id="practice.merged_harm",
        title="Δ → 0 at a fixed budget: learning alone is better",
        source="open question 4 (soft clusters)",
        statement=rf"For $\Delta\le{_CLOSE:g}$ (cost units) local learning at the same rollouts has the smaller gap.",
        quantity="mean gap of local learning over that of PCPO, same seeds and rollouts",
        measure=_harm,
        rule=AtMost(),
        controls=[_SWAPPED],
        power=shifted(_harm, 0.5, "a ratio half off the bound"),
        figure="separation_limit",
    ),
    Claim(
        id="practice.separated_help",
        title="Far clusters: PCPO is better than learning alone",
        source="Theorem 2",
        statement=rf"For $\Delta\ge{_FAR:g}$ and four agents a cluster PCPO has the smaller gap, although half of its "
        "rollouts are local.",
        quantity="mean gap of PCPO over that of local learning, same seeds and rollouts",
        measure=_help,
        rule=AtMost(),
        controls=[
            Control(
                "merged",
                "runs whose clusters are too close to be told apart",
                lambda tables: {
                    **tables,
                    "separation_limit": tables["separation_limit"][_near(tables["separation_limit"]["value"])].assign(
                        value=lambda frame: frame["value"] + _FAR
                    ),
                },
            )
        ],
        power=shifted(_help, 0.3, "a ratio of 1.3"),
        figure="separation_limit",
    ),
]
