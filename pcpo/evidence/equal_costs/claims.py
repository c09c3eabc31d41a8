"""Declare the claims on clusters of equal or nearly equal cost; their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pcpo.claims.contract import Claim, Control, Mode, Tables
from pcpo.claims.controls import exchanged, swapped
from pcpo.claims.judging import AtMost, Never
from pcpo.claims.power import probability, share, shift
from pcpo.evidence.equal_costs.measures import (
    EQUAL,
    NEAR,
    TOSO,
    gap_ratio,
    kept_together,
    later_than_costs,
    not_exact,
    settled,
    split,
    toso,
)

__all__ = ["CLAIMS"]

_MODE: Mode = "calibrated, moment oracle"
#: Largest ratios of gaps: to known clusters, to local learning, and of merged clusters of one gain to known ones.
_KNOWN_MARGIN, _LOCAL_BOUND, _MERGED_BOUND = 1.5, 0.75, 0.9
#: Fraction of fleets that fail at the alternative of the power.
_OFTEN = 0.25


def _one_earlier(tables: Tables) -> Tables:
    """Ask for exact sets one epoch before exact costs and gains part the clusters."""
    frame = tables[EQUAL]
    return {**tables, EQUAL: frame.assign(parted=frame["parted"] - 1)}


def _tripled(tables: Tables) -> Tables:
    """Triple the gaps of PCPO with pruning by gains."""
    frame = tables[EQUAL]
    return {**tables, EQUAL: frame.assign(gap=frame["gap"] * (1 + 2 * (frame["method"] == "pcpo_gains")))}


def _control(name: str, what: str, study: str = EQUAL, *, method: str = "pcpo_gains") -> Control:
    """Return the control in which another method's runs stand in for a method's."""
    return Control(name, what, swapped(study, name, method, "method"))


_COSTS = "PCPO: sets pruned by costs alone, (7)"
_SHUFFLED = _control("shuffled", "gains that belong to other agents")
_NARROW = _control("narrow", "a tenth of the distance, as if the growth constant were a hundred times as large")
_known = partial(gap_ratio, fleets="equal", method="pcpo_gains", other="oracle_clusters", bound=_KNOWN_MARGIN)
_local = partial(gap_ratio, fleets="equal", method="pcpo_gains", other="local", bound=_LOCAL_BOUND)
_merged = partial(gap_ratio, fleets="reflected", method="pcpo_gains_sync", other="oracle_clusters", bound=_MERGED_BOUND)
_exact, _close = partial(not_exact, fleets="equal"), partial(not_exact, fleets="close")
_FAILING = f"{100 * _OFTEN:g} % of fleets fail"

CLAIMS: Sequence[Claim] = [
    Claim(
        id="exact",
        measure=_exact,
        rule=AtMost(),
        controls=[_control("pcpo", _COSTS), _SHUFFLED, _NARROW],
        power=probability(_exact, _OFTEN, _FAILING),
        figure="equal_costs",
        mode=_MODE,
        primary=True,
    ),
    Claim(
        id="settled",
        measure=settled,
        rule=AtMost(),
        controls=[
            Control("early", "one epoch earlier", _one_earlier),
            _control("pcpo", _COSTS),
        ],
        power=probability(settled, 2 * _OFTEN, "half of the fleets are later"),
        figure="equal_costs",
        mode=_MODE,
    ),
    Claim(
        id="contained",
        measure=split,
        rule=AtMost(),
        controls=[_NARROW, _SHUFFLED],
        power=probability(split, _OFTEN, _FAILING),
        figure="equal_costs",
        mode=_MODE,
    ),
    Claim(
        id="known",
        measure=_known,
        rule=AtMost(),
        controls=[
            _control("pcpo", _COSTS),
            Control("tripled", "gaps three times as large", _tripled),
        ],
        power=shift(_known, _KNOWN_MARGIN, "three times the gap of known clusters"),
        figure="equal_costs",
        mode=_MODE,
    ),
    Claim(
        id="below_local",
        measure=_local,
        rule=AtMost(),
        controls=[_control("pcpo", _COSTS), _control("local", "every agent alone")],
        power=shift(_local, _LOCAL_BOUND, "one and a half times the gap of local learning"),
        figure="equal_costs",
        mode=_MODE,
    ),
    Claim(
        id="close",
        measure=_close,
        rule=AtMost(),
        controls=[_control("pcpo", _COSTS, NEAR)],
        power=probability(_close, _OFTEN, _FAILING),
        figure="equal_costs_near",
        mode=_MODE,
    ),
    Claim(
        id="never_later",
        measure=later_than_costs,
        rule=Never(20),
        controls=[
            Control(
                "exchanged", "the two methods exchanged", exchanged(NEAR, {"pcpo_gains": "pcpo", "pcpo": "pcpo_gains"})
            )
        ],
        power=share(later_than_costs, 0.1),
        figure="equal_costs_near",
        mode=_MODE,
    ),
    Claim(
        id="toso",
        measure=toso,
        rule=AtMost(),
        controls=[_control("pcpo", _COSTS, TOSO)],
        power=probability(toso, 0.6, "60 % of runs are later"),
        figure="equal_costs_near",
        mode=_MODE,
    ),
    Claim(
        id="together",
        measure=kept_together,
        rule=AtMost(),
        controls=[_control("oracle_clusters", "the two clusters kept apart", NEAR, method="pcpo_gains_sync")],
        power=probability(kept_together, _OFTEN, _FAILING),
        figure="equal_costs_near",
        mode=_MODE,
    ),
    Claim(
        id="merged",
        measure=_merged,
        rule=AtMost(),
        controls=[
            _control("oracle_clusters", "the two clusters kept apart", NEAR, method="pcpo_gains_sync"),
            _control("local", "every agent alone", NEAR, method="pcpo_gains_sync"),
        ],
        power=shift(_merged, _MERGED_BOUND, "1.8 times the gap of known clusters"),
        figure="equal_costs_near",
        mode=_MODE,
    ),
]
