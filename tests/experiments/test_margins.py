"""Test the margins of the events (22) and (23) by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.small_fleets import one_cluster

from pcpo.experiments.margins import margins, worst_by_run


def test_margins_are_of_the_worst_agent() -> None:
    fleet = one_cluster([[0.0, 0.0], [0.1, 0.0]])
    optimal = float(fleet.optimal_costs[0])
    run = pd.DataFrame(
        {
            "epoch": [1, 1],
            "agent": [0, 1],
            "cluster": [0, 0],
            "Delta": 8.0,
            "cost_estimate": [optimal - 3.0, optimal + 1.0],
            "local_cost": [optimal + 0.5, optimal + 2.0],
            "local_gap": [0.5, 2.0],
            "neighbours": [[0, 1], [1]],
            "set_correct": [True, False],
            "rollouts": 10.0,
            "mode": "calibrated",
        }
    )
    found = margins(fleet, run)
    assert len(found) == 1
    row = found.iloc[0]
    assert row["margin"] == pytest.approx(3.0 / 2)
    assert row["gap_margin"] == pytest.approx(2.0)
    assert row["estimate_margin"] == pytest.approx(3.5)
    assert (row["epoch"], row["Delta_l"], row["lost"], row["exact"]) == (1, 8.0, 1, 0)


def test_runs_are_reduced_to_their_worst_epoch() -> None:
    table = pd.DataFrame(
        {
            "cell": "x",
            "seed": np.repeat([0, 1], 3),
            "epoch": [1, 2, 3] * 2,
            "L": 2,
            "margin": [0.1, 0.9, 0.5, np.nan, 0.2, np.inf],
            "lost": [0, 1, 0, 0, 0, 0],
            "exact": [0, 1, 1, 1, 1, 0],
            "delta": 0.1,
        }
    )
    found = worst_by_run(table, ["margin"], ["delta"]).set_index("seed")
    assert found["margin"].tolist() == [0.9, np.inf]
    assert found["lost"].tolist() == [1, 0]
    assert found["misclustered"].tolist() == [0, 1], "a wrong set counts from epoch L on"
    assert found["delta"].tolist() == [0.1, 0.1]
