"""Check the grid: its cells, its seeds, its rows, and that each measure tells right from wrong tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.options import cells_of, with_defaults
from pcpo.errors import ConfigError
from pcpo.evidence.grid import measures
from pcpo.evidence.grid.cells import Cell, cell_seconds, cells_of_grid, control_cells
from pcpo.evidence.grid.runs import draw, experiment, run_seed
from pcpo.evidence.grid.studies import ALONE, GRID
from pcpo.evidence.grid.studies_methods import AUDIT, METHODS
from pcpo.evidence.registry import GROUPS, study_named
from pcpo.simulation.noise import noise_law
from pcpo.theory.linearised import epoch_gaps

#: A grid that takes seconds.
SMALL: Mapping[str, Any] = {
    "agents": [4, 2],
    "clusters": [2],
    "sizes": ["equal"],
    "separation": [0.4, 0.2],
    "shape": [[1, 1]],
    "gamma": [0.8],
    "open_loop": ["stable"],
    "Delta0": [6],
    "minibatch_scale": [1],
    "cells": {},
}


def cells(**changed: Any) -> Mapping[str, Cell]:
    return cells_of(GRID, {**SMALL, **changed})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    frames = [GRID.simulate(cell, [7, 8]).assign(cell=name) for name, cell in cells().items()]
    return pd.concat(frames, ignore_index=True)


def test_factors_vary_one_axis_and_a_product_takes_all_combinations() -> None:
    assert list(cells()) == ["base", "agents_2", "separation_0.2"]
    product = cells(design="product")
    assert sorted(product) == ["agents_2", "agents_2__separation_0.2", "base", "separation_0.2"]
    named = cells(cells={"two": {"shape": [2, 1], "agents": 6}})
    assert (named["two"].shape, named["two"].agents, named["two"].gamma) == ((2, 1), 6, 0.8)


@pytest.mark.parametrize(
    ("ratio", "L", "early"), [(1, 1, 1), (3, 3, 1), (6, 4, 2), (10, 5, 3), (30, 6, 4), (4, 3, 2), (0.5, 1, 1)]
)
def test_epochs_of_theorem_1(ratio: float, L: int, early: int) -> None:
    cell = cells(Delta0=[ratio])["base"]
    Delta, guess = cell.separation, cell.guess
    assert (cell.L, cell.early) == (L, early)
    assert guess / 2**L <= Delta / 2 * (1 + 1e-12)
    assert L == 1 or guess / 2 ** (L - 1) > Delta / 2
    assert guess / 2**early < 2 * Delta or early == 1


def test_the_guess_stays_where_the_separation_varies() -> None:
    found = cells()
    assert found["base"].guess == found["separation_0.2"].guess == pytest.approx(2.4)


def test_smaller_minibatches_and_controls_are_outside_the_grid() -> None:
    options = with_defaults(GRID, {**SMALL, "minibatch_scale": [1, 0.1]})
    assert "minibatch_scale_0.1" not in cells_of_grid(options)
    controls = control_cells(options)
    assert controls["minibatch_scale_0.1"].role == "sweep"
    assert controls["control_wide"].variant == (("threshold", 1.0),)
    assert {cell.oracle for cell in controls.values()} == {"moments"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"agents": []}, "grid.agents"),
        ({"agents": [2], "clusters": [3]}, "grid, cell base: agents: found 2, expected at least one for each of 3"),
        ({"separation": [0]}, "grid.separation"),
        ({"separation": [float("nan")]}, "grid.separation"),
        ({"open_loop": ["wild"]}, "grid.open_loop"),
        ({"shape": [[2]]}, "grid.shape"),
        ({"gamma": [1.0]}, "grid.gamma"),
        ({"clusters": [1], "open_loop": ["unstable"]}, "cell base: open_loop: found 'unstable' with one cluster"),
        ({"cells": {"agents_2": {"agents": 2}}}, "grid.cells.agents_2: found the name of a cell of the axes"),
        ({"cells": {"x": {"agnts": 2}}}, "grid.cells.x"),
        ({"agnts": [2]}, "grid"),
    ],
)
def test_bad_grids_are_refused_with_their_key(changed: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cells(**changed)


@pytest.mark.parametrize("study", [METHODS, AUDIT])
def test_parts_name_cells_that_exist(study: Any) -> None:
    part = study.name.removeprefix("grid_")
    with pytest.raises(ConfigError, match=f"grid.{part}.cells: found 'nowhere', expected one of base, agents_2"):
        cells_of(study, {**SMALL, part: {"cells": ["nowhere"]}})


def test_cells_share_dynamics_and_never_noise() -> None:
    found = cells()
    base, few = (draw(found[name], 7).fleet for name in ("base", "agents_2"))
    assert np.array_equal(base.systems[0].A, few.systems[0].A)
    seeds = [run_seed(cell, seed, *purpose) for cell in found.values() for seed in (7, 8) for purpose in ((), (1,))]
    assert len(set(seeds)) == len(seeds)


def test_a_row_does_not_depend_on_the_other_seeds(table: pd.DataFrame) -> None:
    alone = GRID.simulate(cells()["base"], [8])
    mine = table[(table["cell"] == "base") & (table["seed"] == 8)]
    pd.testing.assert_frame_equal(alone, mine.drop(columns="cell").reset_index(drop=True))


def test_rows_are_what_the_study_declares(table: pd.DataFrame) -> None:
    assert list(table.columns) == [*GRID.columns, "cell"]
    assert not table.duplicated(["cell", *GRID.key]).any()
    missing = table.columns[table.isna().any()]
    assert set(missing) <= GRID.may_be_missing
    assert (table["rounds"] == table["predicted_rounds"])[table["algorithm"] == "pcpo"].all()
    assert set(table["algorithm"]) == {"pcpo", ALONE}


def test_predicted_gaps_are_those_of_the_linearised_iteration(table: pd.DataFrame) -> None:
    cell = cells()["base"]
    setting = experiment(cell, draw(cell, 7).fleet)
    row = table[(table["cell"] == "base") & (table["seed"] == 7) & (table["algorithm"] == "pcpo")].iloc[-1]
    sizes = np.bincount(setting.fleet.labels)
    for column, counted in (("predicted_gap", sizes), ("predicted_local_gap", np.ones_like(sizes))):
        each = [
            epoch_gaps(s, setting.schedule, int(row["epoch"]), int(k), noise_law("signs")).overlay
            for s, k in zip(setting.fleet.systems, counted, strict=True)
        ]
        assert row[column] == pytest.approx(float(np.average(each, weights=sizes)), rel=0.02)


def test_seconds_grow_with_agents_and_unknowns() -> None:
    few, many = (cell_seconds(cells(agents=[n])["base"]) for n in (4, 400))
    assert many > 20 * few / 10
    assert cell_seconds(cells(shape=[[4, 2]])["base"]) > few


# ------------------------------------------------------------------------------------------------------------ measures


def made(fleets: int = 200, *, wrong: float = 1.0, exponent: float = -0.5, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Make a table in which gaps are `wrong` times the prediction, times |M|^(exponent + ½), with noise of χ²_2."""
    rng, rows = np.random.default_rng(seed), []
    for cell, agents in (("base", 8), ("agents_2", 2), ("agents_32", 32)):
        size = agents / 2
        for fleet in range(fleets):
            for epoch in range(1, 6):
                M = 1e5 * 4.0**epoch
                local, clean = 1 / np.sqrt(M), int(epoch >= 3)
                noise = rng.chisquare(4) / 4
                rows.append(
                    {
                        "cell": cell, "axis": cell.split("_")[0], "role": "grid", "algorithm": "pcpo", "seed": fleet,
                        "epoch": epoch, "agents": agents, "clusters": 2, "clean": clean, "capped": 0, "L": 4,
                        "minibatch": M, "rollouts": 3e3 * M, "predicted_local_gap": local,
                        "predicted_gap": local / np.sqrt(size), "local_gap": local * rng.chisquare(16) / 16,
                        "gap": wrong * noise * local * size**exponent,
                    }
                )  # fmt: skip
    return {"grid": pd.DataFrame(rows)}


