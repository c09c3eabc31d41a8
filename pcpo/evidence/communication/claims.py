"""Corollary 3: how much PCPO communicates, counted at the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import agreement_power, never_power
from pcpo.errors import ResultsError
from pcpo.evidence.communication import measures as measured
from pcpo.evidence.communication.measures import STUDY, counted, relabelled

__all__ = ["CLAIMS"]

_SECONDARY = 9
_SHARE = 0.1
_LEAST = 20  # runs without a mismatch: a fault in one run of seven would have shown, at 95 %


def _faults(measure: Callable[[Tables], Finding], share: float = _SHARE) -> Power:
    return Power(f"a fault in {100 * share:g} % of them", lambda tables: never_power(measure(tables).n_runs, share))


def _off(measure: Callable[[Tables], Finding], alternative: float, words: str) -> Power:
    return Power(words, lambda tables: agreement_power(measure(tables), alternative, _SECONDARY))


def _without_set_sizes(tables: Tables) -> Tables:
    """The protocol as printed: nobody tells an agent |N_i|, which line 6 needs."""
    frame = counted(tables)
    return {**tables, STUDY: frame.assign(bytes_down=frame["bytes_down"] - 8 * frame["agents"] * frame["epoch"])}


def _other_agents(tables: Tables) -> Tables:
    """Runs that differ in N where the claim expects runs that differ in Δ."""
    return {**tables, STUDY: counted(tables, ("agents",)).assign(sweep="gap")}


def _fedlqr_by(schedule: str, sweep: str) -> Callable[[Tables], Tables]:
    """Runs of FedLQR under a schedule, where another comparison looks."""

    def change(tables: Tables) -> Tables:
        frame = tables[STUDY]
        runs = frame[(frame["sweep"] == "time") & (frame["schedule"] == schedule) & (frame["algorithm"] == "fedlqr")]
        if runs.empty:
            raise ResultsError(f"study {STUDY}: found no run of fedlqr with {schedule}, expected some")
        return {
            **tables,
            STUDY: runs.assign(sweep=sweep, schedule="table2" if sweep == "agents" else "constant_minibatch"),
        }

    return change


def _one_step(tables: Tables) -> Tables:
    """FedLQR with L = 1 where FedLQR with L = 5 is expected."""
    frame = tables[STUDY]
    own = relabelled("control:one_step", "time")(tables)[STUDY]
    return {**tables, STUDY: pd.concat([frame[frame["sweep"] == "agents"], own], ignore_index=True)}


_SOURCE = "Corollary 3"
_COMMON: dict[str, Any] = {"figure": "communication", "mode": "calibrated"}

CLAIMS: Sequence[Claim] = [
    Claim(
        id="rounds",
        measure=measured.rounds,
        rule=Never(_LEAST),
        controls=[
            Control("every_step", "agents also report every local step", relabelled("control:every_step", "agents")),
            Control("polling", "the server serves one agent after the other", relabelled("control:polling", "agents")),
        ],
        power=_faults(measured.rounds),
        primary=True,
        **_COMMON,
    ),
    Claim(
        id="messages",
        measure=measured.messages,
        rule=Never(_LEAST),
        controls=[
            Control("lost", "one message is lost on its way up", relabelled("control:losing", "agents")),
            Control("repeated", "one message is sent down twice", relabelled("control:repeating", "agents")),
        ],
        power=_faults(measured.messages),
        **_COMMON,
    ),
    Claim(
        id="bytes",
        measure=measured.bytes_,
        rule=Never(_LEAST),
        controls=[
            Control("lost", "one message is lost on its way up", relabelled("control:losing", "agents")),
            Control("repeated", "one message is sent down twice", relabelled("control:repeating", "agents")),
            Control("as_printed", "bytes of the protocol as printed, without |N_i|", _without_set_sizes),
        ],
        power=_faults(measured.bytes_),
        **_COMMON,
    ),
    Claim(
        id="degree_two",
        measure=measured.degree_two,
        rule=Agrees(0.15),
        controls=[
            Control(
                "constant", "the same with R_l = R_1: rounds linear in L̄", relabelled("control:constant", "agents")
            ),
        ],
        power=_off(measured.degree_two, 0.0, "rounds linear in L̄, logarithmic in T"),
        **_COMMON,
    ),
    Claim(
        id="agents",
        measure=measured.agents_slope,
        rule=Agrees(0.15),
        controls=[
            Control("polled", "the server serves one agent after the other", relabelled("control:polled", "agents")),
        ],
        power=_off(measured.agents_slope, 0.0, "rounds that do not depend on N"),
        **_COMMON,
    ),
    Claim(
        id="gap_degree_two",
        measure=measured.gap_degree,
        rule=Agrees(0.3),
        controls=[Control("constant", "R_l = R_1: linear in log 1/Δ", relabelled("control:gap_constant", "gap"))],
        power=_off(measured.gap_degree, 0.0, "rounds linear in log 1/Δ"),
        **_COMMON,
    ),
    Claim(
        id="gap_nothing",
        measure=measured.gap_nothing,
        rule=Never(10),
        controls=[Control("agents", "runs that differ in N instead of Δ", _other_agents)],
        power=_faults(measured.gap_nothing, 0.2),
        **_COMMON,
    ),
    Claim(
        id="no_power_of_t",
        measure=measured.exponents,
        rule=AtMost(),
        controls=[
            Control("linear", "FedLQR with a constant minibatch", _fedlqr_by("constant_minibatch", "agents")),
        ],
        power=_off(measured.exponents, 1.0, "a power of T"),
        **_COMMON,
    ),
    Claim(
        id="per_minibatch",
        measure=measured.per_minibatch,
        rule=Never(3),
        controls=[Control("table2", "FedLQR with the minibatches of Table 2", _fedlqr_by("table2", "time"))],
        power=_faults(measured.per_minibatch, 0.5),
        **_COMMON,
    ),
    Claim(
        id="fedlqr",
        measure=measured.fedlqr_rounds,
        rule=Never(3),
        controls=[Control("one_step", "FedLQR with L = 1", _one_step)],
        power=_faults(measured.fedlqr_rounds, 0.5),
        **_COMMON,
    ),
]
