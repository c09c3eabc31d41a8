"""Declare the claims on projected gradients; their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from pcpo.claims.contract import Claim, Control, Tables
from pcpo.claims.controls import swapped
from pcpo.claims.judging import AtMost, Never
from pcpo.claims.power import share, shift
from pcpo.evidence.scalar.measures import (
    bytes_off,
    gap_with_more,
    grew,
    price,
    rounds_over_law,
    sets_off,
    table_price,
)
from pcpo.evidence.scalar.studies import MORE, PLAIN, SCALAR
from pcpo.evidence.scalar.studies_rounds import LARGEST, TABLE

__all__ = ["CLAIMS"]

#: Of gaps over the closed form, and over PCPO's.
_PRICE_MARGIN = 0.2
_MORE_MARGIN = 0.25
#: Of rounds over the closed form.
_ROUNDS_MARGIN = 0.1
#: Largest price in rounds at Table 2's step, of sets of so many agents or more.
_TABLE_BOUND, _FEWEST = 1.1, 4
_NUMBER = 8  # bytes


def _column(cell: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Tables], Tables]:
    """Return tables where the rows of a cell of study `scalar` are changed."""

    def apply(tables: Tables) -> Tables:
        frame = tables["scalar"]
        own = frame["cell"] == cell
        return {**tables, "scalar": pd.concat([frame[~own], change(frame[own])], ignore_index=True)}

    return apply


def _averaged(frame: pd.DataFrame) -> pd.DataFrame:
    """Put q = 1 + (D − 1)/|M| in the place of the closed form's price."""
    return frame.assign(predicted=frame["whole"] * (1 + (frame["n"] * frame["m"] - 1) / frame["size"]))


def _whole(tables: Tables) -> Tables:
    """Put PCPO's gaps in the place of those of `pcpo_scalar`."""
    frame, key = tables["scalar"], ["seed", "cluster", "epoch"]
    own = frame["cell"] == SCALAR
    plain = frame.loc[frame["cell"] == PLAIN, [*key, "gap"]]
    return {**tables, "scalar": pd.concat([frame[~own], frame[own].drop(columns="gap").merge(plain, on=key)])}


def _once_more(frame: pd.DataFrame) -> pd.DataFrame:
    """Count one more number, sent once by one agent in the first epoch."""
    return frame.assign(bytes_up=frame["bytes_up"] + _NUMBER)


def _rounds(control: str, step: str = LARGEST) -> Callable[[Tables], Tables]:
    """Return tables where the rows of a control stand in for those at a step, size by size."""

    def apply(tables: Tables) -> Tables:
        frame = tables["scalar_rounds"]
        wrong = frame[frame["cell"].str.startswith(f"control:{control}, ")]
        right = frame["cell"].str.startswith(f"{step}, ") & frame["size"].isin(wrong["size"])
        size = wrong["size"].astype(str)
        return {**tables, "scalar_rounds": pd.concat([frame[~right], wrong.assign(cell=f"{step}, " + size, step=step)])}

    return apply


def _largest_step(tables: Tables) -> Tables:
    """Put the runs with the largest step in the place of those with Table 2's."""
    frame = tables["scalar_rounds"]
    other = frame[frame["cell"].str.startswith(f"{LARGEST}, ")].assign(step=TABLE)
    return {**tables, "scalar_rounds": other}


def _one_agent(tables: Tables) -> Tables:
    """Put sets of the smallest size in the place of all."""
    frame = tables["scalar_rounds"]
    return {**tables, "scalar_rounds": frame[frame["size"] == frame["size"].min()].assign(size=_FEWEST)}


_FIGURE = "scalar"
_PRICE, _MORE = partial(price, margin=_PRICE_MARGIN), partial(gap_with_more, margin=_MORE_MARGIN)
_ROUNDS = partial(rounds_over_law, margin=_ROUNDS_MARGIN)
_TABLE = partial(table_price, bound=_TABLE_BOUND, fewest=_FEWEST)

CLAIMS: Sequence[Claim] = [
    Claim(
        id="price",
        measure=_PRICE,
        rule=AtMost(),
        controls=[
            Control("averaged", "a price of 1 + (D − 1)/|M|, that falls with the cluster", _column(SCALAR, _averaged)),
            Control("whole", "gaps of whole gradients: no price", _whole),
        ],
        power=shift(_PRICE, _PRICE_MARGIN, "a price 40 % off"),
        figure=_FIGURE,
        mode="calibrated, moment oracle",
        primary=True,
    ),
    Claim(
        id="same_gap",
        measure=_MORE,
        rule=AtMost(),
        controls=[Control("as_many", "as many rollouts as PCPO", swapped("scalar", SCALAR, MORE))],
        power=shift(_MORE, _MORE_MARGIN, "a gap 50 % off"),
        figure=_FIGURE,
        mode="calibrated, moment oracle",
    ),
    Claim(
        id="bytes",
        measure=bytes_off,
        rule=Never(10),
        controls=[
            Control("once_more", "one more number, sent once by one agent", _column(SCALAR, _once_more)),
            Control("whole", "gradients sent whole", swapped("scalar", PLAIN, SCALAR)),
        ],
        power=share(bytes_off, 0.3),
        figure=_FIGURE,
        mode="calibrated, moment oracle",
    ),
    Claim(
        id="sets",
        measure=sets_off,
        rule=Never(10),
        controls=[
            Control(
                "one_sequence",
                "one sequence, so that projected gradients move the gains that cluster",
                swapped("scalar", "control:one_sequence", SCALAR),
            )
        ],
        power=share(sets_off, 0.3),
        figure=_FIGURE,
        mode="calibrated, moment oracle",
    ),
    Claim(
        id="rounds",
        measure=_ROUNDS,
        rule=AtMost(),
        controls=[
            Control("common", "one direction for all agents of a set", _rounds("common")),
            Control("unscaled", "the server leaves out the factor D", _rounds("unscaled")),
        ],
        power=shift(_ROUNDS, _ROUNDS_MARGIN, "rounds 20 % off"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="table_step",
        measure=_TABLE,
        rule=AtMost(),
        controls=[
            Control("one_agent", "sets of one agent", _one_agent),
            Control("largest", "the largest step, for whole and for projected gradients", _largest_step),
        ],
        power=shift(_TABLE, 0.1, "a fifth more rounds"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="descent",
        measure=grew,
        rule=Never(10),
        controls=[
            Control("beyond", "a step 2.5 times as large", _rounds("beyond")),
            Control("unshared", "the server draws other directions than the agents", _rounds("unshared")),
            Control("unreduced", "the step of whole gradients, for sets of one agent", _rounds("unreduced")),
        ],
        power=share(grew, 0.3),
        figure=_FIGURE,
        mode="exact",
    ),
]
