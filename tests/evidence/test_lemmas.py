"""Judge the claims on the lemmas on small simulations and on synthetic tables, with their negative controls."""

from __future__ import annotations

from collections.abc import Mapping

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
from pcpo.evidence.lemmas.constants import LAW, constants, restricted_gap
from pcpo.evidence.lemmas.measures import (
    average_exponent,
    bias_order,
    exceedance_power,
    exceedances,
    lemma_9,
    mean_estimate,
    mean_power,
    recursion,
)
from pcpo.evidence.registry import load_group
from pcpo.fleets.examples import SYSTEMS
from pcpo.simulation.noise import stream, unit_directions
from pcpo.statistics import hotelling
from pcpo.theory.predictions import estimator_error
from pcpo.theory.restricted_set import at_gap, curvature

RUNS = {"lemmas_pairs": 8, "lemmas_bias": 12, "lemmas_mean": 12, "lemmas_estimates": 12, "lemmas_descent": 1}
# Claims that so few runs cannot settle; all others must be supported.
UNSETTLED = {
    "lemmas.recursion",
    "lemmas.lemma_9_calibrated",
    "lemmas.lemma_9_literal",
    "lemmas.unbiased_for_smoothed",
    "lemmas.second_moment",
    "lemmas.averaging",
}
# Claims whose controls need more learners than these runs have: tested on synthetic tables below.
FEW = {"lemmas.lemma_9_calibrated", "lemmas.lemma_9_literal"}
GROUP = load_group("lemmas")
STUDIES = {study.name: study for study in GROUP.studies}
CLAIMS = {claim.id.removeprefix("lemmas."): claim for claim in GROUP.claims}


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
    assert set(GROUP.figures["lemmas"].inputs) <= set(STUDIES)
    for study in GROUP.studies:
        assert set(study.key) <= set(study.columns)
        assert cells_of(study, {})


def test_tables_have_the_declared_columns_and_no_gaps(tables: Tables) -> None:
    for name, study in STUDIES.items():
        assert set(tables[name].columns) == {"cell", *study.columns}
        assert not tables[name].isna().to_numpy().any()
        assert not tables[name].duplicated(["cell", *study.key]).any()


def test_verdicts_of_a_small_simulation(tables: Tables) -> None:
    rows = judge(GROUP.name, GROUP.claims, tables)
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
    found = lemma_9(learners(**case), "rollouts")
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


def test_figure_shows_all_panels(tables: Tables) -> None:
    spec = GROUP.figures["lemmas"]
    numbers = spec.table(tables)
    assert set(numbers["panel"]) == {"bias", "steps", "averages", "tails", "ratios", "ends"}
    assert not numbers[["x", "y", "runs"]].isna().to_numpy().any()
    figure = spec.draw(numbers)
    assert len(figure.axes) == 6
    for axes in figure.axes:
        assert axes.get_xlabel() or axes.get_xticklabels()
        assert axes.get_ylabel()
        assert "runs" in axes.get_title(loc="left")
