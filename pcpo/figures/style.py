"""Set the look of every figure: column widths, a colour-blind safe palette, and files without time stamps.

Matplotlib is imported inside the functions that draw, since most jobs import this module without drawing.
"""

from __future__ import annotations

import math
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pcpo.errors import ConfigError
from pcpo.figures import fonts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "COLUMN",
    "GLOBAL_COLOUR",
    "LOCAL_COLOUR",
    "METHOD_LOOKS",
    "PAGE",
    "Look",
    "as_written",
    "bare_minor_ticks",
    "cluster_colour",
    "counted",
    "decade_ticks",
    "heading",
    "labelled_rows",
    "legend_above",
    "method_look",
    "modes",
    "new_figure",
    "panel_label",
    "plain_log_ticks",
    "rows_height",
    "runs_words",
    "save",
    "second_look",
    "separate_clusters",
    "styled",
    "whole_ticks",
    "wrapped",
]

COLUMN = 3.4  # inches, one column
PAGE = 7.0  # inches, both columns

# The palette "colorblind" of seaborn, which is not imported for it: with scipy.stats and pyplot, that takes too long.
_COLOURS = "#0173B2 #DE8F05 #029E73 #D55E00 #CC78BC #CA9161 #FBAFE4 #949494 #ECE133 #56B4E9"
_PALETTE = _COLOURS.split()
LOCAL_COLOUR = _PALETTE[1]
GLOBAL_COLOUR = _PALETTE[0]
_CLUSTERS = [_PALETTE[i] for i in (0, 1, 2, 4, 3, 5, 6, 7, 8, 9)]
# The second row comes in after a hundred clusters.
_MARKERS = "osD^vP*Xhd", "<>8pH"


class Look(NamedTuple):
    """Hold how a method is drawn: its colour, and marker and line style, which tell methods apart without colour."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[int, int]]


_DARK = "#4D4D4D"
_BROWN = "#772200"
_INDIGO = "#332288"  # the pale pink of the palette hardly shows on white, and looks like sky blue to some
#: How every figure draws a method, by its name in `pcpo.algorithms.registry.ALGORITHMS`. A method and its synchronised
#: variant share a colour, and so do two exponents of the radius; variants of PCPO, which are compared with PCPO alone,
#: take the colours of other methods.
METHOD_LOOKS = {
    "pcpo": Look(GLOBAL_COLOUR, "o", "-"),
    "pcpo_sync": Look(GLOBAL_COLOUR, "8", ":"),
    "pcpo_one_sequence": Look(_PALETTE[3], "s", "--"),
    "pcpo_no_reinit": Look(_PALETTE[2], "^", "-."),
    "pcpo_no_radius_scaling": Look(_PALETTE[4], "v", (0, (5, 3))),
    "pcpo_no_elimination": Look(_PALETTE[5], "D", ":"),
    "pcpo_eliminate_once": Look(_PALETTE[7], "X", "--"),
    "pcpo_centred": Look(_PALETTE[4], "s", "--"),
    "pcpo_two_point": Look(_PALETTE[2], "d", "-."),
    "pcpo_radius_1_6": Look(GLOBAL_COLOUR, "v", "--"),
    "pcpo_centred_radius_1_6": Look(_PALETTE[4], "X", ":"),
    "pcpo_two_point_radius_1_6": Look(_PALETTE[2], "P", (0, (5, 3))),
    "pcpo_gains": Look(_DARK, "D", "-."),
    "pcpo_scalar": Look(_PALETTE[9], "p", "--"),
    "pcpo_auto": Look(_PALETTE[3], "*", "-"),
    "pcpo_alarm": Look(_PALETTE[5], "^", "--"),
    "pcpo_soft": Look(_INDIGO, "h", "-"),
    "local": Look(LOCAL_COLOUR, "s", "--"),
    "naive_average": Look(_PALETTE[3], "v", "-."),
    "naive_average_sync": Look(_PALETTE[3], "^", ":"),
    "oracle_clusters": Look(_PALETTE[2], "D", "--"),
    "one_shot": Look(_PALETTE[4], "8", "-."),
    "fedlqr": Look(_PALETTE[5], "P", "--"),
    "fedlqr_sync": Look(_PALETTE[5], "H", ":"),
    "scalarfedlqr": Look(_BROWN, "1", "-."),
    "ifca": Look(_PALETTE[9], "X", "-."),
    "cfl": Look(_INDIGO, "*", "--"),
    "cfl_sync": Look(_INDIGO, "<", ":"),
    "maml_lqr": Look(_PALETTE[7], "h", "-."),
    "maml_lqr_sync": Look(_PALETTE[7], ">", ":"),
    "least_squares": Look(_DARK, "d", "--"),
    "cluster_sysid": Look(_DARK, "p", "-"),
}
_RC: Any = {
    "font.family": [fonts.PRIMARY],
    "text.usetex": False,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.hashsalt": "pcpo",
}


def cluster_colour(cluster: int) -> tuple[str, str]:
    """Return colour and marker of a cluster; the marker tells clusters apart without colour.

    No pair occurs twice among the first 150 clusters: with each ten clusters, markers move on by one colour.
    """
    tens, colour = divmod(cluster, len(_CLUSTERS))
    markers = _MARKERS[tens // 10 % 2]
    return _CLUSTERS[colour], markers[(colour + tens) % len(markers)]


def method_look(name: str) -> Look:
    """Return how every figure draws a method; one that has no line in `METHOD_LOOKS` has a look made of its name."""
    if name in METHOD_LOOKS:
        return METHOD_LOOKS[name]
    chosen = zlib.crc32(name.encode())
    markers = _MARKERS[0] + _MARKERS[1]
    return Look(_PALETTE[1 + chosen % 9], markers[chosen // 9 % len(markers)], ("--", "-.", ":")[chosen // 135 % 3])


def second_look(look: Look, *, second: bool) -> dict[str, Any]:
    """Return the look of a method's line; of two in one panel the second is dotted, with hollow markers."""
    line = {"ls": ":", "mfc": "white"} if second else {"ls": "-", "mfc": look.colour}
    return {"color": look.colour, "marker": look.marker, **line}


