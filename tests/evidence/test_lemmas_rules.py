"""Test that the claims on Algorithm 1 and its rollouts hold, refute their controls, and see faults in the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pcpo import lqr
from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.claims.contract import Claim, Study, Tables, Verdict
from pcpo.claims.options import cells_of
from pcpo.evidence.lemmas import by_hand, horizon, rules
from pcpo.evidence.lemmas.claims_rules import CLAIMS
from pcpo.evidence.lemmas.draws import DRAWS
from pcpo.evidence.lemmas.horizon import HORIZON
from pcpo.evidence.lemmas.rules import RULES
from pcpo.evidence.registry import load_figure
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.examples import SYSTEMS, shifted_optimum
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import noise_law, stream

CLAIM = {claim.id: claim for claim in CLAIMS}
IDENTITIES = ("table_2", "rule_6", "rule_7", "rule_8", "horizon")
SEEDS = {"lemmas_rules": 2, "lemmas_horizon": 3, "lemmas_draws": 40}


def simulated(study: Study, seeds: Sequence[int], cells: Sequence[str] = ()) -> pd.DataFrame:
    chosen = cells_of(study, {})
    frames = [study.simulate(chosen[name], seeds).assign(cell=name) for name in cells or chosen]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return {study.name: simulated(study, range(SEEDS[study.name])) for study in (RULES, HORIZON, DRAWS)}


def verdict(claim: Claim, tables: Tables) -> Verdict:
    found = claim.measure(tables)
    return claim.rule.verdict(found, found.p_value)


def test_tables_have_the_declared_columns_and_no_gaps(tables: Tables) -> None:
    for study in (RULES, HORIZON, DRAWS):
        assert set(tables[study.name].columns) == {"cell", *study.columns}
        assert not tables[study.name].isna().to_numpy().any()
    rows = tables["lemmas_rules"]
    assert rows["partial"].any(), "no run has sets that are no partition"
    assert 0 < rows["changed"].mean() < 1


@pytest.mark.parametrize("claim", CLAIM)
def test_the_claim_is_not_refuted_and_its_controls_are(claim: str, tables: Tables) -> None:
    one = CLAIM[claim]
    found = one.measure(tables)
    assert one.rule.verdict(found, found.p_value) is not Verdict.REFUTED
    for control in one.controls:
        assert verdict(one, control.tables(tables)) is Verdict.REFUTED, control.name


@pytest.mark.parametrize(
    ("study", "cell"), [(RULES, "1x1"), (HORIZON, "1x1"), (DRAWS, "2x1"), (DRAWS, "moments"), (DRAWS, "control:cost")]
)
def test_rows_of_a_seed_do_not_depend_on_the_others(study: Study, cell: str) -> None:
    together, alone = simulated(study, [3, 14], [cell]), simulated(study, [14], [cell])
    together = together[together["seed"] == 14].reset_index(drop=True)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


def test_the_figure_is_drawn(tables: Tables) -> None:
    figure = load_figure("lemmas_rules")
    numbers = figure.table(tables)
    assert set(numbers["panel"]) == {"products", "horizon"}
    assert len(figure.draw(numbers).axes) == 2


# --- by hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scalar", "two", "three"])
def test_formulas_by_hand_are_those_of_the_package(name: str) -> None:
    system, K = SYSTEMS[name], shifted_optimum(name, 0.2)
    assert by_hand.cost(system, K) == pytest.approx(lqr.cost(system, K), rel=1e-12)
    assert by_hand.truncated_cost(system, K, 17) == pytest.approx(lqr.truncated_cost(system, K, 17), rel=1e-12)
    np.testing.assert_allclose(by_hand.best_gain(system), lqr.riccati(system).K, atol=1e-11)
    g, H = by_hand.derivatives(system, K)
    np.testing.assert_allclose(g, lqr.gradient(system, K).ravel(), rtol=1e-5)
    np.testing.assert_allclose(H, lqr.hessian_at(system, K), rtol=1e-4, atol=1e-4 * np.abs(H).max())
    variance = by_hand.rollout_variance(system, K)
    assert variance == pytest.approx(float(lqr.variance_array(system, K[None], noise_law("signs"))[0]), rel=1e-10)
    assert by_hand.cost(system, 100 * np.ones_like(K)) == np.inf


# --- faults in the code ---------------------------------------------------------------------------------------------


def faulty(claim: str, study: Study, seeds: int, cells: Sequence[str]) -> Verdict:
    """Judge a claim on runs of the code as it is now, faults and all."""
    return verdict(CLAIM[claim], {study.name: simulated(study, range(100, 100 + seeds), cells)})


def _of_rank(place: int) -> Callable[..., Any]:
    """Return (8) with another member of the set."""

    def chosen(self: Neighbourhoods, costs: Any) -> Any:
        return np.array([members[np.argsort(costs[members])[min(place, len(members) - 1)]] for members in self.lists()])

    return chosen


def _step(factor: float) -> Callable[..., Schedule]:
    """Return an initialiser of schedules with another step size."""
    plain = Schedule._plan
    return lambda self, epoch: replace(plan := plain(self, epoch), step_size=factor * plan.step_size)


PRUNED, AVERAGE, STREAM, OPEN = Neighbourhoods.pruned, Neighbourhoods.average, stream, RolloutOracle.__init__
CONSTANTS, HORIZON_FOR = rules.Experiment.calibrated.__globals__["calibrated_constants"], "pcpo.experiments.experiment"


def _doubled(*args: Any, **options: Any) -> Constants:
    """Return calibrated constants with twice the step size."""
    found = CONSTANTS(*args, **options)
    return replace(found, c1=2 * found.c1)


FAULTS: dict[str, tuple[str, str, Any]] = {
    "the second cheapest in (8)": ("rule_8", "pcpo.neighbourhoods.Neighbourhoods.cheapest", _of_rank(1)),
    "the dearest in (8)": ("rule_8", "pcpo.neighbourhoods.Neighbourhoods.cheapest", _of_rank(-1)),
    "a threshold 5 % off": (
        "rule_7",
        "pcpo.neighbourhoods.Neighbourhoods.pruned",
        lambda self, costs, Delta: PRUNED(self, costs, 0.95 * Delta),
    ),
    "a mean over all": (
        "rule_6",
        "pcpo.neighbourhoods.Neighbourhoods.average",
        lambda self, values: AVERAGE(Neighbourhoods.everyone(len(values)), values),
    ),
    "a step 1 % long in the schedule": ("table_2", "pcpo.algorithms.schedule.Schedule._plan", _step(1.01)),
    "a step doubled in calibration": ("table_2", f"{HORIZON_FOR}.calibrated_constants", _doubled),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_algorithm_refutes(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    claim, name, wrong = FAULTS[fault]
    assert faulty(claim, RULES, 2, ["2x1"]) is not Verdict.REFUTED
    monkeypatch.setattr(name, wrong)
    assert faulty(claim, RULES, 2, ["2x1"]) is Verdict.REFUTED


STREAMS: dict[str, tuple[str, Callable[..., Any]]] = {
    "all agents share": ("own_rollouts", lambda seed, use, epoch, agent, kind: STREAM(seed, use, epoch, 0, kind)),
    "all agents share their noise alone": (
        "own_rollouts",
        lambda seed, use, epoch, agent, kind: STREAM(seed, use, epoch, agent * (1 - kind), kind),
    ),
    "a cluster shares": (
        "own_rollouts",
        lambda seed, use, epoch, agent, kind: STREAM(seed, use, epoch, agent // 3, kind),
    ),
    "uses share": ("fresh_rollouts", lambda seed, use, epoch, agent, kind: STREAM(seed, 0, epoch, agent, kind)),
    "epochs share": ("fresh_rollouts", lambda seed, use, epoch, agent, kind: STREAM(seed, use, 0, agent, kind)),
}


@pytest.mark.parametrize("fault", STREAMS)
def test_rollouts_that_are_shared_refute(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    claim, shared = STREAMS[fault]
    monkeypatch.setattr("pcpo.oracles.rollout.stream", shared)
    assert faulty(claim, DRAWS, 40, ["2x1"]) is Verdict.REFUTED


def test_a_horizon_is_read_off_a_cost_as_far_as_doubles_show_it() -> None:
    whole, gamma = 20.0, horizon._GAMMA
    for h in (1, 2, 28, 60):
        assert horizon._stages(whole * (1 - gamma ** (h - 1)), whole) == h
    longest = {horizon._stages(whole * (1 - gamma ** (h - 1)), whole) for h in (66, 95, 400)}
    assert longest == {65.0}
    assert horizon._stages(whole * (1 - 0.5 * (gamma**27 + gamma**28)), whole) == 0, "no whole number of stages"
    assert horizon._stages(whole * 1.01, whole) == 0, "no rollout of these costs more than all stages"


def test_half_the_horizon_refutes_in_the_oracle_and_in_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = ["2x2"]
    assert faulty("horizon", HORIZON, 3, cells) is not Verdict.REFUTED
    with monkeypatch.context() as patch:
        patch.setattr(
            RolloutOracle,
            "__init__",
            lambda self, fleet, *, horizon, **rest: OPEN(self, fleet, horizon=horizon // 2, **rest),
        )
        assert faulty("horizon", HORIZON, 3, cells) is Verdict.REFUTED
    planned = horizon.Experiment.calibrated.__globals__["horizon_for"]
    monkeypatch.setattr(f"{HORIZON_FOR}.horizon_for", lambda *given: planned(*given) // 2)
    assert faulty("horizon", HORIZON, 3, cells) is Verdict.REFUTED


def test_an_oracle_that_cuts_gradients_alone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Experiment.make_oracle

    def mixed(self: Experiment, seed: int) -> Any:
        oracle, short = plain(self, seed), plain(replace(self, horizon=self.horizon // 2), seed)
        oracle._gradients = short._gradients
        return oracle

    monkeypatch.setattr(Experiment, "make_oracle", mixed)
    assert faulty("horizon", HORIZON, 2, ["1x1"]) is Verdict.REFUTED
