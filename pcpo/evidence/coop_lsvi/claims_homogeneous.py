"""Declare how the claims on identical agents (Theorem 1, Remark 2, Lemmas 1, 6 and 9) are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Tables
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import Measure, probability, share, shift
from pcpo.evidence.coop_lsvi.measures import (
    COMMUNICATION,
    REGRET,
    SIZES,
    agents_exponent,
    bonus_exceeded,
    learnt_ratio,
    optimism,
    pooled_ratio,
    rounds_exponent,
    seeds_with,
    size_exponent,
    threshold_growth,
    time_exponent,
)
from pcpo.evidence.coop_lsvi.studies_communication import CONTROL

__all__ = [
    "COMMUNICATION_FIGURE",
    "EVERY",
    "HOMOGENEOUS",
    "PER_SEED",
    "SIZES_FIGURE",
    "steeper",
    "unshared",
    "violated",
]

_REGRET_FIGURE, COMMUNICATION_FIGURE = "coop_regret", "coop_communication"
SIZES_FIGURE = "coop_sizes"
#: Failure probability of Theorem 1.
_ALPHA = 0.05
#: How far the exponent of S in the rounds may be from −1/2 at finite S.
_ROUNDS_MARGIN = 0.1
#: Words of the power of claims that one violation decides.
PER_SEED = "one seed in ten violates"

_TOGETHER: Measure = partial(agents_exponent, algorithm="shared", predicted=0.5)
_ALONE: Measure = partial(agents_exponent, algorithm="alone", predicted=1.0, logs=False)
_BETWEEN: Measure = partial(agents_exponent, algorithm="remark", predicted=0.5)
_RATE: Measure = partial(time_exponent, algorithm="shared", predicted=0.5)
_POOLED: Measure = partial(pooled_ratio, algorithm="shared", predicted=2.0)
_BONUS: Measure = partial(bonus_exceeded, algorithm="shared", alpha=_ALPHA)
_OPTIMISM: Measure = partial(optimism, algorithm="theorem", alpha=_ALPHA)
_LEARNT: Measure = partial(learnt_ratio, algorithm="theorem", predicted=0.5)
_ROUNDS: Measure = partial(rounds_exponent, target=-0.5, margin=_ROUNDS_MARGIN)
_BY_D: Measure = partial(size_exponent, varied="d", predicted=1.0)
_BY_H: Measure = partial(size_exponent, varied="H", predicted=1.0)


def violated(
    study: str, chosen: Callable[[pd.DataFrame], pd.Series[bool]], wrong: Callable[[pd.DataFrame], pd.Series[bool]]
) -> Measure:
    """Return the measure that counts the seeds of a study with a violation among the rows chosen."""

    def measure(tables: Tables) -> Finding:
        frame = tables[study]
        frame = frame[chosen(frame)]
        return seeds_with(frame, wrong(frame))

    return measure


_LEMMA_1 = violated(
    COMMUNICATION,
    lambda f: (f["algorithm"] == "parallel") & (f["role"] == "trigger"),
    lambda f: f["rounds"] > f["counted_bound"],
)
_LEMMA_9 = violated(SIZES, lambda f: (f["alone"] == 0) & (f["contexts"] == 0), lambda f: f["width"] > f["width_bound"])

# Negative controls.

_WHAT = {
    "alone": "agents that never communicate",
    "shared": "the calibrated β, 0.1 times as wide",
    "proof": "β with the proofs' constants, with which agents hardly leave exploration",
    "third": "β 0.3 times as wide",
    "greedy": "nearly greedy agents, with β 0.01 times as wide as Theorem 1's",
    "no_bonus": "no bonus",
}


def _as(name: str, other: str, what: str = "") -> Control:
    """Return the control where the runs of another algorithm stand in for those of an algorithm."""

    def tables(given: Tables) -> Tables:
        frame = given[REGRET]
        wrong = frame[frame["algorithm"] == other].assign(algorithm=name)
        return {**given, REGRET: pd.concat([frame[frame["algorithm"] != name], wrong])}

    return Control(other, what or _WHAT[other], tables)


def _every_episode(given: Tables) -> Tables:
    """Return tables where runs that communicate after every episode stand in for triggered runs."""
    frame = given[COMMUNICATION]
    return {**given, COMMUNICATION: frame[frame["role"] == CONTROL].assign(role="trigger")}


EVERY = Control("every", "communication after every episode", _every_episode)


def _lenient(given: Tables) -> Tables:
    """Return tables where runs of Algorithm 1 with the smallest S are taken for runs with the middle S."""
    frame = given[COMMUNICATION]
    frame = frame[(frame["algorithm"] == "parallel") & (frame["role"] == "trigger")]
    small, middle = frame["threshold"].min(), frame["threshold"].mode()[0]
    wrong = frame[frame["threshold"] == small]
    bound = wrong["counted_bound"] * (small / middle) ** 0.5
    return {**given, COMMUNICATION: wrong.assign(threshold=middle, counted_bound=bound)}


def _counted(rounds: Callable[[pd.DataFrame], pd.Series[int] | int]) -> Callable[[Tables], Tables]:
    """Return tables with other numbers of rounds."""
    return lambda given: {**given, COMMUNICATION: given[COMMUNICATION].assign(rounds=rounds(given[COMMUNICATION]))}


def unshared(varied: str) -> Callable[[Tables], Tables]:
    """Return tables where agents that never communicate stand in for those that do, where a size varies."""

    def tables(given: Tables) -> Tables:
        frame = given[SIZES]
        wrong = frame[(frame["varied"] == varied) & (frame["alone"] == 1)]
        return {**given, SIZES: pd.concat([frame[frame["varied"] != varied], wrong.assign(alone=0)])}

    return tables


def _silent(given: Tables) -> Tables:
    """Return tables where agents that never communicate stand in for those with the second smallest S."""
    frame = given[SIZES]
    frame = frame[frame["varied"] == "S"]
    small, second = sorted(frame["threshold"].unique())[:2]
    wrong = frame[frame["alone"] == 1].assign(alone=0, threshold=second)
    return {**given, SIZES: pd.concat([frame[(frame["alone"] == 0) & (frame["threshold"] == small)], wrong])}


def steeper(column: str, power: float = 1.0, *, offset: bool = False) -> Callable[[Tables], Tables]:
    """Return tables with regrets times a power of a size, or of d + it."""

    def tables(given: Tables) -> Tables:
        size = given[SIZES][column] + (given[SIZES]["dimension"] if offset else 0)
        return {**given, SIZES: given[SIZES].assign(regret=given[SIZES]["regret"] * size**power)}

    return tables


#: The claims on identical agents.
HOMOGENEOUS: Sequence[Claim] = [
    Claim(
        id="together",
        measure=_TOGETHER,
        rule=AtMost(),
        controls=[_as("shared", "alone")],
        power=shift(_TOGETHER, 0.25, "a slope of 3/4"),
        figure=_REGRET_FIGURE,
        primary=True,
    ),
    Claim(
        id="alone",
        measure=_ALONE,
        rule=Agrees(0.15),
        controls=[_as("alone", "shared", "agents that communicate by S = 1")],
        power=shift(_ALONE, 0.25, "a slope of 3/4"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="between",
        measure=_BETWEEN,
        rule=AtMost(),
        controls=[_as("remark", "alone")],
        power=shift(_BETWEEN, 0.25, "a slope of 3/4"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="rate",
        measure=_RATE,
        rule=AtMost(),
        controls=[_as("shared", "proof")],
        power=shift(_RATE, 0.25, "a slope of 3/4"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="pooled",
        measure=_POOLED,
        rule=AtMost(),
        controls=[_as("shared", "alone")],
        power=shift(_POOLED, 1.0, "a ratio of 3"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="level",
        measure=_BONUS,
        rule=AtMost(),
        controls=[_as("shared", "greedy")],
        power=probability(_BONUS, 0.3, "three seeds in ten fail"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="optimism",
        measure=_OPTIMISM,
        rule=AtMost(),
        controls=[_as("theorem", "third"), _as("theorem", "shared"), _as("theorem", "no_bonus")],
        power=probability(_OPTIMISM, 0.3, "three seeds in ten fail"),
        figure=_REGRET_FIGURE,
        mode="literal",
    ),
    Claim(
        id="learns",
        measure=_LEARNT,
        rule=AtMost(),
        controls=[_as("theorem", "proof")],
        power=shift(_LEARNT, 0.25, "a ratio of 3/4"),
        figure=_REGRET_FIGURE,
        mode="literal",
    ),
    Claim(
        id="theorem_1_d",
        measure=_BY_D,
        rule=AtMost(),
        controls=[Control("steeper", "regret times d^(3/2)", steeper("dimension", 1.5))],
        power=shift(_BY_D, 0.5, "a slope of 3/2"),
        figure=SIZES_FIGURE,
    ),
    Claim(
        id="theorem_1_h",
        measure=_BY_H,
        rule=AtMost(),
        controls=[Control("steeper", "regret times H", steeper("horizon"))],
        power=shift(_BY_H, 0.5, "a slope of 3/2"),
        figure=SIZES_FIGURE,
    ),
    Claim(
        id="theorem_1_s",
        measure=threshold_growth,
        rule=AtMost(),
        controls=[Control("silent", "no communication taken for the second smallest S", _silent)],
        power=shift(threshold_growth, 0.5, "a ratio of 3/2"),
        figure=SIZES_FIGURE,
    ),
    Claim(
        id="lemma_9",
        measure=_LEMMA_9,
        rule=Never(10),
        controls=[Control("alone", "agents that never communicate", unshared("many"))],
        power=share(_LEMMA_9, 0.1, PER_SEED),
        figure=SIZES_FIGURE,
    ),
    Claim(
        id="lemma_1",
        measure=_LEMMA_1,
        rule=Never(10),
        controls=[EVERY, Control("lenient", "runs with the smallest S taken for runs with the middle S", _lenient)],
        power=share(_LEMMA_1, 0.1, PER_SEED),
        figure=COMMUNICATION_FIGURE,
    ),
    Claim(
        id="rounds",
        measure=_ROUNDS,
        rule=AtMost(),
        controls=[
            Control("never", "agents that never communicate", _counted(lambda frame: 0)),
            Control("every", "communication after every episode", _counted(lambda frame: frame["episodes"])),
        ],
        power=shift(_ROUNDS, 0.15, "a slope of −1/4 or −3/4"),
        figure=COMMUNICATION_FIGURE,
    ),
]