def separate_clusters(axes: Axes, clusters: np.ndarray[Any, Any], width: float) -> None:
    """Draw white lines of that width between the clusters of a matrix of agents, which is sorted by cluster."""
    for edge in np.flatnonzero(np.diff(clusters)) + 0.5:
        axes.axhline(edge, color="white", lw=width)
        axes.axvline(edge, color="white", lw=width)


def styled(changes: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Enter the settings of all figures with some of them changed, for figures of another size than a page's."""
    from matplotlib import rc_context

    settings: Any = {**_RC, **changes}
    return rc_context(settings)


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure (inches), laid out automatically, independent of the global state of pyplot."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_RC):
        return Figure(figsize=(width, height), layout="constrained")


def as_written(text: str) -> str:
    """Escape what a user wrote, such as a title, so that Matplotlib draws it as written and not as mathematics."""
    return fonts.cleaned(text).replace("$", r"\$")


def wrapped(text: str, width: float, size: float = 8.0) -> str:
    """Break the lines of a text that are wider than `width`, at spaces if possible, never inside of mathematics.

    Args:
        text: what Matplotlib is to draw.
        width: in inches.
        size: of the font, in points.
    """
    return "\n".join(_broken(line, 72 * width, size) for line in text.split("\n"))


# Mathematics, an escaped dollar, or any other character: what must stay in one piece.
_PIECES = re.compile(r"\$(?:\\\$|[^$])*\$|\\\$|.")


def _broken(line: str, points: float, size: float) -> str:
    from matplotlib import rcParams
    from matplotlib.cbook import is_math_text
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family=rcParams["font.family"], size=size)

    def fits(text: str) -> bool:
        plain = text if is_math_text(text) else text.replace(r"\$", "$")
        width: float = TextToPath().get_text_width_height_descent(plain, font, is_math_text(text))[0]
        return width <= points

    if fits(line):
        return line
    lines, current = [], ""
    for word in re.findall(r" *(?:\$(?:\\\$|[^$])*\$|\\\$|[^ ])+", line):
        if fits(current + word):
            current += word
            continue
        if current:
            lines.append(current)
        current = ""
        for piece in _PIECES.findall(word.lstrip()):
            if current and not fits(current + piece):
                lines.append(current)
                current = ""
            current += piece
    return "\n".join([*lines, current])


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 agent", "2 agents"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


_ROW = 0.135  # inches, so that labels of 7 points stand clear of each other
_MOST_ROWS = 40


def rows_height(rows: int) -> float:
    """Return the inches that so many labelled rows need; beyond 40, only every k-th is labelled."""
    return _ROW * min(rows, _MOST_ROWS)


