"""Test probabilities at the worst cell of a grid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pcpo.claims.cells import failing_cell, failure_probability, grid, share_of_delta
from pcpo.errors import ResultsError

HALF = share_of_delta(0.5)


def toy_tables(*failures: int, runs: int = 100) -> dict[str, pd.DataFrame]:
    """Make up a cell of the grid for each number of failing runs, and a control in which all runs fail."""
    cells = [(f"cell_{k}", "grid", count) for k, count in enumerate(failures)] + [("wrong", "control", runs)]
    seed = np.arange(runs)
    frames = [
        pd.DataFrame({"cell": name, "role": role, "seed": seed, "delta": 0.1, "bad": seed < count})
        for name, role, count in cells
    ]
    return {"toy": pd.concat(frames, ignore_index=True)}


measure = failure_probability("toy", lambda rows: rows, lambda runs: runs["bad"], "a failure", HALF)


def test_the_worst_cell_counts_and_controls_do_not() -> None:
    found = measure(toy_tables(0, 12, 3))
    assert (found.estimate, found.predicted, found.n_runs, found.trials) == (0.12, 0.05, 100, 300)
    assert found.statistic.endswith("of 3 cells; worst: cell_1")
    assert found.low == pytest.approx(stats.beta.ppf(0.05 / 3 / 2, 12, 89))
    assert found.high == pytest.approx(stats.beta.ppf(0.975, 13, 88))
    assert found.p_value == pytest.approx(2 * 3 * stats.binom.sf(11, 100, 0.05))


def test_good_cells_do_not_dilute_a_bad_one() -> None:
    assert measure(toy_tables(*[0] * 20, 30)).p_value < 1e-6


def test_power_shares_the_level_among_the_cells() -> None:
    value = failing_cell("toy", 0.2, HALF).value
    for cells, level in ((1, 0.05), (1, 0.01), (8, 0.05)):
        critical = next(x for x in range(101) if 2 * stats.binom.sf(x - 1, 100, 0.05) < level / cells)
        assert value(toy_tables(*[0] * cells), level) == pytest.approx(stats.binom.sf(critical - 1, 100, 0.2))


def test_a_study_without_grid_is_refused() -> None:
    with pytest.raises(ResultsError, match="study toy: found no run with role 'grid'"):
        grid(toy_tables(), "toy")
