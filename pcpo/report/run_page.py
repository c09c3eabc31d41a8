"""Write the page of a single run: clusters, gains and costs that the method found, its doubts, and what is true."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pcpo import __version__
from pcpo.algorithms.model_free.findings import Findings
from pcpo.fleets.fleet import Fleet
from pcpo.report.markup.html import template
from pcpo.report.markup.pictures import embedded
from pcpo.report.page import style

__all__ = ["run_page"]


def run_page(findings: Findings | None, truth: Sequence[str], picture: Path, fleet: Fleet, seed: int) -> str:
    """Return the page as HTML, which needs no network.

    Args:
        findings: what the method says of its run; None for a method that says nothing.
        truth: lines on the run by the true systems.
        picture: PNG of the elimination.
        fleet: the agents.
        seed: of the run.
    """
    source, width, height = embedded(picture)
    return template("templates/run.html.j2").render(
        title=f"{fleet.name}: what was learned",
        style=style(),
        clusters=[] if findings is None else _clusters(findings),
        spent=[] if findings is None else [(what, f"{count:,}") for what, count in findings.rollouts.items() if count],
        warnings=[] if findings is None else findings.warnings,
        silent=findings is None,
        truth=truth,
        picture={"source": source, "width": width, "height": height},
        origin=f"seed {seed}; pcpo {__version__}",
    )


def _clusters(findings: Findings) -> list[dict[str, object]]:
    """Return a row for each cluster: agents, the estimated costs with their intervals, and the gain."""
    rows: list[dict[str, object]] = []
    for number, members in enumerate(findings.clusters, 1):
        costs = [_interval(findings, i) for i in members]
        gain = np.array2string(findings.gains[members[0]], precision=4, separator=", ")
        rows.append({"number": number, "agents": ", ".join(map(str, members)), "costs": costs, "gain": gain})
    return rows


def _interval(findings: Findings, agent: int) -> str:
    """Write the estimated cost of an agent's gain with its interval."""
    low, high = findings.intervals[agent]
    return f"{findings.costs[agent]:.4g} [{low:.4g}, {high:.4g}]"