def labelled_rows(rows: int) -> range:
    """Return the rows to be labelled: all of them up to 40, otherwise every k-th."""
    return range(0, rows, -(-rows // _MOST_ROWS))


def modes(numbers: pd.DataFrame) -> str:
    """Join the modes of the runs drawn by semicolons, since a mode may contain a comma."""
    return "; ".join(sorted(set(numbers["mode"])))


def plain_log_ticks(axis: Axis) -> None:
    """Put ticks at 1, 2 and 5 times powers of ten, as plain numbers, on a log axis of less than two decades.

    Where an axis shows at most one of these, it has a few ticks at equal distances instead.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

    low, high = axis.get_view_interval()
    if axis.get_scale() == "log" and high < 100 * low:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        shown = [m * 10.0**k for k in decades for m in (1, 2, 5) if low <= m * 10.0**k <= high]
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if len(shown) > 1 else MaxNLocator(3))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bare_minor_ticks(axis)


def bare_minor_ticks(axis: Axis) -> None:
    """Draw minor ticks without numbers."""
    from matplotlib.ticker import NullFormatter

    axis.set_minor_formatter(NullFormatter())


def decade_ticks(axis: Axis, most: int) -> None:
    """Put at most so many ticks, at powers of ten, on a log axis of many decades."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(numticks=most))
    axis.set_minor_locator(NullLocator())


def whole_ticks(axis: Axis, most: int | None = None) -> None:
    """Put ticks at whole numbers, in at most so many intervals."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True) if most is None else MaxNLocator(nbins=most, integer=True))


def heading(figure: Figure, text: str) -> None:
    """Write a text of 7 points above a figure, in as many lines as it needs."""
    figure.suptitle(wrapped(text, 0.97 * figure.get_figwidth(), 7), fontsize=7)


def legend_above(
    figure: Figure, handles: Sequence[Any], labels: Sequence[str], text: str, ncols: int, *, length: float = 1.7
) -> None:
    """Draw one key above all panels, below a text of 7 points in as many lines as it needs.

    Args:
        figure: whose key it is.
        handles: what is explained.
        labels: what it is called.
        text: what stands above the key.
        ncols: columns of the key.
        length: of the lines in the key, in letters; dashes behind a marker are told from a solid line from 3 on.
    """
    words = wrapped(text, 0.97 * figure.get_figwidth(), 7)
    look: Any = {"title": words, "title_fontsize": 7, "handlelength": length, "columnspacing": 0.9}
    figure.legend(handles, labels, loc="outside upper center", ncols=ncols, **look)


def runs_words(counts: pd.Series, noun: str = "run") -> str:
    """Say how many runs stand behind the points: "40 runs", or "12 to 40 runs"."""
    known = counts.dropna().astype(int)
    least, most = int(known.min()), int(known.max())
    return counted(most, noun) if least == most else f"{least:,} to {counted(most, noun)}"


def panel_label(axes: Axes, text: str) -> None:
    """Write a title at the left of a panel."""
    axes.set_title(text, loc="left", fontsize=8)


def save(table: pd.DataFrame, draw: Callable[[pd.DataFrame], Figure], stem: Path | str) -> None:
    """Write `<stem>.csv` (the numbers drawn), `<stem>.pdf` and `<stem>.png`, each renamed into place when whole.

    The files hold no time stamp and no program version, so equal numbers give equal bytes.

    Raises:
        ConfigError: if no font is found for characters of the table, such as those of a title.
    """
    from matplotlib import rc_context

    stem = Path(stem)
    written = _written(table)
    if missing := fonts.undrawable(written):
        raise ConfigError(
            f"figure {stem.name}: found {fonts.characters(missing)}, which no font of this machine has; "
            "expected text that can be drawn: install a font that has them, or write another title"
        )
    stem.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({**_RC, "font.family": [fonts.PRIMARY, *fonts.fallbacks(written)]}):
        figure = draw(table)
        temporary = {suffix: stem.with_name(f".{stem.name}.tmp{suffix}") for suffix in (".csv", ".pdf", ".png")}
        try:
            table.to_csv(temporary[".csv"], index=False)
            figure.savefig(temporary[".png"], metadata={"Software": None})
            # Finding a layout takes long: the second file has that of the first.
            figure.set_layout_engine("none")
            figure.savefig(temporary[".pdf"], metadata={"CreationDate": None, "Producer": None, "Creator": None})
            for suffix, path in temporary.items():
                os.replace(path, stem.with_name(stem.name + suffix))
        finally:
            for path in temporary.values():
                path.unlink(missing_ok=True)


def _written(table: pd.DataFrame) -> str:
    """Return the different texts of a table, in lines."""
    columns = [table[name] for name in table.columns if table[name].dtype.kind == "O"]
    texts = {value for column in columns for value in column if isinstance(value, str)}
    return "\n".join(fonts.cleaned(text) for text in sorted(texts))
