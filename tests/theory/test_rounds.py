"""Test the fits of counted rounds: exact without rounding, and within the interval with rounding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pcpo.simulation.noise import stream
from pcpo.theory.rounds import agents_slope, degree_two, leading_weights, log_square

C3 = 2304.0


def iterations(c2: float, agents: np.ndarray, epoch: int) -> np.ndarray:
    """Return c_2 log(c_3 N/Δ_l²) without rounding, Δ_0 = 12."""
    return np.asarray(c2 * np.log(C3 * agents / (12 / 2.0**epoch) ** 2))


def test_leading_weights_give_the_leading_coefficient() -> None:
    x = np.array([0.0, 1.0, 2.5, 4.0])
    assert leading_weights(x, 2) @ (3 * x**2 - x + 7) == pytest.approx(3.0)
    assert leading_weights(x, 1) @ (5 * x - 2) == pytest.approx(5.0)


def test_rounding_intervals_hold_the_coefficient_without_rounding() -> None:
    """Without rounding, Σ(R_l + 1) has the coefficient c2·log 4/2 exactly; rounding must stay within the interval."""
    for seed in range(20):
        c2 = float(stream(seed, 5).uniform(1, 20))
        rows = pd.DataFrame({"epoch": np.arange(1, 9), "c2": c2, "seed": 0})
        R = np.array([float(iterations(c2, np.array(4), epoch)) for epoch in rows["epoch"]])
        exact = degree_two(rows.assign(rounds=np.cumsum(R + 1)), "epoch")
        assert exact.estimate == pytest.approx(1.0, abs=1e-9)
        rounded = degree_two(rows.assign(rounds=np.cumsum(np.ceil(R) + 1)), "epoch")
        assert rounded.low <= 1.0 <= rounded.high
        assert rounded.low <= rounded.estimate <= rounded.high


def test_rounding_intervals_hold_the_slope_without_rounding() -> None:
    """Without rounding, the slope in log N is c2·L̄ exactly; rounding must stay within the interval."""
    agents = np.array([4, 12, 36])
    for seed in range(20):
        c2 = float(stream(seed, 5).uniform(1, 20))
        rows = pd.DataFrame({"epoch": 6, "c2": c2, "seed": 0, "agents": agents})
        R = np.array([iterations(c2, agents, epoch) for epoch in range(1, 7)])
        exact = agents_slope(rows.assign(rounds=(R + 1).sum(axis=0)))
        assert exact.estimate == pytest.approx(1.0, abs=1e-9)
        rounded = agents_slope(rows.assign(rounds=(np.ceil(R) + 1).sum(axis=0)))
        assert rounded.low <= 1.0 <= rounded.high
        assert rounded.low <= rounded.estimate <= rounded.high


def test_several_runs_are_averaged() -> None:
    one = pd.DataFrame({"epoch": [1, 2, 3], "c2": 2 / np.log(4), "seed": 0, "rounds": [1, 4, 9]})
    two = one.assign(seed=1, rounds=3 * one["rounds"])
    assert degree_two(pd.concat([one, two]), "epoch").estimate == pytest.approx(2.0)


def test_the_square_is_of_the_counted_rollouts() -> None:
    """Rounds that are exactly x² in x = log_4 T have the coefficient 1, whatever the epochs are."""
    T = np.array([1e3, 5e4, 3e5, 9e6])
    rows = pd.DataFrame({"epoch": [1, 2, 3, 4], "c2": 2 / np.log(4), "seed": 0, "rollouts": T})
    rows["rounds"] = (np.log(T) / np.log(4)) ** 2
    assert log_square(rows).estimate == pytest.approx(1.0)
    assert degree_two(rows, "epoch").estimate != pytest.approx(1.0, abs=0.1)
