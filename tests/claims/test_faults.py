"""Test what planted faults in the statistics showed to be untested (`tools.faults`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.judging import AtMost, judge
from pcpo.evidence.scaling.measures import read_cells


def _given(tables: Tables) -> Finding:
    """Return a finding above its bound, or below, with the p-value of the table."""
    estimate, p = tables["toy"].loc[0, ["estimate", "p"]]
    return Finding("s", float(estimate), float(estimate) - 0.1, float(estimate) + 0.1, 1.0, float(p), 10)


def _claim(name: str, p_of_control: float) -> Claim:
    def wrong(tables: Tables) -> Tables:
        return {"toy": pd.DataFrame({"estimate": [2.0], "p": [p_of_control]})}

    control = Control("above", "an estimate above the bound", wrong)
    power = Power("nothing", lambda tables, level: 0.9)
    return Claim(name, _given, AtMost(), [control], power, "toy", statement="$x$", quantity="x", source="s", title="t")


@pytest.mark.parametrize(("p", "verdict"), [(0.04, "inconclusive"), (0.012, "refuted")])
def test_a_control_is_judged_as_the_hardest_of_its_claims_family(p: float, verdict: str) -> None:
    claims = [replace(_claim("first", 0.04), primary=True), *(_claim(f"c{k}", p) for k in range(4))]
    rows = judge("toy", claims, {"toy": pd.DataFrame({"estimate": [0.5], "p": [1.0]})})
    controls = rows[rows["role"] == "negative_control"].set_index("claim")["verdict"]
    assert controls.to_dict() == {"first": "refuted", **{f"c{k}": verdict for k in range(4)}}


def test_collaborative_epochs_count_whether_or_not_they_gain_something() -> None:
    runs = 20
    frame = pd.DataFrame(
        {"seed": np.arange(runs), "local_gap": 1.0, "global_gap": np.where(np.arange(runs) < 8, 3.0, 0.1)}
    )
    fixed = {"cluster": 0, "algorithm": "pcpo", "clean": True, "local_cap_active": False, "global_cap_active": False}
    sizes = {"size": 4, "epoch": 2, "minibatch": 60.0, "rollouts": 600.0, "global_overlay": 1.0, "local_overlay": 1.0}
    cells = read_cells({"scaling": frame.assign(**fixed, **sizes)})
    assert cells.clean.sum() == runs
    assert cells.shared.mean() == pytest.approx((8 * 3.0 + 12 * 0.1) / runs)
