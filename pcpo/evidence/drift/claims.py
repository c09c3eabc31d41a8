"""Declare the claims on PCPO with an alarm; their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pcpo.claims.contract import Claim, Control, Finding, Tables
from pcpo.claims.controls import replaced, scaled, swapped
from pcpo.claims.judging import AtMost, Never
from pcpo.claims.power import probability, share, shift
from pcpo.evidence.drift.measures import (
    again,
    again_on_event,
    false_alarms,
    false_alarms_on_event,
    heard,
    others,
    recovered,
    unheard,
)
from pcpo.evidence.drift.studies import BLUNT

__all__ = ["CLAIMS"]

#: Probabilities of a false alarm, δ/2 as that of a violation of (22), and of sets that are not right again.
_FALSE, _LATE = 0.025, 0.05
#: Of gaps over those of an undisturbed run.
_GAPS_MARGIN = 1.1

_TENTH = Control("tenth", "an alarm at a tenth of the threshold", scaled("drift", "largest", 10.0))
_FIFTH = Control("fifth", "an alarm at a fifth of the threshold", scaled("drift", "largest", 5.0))
_PLAIN = Control("plain", "PCPO, which has no alarm", swapped("drift", "control:plain", "switch"))
_BLUNT = Control("blunt", "an alarm at 2.5 times the threshold", swapped("drift", "control:blunt", "switch"))
_ALONE = Control(
    "alone", "local gaps of the others: no collaboration", scaled("drift", "others_gap", 1.0, "others_local_gap")
)


def _alarm_at(factor: float) -> Callable[[Tables], Tables]:
    """Return tables with the alarms of another threshold."""
    return replaced("drift", "alarm", lambda tables: (tables["drift"]["jump"] > factor).astype(float))


def _only_disturbed(control: Control) -> Control:
    """Return a control that leaves the undisturbed runs as they are."""

    def apply(tables: Tables) -> Tables:
        frame, wrong = tables["drift"], control.tables(tables)["drift"]
        return {**tables, "drift": wrong.where(frame["cell"] != "undisturbed", frame)}

    return Control(control.name, control.what, apply)


def _ratio(name: str, measure: Callable[[Tables], Finding], controls: list[Control]) -> Claim:
    """Return the claim that a ratio of gaps is at most 1.1."""
    return Claim(
        id=name,
        measure=measure,
        rule=AtMost(),
        controls=controls,
        power=shift(measure, 0.4, "a gap 1.5 times that of an undisturbed run"),
        figure="drift",
        mode="calibrated, moment oracle",
    )


CLAIMS: Sequence[Claim] = [
    Claim(
        id="false_alarms",
        measure=partial(false_alarms, bound=_FALSE),
        rule=AtMost(),
        controls=[_FIFTH, _TENTH],
        power=probability(partial(false_alarms, bound=_FALSE), 3 * _FALSE, "a false alarm in 7.5 % of the runs"),
        figure="drift",
        mode="calibrated, moment oracle",
        primary=True,
    ),
    Claim(
        id="false_alarms_on_event",
        measure=false_alarms_on_event,
        rule=Never(20),
        controls=[_FIFTH, _TENTH],
        power=share(false_alarms_on_event, 0.1),
        figure="drift",
        mode="calibrated, moment oracle",
    ),
    Claim(
        id="again",
        measure=partial(again, bound=_LATE),
        rule=AtMost(),
        controls=[_BLUNT, _PLAIN],
        power=probability(partial(again, bound=_LATE), 3 * _LATE, "sets wrong in 15 % of the runs"),
        figure="drift",
        mode="calibrated, moment oracle",
    ),
    Claim(
        id="again_on_event",
        measure=again_on_event,
        rule=Never(20),
        controls=[_BLUNT, _PLAIN],
        power=share(again_on_event, 0.1),
        figure="drift",
        mode="calibrated, moment oracle",
    ),
    _ratio("others", partial(others, bound=_GAPS_MARGIN), [_only_disturbed(_ALONE)]),
    _ratio("recovered", partial(recovered, bound=_GAPS_MARGIN), [_PLAIN]),
    Claim(
        id="heard",
        measure=heard,
        rule=Never(10),
        controls=[
            Control("blunt", "an alarm at 2.5 times the threshold", _alarm_at(BLUNT)),
            Control("silent", "no alarm at all", _alarm_at(float("inf"))),
        ],
        power=share(heard, 0.2),
        figure="drift",
        mode="calibrated, moment oracle",
    ),
    Claim(
        id="unheard",
        measure=partial(unheard, bound=_LATE),
        rule=AtMost(),
        controls=[
            Control("fifth", "an alarm at a fifth of the threshold", _alarm_at(0.2)),
            Control("tenth", "an alarm at a tenth of the threshold", _alarm_at(0.1)),
        ],
        power=probability(partial(unheard, bound=_LATE), 5 * _LATE, "an alarm in a quarter of the slow drifts"),
        figure="drift",
        mode="calibrated, moment oracle",
    ),
]
