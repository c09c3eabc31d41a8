"""Claims on the zeroth-order estimate: (16), (17), its second moment, (19) and (20)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .contract import Agrees, AtMost, Claim, Control, Finding, Never, Power, Tables
from .lemmas_controls import binomial, normal_power, rare, replaced, scaled, swapped
from .lemmas_estimates import ESTIMATES, MEAN
from .lemmas_measures import (
    DELTA_PRIME,
    average_exponent,
    bias_bound,
    bias_order,
    exceedances,
    mean_estimate,
    mean_power,
    second_moment,
)
from .lemmas_pairs import BIAS

__all__ = ["FIGURE", "ON_ESTIMATES"]

#: Id of the figure of every claim of the group.
FIGURE = "lemmas"


def _as_printed(tables: Tables) -> pd.Series[float]:
    """Deviations rescaled so that the limit is √log(2D/δ'), (19) as printed, in place of √(2 log(2/δ'))."""
    frame = tables[ESTIMATES.name]
    printed = np.sqrt(np.log(2 * frame["unknowns"] / DELTA_PRIME))
    rescaled: pd.Series[float] = frame["deviation"] * np.sqrt(2 * np.log(2 / DELTA_PRIME)) / printed
    return rescaled


def _alone(tables: Tables) -> Finding:
    return exceedances(tables, alone=True)


def _together(tables: Tables) -> Finding:
    return exceedances(tables, alone=False)


_MOMENTS = [
    Claim(
        id="unbiased_for_smoothed",
        title="The estimate is unbiased for the smoothed gradient",
        source="Equation (16)",
        statement=r"$E[g_i(K)] = \nabla C_{\sigma(i),r}(K)$",
        quantity="mean of g on ∇C_r at the same horizon (dimensionless), at a radius wide enough for ∇C_r ≠ ∇C to show",
        measure=mean_estimate,
        rule=Agrees(0.05),
        controls=[
            Control(
                "gradient",
                "∇C in place of ∇C_r",
                scaled(MEAN.name, "smoothed", 1.0, "gradient"),
            ),
            Control(
                "length",
                "simulated with directions of length √D, not 1, in the two-state system",
                swapped(MEAN.name, "control:length", "two"),
            ),
        ],
        power=Power("mean ∇C in place of ∇C_r", mean_power),
        figure=FIGURE,
        mode="exact",
        primary=True,
    ),
    Claim(
        id="bias_bound",
        title="The bias of smoothing is at most φr",
        source="Equation (17)",
        statement=r"$\|\nabla C_{j,r}(K) - \nabla C_j(K)\| \leq \phi r$ for $K \in \mathcal{G}_j^0$, $r \in (0, \rho)$",
        quantity="gains and radii that violate (17), of random gains in the restricted set and r = ρ, ρ/2, ρ/4",
        measure=bias_bound,
        rule=Never(100),
        controls=[
            Control(
                "length",
                "directions of length √D, not 1, in E g",
                scaled(BIAS.name, "bias", 1.0, "bias_long"),
            )
        ],
        power=rare(bias_bound),
        figure=FIGURE,
        mode="exact",
    ),
    Claim(
        id="bias_order",
        title="The bias of smoothing is of second order, far below its bound",
        source="Sharper than (17); from a Taylor expansion",
        statement=r"$\|\nabla C_{j,r}(K) - \nabla C_j(K)\| = O(r^2)$ as $r \to 0$",
        quantity="exponent of ‖∇C_r − ∇C‖ in r, at r → 0",
        measure=bias_order,
        rule=Agrees(0.02),
        controls=[
            Control(
                "one_sided",
                "∇C at K + rV for one direction V: smoothing on one side",
                scaled(BIAS.name, "bias", 1.0, "bias_aside"),
            )
        ],
        power=Power(
            "an exponent of 1, which (17) allows",
            lambda t: float(bias_order(t).low > 1.0),
        ),
        figure=FIGURE,
        mode="exact",
    ),
    Claim(
        id="second_moment",
        title="The error of the estimate has the exact second moment",
        source="Sharper than Lemma 7; from (5)",
        statement=r"$E\|g - \nabla C_r\|^2 = (D^2 V_r/r^2 - \|\nabla C_r\|^2)/M$, $V_r = E\,C(K+rU;\mathcal{Z})^2$",
        quantity="E‖g − ∇C_r‖² over its exact value (dimensionless)",
        measure=second_moment,
        rule=Agrees(0.05),
        controls=[
            Control(
                "length",
                "simulated with directions of length √D, not 1, in the two-state system",
                swapped(ESTIMATES.name, "control:length", "two:1"),
            ),
            Control(
                "factor",
                "D in place of D² in the formula",
                replaced(
                    ESTIMATES.name, "square", lambda t: t[ESTIMATES.name]["square"] * t[ESTIMATES.name]["unknowns"]
                ),
            ),
        ],
        power=Power("a second moment 10 % off", lambda t: normal_power(second_moment(t), 0.1)),
        figure=FIGURE,
        mode="exact",
    ),
    Claim(
        id="averaging",
        title="Averaging over a cluster divides the second moment by its size",
        source="Corollary 8, its mean square",
        statement=r"$E\|G_j - \nabla C_{j,r}\|^2 \propto 1/|\mathcal{M}_j|$ under Assumption 1",
        quantity="slope of log E‖G − ∇C_r‖² in log |M|, |M| = 1, 4, 16",
        measure=average_exponent,
        rule=Agrees(0.05),
        controls=[
            Control(
                "shared",
                "agents that share their directions and noise, in the two-state system",
                lambda t: swapped(ESTIMATES.name, "control:shared:4", "two:4")(
                    swapped(ESTIMATES.name, "control:shared:16", "two:16")(t)
                ),
            )
        ],
        power=Power("a slope of −0.9", lambda t: normal_power(average_exponent(t), 0.1)),
        figure=FIGURE,
        mode="exact",
    ),
]

_TAILS = [
    Claim(
        id="lemma_7",
        title="Concentration of the estimate, with the missing constant √2",
        source="Lemma 7, equation (19); Pinelis (1994) for the constant",
        statement=(
            r"$\|g_i(K)-\nabla C_{j,r}(K)\| \leq c_{(p,8)}\frac{D}{r}\sqrt{\frac{2}{M}\log\frac{2}{\delta'}}$ "
            r"with probability at least $1-\delta'$"
        ),
        quantity=f"probability of exceeding the bound at δ' = {DELTA_PRIME:g}, M = 64, in the worst of four systems",
        measure=_alone,
        rule=AtMost(),
        controls=[
            Control(
                "printed",
                "(19) as printed: √log(2D/δ') without an absolute constant, which fails where (18) is attained (A = 0)",
                replaced(ESTIMATES.name, "deviation", _as_printed),
            )
        ],
        power=binomial(_alone, 1.5),
        figure=FIGURE,
        mode="exact",
    ),
    Claim(
        id="corollary_8",
        title="Concentration of the averaged estimate, with the missing constant √2",
        source="Corollary 8, equation (20); Pinelis (1994) for the constant",
        statement=(
            r"$\|G_j(K)-\nabla C_{j,r}(K)\| \leq c_{(p,8)}\frac{D}{r}"
            r"\sqrt{\frac{2}{|\mathcal{M}_j|M}\log\frac{2}{\delta'}}$ with probability at least $1-\delta'$"
        ),
        quantity=f"probability of exceeding the bound at δ' = {DELTA_PRIME:g}, M = 64, |M| = 4, 16; worst system",
        measure=_together,
        rule=AtMost(),
        controls=[
            Control(
                "shared",
                "agents that share their directions and noise, where (18) is attained (A = 0)",
                swapped(ESTIMATES.name, "control:shared:edge", "edge:4"),
            )
        ],
        power=binomial(_together, 1.5),
        figure=FIGURE,
        mode="exact",
    ),
]

#: In the order of the report.
ON_ESTIMATES = [*_MOMENTS, *_TAILS]
