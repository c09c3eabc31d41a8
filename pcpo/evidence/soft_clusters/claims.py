"""Declare the claims on soft clusters; their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pcpo.claims.contract import Claim, Control, Mode, Tables
from pcpo.claims.controls import exchanged, scaled, swapped
from pcpo.claims.judging import AtMost
from pcpo.claims.power import probability, shift
from pcpo.evidence.soft_clusters.measures import averaging_form, far_gap, far_sets, near_best, references, together
from pcpo.evidence.soft_clusters.studies import FAR, REGISTERED

__all__ = ["CLAIMS"]

_MODE: Mode = "calibrated, moment oracle"
_FIGURE = "soft_clusters"
_PAIRS = scaled("soft_clusters", "everyone_form", 1.0, "pairs_form")


def _larger(factor: float) -> Callable[[Tables], Tables]:
    """Return tables where the gaps of the choice are larger."""

    def apply(tables: Tables) -> Tables:
        frame = tables["soft_clusters"]
        gap = frame["gap"].where(frame["method"] != "soft", factor * frame["gap"])
        return {**tables, "soft_clusters": frame.assign(gap=gap)}

    return apply


def _other(method: str, what: str) -> Control:
    """Return the control in which a method stands in for the choice."""
    return Control(method, what, swapped("soft_clusters", method, "soft", "method"))


_references = partial(references, pairs=REGISTERED)
_ALONE = _other("alone", "every agent learns alone")

CLAIMS: Sequence[Claim] = [
    Claim(
        id="near_best",
        measure=near_best,
        rule=AtMost(),
        controls=[
            _other("bias_tenth", "a choice that counts a tenth of the bias"),
            _other("hard", "PCPO, synchronised first: sets by (7) alone"),
            _ALONE,
            _other("everyone", "everyone in one set, however far clusters are"),
        ],
        power=shift(near_best, 0.25, "1.5 times the gap of the best sets at some distance"),
        figure=_FIGURE,
        mode=_MODE,
        primary=True,
    ),
    Claim(
        id="far_sets",
        measure=far_sets,
        rule=AtMost(),
        controls=[
            Control("near", "clusters at distance 1", swapped("soft_clusters", "1", FAR, "distance")),
            _other("everyone", "everyone in one set"),
        ],
        power=probability(far_sets, 0.2, "wrong sets on a fifth of the fleets"),
        figure=_FIGURE,
        mode=_MODE,
    ),
    Claim(
        id="far_gap",
        measure=far_gap,
        rule=AtMost(),
        controls=[_ALONE, Control("larger", "gaps of the choice 1.3 times as large", _larger(1.3))],
        power=shift(far_gap, 0.2, "1.3 times the gap of PCPO"),
        figure=_FIGURE,
        mode=_MODE,
    ),
    Claim(
        id="together",
        measure=together,
        rule=AtMost(),
        controls=[
            Control("apart", "clusters at distance 1", swapped("soft_clusters", "1", "0", "distance")),
            _other("known", "the sets of clusters that differ in nothing but Δ"),
        ],
        power=probability(together, 0.2, "agents kept apart on a fifth of the fleets"),
        figure=_FIGURE,
        mode=_MODE,
    ),
    Claim(
        id="averaging",
        measure=averaging_form,
        rule=AtMost(),
        controls=[
            Control("pairs", "the mean over pairs for the bias", _PAIRS),
            Control(
                "known",
                "gaps of the true clusters",
                exchanged("soft_clusters", {"known": "everyone", "everyone": "known"}),
            ),
        ],
        power=shift(averaging_form, 0.15, "a bias 30 % off"),
        figure=_FIGURE,
        mode=_MODE,
    ),
    Claim(
        id="references",
        measure=_references,
        rule=AtMost(),
        controls=[
            Control(
                "exchanged",
                "learning alone for the known clusters",
                exchanged(
                    "soft_clusters", dict(zip(REGISTERED, [*list(REGISTERED)[1:], *list(REGISTERED)[:1]], strict=True))
                ),
            ),
        ],
        power=shift(_references, 0.3, "gaps 60 % larger"),
        figure=_FIGURE,
        mode=_MODE,
    ),
]
