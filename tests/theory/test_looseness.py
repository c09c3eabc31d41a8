"""The ladder's ends are the printed and the calibrated schedule, its decades add up; (35) and (9) by hand."""

from __future__ import annotations

import math
from itertools import permutations

import pytest

from pcpo.algorithms.schedule import Constants, ProblemConstants, Schedule, literal_constants, proof_constants
from pcpo.theory.calibration import LocalConstants, calibrated_constants
from pcpo.theory.printed.bounds import bound_by_minibatch, bound_by_rollouts
from pcpo.theory.printed.looseness import REPLACEMENTS, Ingredients, ladder, ladder_constants

PROBLEM = ProblemConstants(lipschitz=30.0, smoothness=120.0, radius=0.05, pl=4.0, rollout_bound=90.0)
SEARCHED = ProblemConstants(lipschitz=25.0, smoothness=80.0, radius=0.07, pl=4.0, rollout_bound=40.0)
LOCAL = LocalConstants(h_max=20.0, h_min=5.0, V=150.0, variance=6.0, radius_cap=0.4, Delta0_tilde=2.0)
GIVEN = Ingredients(PROBLEM, SEARCHED, LOCAL, kappa=0.1, D=2, Delta0=1.5, Delta0_tilde=2.0)
NUMBERS = ("c1", "c2", "c3", "c4", "c5", "c6")


def same(a: Constants, b: Constants) -> None:
    for name in NUMBERS:
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-12), name


def test_the_ends_are_the_two_modes() -> None:
    same(ladder_constants(GIVEN, frozenset()), literal_constants(PROBLEM, D=2, Delta0=1.5, Delta0_tilde=2.0))
    everything = ladder_constants(GIVEN, frozenset(GIVEN.names))
    same(everything, calibrated_constants(LOCAL, D=2, Delta0=1.5, minibatch_scale=0.1))
    searched = ladder_constants(GIVEN, frozenset({"search"}))
    same(searched, literal_constants(SEARCHED, D=2, Delta0=1.5, Delta0_tilde=2.0))


def test_a_rung_in_the_middle_by_hand() -> None:
    """No cap, φ → h_max, μ → 2h_min, the rest as printed: worked out with the formulas of the paper."""
    c = ladder_constants(GIVEN, frozenset({"cap", "phi", "mu"}))
    c9 = 12 * 90.0 / 10.0 * 20.0
    c10 = 256 * c9**2 * 4
    assert c.c1 == 1 / 80
    assert c.c2 == pytest.approx(4 / (10 / 80), rel=1e-15)
    assert c.c4 == pytest.approx(c10, rel=1e-12)
    assert c.c3 == pytest.approx(2.0 * 10 * c10, rel=1e-12)
    assert c.c5 == pytest.approx(90.0 * 2 / 20.0, rel=1e-15)
    assert c.c6 == 0.05


def test_decades_of_the_rungs_add_up_in_the_ladder_and_in_the_mean_over_orders() -> None:
    rungs = ladder(GIVEN, delta=0.05, n_agents=6, epochs=3)
    assert [rung.name for rung in rungs] == ["literal", *REPLACEMENTS]
    ends = math.log10(rungs[0].rollouts / rungs[-1].rollouts)
    assert sum(rung.saved for rung in rungs) == pytest.approx(ends, rel=1e-12)
    assert sum(rung.shapley for rung in rungs) == pytest.approx(ends, rel=1e-12)
    by_hand = Schedule(literal_constants(PROBLEM, D=2, Delta0=1.5, Delta0_tilde=2.0), 1.5, 0.05, 6, 2)
    assert rungs[0].rollouts == pytest.approx(by_hand.rollouts_for(3), rel=1e-12)
    assert rungs[0].minibatch == pytest.approx(by_hand.plan(3).minibatch, rel=1e-12)
    assert rungs[1].saved == rungs[1].alone


def test_without_searched_constants_there_is_no_such_rung() -> None:
    scalar = Ingredients(PROBLEM, None, LOCAL, kappa=0.1, D=1, Delta0=1.5, Delta0_tilde=2.0)
    assert "search" not in scalar.names
    assert len(ladder(scalar, delta=0.05, n_agents=6, epochs=2)) == len(REPLACEMENTS)


def test_shapley_values_are_means_over_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three replacements, so all six orders can be walked."""
    monkeypatch.setattr(Ingredients, "names", property(lambda self: ("phi", "mu", "G")))
    rungs = {rung.name: rung for rung in ladder(GIVEN, delta=0.05, n_agents=6, epochs=2)}

    def decades(replaced: frozenset[str]) -> float:
        return math.log10(Schedule(ladder_constants(GIVEN, replaced), 1.5, 0.05, 6, 2).rollouts_for(2))

    for name in ("phi", "mu", "G"):
        saved = []
        for order in permutations(("phi", "mu", "G")):
            before = frozenset(order[: order.index(name)])
            saved.append(decades(before) - decades(before | {name}))
        assert rungs[name].shapley == pytest.approx(sum(saved) / 6, rel=1e-12)


def test_bounds_of_theorem_2_by_hand() -> None:
    D, N, Delta0, tilde, delta = 2, 6, 1.5, 2.0, 0.05
    schedule = Schedule(literal_constants(PROBLEM, D=D, Delta0=Delta0, Delta0_tilde=tilde), Delta0, delta, N, D)
    plan = schedule.plan(3)
    c8 = 90.0 + 30.0 * 0.05 / 2 + 120.0 * 0.0025 / 2
    c9 = 12 * c8 / 4.0 * 400.0
    c10 = 256 * c9**2 * 4
    assert proof_constants(PROBLEM, D=D, Delta0=Delta0) == pytest.approx((c8, c9, c10), rel=1e-13)
    right = 2 * c9 * D / math.sqrt(plan.minibatch * 4) * math.sqrt(math.log(8 * D * N * plan.iterations / delta))
    assert bound_by_minibatch(PROBLEM, schedule, plan, 4) == pytest.approx(right, rel=1e-13)
    # With the line above (35), whose logarithm has δ_L̄, it is Δ_L̄/(8√|M|) exactly but for the rounding of M_L̄.
    exact = right * math.sqrt(plan.log_term / math.log(8 * D * N * plan.iterations / delta))
    assert exact == pytest.approx(plan.Delta / (8 * math.sqrt(4)), rel=1e-9)

    T = schedule.rollouts_for(3)
    eta = schedule.constants.c1
    c11 = Delta0**2 / (c10 * math.log(8 * D * N / delta))
    c12 = 4 / (eta * 4.0) * (math.log(c10 * N * tilde**2 / Delta0**2) + math.log(4))
    c13 = 4 * c9 * math.sqrt(c12 * math.log(c11 * T))
    right = D * c13 * math.sqrt(math.log(8 * D * N * T / delta)) / math.sqrt(T * 4)
    assert bound_by_rollouts(PROBLEM, schedule, tilde, T, 4) == pytest.approx(right, rel=1e-12)
    assert math.isnan(bound_by_rollouts(PROBLEM, schedule, tilde, 10, 4))
