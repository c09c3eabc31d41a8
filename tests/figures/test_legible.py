"""What cannot be read in a figure is found, one fault of each kind; figures of made-up runs have none."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from support.many_clusters import fleet_of, numbers_of

from pcpo.figures.style import COLUMN, new_figure
from tools import legible


def bad(_: pd.DataFrame) -> Figure:
    """Draw what nobody can read: small type, a text on another, one beyond the edge, and a key on a line."""
    figure = new_figure(COLUMN, 2.0)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.2, 0.2, 0.7, 0.7))
    axes.plot([0, 1], [0, 1], label="a line")
    axes.legend(loc="center")
    figure.text(0.3, 0.95, "small", fontsize=6)
    figure.text(0.6, 0.95, "below", fontsize=7)
    figure.text(0.61, 0.95, "above", fontsize=7)
    figure.text(0.95, 0.5, "far beyond the edge", fontsize=7)
    return figure


def test_what_cannot_be_read_is_found() -> None:
    figure = legible.laid_out(bad, pd.DataFrame())
    assert legible.small(figure) == ["small"]
    assert legible.overlapping(figure) == [("below", "above")]
    assert legible.beyond(figure) == ["far beyond the edge"]
    assert [text.split(":")[0] for text in legible.hidden(figure)] == ["a line"]
    assert len(legible.faults(figure)) == 4


def test_a_key_beside_the_data_hides_nothing() -> None:
    figure = new_figure(COLUMN, 2.0)
    axes = figure.subplots()
    axes.errorbar([0, 1], [0, 0.1], [0.1, 0.1], fmt="o", label="points")
    axes.set_ylim(-1, 3)
    axes.legend(loc="upper left")
    figure.draw_without_rendering()
    assert legible.hidden(figure) == []
    axes.set_ylim(-0.2, 0.1)
    figure.draw_without_rendering()
    assert legible.hidden(figure) != []


@pytest.mark.parametrize("H", [1, 2, 3])
@pytest.mark.parametrize("name", ["fleets", "elimination", "learning_curves", "negative_transfer"])
def test_figures_of_runs_can_be_read(name: str, H: int) -> None:
    table, draw = numbers_of(name, fleet_of(H, 2))
    assert legible.faults(legible.laid_out(draw, table)) == []


def test_the_figures_of_a_folder_are_drawn_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, _ = numbers_of("fleets", fleet_of(2, 2))
    table.to_csv(tmp_path / "fleets.csv", index=False)
    assert legible.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 figure, 0 faults\n"
    monkeypatch.setattr(legible, "_draws", lambda name: bad)
    assert legible.main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "fleets: cut by the edge: 'far beyond the edge'" in said
    assert said.endswith("1 figure, 4 faults\n")


@pytest.mark.parametrize(("name", "words"), [("", "folders: found no CSV file"), ("pear.csv", "pear")])
def test_a_folder_of_something_else_is_refused(
    name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name:
        (tmp_path / name).write_text("a\n1\n")
    assert legible.main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("legible: ")
    assert words in said
    assert said.count("\n") == 1