def test_prediction_sees_gaps_that_are_off() -> None:
    assert measures.prediction(made(), 0.1).high < 0.1
    for factor in (0.8, 1.25):
        found = measures.prediction(made(wrong=factor), 0.1)
        assert found.low > 0.1
        assert found.p_value < 0.05


@pytest.mark.parametrize("which", ["rollouts", "size", "equal"])
def test_exponents_are_found_one_by_one(which: str) -> None:
    found, quarter = (measures.exponents(made(exponent=k), which, 0.06) for k in (-0.5, -0.25))
    if which == "rollouts":  # a distance, from an exponent that does not depend on that in |M|
        assert max(found.high, quarter.high) < 0.06
        steeper = made()
        steeper["grid"]["gap"] *= steeper["grid"]["rollouts"] ** (-1 / 6)
        assert measures.exponents(steeper, which, 0.06).low > 0.06
    else:
        assert found.predicted == pytest.approx({"size": -0.5, "equal": 0.0}[which], abs=1e-9)
        assert found.low < found.predicted < found.high
        assert quarter.p_value < 1e-3


def test_collaboration_compares_with_the_local_gap() -> None:
    assert measures.collaboration(made(), 0.15).high < 0.15
    assert measures.collaboration(made(exponent=-0.25), 0.15).low > 0.15


def test_a_lost_member_is_found_in_runs_that_satisfy_22(table: pd.DataFrame) -> None:
    sweep = table.iloc[:0].assign(role="sweep")
    tables = {"grid": table, "grid_controls": sweep}
    assert measures.implication(tables).estimate == 0
    assert measures.implication(measures.with_lost_member(tables)).estimate == 1


def test_runs_are_reduced_by_what_happened_in_any_epoch(table: pd.DataFrame) -> None:
    runs = measures.per_run(table)
    assert len(runs) == 6
    assert (runs["settled"] <= runs["L"]).all()
    late = table["epoch"] >= table["L"]
    wrong = measures.per_run(table.assign(exact=table["exact"].where(~late, 0)))
    assert (wrong["misclustered"] == 1).all()
    assert np.isinf(wrong["settled"]).all()


def test_every_study_of_the_group_stands_under_the_key_grid() -> None:
    assert {study_named(name).place for name in GROUPS["grid"].studies} == {"grid"}
