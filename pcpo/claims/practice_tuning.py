"""Claims of the group "practice" on the choice of constants: sensitivity and failure signatures."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from . import practice_measures as measure
from .contract import AtMost, Claim, Control, Finding, Tables
from .practice_first import binomial, replaced, shifted
from .practice_measures import cell
from .practice_studies import KNOBS

__all__ = ["CLAIMS"]

_ROBUST = (0.5, 2.0)


def _insensitive(tables: Tables) -> Tables:
    """Every run of the sweep replaced by that with the calibrated constant: a method on which nothing has effect."""
    frame = tables["sensitivity"]
    base = frame[frame["value"] == 1.0].set_index(["cell", "seed", "epoch"])["local_gap"]
    gaps = base.reindex(pd.MultiIndex.from_frame(frame[["cell", "seed", "epoch"]])).to_numpy()
    return {**tables, "sensitivity": frame.assign(local_gap=gaps)}


def _fewer(tables: Tables) -> Tables:
    """Every run of the sweep replaced by that with the fewest rollouts."""
    frame = tables["sensitivity"]
    few = frame[frame["cell"] == "minibatch_factor"]
    few = few[few["value"] == few["value"].min()].set_index(["seed", "epoch"])["local_gap"]
    gaps = few.reindex(pd.MultiIndex.from_frame(frame[["seed", "epoch"]])).to_numpy()
    return {**tables, "sensitivity": frame.assign(local_gap=gaps)}


def _box(tables: Tables) -> pd.DataFrame:
    """Runs with one constant within a factor of 2 of the calibrated one; each (constant, value) is a value."""
    frame = tables["robustness"]
    return frame.assign(value=frame["value"] + 10.0 * frame["cell"].map({name: k for k, name in enumerate(KNOBS)}))


def _robust(tables: Tables) -> Finding:
    return measure.not_exact(_box(tables))


def _beyond(tables: Tables) -> Tables:
    """The outermost values in place of those near 1."""
    frame = tables["sensitivity"]
    edges = frame.groupby("cell")["value"].agg(["min", "max"]).reindex(frame["cell"]).to_numpy()
    low, high = frame["value"].to_numpy() <= edges[:, 0], frame["value"].to_numpy() >= edges[:, 1]
    outer = frame.assign(value=np.where(low, _ROBUST[0], _ROBUST[1]))[low | high]
    return {**tables, "robustness": outer}


def _capped(tables: Tables) -> Finding:
    frame = cell(tables, "sensitivity", "radius_factor")
    return measure.not_exact(frame[frame["value"] >= 2.0])


def _uncapped(tables: Tables) -> pd.DataFrame:
    return cell(tables, "failures", "radius").assign(value=4.0)


def _signature(name: str, condition: str, title: str, statement: str, quantity: str) -> Claim:
    found = partial(measure.signature, name=name, condition=condition)
    return Claim(
        id=f"practice.signature_{condition}",
        title=title,
        source="Section 3 and Table 2 (conditions on η, r, M, sets)",
        statement=statement,
        quantity=quantity,
        measure=found,
        rule=AtMost(),
        controls=[
            Control(
                "relabelled",
                "noisy runs taken for it" if name == "any" else "sound runs taken for it",
                replaced(
                    "failures",
                    condition,
                    lambda tables: cell(tables, "failures", "noise" if name == "any" else "sound"),
                ),
            )
        ],
        power=binomial(found, 0.3, "a misleading signature"),
        figure="failure_signatures",
    )


_MISLED = "fraction of runs misled: violated ones without the signature, sound ones with it"


CLAIMS = [
    Claim(
        id="practice.sensitivity_level",
        title="The effect of every constant is the one that the closed form says",
        source="Table 2; eqs. (11) and (16)-(19)",
        statement=r"One at a time, $\eta$, $r_l$, $M_l$ and $R_l$ change the mean local gap as the iteration "
        r"linearised at "
        r"the minimiser of $C_r$ says: near $\frac{\eta}{2}\frac{DV_r}{r^2M}\sum_i\frac1{2-\eta h_i}$ plus bias and "
        "what is left of the start.",
        quantity="distance from 1 of the mean over the sweep of (mean local gap)/(prediction), predictions ≤ 0.5 cost "
        "units",
        measure=measure.sensitivity_level,
        rule=AtMost(),
        controls=[Control("fewer", "runs with an eighth of the rollouts throughout", _fewer)],
        power=shifted(measure.sensitivity_level, 0.2, "gaps 35 % off"),
        figure="sensitivity",
    ),
    Claim(
        id="practice.sensitivity_slope",
        title="Over the sweep, measured gaps are proportional to predicted ones",
        source="Table 2; eqs. (11) and (16)-(19)",
        statement=r"The mean local gap is proportional to its prediction over the sweep of $\eta$, $r_l$, $M_l$, "
        r"$R_l$.",
        quantity="distance from 1 of the slope of log mean local gap on log prediction, dimensionless",
        measure=measure.sensitivity_slope,
        rule=AtMost(),
        controls=[Control("insensitive", "runs with the calibrated constants throughout", _insensitive)],
        power=shifted(measure.sensitivity_slope, 0.2, "a slope 0.35 off"),
        figure="sensitivity",
    ),
    Claim(
        id="practice.robust",
        title="A factor of two in any one constant costs no cluster and no policy",
        source="Theorem 1; Table 2",
        statement=r"Within a factor 2 of the calibrated $\eta$, $r_l$, $M_l$ or $R_l$, all sets are exact and all "
        "policies have finite cost at the end.",
        quantity="fraction of seeds for which this fails at any value of any constant in [1/2, 2]",
        measure=_robust,
        rule=AtMost(),
        controls=[Control("outermost", "the outermost values of the sweep in their place", _beyond)],
        power=binomial(_robust, 0.2, "failure"),
        figure="sensitivity",
    ),
    Claim(
        id="practice.cap",
        title="The cap on the radius forgives radii that are too large",
        source="Table 2, c_(p,6)",
        statement=r"With $r=\min\{c_{(p,6)},\tilde r_l\}$ a $\tilde r_l$ at least twice too large loses neither sets "
        r"nor "
        "policies.",
        quantity="fraction of seeds with wrong sets or an infinite cost at any radius factor ≥ 2",
        measure=_capped,
        rule=AtMost(),
        controls=[
            Control(
                "uncapped",
                "radii four times too large without the cap",
                replaced("sensitivity", "radius_factor", _uncapped),
            )
        ],
        power=binomial(_capped, 0.2, "failure"),
        figure="sensitivity",
    ),
    _signature(
        "lost",
        "step",
        "Signature of a step size that is too large",
        r"With $\eta h_{max}>2$ the local costs $\hat C_i$ exceed twice the first cost and stay there; in sound runs "
        r"never.",
        _MISLED + " (largest Ĉ_i above twice the largest first cost at the end)",
    ),
    _signature(
        "lost",
        "radius",
        "Signature of a radius beyond the finite-cost margin",
        r"With spheres $K+rU$ that reach infinite cost the local costs $\hat C_i$ are lost in the same way: cost "
        "estimates do not tell the radius from the step size.",
        _MISLED + " (largest Ĉ_i above twice the largest first cost at the end)",
    ),
    _signature(
        "shared_lost",
        "averaging",
        "Signature of averaging over strangers",
        r"Averaging over the wrong sets destabilises the global sequence alone: saturated rollouts while all $\hat "
        r"C_i$ "
        "stay below twice the first cost.",
        _MISLED + " (saturated rollouts with sound Ĉ_i)",
    ),
    _signature(
        "restless",
        "noise",
        "Signature of too few rollouts",
        r"With $M_l$ a twelfth of the calibrated, the sets keep changing: (8) is applied in two epochs or more.",
        _MISLED + " (two or more epochs with a reinitialisation)",
    ),
    _signature(
        "any",
        "close",
        "Clusters that are too close leave no signature",
        r"With $\Delta$ far below $\Delta_{\bar L}$ and sound constants, none of these signatures appears: a silent "
        r"failure.",
        "fraction of runs with any of the signatures",
    ),
]
