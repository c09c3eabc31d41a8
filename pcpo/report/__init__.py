"""The report of the evidence, and what the notebooks show of it.

In a notebook, or anywhere below a folder that has `results/`::

    from pcpo.report import load

    r = load()
    r.overview("clustering")      # the verdicts of a group, as a table
    r.statement("thm1_event")     # a claim in the paper's words and symbols
    r.figure("thm1_event")        # the figure that shows it
    r.result("thm1_event")        # what was found, and the verdict
    r.table("name_of_a_study")    # the rows themselves, as a DataFrame
"""

from __future__ import annotations

from pcpo.report.page import build_report
from pcpo.report.view import View, load

__all__ = ["View", "build_report", "load"]
