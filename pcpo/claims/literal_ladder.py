"""Study `literal_ladder`: from the constants of Table 2 as printed to the calibrated ones, for random fleets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..looseness import Ingredients, ladder
from .contract import Study
from .literal_fleets import KINDS, Literal, literal_fleet, searched, small_fleet
from .options import names, number, whole

__all__ = ["LADDER", "ingredients"]


def ingredients(literal: Literal, kappa: float) -> Ingredients:
    """Both ends of the ladder of a fleet."""
    return Ingredients(
        literal=literal.problem,
        searched=searched(literal),
        local=literal.local,
        kappa=kappa,
        D=literal.fleet.D,
        Delta0=literal.schedule.Delta0,
        Delta0_tilde=literal.found.Delta0_tilde,
    )


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kappa, epochs = float(options["kappa"]), options["epochs"]
    return {kind: {"kind": kind, "kappa": kappa, "epochs": epochs} for kind in options["kinds"]}


def _rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    frames = []
    for seed in seeds:
        literal = literal_fleet(*small_fleet(cell["kind"], seed))
        schedule, epochs = literal.schedule, cell["epochs"]
        rungs = ladder(
            ingredients(literal, cell["kappa"]), delta=schedule.delta, n_agents=literal.fleet.N, epochs=epochs
        )
        rows = pd.DataFrame([vars(rung) for rung in rungs])
        frames.append(rows.assign(seed=seed, rung=np.arange(len(rows)), Delta_L=schedule.plan(epochs).Delta))
    return pd.concat(frames, ignore_index=True).assign(kind=cell["kind"], epochs=cell["epochs"], mode="exact")


LADDER = Study(
    name="literal_ladder",
    title="From literal to calibrated constants",
    cells=_cells,
    simulate=_rows,
    columns={
        "seed": "draws the fleet; 0 is the fleet of the runs",
        "kind": "kind of fleet",
        "mode": "exact: closed forms",
        "rung": "place on the ladder; 0 is literal",
        "name": "what is replaced at this rung",
        "rollouts": "T to the end of the last epoch (rollouts per agent), this replacement and those above made",
        "minibatch": "M_L̄ there (rollouts)",
        "iterations": "R_L̄ there",
        "saved": "decades of T saved at this rung",
        "alone": "decades saved by this replacement alone, from the literal end",
        "shapley": "decades saved, mean over all orders of replacement",
        "Delta_L": "Δ_L̄ (cost units), the same on all rungs",
        "epochs": "L̄",
    },
    key=("seed", "rung"),
    options={"kinds": names(list(KINDS)), "kappa": number(0.05, most=1), "epochs": whole(4)},
)
