"""The figures of the grid: made-up fleets of known truth, configurations with few axes, text that can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from pcpo.claims.options import with_defaults
from pcpo.errors import ResultsError
from pcpo.evidence.grid.cells import Cell, cells_of_grid
from pcpo.evidence.grid.figures import FIGURES
from pcpo.evidence.grid.figures_phase import _beside, percent
from pcpo.evidence.grid.figures_scaling import _slope_words
from pcpo.evidence.grid.panels import base_of, cell_words, like_base, mode_of, number_words
from pcpo.evidence.grid.runs import settings_of
from pcpo.evidence.grid.studies import ALONE, GRID
from pcpo.evidence.grid.studies_methods import METHODS
from pcpo.figures.style import COLUMN, new_figure, save
from pcpo.simulation.noise import stream

SMALL: dict[str, Any] = {
    "agents": [8, 4, 16],
    "clusters": [2],
    "sizes": ["equal"],
    "separation": [0.1, 0.2],
    "shape": [[1, 1]],
    "gamma": [0.9],
    "open_loop": ["stable", "mixed"],
    "Delta0": [6],
    "minibatch_scale": [1],
    "cells": {},
}
ONE = {**SMALL, "agents": [8], "separation": [0.1], "open_loop": ["stable"]}
TOLD = ("one_shot, told 0.25 Δ", "one_shot, told 4 Δ")
METHODS_RUN = ("pcpo", "local", "oracle_clusters", "naive_average", "one_shot", *TOLD, "maml_lqr", "cluster_sysid")


def run(cell: Cell, seed: int, exponent: float) -> pd.DataFrame:
    """Make a run whose sets are exact from the epoch `early` on, and whose gaps are exponential: a row per epoch.

    The mean gap is the predicted one times |M|^(exponent + ½).
    """
    rng, size = stream(seed, cell.agents, int(1000 * cell.separation)), cell.agents / cell.clusters
    epoch = np.arange(1, cell.epochs + 1)
    T = 1e7 * 10 ** (seed % 3) * 5.0**epoch
    own = 10.0 ** (seed % 4) / np.sqrt(T)
    rounds = 100 * epoch + cell.agents
    known = {
        "seed": seed,
        **settings_of(cell),
        "algorithm": "pcpo",
        "mode": f"calibrated, oracle auto: moments in epochs 1 to {cell.epochs}",
        "epoch": epoch,
        "rollouts": T,
        "rounds": rounds,
        "predicted_rounds": rounds,
        "exact": (epoch >= cell.early).astype(int),
        "clean": (epoch > cell.early).astype(int),
        "capped": 0,
        "gap": rng.exponential(own * size**exponent),
        "predicted_gap": own / np.sqrt(size),
        "predicted_local_gap": own,
        "T_early": T[cell.early - 1],
        "T_L": T[cell.L - 1],
        "common_gain": "excluded" if seed % 2 else "exists",
    }
    numbers = {name: 1.0 + rng.random() for name in GRID.columns if name not in known}
    return pd.DataFrame({**numbers, **known})


def grid(options: Mapping[str, Any], fleets: int = 12, exponent: float = -0.5) -> dict[str, pd.DataFrame]:
    """Make the table of the study `grid`."""
    cells = cells_of_grid(with_defaults(GRID, options))
    frames = [run(c, seed, exponent).assign(cell=name) for name, c in cells.items() for seed in range(fleets)]
    return {"grid": pd.concat(frames, ignore_index=True)[["cell", *GRID.columns]]}


def methods(options: Mapping[str, Any], fleets: int = 12) -> dict[str, pd.DataFrame]:
    """Make the table of the study `grid_methods`: each method has twice the gap of the one before."""
    frame = grid(options, fleets)["grid"]
    frame = frame[frame["cell"].isin(["base", "open_loop_mixed"])]
    frames = [frame.assign(algorithm=name, gap=2.0**k) for k, name in enumerate(METHODS_RUN)]
    found = pd.concat(frames, ignore_index=True).assign(step_scale=1.0)
    few = found["algorithm"] == "cluster_sysid"
    found.loc[few, "rollouts"] = 10_000.0
    return {"grid_methods": found[["cell", *METHODS.columns]]}


@cache
def tables(options: str, fleets: int) -> dict[str, pd.DataFrame]:
    """Make both tables of a configuration."""
    given = {"defaults": {}, "one cell": ONE, "product": {**ONE, "design": "product", "agents": [8, 4]}}[options]
    return {**grid(given, fleets), **methods(given, fleets)}


def illegible(figure: Figure) -> list[str]:
    """Return the texts that are smaller than 7 points or reach beyond the figure."""
    drawn: list[Text] = []
    with mock.patch.object(Text, "draw", lambda text, renderer: drawn.append(text)):
        figure.draw_without_rendering()
    found = []
    for text in drawn:
        if not (text.get_text().strip() and text.get_visible()):
            continue
        box, page = text.get_window_extent(), figure.bbox
        inside = box.x0 > page.x0 - 1 and box.x1 < page.x1 + 1 and box.y0 > page.y0 - 1 and box.y1 < page.y1 + 1
        if float(text.get_fontsize()) < 7 or not inside:
            found.append(text.get_text())
    return found


@pytest.fixture
def drawn() -> Callable[[str, pd.DataFrame, Path], Figure]:
    """Draw as the workflow does, and return the figure too."""

    def draw(name: str, numbers: pd.DataFrame, folder: Path) -> Figure:
        made: list[Figure] = []

        def keep(table: pd.DataFrame) -> Figure:
            made.append(FIGURES[name].draw(table))
            return made[0]

        save(numbers, keep, folder / name)
        return made[0]

    return draw


@pytest.mark.parametrize("name", list(FIGURES))
@pytest.mark.parametrize(
    ("options", "fleets"),
    [("defaults", 12), ("one cell", 2), ("product", 3)],
)
def test_figures_are_a_column_wide_and_can_be_read(
    name: str, options: str, fleets: int, drawn: Any, tmp_path: Path
) -> None:
    numbers = FIGURES[name].table(tables(options, fleets))
    figure = drawn(name, numbers, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".pdf", ".png"}
    assert figure.get_figwidth() == COLUMN
    assert illegible(figure) == []
    heading = figure.get_suptitle().replace("\n", " ")
    assert f"{fleets} fleets" in heading
    assert "mode: calibrated, oracle auto: moments in all epochs" in heading


def test_text_that_cannot_be_read_is_found() -> None:
    figure = new_figure(COLUMN, 2.0)
    axes = figure.subplots()
    axes.set_xlabel("word " * 30, fontsize=8)
    axes.text(0.5, 0.5, "tiny", fontsize=6)
    assert set(illegible(figure)) == {"word " * 30, "tiny"}


def test_the_state_at_a_budget_is_that_of_the_last_epoch_that_ends_within_it() -> None:
    frame = grid({**ONE, "rollouts": [10**k for k in range(6, 13)]}, 2)["grid"]
    ends = {1: [9e6, 9e7, 1e9, 1.1e9, 9e11], 2: [2e6, 3e6, 4e7, 5e8, 6e9]}
    for seed, T in enumerate(ends.values()):
        for epoch, spent in enumerate(T, start=1):
            rows = (frame["seed"] == seed) & (frame["epoch"] == epoch)
            frame.loc[rows, "rollouts"] = spent
            frame.loc[rows, "exact"] = int(epoch == (3 if seed == 0 else 4))  # one fleet loses them again
    found = FIGURES["phase_diagram"].table({"grid": frame}).set_index("rollouts")
    assert found["exact"].to_dict() == {1e6: 0, 1e7: 0, 1e8: 0, 1e9: 1.0, 1e10: 0, 1e11: 0, 1e12: 0}
    assert found["ended"].to_dict() == {1e6: 0, 1e7: 0, 1e8: 0, 1e9: 0, 1e10: 0.5, 1e11: 0.5, 1e12: 1}
    assert (found["fleets"] == 2).all()


def test_many_budgets_are_drawn_in_colours_alone() -> None:
    checkpoints = [int(T) for T in np.geomspace(1e6, 1e12, 13)]
    numbers = FIGURES["phase_diagram"].table(grid({**SMALL, "rollouts": checkpoints}))
    assert sorted(numbers["rollouts"].unique()) == checkpoints
    figure = FIGURES["phase_diagram"].draw(numbers)
    assert illegible(figure) == []
    written = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert written == set()
    assert "italic" not in figure.get_suptitle()
    assert figure.axes[-1].get_ylabel() == "share of fleets"


def test_only_none_and_all_are_0_and_100_per_cent() -> None:
    assert [percent(share) for share in (0.0, 0.001, 0.475, 0.999, 1.0)] == ["0", "1", "48", "99", "100"]


@pytest.mark.parametrize("line", [3.0, 3.1, 2.9, 3.2, 2.8, 3.4])
def test_numbers_stand_beside_boundaries_and_inside_their_cells(line: float) -> None:
    place = _beside(3.0, np.array([9.0, line]), step=0.5)
    assert abs(place - line) >= 0.29 * 0.5
    assert abs(place - 3.0) <= 0.31 * 0.5
    assert (place == 3.0) == (line == 3.2 or line == 2.8 or line == 3.4)


def test_panels_are_those_that_were_run() -> None:
    def panels(options: Mapping[str, Any]) -> dict[str, list[float]]:
        found = FIGURES["phase_diagram"].table(grid(options, 2))
        return {str(panel): sorted(part["value"].unique()) for panel, part in found.groupby("panel", sort=False)}

    assert panels(SMALL) == {"$N=8$": [0.1, 0.2], r"$\Delta=0.1\,C^*$": [4, 8, 16]}
    assert panels({**SMALL, "design": "product"}) == {f"$N={N}$": [0.1, 0.2] for N in (4, 8, 16)}
    assert panels(ONE) == {r"$N=8$ (no other $N$ or $\Delta$ was run)": [0.1]}


def test_runs_without_strangers_count_nowhere() -> None:
    frame = grid(SMALL)["grid"]
    other = frame.assign(algorithm=ALONE, exact=1, gap=1e9, rounds=1, rho=99.0, rollouts=1.0)
    for name in ("phase_diagram", "population_scaling", "population", "rounds_grid"):
        found = FIGURES[name].table({"grid": pd.concat([frame, other], ignore_index=True)})
        pd.testing.assert_frame_equal(found, FIGURES[name].table({"grid": frame}))


@pytest.mark.parametrize(("exponent", "agrees"), [(-0.5, True), (0.0, False)])
def test_slopes_are_those_of_theory_where_gaps_are(exponent: float, agrees: bool) -> None:
    found = FIGURES["population_scaling"].table(grid(SMALL, 60, exponent))
    slopes = found[found["kind"] == "slope"].set_index("label")
    assert slopes["predicted"].tolist() == pytest.approx([-0.5, -0.5], abs=1e-9)
    assert slopes["ci_low"]["T"] < -0.5 < slopes["ci_high"]["T"]
    assert bool(slopes["ci_low"]["|M|"] < -0.5 < slopes["ci_high"]["|M|"]) is agrees
    mean = found[(found["kind"] == "mean") & (found["label"] == "all, by fleet")].iloc[0]
    assert bool(mean["ci_low"] < 1 < mean["ci_high"]) is agrees


def test_fleets_without_a_collaborative_epoch_and_infinite_gaps_are_counted() -> None:
    frame = grid(SMALL)["grid"]
    frame.loc[(frame["cell"] == "base") & (frame["seed"] < 3), "clean"] = 0
    frame.loc[(frame["cell"] == "agents_4") & (frame["seed"] == 5) & (frame["epoch"] == 5), "gap"] = np.inf
    found = FIGURES["population_scaling"].table({"grid": frame})
    means = found[found["kind"] == "mean"].set_index("cell")
    assert (means["fleets"]["base"], means["without"]["base"]) == (9, 3)
    assert means["y"]["agents_4"] == np.inf
    assert np.isfinite(means["y"]["base"])


def test_lost_runs_count_as_the_larger_gap() -> None:
    frame = methods(SMALL)["grid_methods"]
    last = frame["epoch"] == frame.groupby("cell")["epoch"].transform("max")
    base = last & (frame["cell"] == "base")
    frame.loc[base & (frame["algorithm"] == "local") & (frame["seed"] < 2), "gap"] = np.inf
    frame.loc[base & (frame["algorithm"] == "pcpo") & (frame["seed"] == 0), "gap"] = np.inf
    frame.loc[base & (frame["algorithm"] == "naive_average"), "gap"] = np.inf
    found = FIGURES["who_wins"].table({"grid_methods": frame})
    rows = found[found["cell"] == "base"].set_index("algorithm")
    assert rows["ratio"]["local"] == np.inf
    assert rows["ratio_finite"]["local"] == pytest.approx(2.0)
    assert (rows["lost"]["local"], rows["finite"]["local"], rows["pcpo_lost"]["local"]) == (2, 10, 1)
    assert rows["pcpo_better"]["local"] == pytest.approx(11 / 12)  # where both are lost, neither is better
    assert (rows["lost"]["naive_average"], rows["finite"]["naive_average"]) == (12, 0)
    assert rows["pcpo_better"]["oracle_clusters"] == pytest.approx(11 / 12)
    assert rows.index[0] == "oracle_clusters"
    assert rows.index[-1] == "naive_average"
    written = [text.get_text() for text in FIGURES["who_wins"].draw(found).axes[1].texts]
    assert written == ["4", "16", "32", "64", "128", "256", "1 (1)", "2 (2)", "all lost"]
    other = found[found["cell"] == "open_loop_mixed"]
    assert other["algorithm"].tolist() == list(METHODS_RUN)
    assert other["ratio"].tolist() == pytest.approx([2.0**k for k in range(len(METHODS_RUN))])


def test_methods_are_named_by_what_they_are_told() -> None:
    found = FIGURES["who_wins"].table(methods(ONE)).set_index("algorithm")
    assert found["method"][TOLD[1]] == "One-shot, told 4 Δ"
    assert found["kind"].value_counts().to_dict() == {
        "rollout costs alone": 4,
        "also told Δ, H or the clusters": 4,
        "sees trajectories": 1,
    }
    heading = FIGURES["who_wins"].draw(found.reset_index()).get_suptitle().replace("\n", " ")
    words = "‡ sees trajectories, with 10,000 rollouts per agent in place of"
    assert words in heading.replace(r"$1.0\times10^{4}$", "10,000")


def test_the_population_has_a_row_for_every_fleet() -> None:
    found = FIGURES["population"].table(grid({}))
    assert found.groupby("cell", sort=False)["seed"].nunique().to_dict() == dict.fromkeys(
        ["base", "shape_1x1", "shape_3x1", "open_loop_stable", "open_loop_mixed", "two_inputs", "large"], 12
    )


def test_rounds_that_differ_from_the_closed_form_are_counted() -> None:
    frame = grid(SMALL)["grid"]
    found = FIGURES["rounds_grid"].table({"grid": frame})
    assert (found["equal"] == found["fleets"]).all()
    assert found.groupby("axis")["x"].nunique().to_dict() == {"agents": 3, "separation": 2, "rollouts": 5}
    wrong = (frame["cell"] == "agents_16") & (frame["epoch"] == frame["L"]) & (frame["seed"] == 1)
    frame.loc[wrong, "rounds"] += 1
    after = FIGURES["rounds_grid"].table({"grid": frame}).query("axis == 'agents' and x == 16").iloc[0]
    assert (after["equal"], after["fleets"]) == (11, 12)
    assert after["rounds"] == pytest.approx(after["predicted"] + 1 / 12)


def test_a_table_without_the_base_cell_is_refused() -> None:
    frame = grid(SMALL)["grid"]
    with pytest.raises(ResultsError, match=r"grid: found the cells agents_4, .*, expected 'base'"):
        FIGURES["phase_diagram"].table({"grid": frame[frame["cell"] != "base"]})


def test_methods_without_the_base_cell_or_without_pcpo() -> None:
    frame = methods(SMALL)["grid_methods"]
    found = FIGURES["who_wins"].table({"grid_methods": frame[frame["cell"] != "base"]})
    assert set(found["label"]) == {"open loop mixed"}
    assert found["base"].str.startswith("open loop mixed: $N=8$").all()
    with pytest.raises(ResultsError, match=r"grid_methods: found the methods cluster_sysid, .*, expected 'pcpo'"):
        FIGURES["who_wins"].table({"grid_methods": frame[frame["algorithm"] != "pcpo"]})


def test_words() -> None:
    frame = grid({})["grid"]
    first = frame.drop_duplicates("cell")
    words = {row["cell"]: cell_words(row, base_of(frame)) for _, row in first.iterrows()}
    assert words["base"] == "base"
    assert words["large"] == "$(n,m)=(4,2)$, mixed"
    assert words["sizes_one_large"] == "one large cluster"
    assert words["Delta0_3"] == r"$\Delta_0=3\,\Delta$"
    assert words["separation_0.2"] == r"$\Delta=0.2\,C^*$"
    assert set(like_base(frame, "agents")["cell"]) == {"base", "agents_4", "agents_16", "agents_32"}
    assert [number_words(x) for x in (0.0, 0.333, 12.3, 2290.0, -0.5, 1.94e10)] == [
        "0", "0.33", "12", "2,290", "−0.5", r"$1.9\times10^{10}$"
    ]  # fmt: skip
    assert mode_of(frame) == "calibrated, oracle auto: moments in all epochs"
    mixed = frame.assign(mode="calibrated, oracle auto: moments in epochs 2 to 3")
    assert mode_of(mixed) == "calibrated, oracle auto: moments in epochs 2 to 3"


@pytest.mark.parametrize(
    ("low", "words"),
    [
        (-0.6, ["slope in $T$: −0.55 [−0.60, −0.40], theory −0.50", "(jackknife 95 %)"]),
        (np.nan, ["slope in $T$: −0.55, theory −0.50", "(too few fleets for intervals)"]),
    ],
)
def test_slopes_without_an_interval_show_no_limits(low: float, words: list[str]) -> None:
    high = low if np.isnan(low) else -0.4
    rows = [{"label": label, "y": -0.55, "ci_low": low, "ci_high": high, "predicted": -0.5} for label in ("T", "|M|")]
    found = _slope_words(pd.DataFrame(rows))
    assert [found[0], found[-1]] == words
