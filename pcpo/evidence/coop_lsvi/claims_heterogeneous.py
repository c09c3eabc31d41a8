"""Declare how the claims on agents that differ (Theorems 2 and 3, Lemma 14, Remark 4) are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from pcpo.claims.contract import Claim, Control, Tables
from pcpo.claims.judging import AtMost, Never
from pcpo.claims.power import Measure, share, shift
from pcpo.evidence.coop_lsvi.claims_homogeneous import PER_SEED, SIZES_FIGURE, steeper, unshared, violated
from pcpo.evidence.coop_lsvi.measures import (
    HETEROGENEITY,
    chi_exponent,
    chi_ratio,
    deviation_growth,
    deviation_ratio,
    identical_ratio,
    share_ratio,
    size_exponent,
    told_ratio,
)

__all__ = ["HETEROGENEOUS"]

_FIGURE = "coop_heterogeneity"
#: The control of Theorem 2: the factor by which agents are further apart than stated.
_FAR = 100
#: Largest difference of values that counts as rounding, units of reward.
_ROUNDING = 1e-9
#: From this ξ on, sharing with ξ in β is claimed to lose to not sharing.
_WIDE_APART = 0.2

_SHARE: Measure = partial(share_ratio, least=_WIDE_APART)
_THEOREM_3: Measure = partial(chi_exponent, algorithm="contexts", predicted=0.5)
_THEOREM_3_LEVEL: Measure = partial(chi_ratio, algorithm="contexts", predicted=2.0)
_REMARK_4: Measure = partial(identical_ratio, algorithm="contexts")
_BY_K: Measure = partial(size_exponent, varied="k", predicted=0.5)
_BY_M: Measure = partial(size_exponent, varied="M", predicted=0.5)
_LEMMA_14 = violated(
    HETEROGENEITY,
    lambda f: (f["kind"] == "chi") & (f["algorithm"] == "contexts"),
    lambda f: f["log_det"] > f["log_det_bound"],
)
_SAME_OPTIMUM = violated(HETEROGENEITY, lambda f: f["kind"] == "chi", lambda f: f["spread"] > _ROUNDING)


# Negative controls.


def _mixed(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Tables], Tables]:
    """Return tables with the study of heterogeneous agents changed."""
    return lambda given: {**given, HETEROGENEITY: change(given[HETEROGENEITY])}


def _further_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Take agents ξ apart for agents ξ/`_FAR` apart."""
    return frame.assign(amount=frame["amount"].where(frame["kind"] != "xi", frame["amount"] / _FAR))


def _first_action(frame: pd.DataFrame) -> pd.DataFrame:
    """Put agents that always take the first action in the place of those that learn, for ξ > 0."""
    return frame.assign(late=frame["late"].where(frame["amount"] == 0, frame["first"]))


def _told_and_untold(frame: pd.DataFrame) -> pd.DataFrame:
    """Exchange the agents that know ξ and those that do not."""
    return frame.replace({"algorithm": {"told": "untold", "untold": "told"}})


def _near(frame: pd.DataFrame) -> pd.DataFrame:
    """Take agents the smallest ξ > 0 apart for agents `_WIDE_APART` apart."""
    frame = frame[frame["kind"] == "xi"]
    near: pd.DataFrame = frame[frame["amount"] == frame.loc[frame["amount"] > 0, "amount"].min()]
    return near.assign(amount=_WIDE_APART)


def _no_sharing(frame: pd.DataFrame) -> pd.DataFrame:
    """Put agents that do not share once their contexts differ, χ > 1, in the place of those that do."""
    frame = frame[frame["kind"] == "chi"]
    same = frame[(frame["algorithm"] == "contexts") & (frame["amount"] == 1)]
    differ = frame[(frame["algorithm"] == "alone") & (frame["amount"] > 1)]
    return pd.concat([same, differ.assign(algorithm="contexts")])


def _never_sharing(frame: pd.DataFrame) -> pd.DataFrame:
    """Put agents that never share in the place of those that do."""
    alone = frame[frame["algorithm"] == "alone"]
    return pd.concat([frame[frame["algorithm"] != "contexts"], alone.assign(algorithm="contexts")])


