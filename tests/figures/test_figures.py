"""Figures: the tables of the numbers drawn, on hand-made runs; and files that depend on the numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.figure import Figure

from pcpo.figures import elimination, fleets, learning_curves, style
from pcpo.figures.style import COLUMN, new_figure, plain_log_ticks, save
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.statistics import FEWEST

ROLLOUTS = {1: 100.0, 2: 900.0}


def runs(seeds: Sequence[int] = (7, 8)) -> pd.DataFrame:
    """Two epochs, clusters {0, 2} and {1}: separated at the end of epoch 1; seed 8 diverges in epoch 1."""
    rows = []
    for seed in seeds:
        for epoch in (1, 2):
            for agent, cluster in enumerate((1, 0, 1)):
                infinite = seed == 8 and epoch == 1 and agent == 0
                rows.append(
                    {
                        "scenario": "s", "algorithm": "pcpo", "mode": "calibrated", "seed": seed, "epoch": epoch,
                        "agent": agent, "cluster": cluster, "Delta": 4.0 / 2**epoch, "rollouts": ROLLOUTS[epoch],
                        "local_gap": 0.1 * (agent + 1) * seed / epoch,
                        "global_gap": np.inf if infinite else 0.05 * seed,
                        "cost_estimate": 10.0 + cluster, "set_correct": True,
                        "neighbours": np.array([a for a in range(3) if (a % 2) == (agent % 2)]),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_the_colours_are_those_of_seaborn() -> None:
    """They are written down only because importing seaborn takes longer than drawing."""
    assert [colour.upper() for colour in sns.color_palette("colorblind").as_hex()] == style._PALETTE


def curves(seeds: Sequence[int] = (7, 8)) -> pd.DataFrame:
    predictions = pd.DataFrame({"scenario": "s", "epoch": [1, 2], "local": [0.5, 0.3], "global": [0.4, 0.2]})
    return learning_curves.table(runs(seeds), predictions, {"s": "Title"})


def test_learning_curves_average_runs_beside_the_predictions() -> None:
    numbers = curves().set_index(["series", "epoch"])
    local, shared = numbers.loc[("local", 2)], numbers.loc[("global", 2)]
    assert local["gap"] == pytest.approx(np.mean([0.1 * 2 * seed / 2 for seed in (7, 8)]), rel=1e-14)
    assert (local["predicted"], shared["predicted"]) == (0.3, 0.2)
    assert np.isnan([local["ci_low"], local["ci_high"]]).all(), "two runs give no interval"
    many = curves(range(7, 7 + FEWEST)).set_index(["series", "epoch"]).loc[("local", 2)]
    assert many["ci_low"] < many["gap"] < many["ci_high"]
    assert (local["runs"], local["rollouts"], local["title"]) == (2, 900.0, "Title")


def test_divergence_is_counted_and_never_trimmed() -> None:
    row = curves().set_index(["series", "epoch"]).loc[("global", 1)]
    assert row["gap"] == np.inf
    assert row["infinite"] == 1


def test_separation_counts_the_sets_before_the_epoch() -> None:
    numbers = curves().set_index(["series", "epoch"])
    assert numbers.loc[("global", 1), "clean"] == 0.0  # epoch 1 starts from N_i = [N], two clusters
    assert numbers.loc[("global", 2), "clean"] == 1.0


def test_elimination_sorts_agents_by_the_optimal_cost_of_their_cluster() -> None:
    costs = pd.DataFrame({"cluster": [0, 1], "optimal_cost": [20.0, 10.0]})
    numbers = elimination.table(runs(), costs)
    pairs = numbers[(numbers["kind"] == "pair") & (numbers["epoch"] == 2)]
    assert sorted(zip(pairs["row"], pairs["column"], strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)]
    assert (pairs["fraction"] == 1.0).all()
    one = numbers[numbers["kind"] == "cost"]
    assert len(one) == 6
    assert set(one["optimal_cost"]) == {10.0, 20.0}


def fleet() -> Fleet:
    eye = np.eye(1)
    systems = tuple(LinearSystem(a * eye, eye, eye, eye, 0.9) for a in (0.5, 0.9))
    return Fleet("f", systems, np.array([0, 1, 1]), np.zeros((3, 1, 1)))


def test_fleets_table_holds_costs_and_spectra() -> None:
    numbers = fleets.table({"s": fleet()}, {"s": "Title"})
    assert numbers.groupby("quantity").size().to_dict() == {"closed": 2, "open": 2, "optimal_cost": 2}
    assert numbers.loc[numbers["quantity"] == "open", "real"].tolist() == [0.5, 0.9]
    assert numbers["size"].unique().tolist() == [1, 2]


def draw_all(folder: Path) -> dict[str, bytes]:
    costs = pd.DataFrame({"cluster": [0, 1], "optimal_cost": [20.0, 10.0]})
    save(elimination.table(runs(), costs), elimination.draw, folder / "elimination")
    save(curves(), learning_curves.draw, folder / "learning_curves")
    save(fleets.table({"s": fleet()}, {"s": "Title"}), fleets.draw, folder / "fleets")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_equal_numbers_give_equal_bytes(tmp_path: Path) -> None:
    first, second = draw_all(tmp_path / "a"), draw_all(tmp_path / "b")
    names = [
        f"{figure}.{suffix}"
        for figure in ("elimination", "fleets", "learning_curves")
        for suffix in ("csv", "pdf", "png")
    ]
    assert list(first) == names
    assert first == second


def test_a_failing_figure_leaves_the_old_files_alone(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")

    def fail(table: pd.DataFrame) -> Figure:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save(runs(), fail, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    assert (tmp_path / "x.csv").read_text() == "old"


def test_all_modes_are_named_once() -> None:
    named = pd.DataFrame({"mode": ["calibrated", "calibrated, plant x", "calibrated"]})
    assert style.modes(named) == "calibrated; calibrated, plant x"
    assert style.modes(named.iloc[[0, 2]]) == "calibrated"


@pytest.mark.parametrize(
    ("low", "high", "count"), [(0.7, 12.0, 4), (0.37, 0.46, None), (3.1, 3.3, None), (0.9, 1.1, None)]
)
def test_short_logarithmic_axes_have_a_few_plain_ticks(low: float, high: float, count: int | None) -> None:
    """With one or no tick at 1, 2 and 5, matplotlib's locator of logarithmic axes would put up to ten ticks."""
    axes = new_figure(COLUMN, 2.0).subplots()
    axes.set(xscale="log", xlim=(low, high))
    plain_log_ticks(axes.xaxis)
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert 2 <= len(ticks) <= 5
    assert count is None or len(ticks) == count
    axes.figure.draw_without_rendering()
    assert all("10^" not in label.get_text() for label in axes.get_xticklabels())
