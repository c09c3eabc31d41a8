"""Every figure can be read in a paper: type of 7 points, no text cut or on another, no key on data; all are drawn.

The numbers in `numbers` are those of finished runs with four digits (`python -m tools.figure_numbers`).
"""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure
from support import legible

from pcpo.claims.contract import EvidenceFigure
from pcpo.errors import ConfigError
from pcpo.evidence.registry import load_figure as load_evidence
from pcpo.figures import registry
from pcpo.figures.registry import ComparisonFigure
from pcpo.figures.style import COLUMN, PAGE, new_figure
from tools.figure_numbers import FOLDER, figure_ids

#: Figures whose numbers are too large to keep; those of the grid are drawn in tests/evidence/grid.
WITHOUT = {"concentration", "population", "population_scaling"}


def entry_of(name: str) -> ComparisonFigure | EvidenceFigure:
    try:
        return registry.load_figure(name)
    except ConfigError:
        return load_evidence(name)


def test_there_are_numbers_of_every_figure() -> None:
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(figure_ids()) - WITHOUT, "run tools.figure_numbers"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(figure_ids()) - WITHOUT))
def test_every_figure_can_be_read(name: str) -> None:
    figure = legible.laid_out(entry_of(name).draw, pd.read_csv(FOLDER / f"{name}.csv"))
    assert legible.faults(figure) == []
    assert figure.get_figwidth() in (COLUMN, PAGE)
    assert all(axes.has_data() or not axes.axison or axes.texts for axes in figure.axes), "a panel without data"


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