def _as_rank_one(frame: pd.DataFrame) -> pd.DataFrame:
    """Take agents with contexts of the largest χ for agents with χ = 1."""
    frame = frame[(frame["kind"] == "chi") & (frame["amount"] == frame.loc[frame["kind"] == "chi", "amount"].max())]
    return frame.assign(log_det_bound=frame["log_det_bound_1"])


def _deviating(frame: pd.DataFrame) -> pd.DataFrame:
    """Put agents with small deviations in the place of agents with contexts."""
    return frame[(frame["kind"] == "xi") & (frame["amount"] > 0)].assign(kind="chi")


_NEVER_SHARING = Control("alone", "agents that never share", _mixed(_never_sharing))
_FIRST = Control("first", "agents that always take the first action, where ξ > 0", _mixed(_first_action))


#: The claims on agents that differ.
HETEROGENEOUS: Sequence[Claim] = [
    Claim(
        id="theorem_2",
        measure=deviation_ratio,
        rule=AtMost(),
        controls=[
            _FIRST,
            Control("far", f"agents {_FAR} times further apart than stated", _mixed(_further_apart)),
        ],
        power=shift(deviation_ratio, 1.0, "a ratio of 2"),
        figure=_FIGURE,
    ),
    Claim(
        id="deviation_growth",
        measure=deviation_growth,
        rule=AtMost(),
        controls=[_FIRST],
        power=shift(deviation_growth, lambda found: -found.estimate, "as far above 0 as it is found below"),
        figure=_FIGURE,
    ),
    Claim(
        id="told",
        measure=told_ratio,
        rule=AtMost(),
        controls=[Control("exchanged", "the two exchanged", _mixed(_told_and_untold))],
        power=shift(told_ratio, 0.5, "a ratio of 3/2"),
        figure=_FIGURE,
    ),
    Claim(
        id="sharing_loses",
        measure=_SHARE,
        rule=AtMost(),
        controls=[Control("near", "agents the smallest ξ apart", _mixed(_near))],
        power=shift(_SHARE, 0.5, "a ratio of 3/2"),
        figure=_FIGURE,
    ),
    Claim(
        id="theorem_3",
        measure=_THEOREM_3,
        rule=AtMost(),
        controls=[Control("unshared", "agents that stop sharing once their contexts differ", _mixed(_no_sharing))],
        power=shift(_THEOREM_3, 0.5, "a slope of 1"),
        figure=_FIGURE,
    ),
    Claim(
        id="theorem_3_level",
        measure=_THEOREM_3_LEVEL,
        rule=AtMost(),
        controls=[_NEVER_SHARING],
        power=shift(_THEOREM_3_LEVEL, 0.8, "agents that never share, 2.8"),
        figure=_FIGURE,
    ),
    Claim(
        id="theorem_3_k",
        measure=_BY_K,
        rule=AtMost(),
        controls=[Control("steeper", "regret times d + k", steeper("contexts", offset=True))],
        power=shift(_BY_K, 0.5, "a slope of 1"),
        figure=SIZES_FIGURE,
    ),
    Claim(
        id="theorem_3_m",
        measure=_BY_M,
        rule=AtMost(),
        controls=[Control("alone", "agents that never share", unshared("M"))],
        power=shift(_BY_M, 0.25, "a slope of 3/4"),
        figure=SIZES_FIGURE,
    ),
    Claim(
        id="remark_4",
        measure=_REMARK_4,
        rule=AtMost(),
        controls=[_NEVER_SHARING],
        power=shift(_REMARK_4, 2.0, "a factor of 5.4"),
        figure=_FIGURE,
    ),
    Claim(
        id="lemma_14",
        measure=_LEMMA_14,
        rule=Never(10),
        controls=[Control("rank", "agents with the largest χ taken for agents with χ = 1", _mixed(_as_rank_one))],
        power=share(_LEMMA_14, 0.1, PER_SEED),
        figure=_FIGURE,
    ),
    Claim(
        id="same_optimum",
        measure=_SAME_OPTIMUM,
        rule=Never(10),
        controls=[Control("deviating", "agents with small deviations (Assumption 1)", _mixed(_deviating))],
        power=share(_SAME_OPTIMUM, 0.1, PER_SEED),
        figure=_FIGURE,
        mode="exact",
    ),
]
