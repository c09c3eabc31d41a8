"""Test Corollary 3: how much PCPO communicates, counted at the server.

The identities (rounds, messages, bytes) hold exactly or not at all: their rule is `Never`, and one violating run
refutes.  The coefficients of growth are compared with their predictions by `Agrees`.  Counts have no error, so the
intervals of the coefficients contain the effects of rounding R_l up and nothing random ("arithmetic"): the power of
these checks is 0 or 1.  Only `no_power_of_t` has an interval over runs.

Controls are conditions of the same study, relabelled so that the measure of a claim finds them in place of its runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from pcpo.claims.contract import Claim, Control, Tables
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import share, shift
from pcpo.errors import ResultsError
from pcpo.evidence.communication import measures as measured
from pcpo.evidence.communication.measures import STUDY, counted

__all__ = ["CLAIMS"]

_LEAST = 10  # seeds without a violation; cells share a seed's random numbers
_FAULTY = 0.2  # share of faulty seeds that the identities must reveal


def _as_sweep(control: str, sweep: str) -> Callable[[Tables], Tables]:
    """Return tables in which the runs of a control are the only ones, and belong to the sweep of a claim."""
    return lambda tables: {**tables, STUDY: counted(tables, (control,)).assign(sweep=sweep)}


def _without_set_sizes(tables: Tables) -> Tables:
    """Count the bytes of the protocol as printed, in which no agent receives |N_i|, although line 6 needs it."""
    frame = counted(tables)
    return {**tables, STUDY: frame.assign(bytes_down=frame["bytes_down"] - 8 * frame["agents"] * frame["epoch"])}


def _other_agents(tables: Tables) -> Tables:
    """Take runs that differ in N where the claim expects runs that differ in Δ."""
    return {**tables, STUDY: counted(tables, ("agents",)).assign(sweep="gap")}


def _fedlqr(run_under: str, **labels: str) -> Callable[[Tables], Tables]:
    """Return tables of FedLQR's runs under a schedule alone, with the labels under which a measure looks for others."""

    def change(tables: Tables) -> Tables:
        frame = tables[STUDY]
        runs = frame[(frame["sweep"] == "time") & (frame["schedule"] == run_under) & (frame["algorithm"] == "fedlqr")]
        if runs.empty:
            raise ResultsError(f"study {STUDY}: found no run of fedlqr with {run_under}, expected some")
        return {**tables, STUDY: runs.assign(**labels)}

    return change


def _one_step(tables: Tables) -> Tables:
    """Take FedLQR with L = 1 where FedLQR with L = 5 is compared with PCPO."""
    frame = tables[STUDY]
    one_step = _as_sweep("control:one_step", "time")(tables)[STUDY]
    return {**tables, STUDY: pd.concat([frame[frame["sweep"] == "agents"], one_step], ignore_index=True)}


_LOST = Control("lost", "one message is lost on its way up", _as_sweep("control:losing", "agents"))
_REPEATED = Control("repeated", "one message is sent down twice", _as_sweep("control:repeating", "agents"))

_IDENTITIES = [
    Claim(
        id="rounds",
        measure=measured.rounds,
        rule=Never(_LEAST),
        controls=[
            Control("every_step", "agents also report every local step", _as_sweep("control:every_step", "agents")),
            Control("polling", "the server serves one agent after the other", _as_sweep("control:polling", "agents")),
        ],
        power=share(measured.rounds, _FAULTY),
        figure="communication",
        primary=True,
    ),
    Claim(
        id="messages",
        measure=measured.messages,
        rule=Never(_LEAST),
        controls=[_LOST, _REPEATED],
        power=share(measured.messages, _FAULTY),
        figure="communication",
    ),
    Claim(
        id="bytes",
        measure=measured.bytes_,
        rule=Never(_LEAST),
        controls=[
            _LOST,
            _REPEATED,
            Control("as_printed", "bytes of the protocol as printed, without |N_i|", _without_set_sizes),
        ],
        power=share(measured.bytes_, _FAULTY),
        figure="communication",
    ),
]

# In units of the prediction, 1 is what the claim says and 0 the alternative, so the alternative is 1 off.
_GROWTH = [
    Claim(
        id="degree_two",
        measure=measured.degree_two,
        rule=AtMost(),
        controls=[
            Control("constant", "the same with R_l = R_1: rounds linear in L̄", _as_sweep("control:constant", "agents")),
            Control("fifth", "a fifth of the quadratic term taken away", measured.smaller_square),
        ],
        power=shift(measured.degree_two, 1.0, "rounds linear in L̄, logarithmic in T"),
        figure="communication",
    ),
    Claim(
        id="agents",
        measure=measured.agents_slope,
        rule=Agrees(0.15),
        controls=[
            Control("polled", "the server serves one agent after the other", _as_sweep("control:polled", "agents"))
        ],
        power=shift(measured.agents_slope, 1.0, "rounds that do not depend on N"),
        figure="communication",
    ),
    Claim(
        id="gap_degree_two",
        measure=measured.gap_degree,
        rule=Agrees(0.3),
        controls=[Control("constant", "R_l = R_1: linear in log 1/Δ", _as_sweep("control:gap_constant", "gap"))],
        power=shift(measured.gap_degree, 1.0, "rounds linear in log 1/Δ"),
        figure="communication",
    ),
    Claim(
        id="gap_nothing",
        measure=measured.gap_nothing,
        rule=Never(10),
        controls=[Control("agents", "runs that differ in N instead of Δ", _other_agents)],
        power=share(measured.gap_nothing, 0.2),
        figure="communication",
    ),
    Claim(
        id="no_power_of_t",
        measure=measured.exponents,
        rule=AtMost(),
        controls=[
            Control(
                "linear",
                "FedLQR with a constant minibatch",
                _fedlqr("constant_minibatch", sweep="agents", schedule="table2"),
            ),
        ],
        power=shift(measured.exponents, lambda found: 1.0 - found.predicted, "a power of T, with a ratio of 1"),
        figure="communication",
    ),
]

_COMPARISONS = [
    Claim(
        id="per_minibatch",
        measure=measured.per_minibatch,
        rule=Never(3),
        controls=[
            Control(
                "table2",
                "FedLQR with the minibatches of Table 2",
                _fedlqr("table2", sweep="time", schedule="constant_minibatch"),
            )
        ],
        power=share(measured.per_minibatch, 0.5),
        figure="communication",
    ),
    Claim(
        id="fedlqr",
        measure=measured.fedlqr_rounds,
        rule=Never(3),
        controls=[Control("one_step", "FedLQR with L = 1", _one_step)],
        power=share(measured.fedlqr_rounds, 0.5),
        figure="communication",
    ),
]

CLAIMS: Sequence[Claim] = [*_IDENTITIES, *_GROWTH, *_COMPARISONS]
