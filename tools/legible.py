"""Find what cannot be read in drawn figures: small type, texts that touch or are cut, keys that hide data.

All figures of a finished run, drawn again from the numbers beside them:

    python -m tools.legible build/quick/figures
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from pcpo.errors import ConfigError, PcpoError
from pcpo.evidence import registry as evidence
from pcpo.figures import film, registry
from pcpo.figures.style import COLUMN, PAGE, counted, styled

__all__ = ["SMALLEST", "beyond", "faults", "hidden", "laid_out", "main", "overlapping", "shown", "small"]

#: Points of the smallest type; exponents and indices inside of mathematics are smaller.
SMALLEST = 7.0
#: Pixels, at 300 dpi, by which boxes of texts may touch: they are a little larger than the letters in them.
SLACK = 3.0


def laid_out(draw: Callable[[pd.DataFrame], Figure], table: pd.DataFrame) -> Figure:
    """Draw a table in the style of the project, at 300 dpi, and lay it out."""
    with styled({"figure.dpi": 300}):
        figure = draw(table)
        figure.draw_without_rendering()
    return figure


def shown(figure: Figure) -> list[Text]:
    """List the texts that are drawn: not the labels of ticks beyond the ends of an axis."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            slack = 1e-9 * (high - low)
            hidden |= {
                label
                for tick in ticks
                for label in (tick.label1, tick.label2)
                if not (low - slack <= tick.get_loc() <= high + slack) or not axes.axison
            }
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in hidden]


def small(figure: Figure) -> list[str]:
    """List the texts in small type."""
    return [text.get_text() for text in shown(figure) if float(text.get_fontsize()) < SMALLEST]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """List the pairs of texts that touch; texts that are turned stand in larger boxes, and are left out."""
    boxes = [(t.get_text(), t.get_window_extent()) for t in shown(figure) if t.get_rotation() in (0, 90, 270)]
    return [
        (a, b)
        for (a, one), (b, two) in combinations(boxes, 2)
        if min(one.x1, two.x1) - max(one.x0, two.x0) > SLACK and min(one.y1, two.y1) - max(one.y0, two.y0) > SLACK
    ]


def beyond(figure: Figure) -> list[str]:
    """List the texts that the edge of the page cuts."""
    page = figure.bbox
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown(figure)]
    return [t for t, box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1]


def hidden(figure: Figure) -> list[str]:
    """List the keys that stand on points, lines or error bars of their panel."""
    found = []
    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None and (count := int(_inside(legend.get_window_extent(), _drawn(axes)))):
            found.append(f"{', '.join(text.get_text() for text in legend.get_texts())}: {count} points")
    return found


def _drawn(axes: Axes) -> np.ndarray:
    """Return the points of everything drawn from numbers, in pixels, with points between the ends of lines."""
    pieces = []
    for line in axes.get_lines():
        numbers = np.asarray(line.get_xydata(), dtype=float)
        if line.get_transform() == axes.transData and len(numbers):
            pieces.append(_filled(axes.transData.transform(numbers), line))
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            pieces += [_filled(axes.transData.transform(part), collection) for part in collection.get_segments()]
        elif isinstance(collection, PathCollection):
            pieces.append(axes.transData.transform(collection.get_offsets()))
    for patch in axes.patches:
        box = patch.get_window_extent()
        x, y = np.meshgrid(np.linspace(box.x0, box.x1, 9), np.linspace(box.y0, box.y1, 9))
        pieces.append(np.column_stack([x.ravel(), y.ravel()]))
    return np.concatenate(pieces) if pieces else np.zeros((0, 2))


def _filled(points: np.ndarray, artist: object) -> np.ndarray:
    """Add points between the ends of lines; none where only markers are drawn."""
    style_of = getattr(artist, "get_linestyle", lambda: "-")()
    if len(points) < 2 or style_of in ("None", "none", "", " "):
        return points
    steps = np.linspace(0, 1, 33)[:, None]
    return np.concatenate([a + steps * (b - a) for a, b in pairwise(points)])


def _inside(box: Bbox, points: np.ndarray) -> float:
    """Count the finite points in a box."""
    x, y = points.T
    return float(np.sum((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)))


def faults(figure: Figure) -> list[str]:
    """List everything that cannot be read, in sentences."""
    return [
        *[f"type below {SMALLEST:g} pt: {text!r}" for text in small(figure)],
        *[f"touching: {a!r} and {b!r}" for a, b in overlapping(figure)],
        *[f"cut by the edge: {text!r}" for text in beyond(figure)],
        *[f"a key on data: {text}" for text in hidden(figure)],
    ]


def _draws(name: str) -> Callable[[pd.DataFrame], Figure]:
    """Return what draws the figure of a file; raises ConfigError if nothing does."""
    if name.startswith("film_"):
        return film.draw
    try:
        return registry.load_figure(name).draw
    except ConfigError:
        return evidence.load_figure(name).draw


def _faults_of(path: Path) -> list[str]:
    """Draw a figure from its numbers, and list what cannot be read and panels in which there is nothing."""
    figure = laid_out(_draws(path.stem), pd.read_csv(path))
    found = faults(figure)
    if not path.stem.startswith("film_") and figure.get_figwidth() not in (COLUMN, PAGE):
        found.append(f"width: found {figure.get_figwidth():g} inches, expected that of one column or of two")
    empty = [axes for axes in figure.axes if axes.axison and not axes.has_data() and not axes.texts]
    return [*found, *["a panel without data"] * len(empty)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all figures of finished runs again from their CSV files, and list what cannot be read in them."""
    parser = argparse.ArgumentParser(prog="python -m tools.legible", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of figures of finished runs")
    paths = [path for folder in parser.parse_args(arguments).folders for path in sorted(folder.glob("*.csv"))]
    count = 0
    try:
        if not paths:
            raise ConfigError("folders: found no CSV file, expected those of the figures of a finished run")
        for path in paths:
            for fault in _faults_of(path):
                print(f"{path.stem}: {fault}")
                count += 1
    except PcpoError as error:
        print(f"legible: {error}", file=sys.stderr)
        return 1
    print(f"{counted(len(paths), 'figure')}, {counted(count, 'fault')}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
