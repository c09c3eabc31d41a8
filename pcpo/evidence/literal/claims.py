"""Claims of PCPO with its own constants: Theorems 1 and 2 as stated, Table 2 as printed, on the moment oracle."""

from __future__ import annotations

from collections.abc import Sequence

from pcpo.claims.contract import Claim, Control, Power
from pcpo.claims.judging import Agrees, AtMost
from pcpo.evidence.literal.measures import (
    as_local,
    control,
    exceeds,
    mean_power,
    mean_ratio,
    power_of_cells,
    probability,
    shared_ratio,
)

__all__ = ["CLAIMS"]

_BAD = 0.2
_FEW_ROLLOUTS = control("few_rollouts", "M_l a hundred million times too small")
_FEW_ITERATIONS = control("few_iterations", "R_l a thousand times too small")
_LONG_STEPS = control("long_steps", "steps η ten thousand times too long, as if φ were that much smaller")
_CLOSE = control("close", "clusters closer by a factor of 20 than the Δ that L is computed from")
_NO_ELIMINATION = control("no_elimination", "PCPO without the elimination (7)")
_LOCAL = Control("local", "local policies in place of global ones: no collaboration", as_local)

_PROBABLE = r"With probability at least $1-\delta/2$"

CLAIMS: Sequence[Claim] = [
    Claim(
        id="event_22",
        measure=probability(exceeds("margin"), "(22) violated"),
        rule=AtMost(),
        controls=[_FEW_ROLLOUTS, _FEW_ITERATIONS],
        power=power_of_cells(_BAD, family=1),
        figure="literal",
        mode="literal, moment oracle",
        primary=True,
    ),
    Claim(
        id="event_23a",
        measure=probability(exceeds("gap_margin"), "(23a) violated"),
        rule=AtMost(),
        controls=[_FEW_ITERATIONS, _LONG_STEPS],
        power=power_of_cells(_BAD),
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="event_23b",
        measure=probability(exceeds("estimate_margin"), "(23b) violated"),
        rule=AtMost(),
        controls=[_FEW_ROLLOUTS],
        power=power_of_cells(_BAD),
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="restricted",
        measure=probability(exceeds("restricted_margin"), "a policy outside (12)"),
        rule=AtMost(),
        controls=[_LONG_STEPS],
        power=power_of_cells(_BAD),
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="theorem_1_1",
        measure=probability(lambda runs: runs["lost"] == 1, "a true member pruned"),
        rule=AtMost(),
        controls=[_FEW_ROLLOUTS],
        power=power_of_cells(_BAD),
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="theorem_1_2",
        measure=probability(lambda runs: runs["misclustered"].astype(bool), "wrong sets at l ≥ L"),
        rule=AtMost(),
        controls=[_FEW_ROLLOUTS, _NO_ELIMINATION, _CLOSE],
        power=power_of_cells(_BAD),
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="theorem_2_minibatch",
        measure=probability(exceeds("late_bound"), "(35) violated", whole=True),
        rule=AtMost(),
        controls=[_FEW_ITERATIONS, _LONG_STEPS],
        power=power_of_cells(_BAD, whole=True),
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="theorem_2_rollouts",
        measure=probability(exceeds("late_rate"), "(9) violated", whole=True),
        rule=AtMost(),
        controls=[_LONG_STEPS],
        power=power_of_cells(_BAD, whole=True),
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="prediction",
        measure=mean_ratio,
        rule=Agrees(0.1),
        controls=[_FEW_ITERATIONS, _LOCAL],
        power=Power("a mean gap 15 % off the prediction", lambda tables: mean_power(mean_ratio(tables), 0.15)),
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="collaboration",
        measure=shared_ratio,
        rule=Agrees(0.15),
        controls=[_LOCAL],
        power=Power("a ratio 25 % off", lambda tables: mean_power(shared_ratio(tables), 0.25)),
        figure="literal",
        mode="literal, moment oracle",
    ),
]
