"""Figures of one to thirty clusters, and of a few hundred agents, are legible: many clusters drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from support.many_clusters import fleet_of, numbers_of

from pcpo.figures import style
from tools import legible

FIGURES = ("fleets", "elimination", "learning_curves", "negative_transfer")
LONG = "24 agents, all different (a long title that goes on for 60)"


def test_no_colour_and_marker_twice() -> None:
    looks = [style.cluster_colour(k) for k in range(150)]
    assert len(set(looks)) == 150
    assert looks[:10] == list(zip(style._CLUSTERS, "osD^vP*Xhd", strict=True)), "the first ten as ever"


def laid_out(name: str, H: int, per_cluster: int, title: str = LONG) -> Figure:
    table, draw = numbers_of(name, fleet_of(H, per_cluster), title)
    return legible.laid_out(draw, table)


@pytest.mark.parametrize("H", [1, 2, 3, 10, 11, 24, 30])
@pytest.mark.parametrize("name", FIGURES)
def test_texts_stand_clear_of_each_other(name: str, H: int) -> None:
    figure = laid_out(name, H, 2)
    assert legible.overlapping(figure) == []
    assert legible.beyond(figure) == []


@pytest.mark.parametrize(("H", "per_cluster"), [(3, 67), (60, 2)])
@pytest.mark.parametrize("name", FIGURES)
def test_fleets_of_many_agents(name: str, H: int, per_cluster: int) -> None:
    figure = laid_out(name, H, per_cluster)
    assert legible.overlapping(figure) == []
    assert legible.beyond(figure) == []


def test_many_rows_are_labelled_at_equal_distances_and_the_title_says_so() -> None:
    figure = laid_out("fleets", 60, 1)
    assert figure.axes[0].get_yticks().tolist() == list(range(0, 60, 2))
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    costs = fleet_of(60).optimal_costs[::2]
    assert labels == [f"1 agent, $C^*$ = {cost:.4g}" for cost in costs]
    assert "30 of 60 clusters labelled" in figure.axes[0].get_title(loc="left").replace("\n", " ")


def test_every_cluster_is_in_the_picture_of_costs() -> None:
    """Clusters without a legend are named in the order in which they stand."""
    fleet = fleet_of(24)
    figure = laid_out("elimination", 24, 1)
    order = ", ".join(str(j) for j in np.argsort(fleet.optimal_costs))
    text = " ".join(text.get_text().replace("\n", " ") for text in figure.findobj(Text))
    assert f"24 clusters of 1 agent, by optimal cost from left to right: {order}" in text


def test_negative_transfer_names_its_methods_where_no_gain_is_shared() -> None:
    table, draw = numbers_of("negative_transfer", fleet_of(2))
    table["plateau"] = np.nan
    figure = draw(table)
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Naive average", "PCPO", "Local PO"]
