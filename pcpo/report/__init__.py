"""Build the report of the evidence, and show parts of it in notebooks.

In a notebook, or anywhere below a folder that has `results/`::

    from pcpo import load_results

    r = load_results()
    r.overview("clustering")            # the verdicts of a group, as a table
    r.statement("clustering.event_22")  # a claim in the paper's words and symbols
    r.figure("clustering.event_22")     # the figure that shows it
    r.result("clustering.event_22")     # what was found, and the verdict
    r.table("heterogeneity")            # the rows of a study, as a DataFrame
"""

from __future__ import annotations

from pcpo.report.page import build_report
from pcpo.report.view import View, load

__all__ = ["View", "build_report", "load"]
