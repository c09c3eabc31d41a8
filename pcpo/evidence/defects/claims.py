"""Where the paper's text, followed to the letter, leads elsewhere than it says; each with the smallest repair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.judging import Agrees, Never
from pcpo.claims.power import agreement_power, never_power
from pcpo.evidence.communication.measures import degree_two, relabelled
from pcpo.evidence.defects import measures as measured
from pcpo.evidence.defects.measures import RUNS as RUNS_STUDY
from pcpo.evidence.defects.measures import first_correct, swapped

__all__ = ["CLAIMS"]

_SECONDARY = 11
_ROUNDS = "defects_rounds"
_LEAST = 4  # runs; what is shown is no matter of chance, and a control shows the contrary in every run


def _absent(measure: Callable[[Tables], Finding], share: float = 0.5) -> Power:
    words = f"the claim is false in {100 * share:g} % of the runs"
    return Power(words, lambda tables: never_power(measure(tables).n_runs, share))


def _off(measure: Callable[[Tables], Finding], alternative: float, words: str) -> Power:
    return Power(words, lambda tables: agreement_power(measure(tables), alternative, _SECONDARY))


def _rounds(tables: Tables) -> Finding:
    """Coefficient of L̄² in the counted rounds."""
    return degree_two(tables, _ROUNDS)


def _from_first_reinitialisation(tables: Tables) -> Tables:
    """Sets called right from the first (8) on, although they are not."""
    frame = tables[RUNS_STUDY]
    after = frame.groupby(["cell", "seed"])["reinitialised"].cummax()
    return {**tables, RUNS_STUDY: frame.assign(separated=after)}


def _one_epoch_more(tables: Tables) -> Tables:
    """Runs that go on for one epoch after separation: L̃ is moved by one."""
    frame = tables[RUNS_STUDY]
    first = frame.join(first_correct(frame).rename("first"), on=["cell", "seed"])["first"]
    return {**tables, RUNS_STUDY: frame.assign(separated=(frame["epoch"] > first).astype(int))}


def _wasteful(tables: Tables) -> Tables:
    """The package's `local`, which takes 2R_l + 1 iterations with M_l, in place of R_l with all rollouts."""
    frame = tables["defects_budget"]
    kept = frame[frame["cell"] != "local_whole"]
    return {**tables, "defects_budget": kept.assign(cell=kept["cell"].replace("local", "local_whole"))}


_ALL: dict[str, Any] = {"figure": "defects"}

_H1 = [
    Claim(
        id="offsets",
        measure=measured.offsets,
        rule=Never(_LEAST),
        controls=[
            Control(
                "synchronised",
                "the repair: (8) at the end of epoch 1",
                swapped(RUNS_STUDY, single="single_sync", single_rollouts="single_sync_rollouts"),
            )
        ],
        power=_absent(measured.offsets),
        primary=True,
        **_ALL,
    ),
    Claim(
        id="plateau",
        measure=measured.plateau,
        rule=Never(_LEAST),
        controls=[Control("synchronised", "the repair", swapped(RUNS_STUDY, single="single_sync"))],
        power=_absent(measured.plateau),
        **_ALL,
    ),
    Claim(
        id="no_progress",
        measure=measured.no_progress,
        rule=Never(_LEAST),
        controls=[Control("synchronised", "the repair", swapped(RUNS_STUDY, single="single_sync"))],
        power=_absent(measured.no_progress),
        **_ALL,
    ),
]

_SETS = [
    Claim(
        id="adoption",
        measure=measured.adoption,
        rule=Never(_LEAST),
        controls=[
            Control("no_reinit", "the same runs without (8)", swapped(RUNS_STUDY, forked="forked_no_reinit")),
            Control("related", "clusters with stabilising gains in common", swapped(RUNS_STUDY, forked="related")),
        ],
        power=_absent(measured.adoption),
        **_ALL,
    ),
    Claim(
        id="repaired",
        measure=measured.repaired,
        rule=Never(_LEAST),
        controls=[
            Control("any_8", "counted from the first (8) on, not from the right sets", _from_first_reinitialisation)
        ],
        power=_absent(measured.repaired),
        **_ALL,
    ),
    Claim(
        id="no_partition",
        measure=measured.no_partition,
        rule=Never(_LEAST),
        controls=[Control("two", "two clusters", swapped(RUNS_STUDY, chain="pair"))],
        power=_absent(measured.no_partition),
        **_ALL,
    ),
    Claim(
        id="equal_costs",
        measure=measured.inseparable,
        rule=Never(_LEAST),
        controls=[Control("apart", "the same systems with costs 4 apart", swapped(RUNS_STUDY, equal="far"))],
        power=_absent(measured.inseparable),
        **_ALL,
    ),
    Claim(
        id="local_output",
        measure=measured.local_output,
        rule=Never(_LEAST),
        controls=[Control("one_more", "one epoch more", _one_epoch_more)],
        power=_absent(measured.local_output),
        **_ALL,
    ),
]

_TEXT = [
    Claim(
        id="log_squared",
        measure=_rounds,
        rule=Agrees(0.15),
        controls=[
            Control("constant", "the repair R_l = R_1", relabelled("control:constant", "agents", _ROUNDS)),
        ],
        power=_off(_rounds, 0.0, "rounds linear in L̄"),
        **_ALL,
    ),
    Claim(
        id="printed_delta",
        measure=measured.printed_delta,
        rule=Never(20),
        controls=[
            Control("appendix", "the repair δ/(2l²)", swapped("defects_readings", algorithm="appendix")),
            Control("table", "Table 2's δ/2^(l²)", swapped("defects_readings", algorithm="table")),
        ],
        power=_absent(measured.printed_delta, 0.1),
        mode="exact",
        **_ALL,
    ),
    Claim(
        id="gaussian",
        measure=measured.gaussian,
        rule=Agrees(0.4),
        controls=[
            Control(law, f"bounded noise, law {law}", swapped("defects_noise", gaussian=law))
            for law in ("signs", "sphere", "cube")
        ],
        power=_off(measured.gaussian, 0.0, "bounded noise"),
        mode="exact",
        **_ALL,
    ),
    Claim(
        id="break_even",
        measure=measured.break_even,
        rule=Agrees(0.12, relative=True),
        controls=[
            Control(
                "wasteful",
                "an agent alone that spends its rollouts on 2R_l + 1 steps",
                _wasteful,
            )
        ],
        power=_off(measured.break_even, 1.0, "a ratio of 1/√|M|"),
        **_ALL,
    ),
]

CLAIMS: Sequence[Claim] = [*_H1, *_SETS, *_TEXT]
