"""Declare the claims on the best radius; their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pcpo.claims.contract import Claim, Control, Finding, Tables
from pcpo.claims.controls import scaled
from pcpo.claims.judging import AtMost, Never
from pcpo.claims.power import share, shift
from pcpo.evidence.rate.measures import closed_ratio, gap_left, leading_order, lost_growth, neighbours, rate
from pcpo.theory.rates import gap_exponent

__all__ = ["CLAIMS"]

_PAPER, _BEST = gap_exponent(1 / 4), gap_exponent(1 / 6)
_APART = _PAPER - _BEST
#: Of slopes: a good third of what the two exponents are apart.
_RATE_MARGIN = 0.06
#: Of gaps of runs, and of gaps to all orders, over the closed form.
_CLOSED_MARGIN = 0.2
_LEADING_MARGIN = 0.05
#: Of the growth of what the paper's radius loses.
_GROWTH_MARGIN = 0.03


def _exchanged(method: str, by: str) -> Callable[[Tables], Tables]:
    """Return tables where the gaps of another method stand in for those of a method.

    With them comes the unit that slopes have; the closed form at every size and epoch stays the method's own.
    """

    def apply(tables: Tables) -> Tables:
        frame = tables["rate"]
        key, moved = ["seed", "cluster", "epoch"], ["gap", "clean", "middle"]
        own, other = (frame[frame["algorithm"] == name] for name in (method, by))
        swapped = own.drop(columns=moved).merge(other[key + moved], on=key)
        kept = frame[frame["algorithm"] != method]
        return {**tables, "rate": kept.merge(swapped, how="outer")}

    return apply


_LOCAL = Control(
    "local", "local gaps in place of global ones: no collaboration", scaled("rate", "gap", 1.0, "local_gap")
)


def _still(tables: Tables) -> Tables:
    """Put the gap of every run in epoch 2 in the place of its later ones."""
    frame = tables["rate"]
    key = ["algorithm", "seed", "cluster"]
    first = frame.loc[frame["epoch"] == 2, [*key, "gap"]]
    return {**tables, "rate": frame.drop(columns="gap").merge(first, on=key)}


_STILL = Control("still", "the gaps of epoch 2 in all epochs: more rollouts win nothing", _still)


def _other(method: str, by: str, what: str) -> Control:
    """Return the control in which another method's runs stand in for a method's."""
    return Control(by, what, _exchanged(method, by))


def _rate(name: str, method: str, exponent: float, by: str, *, primary: bool = False) -> Claim:
    """Return the claim that a method's gap falls with an exponent, against the other exponent."""
    measure = partial(rate, method=method, exponent=exponent, margin=_RATE_MARGIN)
    other = "the paper's radius" if exponent == _BEST else "the radius with exponent 1/6"
    return Claim(
        id=name,
        measure=measure,
        rule=AtMost(),
        controls=[_other(method, by, f"runs with {other}"), _STILL],
        power=shift(measure, _APART - _RATE_MARGIN, "the other exponent"),
        figure="radius_rate",
        mode="calibrated, moment oracle",
        primary=primary,
    )


def _closed(name: str, method: str, by: str) -> Claim:
    """Return the claim that the closed form is the mean gap of a method's runs."""
    measure = partial(closed_ratio, method=method, margin=_CLOSED_MARGIN)
    return Claim(
        id=name,
        measure=measure,
        rule=AtMost(),
        controls=[_LOCAL, _other(method, by, f"the gaps of {by}")],
        power=shift(measure, _CLOSED_MARGIN, "a mean gap 40 % off"),
        figure="radius_rate",
        mode="calibrated, moment oracle",
    )


def _won(name: str, method: str, base: str, by: str) -> Claim:
    """Return the claim that a method leaves no more of another's gap than the closed form promises, within 1/0.8."""
    measure: Callable[[Tables], Finding] = partial(gap_left, method=method, base=base)
    return Claim(
        id=name,
        measure=measure,
        rule=AtMost(),
        controls=[_doubled(method), _other(method, by, f"the gaps of {by}")],
        power=shift(measure, lambda found: found.predicted / 2, "two thirds of the factor that must be won"),
        figure="radius_rate",
        mode="calibrated, moment oracle",
    )


def _doubled(method: str) -> Control:
    """Return the control in which a method's gaps are twice as large."""

    def apply(tables: Tables) -> Tables:
        frame = tables["rate"]
        factor = 1.0 + (frame["algorithm"] == method)
        return {**tables, "rate": frame.assign(gap=factor * frame["gap"])}

    return Control("doubled", "gaps of the method twice as large", apply)


_RADIUS, _TWO_POINT = "pcpo_radius_1_6", "pcpo_two_point_radius_1_6"

CLAIMS: Sequence[Claim] = [
    _rate("best_rate", _RADIUS, _BEST, "pcpo", primary=True),
    _rate("best_rate_two_point", _TWO_POINT, _BEST, "pcpo"),
    _rate("paper_rate", "pcpo", _PAPER, _RADIUS),
    _closed("closed_form", _RADIUS, "pcpo"),
    _closed("closed_form_two_point", _TWO_POINT, _RADIUS),
    _closed("closed_form_paper", "pcpo", _RADIUS),
    _won("won", _RADIUS, "pcpo", "pcpo"),
    _won("won_combined", _TWO_POINT, "pcpo", _RADIUS),
    _won("won_over_estimator", _TWO_POINT, "pcpo_two_point", "pcpo_two_point"),
    Claim(
        id="best_radius",
        measure=neighbours,
        rule=Never(10),
        controls=[
            Control(
                "paper", "the paper's radius taken for the best", scaled("rate_closed", "gap_best", 1.0, "gap_paper")
            )
        ],
        power=share(neighbours, 0.3),
        figure="radius_lost",
        mode="exact",
    ),
    Claim(
        id="leading_order",
        measure=partial(leading_order, margin=_LEADING_MARGIN),
        rule=AtMost(),
        controls=[
            Control(
                "paper", "the paper's radius taken for the best", scaled("rate_closed", "gap_best", 1.0, "gap_paper")
            )
        ],
        power=shift(partial(leading_order, margin=_LEADING_MARGIN), _LEADING_MARGIN, "a closed form 10 % off"),
        figure="radius_lost",
        mode="exact",
    ),
    Claim(
        id="lost_growth",
        measure=partial(lost_growth, exponent=_APART, margin=_GROWTH_MARGIN),
        rule=AtMost(),
        controls=[
            Control(
                "best", "the best radius taken for the paper's", scaled("rate_closed", "gap_paper", 1.0, "gap_best")
            )
        ],
        power=shift(
            partial(lost_growth, exponent=_APART, margin=_GROWTH_MARGIN), _GROWTH_MARGIN, "an exponent 0.06 off"
        ),
        figure="radius_lost",
        mode="exact",
    ),
]
