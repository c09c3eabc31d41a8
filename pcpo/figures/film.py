"""Show one run of PCPO on slides: an animation (GIF) of the elimination, and the same as small multiples.

Rule (7) keeps agent j in the set of agent i while |Ĉ_j − Ĉ_i| ≤ Δ_l/2, which is while the bars Ĉ ± Δ_l/4 of the two
agents overlap.  By hand, from the files of any run:

    python -m pcpo.figures.film results/runs/three_clusters/pcpo/*.parquet --fleet results/fleets/three_clusters.yaml
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.errors import ResultsError, command
from pcpo.experiments.records import read_runs
from pcpo.figures.style import (
    GLOBAL_COLOUR,
    LOCAL_COLOUR,
    as_written,
    bare_minor_ticks,
    cluster_colour,
    save,
    separate_clusters,
    styled,
    wrapped,
)
from pcpo.fleets.files import read_fleet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_AGENTS", "draw", "main", "save_film", "table", "write_film"]

MOST_AGENTS = 60  # bars side by side that can be told apart on a slide

_SIZE = (40 / 3, 7.5)  # inches, a slide of 16:9
_DPI = 72.0  # 960 × 540 pixels
_FRAMES_PER_SECOND = 1
_MOST_EPOCHS = 5  # columns of the small multiples
#: Points of type, and of lines, on a slide that is 13.3 inches wide.
_SLIDE: Any = {
    "font.size": 18,
    "axes.titlesize": 18,
    "axes.labelsize": 18,
    "xtick.labelsize": 16,
    "ytick.labelsize": 16,
    "legend.fontsize": 16,
    "axes.linewidth": 1.2,
    "lines.linewidth": 2.5,
    "lines.markersize": 8,
    "xtick.major.width": 1.2,
    "ytick.major.width": 1.2,
}
_RULE = r"agents stay neighbours while their bars $\hat C_i \pm \Delta_l/4$ overlap, eq. (7)"


def table(runs: pd.DataFrame, optimal_costs: Sequence[float] | FloatArray, title: str) -> pd.DataFrame:
    """List one run, that of the lowest seed: a row per epoch and agent, agents ranked by optimal cost, then index.

    Args:
        runs: rows of runs of one scenario, per agent.
        optimal_costs: C* of the clusters.
        title: what figures call the scenario.

    Returns:
        Among the columns, members: the ranks of the agents in N_i^(l), separated by spaces; local_gap and global_gap:
        exact gaps (cost units).

    Raises:
        ResultsError: if there are no rows per agent, or more agents than a slide can show.
    """
    if "neighbours" not in runs or runs["agent"].nunique() > MOST_AGENTS:
        many = f"{runs['agent'].nunique()} agents" if "neighbours" in runs else "rows per cluster"
        raise ResultsError(f"film of {title}: found {many}, expected rows of at most {MOST_AGENTS} agents")
    one = runs[runs["seed"] == runs["seed"].min()]
    star = np.asarray(optimal_costs, dtype=np.float64)[one["cluster"].to_numpy()]
    one = one.assign(optimal_cost=star, title=title)
    order = one.drop_duplicates("agent").sort_values(["optimal_cost", "agent"])["agent"]
    rank = {agent: k for k, agent in enumerate(order)}
    members = [" ".join(str(rank[j]) for j in sorted(row, key=rank.__getitem__)) for row in one["neighbours"]]
    kept = ["title", "mode", "seed", "epoch", "Delta", "rollouts", "row", "cluster", "cost_estimate", "optimal_cost"]
    found = one.assign(row=one["agent"].map(rank), members=members)[[*kept, "local_gap", "global_gap", "members"]]
    ordered: pd.DataFrame = found.sort_values(["epoch", "row"]).reset_index(drop=True)
    return ordered


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw small multiples for a slide: a column for each of up to five epochs, costs above, sets below."""
    from matplotlib.figure import Figure

    epochs = sorted(numbers["epoch"].unique())
    if len(epochs) > _MOST_EPOCHS:
        epochs = [epochs[k] for k in np.linspace(0, len(epochs) - 1, _MOST_EPOCHS).round().astype(int)]
    with styled(_SLIDE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        columns = max(3, len(epochs))
        panels = figure.subplots(2, columns, sharey="row", height_ratios=[1.35, 1], squeeze=False)
        for axes in panels[:, len(epochs) :].ravel():
            axes.set_axis_off()
        for k, epoch in enumerate(epochs):
            part = numbers[numbers["epoch"] == epoch]
            _costs(panels[0, k], numbers, part)
            _sets(panels[1, k], part, part)
            local, shared = part["local_gap"].mean(), part["global_gap"].mean()
            panels[0, k].set_title(f"epoch {epoch}\n$\\Delta_l$ = {part['Delta'].iloc[0]:.3g}")
            panels[1, k].set_xlabel(f"mean gap\nlocal {_written(local)}\nglobal {_written(shared)}")
        panels[0, 0].set_ylabel(r"$\hat C_i$ (cost units)")
        panels[1, 0].set_ylabel(r"agent $i$: set $\mathcal{N}_i$")
        figure.suptitle(wrapped(f"{_of(numbers)}\n{_RULE}", 0.97 * _SIZE[0], 18), fontsize=18)
    return figure


def _written(gap: float) -> str:
    """Write a gap with two digits; infinity as a sign."""
    return f"{gap:.2g}" if np.isfinite(gap) else "∞"


def _of(numbers: pd.DataFrame) -> str:
    """Name the scenario, the seed and the mode of the run."""
    first = numbers.iloc[0]
    return f"PCPO, {as_written(str(first['title']))}: one run (seed {first['seed']}), mode {first['mode']}"


def _costs(axes: Axes, numbers: pd.DataFrame, part: pd.DataFrame) -> None:
    """Draw the estimates of an epoch with bars of length Δ_l/2, and the optimal costs dotted."""
    quarter = float(part["Delta"].iloc[0]) / 4
    for cluster, own in part.groupby("cluster"):
        colour, marker = cluster_colour(int(str(cluster)))
        axes.axhline(own["optimal_cost"].iloc[0], color=colour, lw=1.2, ls=":")
        known = own[np.isfinite(own["cost_estimate"])]
        x, y = known["row"] + 1, known["cost_estimate"]
        axes.vlines(x, y - quarter, y + quarter, color=colour, lw=3, alpha=0.6)
        axes.plot(x, y, marker, color=colour, ms=6)
    axes.set_ylim(*_span(numbers))
    axes.set_xlim(0.3, numbers["row"].max() + 1.7)
    axes.set_xticks([])
    axes.set_xlabel("agents")


def _span(numbers: pd.DataFrame) -> tuple[float, float]:
    """Return the costs that every epoch shows: optimal costs and estimates, with their bars."""
    known = numbers[np.isfinite(numbers["cost_estimate"])]
    low = min((known["cost_estimate"] - known["Delta"] / 4).min(), numbers["optimal_cost"].min())
    high = max((known["cost_estimate"] + known["Delta"] / 4).max(), numbers["optimal_cost"].max())
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _matrix(part: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return the cluster of agent i plus 1 where j is in the set of i, and 0 elsewhere."""
    found = np.zeros((len(part), len(part)), dtype=np.int64)
    for row, cluster, members in zip(part["row"], part["cluster"], part["members"], strict=True):
        found[row, [int(j) for j in str(members).split()]] = cluster + 1
    return found


def _sets(axes: Axes, part: pd.DataFrame, known: pd.DataFrame | None) -> None:
    """Draw the sets as a matrix in the colours of the clusters; before the first epoch everybody is in every set."""
    from matplotlib.colors import to_rgb

    shown = np.repeat(part["cluster"].to_numpy()[:, None] + 1, len(part), axis=1) if known is None else _matrix(known)
    colours = [(0.93, 0.93, 0.93), *[to_rgb(cluster_colour(k)[0]) for k in range(int(part["cluster"].max()) + 1)]]
    axes.imshow(np.asarray(colours)[shown], interpolation="nearest", aspect="equal")
    separate_clusters(axes, part["cluster"].to_numpy(), 2)
    axes.set_xticks([])
    axes.set_yticks([])


def _gaps(axes: Axes, numbers: pd.DataFrame, epoch: int) -> None:
    """Draw the mean gaps up to an epoch against rollouts per agent; an infinite one is a triangle at the top."""
    means = numbers.groupby("epoch")[["rollouts", "local_gap", "global_gap"]].mean()
    finite = means[["local_gap", "global_gap"]].to_numpy()
    finite = finite[np.isfinite(finite) & (finite > 0)]
    low, high = (finite.min() / 2, finite.max() * 3) if len(finite) else (0.1, 10.0)
    seen = means[means.index <= epoch]
    looks = (("local", LOCAL_COLOUR, "s", "--"), ("global", GLOBAL_COLOUR, "o", "-"))
    for name, colour, marker, line in looks:
        gap = seen[f"{name}_gap"]
        axes.plot(seen["rollouts"], gap.where(np.isfinite(gap)), marker=marker, ls=line, color=colour, label=name)
        lost = seen[~np.isfinite(gap)]
        axes.plot(lost["rollouts"], np.full(len(lost), high), "^", color=colour, clip_on=False)
    axes.set(xscale="log", yscale="log", ylim=(low, high), xlabel="rollouts per agent")
    axes.set_xlim(means["rollouts"].min() / 1.7, means["rollouts"].max() * 1.7)
    bare_minor_ticks(axes.xaxis)
    bare_minor_ticks(axes.yaxis)
    axes.legend(loc="lower left")
    axes.set_title("mean exact gap\n(cost units)")


def _frame(figure: Figure, numbers: pd.DataFrame, epoch: int, *, decided: bool) -> None:
    """Draw a frame: the estimates of an epoch beside the sets before it or, once decided, after it."""
    figure.clear()
    costs = figure.add_axes((0.075, 0.14, 0.33, 0.6))
    sets = figure.add_axes((0.455, 0.14, 0.24, 0.6))
    gaps = figure.add_axes((0.775, 0.14, 0.21, 0.6))
    part = numbers[numbers["epoch"] == epoch]
    earlier = numbers[numbers["epoch"] < epoch]
    before = None if earlier.empty else earlier[earlier["epoch"] == earlier["epoch"].max()]
    _costs(costs, numbers, part)
    costs.set_title(r"estimates $\hat C_i$ (cost units)")
    _sets(sets, part, part if decided else before)
    sets.set_title("who is in whose set")
    sets.set_xlabel("agent $j$")
    sets.set_ylabel("agent $i$")
    _gaps(gaps, numbers, epoch)
    step = "sets after (7)" if decided else "new estimates, sets as before"
    figure.text(0.02, 0.93, f"epoch {epoch}: $\\Delta_l$ = {part['Delta'].iloc[0]:.3g}, {step}", fontsize=24)
    figure.text(0.02, 0.855, _RULE, fontsize=16)
    figure.text(0.02, 0.02, wrapped(_of(numbers), 0.95 * _SIZE[0], 14).split("\n")[0], fontsize=14, color="0.35")


def write_film(numbers: pd.DataFrame, path: Path) -> None:
    """Write an animated GIF of 960 × 540 pixels: two frames for every epoch, the last one longer."""
    from matplotlib.animation import PillowWriter
    from matplotlib.figure import Figure

    with styled(_SLIDE):
        figure = Figure(figsize=_SIZE)
        writer = PillowWriter(fps=_FRAMES_PER_SECOND)
        temporary = path.with_name(f".{path.name}.tmp.gif")
        try:
            with writer.saving(figure, str(temporary), dpi=_DPI):
                for epoch in sorted(numbers["epoch"].unique()):
                    for decided in (False, True):
                        _frame(figure, numbers, int(epoch), decided=decided)
                        writer.grab_frame()
                writer.grab_frame()  # the end is shown for longer
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def save_film(numbers: pd.DataFrame, stem: Path) -> None:
    """Write `<stem>.csv`, `<stem>.pdf` and `<stem>.png`, the small multiples, and `<stem>.gif`, the animation."""
    save(numbers, draw, stem)
    write_film(numbers, stem.with_name(f"{stem.name}.gif"))


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Read files of runs and a fleet, and write the film of the run with the lowest seed."""
    parser = argparse.ArgumentParser(prog="python -m pcpo.figures.film", description=main.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="files of runs of PCPO in one scenario")
    parser.add_argument("--fleet", required=True, type=Path, help="file of its fleet")
    parser.add_argument("--title", help="what to call the scenario (default: the name of the fleet)")
    parser.add_argument("--out", type=Path, default=Path("film"), help="path of the files, without suffix")
    given = parser.parse_args(arguments)
    fleet = read_fleet(given.fleet)
    save_film(table(read_runs(given.runs), fleet.optimal_costs, given.title or fleet.name), given.out)
    print(", ".join(f"{given.out}.{suffix}" for suffix in ("gif", "png", "pdf", "csv")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
