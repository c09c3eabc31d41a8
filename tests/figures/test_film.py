"""The film of a run: bars of length Δ_l/2 that overlap exactly for neighbours, frames for every epoch, equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image
from support.many_clusters import fleet_of, runs_of

from pcpo.errors import ResultsError
from pcpo.figures import film
from tools import legible

FLEET = fleet_of(3, 2)


def numbers(**changes: float) -> pd.DataFrame:
    runs = runs_of(FLEET)
    for column, value in changes.items():
        runs.loc[0, column] = value
    return film.table(runs, FLEET.optimal_costs, "three")


def test_one_run_is_listed_by_optimal_cost() -> None:
    found = numbers()
    assert set(found["seed"]) == {0}
    assert len(found) == 4 * FLEET.N
    first = found[found["epoch"] == 1]
    assert first["row"].tolist() == list(range(FLEET.N))
    assert first["optimal_cost"].is_monotonic_increasing


def test_bars_overlap_exactly_for_neighbours() -> None:
    """The runs keep agents within Δ_l; film and runs agree once the runs keep those within Δ_l/2, as (7) does."""
    runs = runs_of(FLEET)
    for (_, _), part in runs.groupby(["seed", "epoch"]):
        near = np.abs(np.subtract.outer(*[part["cost_estimate"].to_numpy()] * 2)) <= part["Delta"].iloc[0] / 2
        for place, row in zip(part.index, near, strict=True):
            runs.at[place, "neighbours"] = np.flatnonzero(row)
    found = film.table(runs, FLEET.optimal_costs, "three")
    overlaps = 0
    for _, part in found.groupby("epoch"):
        half = part["Delta"].iloc[0] / 4
        low, high = part["cost_estimate"] - half, part["cost_estimate"] + half
        touching = (np.subtract.outer(low.to_numpy(), high.to_numpy()) <= 0).astype(int)
        assert np.array_equal((film._matrix(part) > 0).astype(int), touching * touching.T)
        overlaps += int((touching * touching.T).sum()) - len(part)
    assert overlaps > 0, "nobody has a neighbour: nothing was tested"


def test_slides_have_large_type_and_no_text_on_another() -> None:
    figure = legible.laid_out(film.draw, numbers())
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 16
    assert legible.overlapping(figure) == []
    assert legible.beyond(figure) == []


def test_an_infinite_gap_is_shown(tmp_path: Path) -> None:
    shown = " ".join(text.get_text() for text in film.draw(numbers(global_gap=np.inf)).findobj(Text))
    assert "global ∞" in shown
    assert "global ∞" not in " ".join(text.get_text() for text in film.draw(numbers()).findobj(Text))


def test_the_film_has_two_frames_for_every_epoch_and_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        film.write_film(numbers(), tmp_path / f"{name}.gif")
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    with Image.open(tmp_path / "a.gif") as picture:
        durations = []
        for frame in range(picture.n_frames):
            picture.seek(frame)
            durations.append(picture.info["duration"])
        assert picture.size == (960, 540)
    assert sum(durations) == pytest.approx(1000 / film._FRAMES_PER_SECOND * (2 * 4 + 1), rel=0.02)
    assert (tmp_path / "a.gif").stat().st_size < 400_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "b.gif"]


@pytest.mark.parametrize("wrong", ["many", "clusters"])
def test_what_a_slide_cannot_show_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = runs_of(FLEET)
    if wrong == "many":
        monkeypatch.setattr(film, "MOST_AGENTS", 5)
        found = "found 6 agents, expected rows of at most 5 agents"
    else:
        runs, found = runs.drop(columns="neighbours"), "found rows per cluster, expected"
    with pytest.raises(ResultsError, match=f"film of three: {found}"):
        film.table(runs, FLEET.optimal_costs, "three")


def test_a_missing_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert film.main([str(tmp_path / "none.parquet"), "--fleet", str(tmp_path / "none.yaml")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("FleetError: ")
    assert "none.yaml" in said
    assert said.count("\n") == 1
