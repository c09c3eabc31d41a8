"""Declare the claims that PCPO as it runs is Algorithm 1: Table 2, (6), (7), (8), and independent rollouts of (5).

The other claims would hold in many a program that is not Algorithm 1; these compare all that PCPO asks and does with a
calculation by hand, and read its rollouts one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pcpo.claims.contract import Claim, Control, Tables
from pcpo.claims.controls import replaced, scaled
from pcpo.claims.judging import Agrees, Never
from pcpo.claims.power import share, shift
from pcpo.evidence.lemmas.draws import DRAWS
from pcpo.evidence.lemmas.horizon import HORIZON
from pcpo.evidence.lemmas.measures_rules import (
    AGENTS,
    ANSWERS,
    USES,
    horizon,
    iterates,
    rollouts,
    rule_7,
    rule_8,
    table_2,
)
from pcpo.evidence.lemmas.rules import RULES

__all__ = ["CLAIMS"]

_FIGURE = "lemmas_rules"
_LEAST = 10  # seeds, each with a fleet of every shape, that support an identity
_SOME = 0.2  # share of fleets with a fault that the identities must reveal
_PAIR = 0.12  # mean of the columns where two of three agents of a cluster share their rollouts
_ONE = 0.04  # mean of the columns where the cost's estimate alone uses a rollout again

_agents = partial(rollouts, expected=AGENTS, name="mean product of two agents' rollouts")
_uses = partial(rollouts, expected=USES, name="mean product of an agent's rollouts")
_answers = partial(rollouts, expected=ANSWERS, name="mean of rollouts less its exact value")


def _only(study: str, control: str) -> Callable[[Tables], Tables]:
    """Return tables of a study with the rows of a control alone."""

    def apply(tables: Tables) -> Tables:
        frame = tables[study]
        return {**tables, study: frame[frame["cell"] == f"control:{control}"].assign(cell=control)}

    return apply


def _longer(tables: Tables) -> Tables:
    """Return tables of steps that are 1 % longer than they are."""
    return replaced(RULES.name, "moved", lambda given: given[RULES.name]["moved"] + 0.01)(tables)


def _column(wrong: str, right: str) -> Callable[[Tables], Tables]:
    """Return tables of `lemmas_rules` with the deviation from a wrong rule in place of that from the right one."""
    return scaled(RULES.name, right, 1.0, wrong)


_RULES = [
    Claim(
        id="table_2",
        measure=table_2,
        rule=Never(_LEAST),
        controls=[
            Control(
                "step",
                "a step size 1 % off",
                replaced(RULES.name, "step_size", lambda tables: tables[RULES.name]["step_size"] + 0.01),
            ),
            Control("radius", "N in place of |N_i| in the radius", _column("radius_everyone", "radius_global")),
            Control("no_radius_scaling", "r̃_l for every set", _only(RULES.name, "no_radius_scaling")),
        ],
        power=share(table_2, _SOME),
        figure=_FIGURE,
    ),
    Claim(
        id="rule_6",
        measure=iterates,
        rule=Never(_LEAST),
        controls=[
            Control("longer", "steps 1 % longer", _longer),
            Control("new", "means over the sets after (7)", _column("moved_new", "moved")),
            Control("everyone", "means over all agents", _column("moved_everyone", "moved")),
            Control("alone", "each agent's own gradient", _column("moved_alone", "moved")),
        ],
        power=share(iterates, _SOME),
        figure=_FIGURE,
    ),
    Claim(
        id="rule_7",
        measure=rule_7,
        rule=Never(_LEAST),
        controls=[Control("threshold", "the threshold 0.45 Δ_l", _only(RULES.name, "threshold"))],
        power=share(rule_7, _SOME),
        figure=_FIGURE,
    ),
    Claim(
        id="rule_8",
        measure=rule_8,
        rule=Never(_LEAST),
        controls=[
            Control("second", "the second cheapest of the set", _column("adopted_second", "adopted")),
            Control("dearest", "the dearest of the set", _column("adopted_dearest", "adopted")),
            Control("no_reinit", "PCPO without (8)", _only(RULES.name, "no_reinit")),
        ],
        power=share(rule_8, _SOME),
        figure=_FIGURE,
    ),
    Claim(
        id="horizon",
        measure=horizon,
        rule=Never(_LEAST),
        controls=[
            Control("shorter", "rollouts of 0.85 of the stages", scaled(HORIZON.name, "bias", 1.0, "bias_shorter")),
            Control("half", "rollouts of half the stages", scaled(HORIZON.name, "bias", 1.0, "bias_half")),
        ],
        power=share(horizon, _SOME),
        figure=_FIGURE,
    ),
]

_ROLLOUTS = [
    Claim(
        id="own_rollouts",
        measure=_agents,
        rule=Agrees(0.03),
        controls=[
            Control("pair", "two of three agents of a cluster share their rollouts", _only(DRAWS.name, "pair")),
            Control("cluster", "the agents of a cluster share their rollouts", _only(DRAWS.name, "cluster")),
            Control("all", "all agents share their rollouts", _only(DRAWS.name, "all")),
        ],
        power=shift(_agents, _PAIR, "two of three agents of a cluster share their rollouts"),
        figure=_FIGURE,
    ),
    Claim(
        id="fresh_rollouts",
        measure=_uses,
        rule=Agrees(0.03),
        controls=[
            Control("cost", "Ĉ_i from the last local rollouts", _only(DRAWS.name, "cost")),
            Control("one", "the first global step of an epoch with local rollouts", _only(DRAWS.name, "one_gradient")),
            Control("gradients", "global steps with the local rollouts", _only(DRAWS.name, "gradients")),
        ],
        power=shift(_uses, _ONE, "Ĉ_i from the last local rollouts"),
        figure=_FIGURE,
    ),
    Claim(
        id="answers",
        measure=_answers,
        rule=Agrees(0.05),
        controls=[
            Control("longer", "gradients 5 % longer", _only(DRAWS.name, "longer")),
            Control("half", "directions from one half of the sphere", _only(DRAWS.name, "half")),
        ],
        power=shift(_answers, 0.1, "means a tenth of a standard deviation off"),
        figure=_FIGURE,
    ),
]

CLAIMS: Sequence[Claim] = [*_RULES, *_ROLLOUTS]
