"""Find what cannot be read in a drawn figure: small type, texts that touch or are cut, keys that hide data."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from pcpo.figures import style

#: Points of the smallest type; exponents and indices inside of mathematics are smaller.
SMALLEST = 7.0
#: Pixels, at 300 dpi, by which boxes of texts may touch: they are a little larger than the letters in them.
SLACK = 3.0


def laid_out(draw: Callable[[pd.DataFrame], Figure], table: pd.DataFrame) -> Figure:
    """Draw a table in the style of the project, at 300 dpi, and lay it out."""
    with rc_context({**style._RC, "figure.dpi": 300}):
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
    return [text.get_text() for text in shown(figure) if text.get_fontsize() < SMALLEST]


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
        if line.get_transform() == axes.transData and len(line.get_xdata()):
            numbers = np.asarray(line.get_xydata(), dtype=float)
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


def _inside(box, points: np.ndarray) -> float:  # type: ignore[no-untyped-def]
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
