"""Judge the claims on the lemmas on small simulations and on synthetic tables, with their negative controls."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from pcpo import lqr
from pcpo.claims.contract import ALPHA, Claim, Study, Tables, Verdict
from pcpo.claims.findings import failures, law_of
from pcpo.claims.judging import check_claims, judge
from pcpo.claims.options import cells_of
from pcpo.claims.power import binomial_power
from pcpo.errors import ConfigError
from pcpo.evidence.lemmas import claims_rules
from pcpo.evidence.lemmas.constants import LAW, constants, restricted_gap
from pcpo.evidence.lemmas.measures import (
    above_one,
    average_exponent,
    bias_order,
    exceedance_power,
    exceedances,
    lemma_9,
    mean_estimate,
    mean_power,
    recursion,
)
from pcpo.evidence.lemmas.proof_steps import dearest_rollout
from pcpo.evidence.lemmas.readings import Surd
from pcpo.evidence.registry import load_group
from pcpo.fleets.examples import SYSTEMS
from pcpo.simulation.noise import stream, unit_directions
from pcpo.statistics import hotelling
from pcpo.theory.predictions import estimator_error
from pcpo.theory.printed.restricted_set import at_gap, curvature

RUNS = {
    "lemmas_pairs": 8,
    "lemmas_bias": 12,
    "lemmas_mean": 12,
    "lemmas_estimates": 12,
    "lemmas_descent": 1,
    "lemmas_readings": 25,
    "lemmas_proof_steps": 20,
}
# Claims that so few runs cannot settle; all others must be supported.
UNSETTLED = {
    "lemmas.recursion",
    "lemmas.lemma_9_calibrated",
    "lemmas.unbiased_for_smoothed",
    "lemmas.second_moment",
    "lemmas.averaging",
}
# Claims whose controls need more learners than these runs have: tested on synthetic tables below.
FEW = {"lemmas.lemma_9_calibrated"}
GROUP = load_group("lemmas")
# Claims on Algorithm 1 itself have their own studies and tests (test_lemmas_rules.py).
STUDIES = {name: study for study in GROUP.studies if (name := study.name) in RUNS}
CLAIMS = {
    name: claim
    for claim in GROUP.claims
    if (name := claim.id.removeprefix("lemmas.")) not in {rule.id for rule in claims_rules.CLAIMS}
}


def simulated(study: Study, runs: int) -> pd.DataFrame:
    cells = cells_of(study, {})
    frames = [study.simulate(cell, range(runs)).assign(cell=name) for name, cell in cells.items()]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return {name: simulated(study, RUNS[name]) for name, study in STUDIES.items()}


def verdict(claim: Claim, tables: Tables) -> Verdict:
    found = claim.measure(tables)
    return claim.rule.verdict(found, found.p_value)


def test_the_group_is_complete() -> None:
    check_claims(GROUP.name, GROUP.claims)
    assert all(set(figure.inputs) <= {study.name for study in GROUP.studies} for figure in GROUP.figures.values())
    for study in GROUP.studies:
        assert set(study.key) <= set(study.columns)
        assert cells_of(study, {})


def test_tables_have_the_declared_columns_and_no_gaps(tables: Tables) -> None:
    for name, study in STUDIES.items():
        assert set(tables[name].columns) == {"cell", *study.columns}
        assert not tables[name].isna().to_numpy().any()
        assert not tables[name].duplicated(["cell", *study.key]).any()


def test_verdicts_of_a_small_simulation(tables: Tables) -> None:
    rows = judge(GROUP.name, list(CLAIMS.values()), tables)
    claims = rows[rows["role"] == "claim"].set_index("claim")["verdict"]
    assert not (claims == "refuted").any()
    assert (claims.drop(list(UNSETTLED)) == "supported").all()
    controls = rows[(rows["role"] == "negative_control") & ~rows["claim"].isin(FEW)]
    assert (controls["verdict"] == "refuted").all()
    powers = rows[rows["role"] == "power"]["estimate"]
    assert powers.between(0, 1).all()


@pytest.mark.parametrize(
    ("study", "cell"),
    [
        ("lemmas_pairs", "two"),
        ("lemmas_bias", "two"),
        ("lemmas_mean", "scalar"),
        ("lemmas_estimates", "two:4"),
        ("lemmas_descent", "moments:scalar"),
    ],
)
def test_rows_of_a_seed_do_not_depend_on_the_others(study: str, cell: str) -> None:
    one = STUDIES[study]
    chosen = cells_of(one, {})[cell]
    together, alone = one.simulate(chosen, [4, 5]), one.simulate(chosen, [5])
    pd.testing.assert_frame_equal(
        together[together["seed"] == 5].reset_index(drop=True), alone.reset_index(drop=True), check_exact=True
    )


@pytest.mark.parametrize("study", STUDIES)
def test_wrong_options_are_named(study: str) -> None:
    one = STUDIES[study]
    name = next(iter(one.defaults))
    for wrong in ({"colour": 1}, {name: "many"}, {name: -1}, {name: True}):
        key = next(iter(wrong))
        with pytest.raises(ConfigError, match=key):
            cells_of(one, wrong)


# --- constants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scalar", "two", "three"])
def test_constants_bound_what_they_must_and_not_by_much(name: str) -> None:
    """Check λ and φ in other directions on the larger set E, and that a ball of radius ρ around G⁰ stays in E."""
    system, start = SYSTEMS[name], 0.01
    known, gap = constants(system, start), restricted_gap(system, start)
    rng = stream(1, 5, 99)
    K = at_gap(system, unit_directions(system, 200, rng), 1.5 * gap)
    slopes, bends = np.linalg.norm(lqr.gradient(system, K), axis=(1, 2)), curvature(system, K)
    assert slopes.max() <= known.lipschitz * (1 + 1e-5)
    assert bends.max() <= known.smoothness * (1 + 1e-5)
    assert slopes.max() > known.lipschitz / 2
    assert bends.max() > known.smoothness / 2
    edge = at_gap(system, unit_directions(system, 200, rng), gap)
    moved = edge + known.radius * unit_directions(system, 200, rng)
    star = lqr.riccati(system).cost
    assert (lqr.cost_array(system, moved) - star <= 1.5 * gap).all()
    assert (lqr.cost_array(system, moved) - star > gap).any()


def test_at_gap_meets_the_gap_from_below() -> None:
    system = SYSTEMS["three"]
    wanted = np.linspace(0.1, 4.0, 20)
    K = at_gap(system, unit_directions(system, 20, stream(2, 5)), wanted)
    found = np.array([lqr.suboptimality_gap(system, k) for k in K])
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert (found <= wanted * (1 + 1e-9)).all()


def test_rollouts_of_the_edge_system_cost_the_same() -> None:
    """With A = 0, K* = 0 and signs as noise (18) is attained, so Lemma 7 has no room to spare."""
    system = SYSTEMS["edge"]
    star = lqr.riccati(system)
    known = constants(system, 1e-6)
    assert float(np.abs(star.K).max()) == 0.0
    assert star.cost <= known.rollout_bound <= 1.02 * star.cost
    r, D = 0.9 * known.radius, system.D
    error = estimator_error(system, star.K, r, 1, LAW)
    assert error == pytest.approx((D * star.cost / r) ** 2, rel=0.01)


# --- synthetic tables -----------------------------------------------------------------------------------------------


def learners(count: int, failed: int = 0, left: int = 0) -> Tables:
    """Make learners of two steps: the first `failed` end above the bound, the last `left` leave the set and return."""
    rows = []
    for k in range(count):
        end = 0.3 if k < failed else 0.05
        middle = 2.0 if k >= count - left else 0.2
        for step, (gap, after) in enumerate([(0.5, middle), (middle, end)]):
            rows.append({"cell": "rollouts:two", "seed": k, "learner": 0, "step": step, "gap": gap, "next_gap": after})
    fixed = {"limit": 1.0, "bound": 0.1, "allowed": 0.1, "iterations": 2}
    return {"lemmas_descent": pd.DataFrame(rows).assign(**fixed, step_size=0.1, slope=1.0, error=100.0)}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"count": 60}, Verdict.SUPPORTED),
        ({"count": 12}, Verdict.INCONCLUSIVE),
        ({"count": 60, "failed": 18}, Verdict.REFUTED),
        ({"count": 60, "left": 18}, Verdict.REFUTED),
    ],
)
def test_lemma_9_counts_bad_ends_and_excursions(case: Mapping[str, int], expected: Verdict) -> None:
    found = lemma_9(learners(**case))
    assert found.n_runs == case["count"]
    assert verdict(CLAIMS["lemma_9_calibrated"], learners(**case)) is expected


def test_recursion_is_refuted_by_one_step_inside_the_set_only() -> None:
    def steps(rows: int, **last: float) -> Tables:
        frame = pd.DataFrame({"cell": "rollouts:two", "gap": np.full(rows, 0.5), "limit": 1.0, "next_gap": 0.4})
        frame = frame.assign(step_size=0.1, slope=4.0, error=1.0)  # right-hand side .45 + .075
        frame = frame.assign(seed=np.arange(rows) // 10, learner=0)  # ten steps of each learner
        for column, value in last.items():
            frame.loc[rows - 1, column] = value
        return {"lemmas_descent": frame}

    assert verdict(CLAIMS["recursion"], steps(1000)) is Verdict.SUPPORTED
    assert verdict(CLAIMS["recursion"], steps(10)) is Verdict.INCONCLUSIVE
    assert verdict(CLAIMS["recursion"], steps(1000, next_gap=0.524)) is Verdict.SUPPORTED
    assert verdict(CLAIMS["recursion"], steps(1000, next_gap=0.526)) is Verdict.REFUTED
    assert verdict(CLAIMS["recursion"], steps(1000, next_gap=np.inf)) is Verdict.REFUTED
    found = recursion(steps(1000, gap=1.5, next_gap=9.0))
    assert (found.n_runs, found.trials) == (100, 999)


@pytest.mark.parametrize(("exponent", "expected"), [(2.0, Verdict.SUPPORTED), (1.0, Verdict.REFUTED)])
def test_bias_order_extrapolates(exponent: float, expected: Verdict) -> None:
    """Extrapolate r^p (1 + .05 r²): the slopes are off by several per cent at r = 1, the extrapolation is not."""
    radii = 0.5 ** np.arange(3)
    frame = pd.DataFrame({"cell": "two", "seed": np.repeat([0, 1], 3), "halvings": np.tile([0, 1, 2], 2)})
    frame["bias"] = np.tile(radii**exponent * (1 + 0.05 * radii**2), 2)
    tables = {"lemmas_bias": frame}
    assert bias_order(tables).estimate == pytest.approx(exponent, abs=0.005)
    assert verdict(CLAIMS["bias_order"], tables) is expected


def estimates(g: np.ndarray, mean: np.ndarray) -> Tables:
    runs, D = g.shape
    index = {"cell": "two", "seed": np.repeat(np.arange(runs), D), "component": np.tile(np.arange(D), runs)}
    frame = pd.DataFrame({**index, "estimate": g.ravel()})
    return {"lemmas_mean": frame.assign(smoothed=np.tile(mean, runs), gradient=np.tile(2 * mean, runs))}


def test_mean_is_judged_on_every_component() -> None:
    """A mean that is off in a direction orthogonal to ∇C_r leaves the ratio at 1, and T² refutes it all the same."""
    rng, mean = stream(3, 5), np.array([3.0, 0.0, 0.0])
    g = mean + 0.05 * rng.standard_normal((40, 3))
    assert verdict(CLAIMS["unbiased_for_smoothed"], estimates(g, mean)) is Verdict.SUPPORTED
    aside = estimates(g + np.array([0.0, 0.05, 0.0]), mean)
    assert mean_estimate(aside).low < 1 < mean_estimate(aside).high
    assert verdict(CLAIMS["unbiased_for_smoothed"], aside) is Verdict.REFUTED
    assert verdict(CLAIMS["unbiased_for_smoothed"], estimates(g[:4], mean)) is not Verdict.REFUTED


def test_p_values_of_the_mean_are_uniform() -> None:
    """Under the null hypothesis the fraction of p-values of T² below .05 is binomial: within 3.5 standard errors."""
    rng, mean, count = stream(4, 5), np.array([1.0, -2.0]), 1000
    p = [hotelling(mean + rng.standard_normal((20, 2)), mean) for _ in range(count)]
    assert abs(np.mean(np.array(p) < ALPHA) - ALPHA) < 3.5 * np.sqrt(ALPHA * (1 - ALPHA) / count)


def test_exceedances_are_those_of_the_worst_cell() -> None:
    frame = pd.DataFrame({"cell": np.repeat(["two:1", "edge:1", "two:4"], 2000), "deviation": 0.0})
    frame["agents"] = np.where(frame["cell"] == "two:4", 4, 1)
    frame.loc[2000:2079, "deviation"] = 9.0
    found = exceedances({"lemmas_estimates": frame}, alone=True)
    assert (found.estimate, found.n_runs) == (0.04, 2000)
    assert verdict(CLAIMS["lemma_7"], {"lemmas_estimates": frame}) is Verdict.REFUTED
    assert verdict(CLAIMS["corollary_8"], {"lemmas_estimates": frame}) is Verdict.SUPPORTED


@pytest.mark.parametrize(("power", "expected"), [(1.0, Verdict.SUPPORTED), (0.5, Verdict.REFUTED)])
def test_averaging_finds_the_exponent(power: float, expected: Verdict) -> None:
    rng, frames = stream(5, 5), []
    for system, level in (("two", 1.0), ("three", 7.0)):
        for agents in (1, 4, 16):
            square = level * agents**-power * rng.chisquare(2, 4000) / 2
            cell = pd.DataFrame({"seed": np.arange(4000) % 40, "square": square})
            frames.append(cell.assign(cell=f"{system}:{agents}", agents=agents))
    tables = {"lemmas_estimates": pd.concat(frames, ignore_index=True)}
    found = average_exponent(tables)
    assert found.low - 0.02 < -power < found.high + 0.02
    assert verdict(CLAIMS["averaging"], tables) is expected
    few = {"lemmas_estimates": tables["lemmas_estimates"].query("seed < 4")}
    assert verdict(CLAIMS["averaging"], few) is Verdict.INCONCLUSIVE


# --- readings of δ_l ---


class TestSurds:
    def test_against_decimals(self) -> None:
        rng = stream(2, 5)
        with localcontext() as context:
            context.prec = 60
            root = Decimal(2).sqrt()
            for _ in range(300):
                a, b, c, d = (Fraction(int(k), 7) for k in rng.integers(-30, 30, 4))
                x, y = Surd(a, b), Surd(c, d)

                def value(s: Surd, root: Decimal = root) -> Decimal:
                    parts = (Decimal(f.numerator) / Decimal(f.denominator) for f in (s.p, s.q))
                    return next(parts) + next(parts) * root

                assert abs(value(x * y) - value(x) * value(y)) < Decimal("1e-50")
                assert (x - y).positive() == (value(x) > value(y))
                assert float(x + y) == pytest.approx(float(value(x) + value(y)), abs=1e-12)

    def test_zero_is_not_positive(self) -> None:
        assert not Surd(0).positive()
        assert Surd(Fraction(7, 5) * -1, 1).positive()  # √2 > 1.4
        assert not Surd(Fraction(3, 2) * -1, 1).positive()  # √2 < 1.5

    def test_sums_of_the_readings(self, tables: Tables) -> None:
        """Compare with the limits π²/24, 1/(2(√2 − 1)) = 1.207…, and 0.2822…"""
        last = tables["lemmas_readings"].groupby("reading")["union"].max()
        assert last["appendix"] < np.pi**2 / 24
        assert 1.18 < last["algorithm"] < 0.5 / (np.sqrt(2) - 1)
        assert last["table"] == pytest.approx(sum(2.0 ** -(k**2) for k in range(1, 9)) / 2, rel=1e-12)


# --- power and figure -----------------------------------------------------------------------------------------------


def test_power_of_a_binomial_check_is_that_of_its_rule() -> None:
    trials, bound, truth, rule = 40, 0.1, 0.25, CLAIMS["lemma_7"].rule
    refuting = [
        k for k in range(trials + 1) if rule.verdict(f := failures(k, trials, bound), f.p_value) is Verdict.REFUTED
    ]
    rng = stream(6, 5)
    drawn = np.isin(rng.binomial(trials, truth, 20_000), refuting)
    expected = binomial_power(trials, bound, truth, ALPHA)
    assert abs(drawn.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 20_000)
    assert binomial_power(trials, bound, bound, ALPHA) < ALPHA


@pytest.mark.parametrize("level", [ALPHA, ALPHA / 12])
def test_power_of_the_worst_cell_is_at_the_level_over_the_number_of_cells(level: float) -> None:
    frame = pd.DataFrame({"cell": np.repeat(["two:1", "edge:1", "two:4"], 2000), "deviation": 0.0})
    tables = {"lemmas_estimates": frame.assign(agents=np.where(frame["cell"] == "two:4", 4, 1))}
    assert exceedance_power(tables, level, alone=True, factor=1.5) == binomial_power(2000, 0.01, 0.015, level / 2)
    assert exceedance_power(tables, level, alone=False, factor=1.5) == binomial_power(2000, 0.01, 0.015, level)


def test_power_of_the_mean_falls_with_the_level() -> None:
    rng, mean = stream(7, 5), np.array([0.1, 0.0])
    tables = estimates(mean + 0.3 * rng.standard_normal((40, 2)), mean)
    powers = [mean_power(tables, level) for level in (ALPHA, ALPHA / 12)]
    assert 0 < powers[1] < powers[0] < 1


def test_power_against_a_shift_of_nothing_is_the_level(tables: Tables) -> None:
    found = CLAIMS["second_moment"].measure(tables)
    assert law_of(found).power(1.0, 1.0, ALPHA) == pytest.approx(ALPHA), found.interval
    assert law_of(found).power(1.0, 1.0 + 10 * (found.high - found.low), ALPHA) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "panels"), [("lemmas", {"bias", "averages", "ratios"}), ("lemmas_steps", {"steps", "tails", "ends"})]
)
def test_figures_show_all_panels(tables: Tables, name: str, panels: set[str]) -> None:
    spec = GROUP.figures[name]
    numbers = spec.table(tables)
    assert set(numbers["panel"]) == panels
    assert not numbers[["x", "y", "runs"]].isna().to_numpy().any()
    figure = spec.draw(numbers)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert axes.get_xlabel() or axes.get_xticklabels()
        assert axes.get_ylabel()
        assert "runs" in axes.get_title(loc="left")


# --- steps of the proofs ---


def test_dearest_rollout_of_a_scalar_system_is_the_exact_one() -> None:
    """Compare with z_t = sign(a)^t, which attains the supremum, and with all signs of a short rollout."""
    system = SYSTEMS["scalar"]
    K = 0.5 * lqr.riccati(system).K
    a, w = (system.A - system.B @ K).item(), lqr.stage_weight(system, K).item()
    for horizon in (1, 6):
        costs = []
        for signs in itertools.product((-1.0, 1.0), repeat=horizon):
            x, cost = 0.0, 0.0
            for t, z in enumerate(signs, start=1):
                x = a * x + z
                cost += system.gamma**t * w * x * x
            costs.append(cost)
        assert dearest_rollout(system, K, horizon) == pytest.approx(max(costs), rel=1e-12)


def test_dearest_rollout_is_above_simulated_ones_and_below_the_bound() -> None:
    system = SYSTEMS["three"]
    K, rng = lqr.riccati(system).K, stream(8, 5)
    A_K, W = system.A - system.B @ K, lqr.stage_weight(system, K)
    worst = 0.0
    for _ in range(200):
        x, cost = np.zeros(system.n), 0.0
        for t in range(1, 21):
            x = A_K @ x + rng.choice((-1.0, 1.0), system.n)
            cost += system.gamma**t * x @ W @ x
        worst = max(worst, cost)
    assert worst < dearest_rollout(system, K, 20) <= lqr.rollout_bound(system, K, LAW)


def test_proof_steps_are_not_far_from_their_bounds(tables: Tables) -> None:
    """Check that what is bounded reaches a fair part of its bound somewhere, as far as the steps are sharp."""
    frame = tables["lemmas_proof_steps"]
    assert 0.5 < frame["rollout"].max() <= 1
    assert 0.99 < frame["error"].max() <= 1 + 1e-9
    assert 0.5 < frame["step"].max() <= 1
    assert (frame["Z"] <= 1).all()
    assert frame["minibatch"].max() <= 1 < frame["minibatch_without"].max()
    assert frame["needed"].between(1e-4, 1).all()


def test_one_fleet_above_its_bound_refutes(tables: Tables) -> None:
    frame = tables["lemmas_proof_steps"].copy()
    frame.loc[0, "step"] = 1.001
    assert above_one({"lemmas_proof_steps": frame}, "step").estimate == 1
    assert verdict(CLAIMS["step_length"], {"lemmas_proof_steps": frame}) is Verdict.REFUTED
    for column in ("epochs", "iterations", "minibatch"):
        wrong = tables["lemmas_proof_steps"].copy()
        wrong.loc[1, column] = 1.001
        assert verdict(CLAIMS["epochs_of_rollouts"], {"lemmas_proof_steps": wrong}) is Verdict.REFUTED
