"""Test the claims on clustering: each measure on synthetic tables, and the whole group on a small simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pcpo.claims.cells import failing_cell, failure_probability, share_of_delta
from pcpo.claims.contract import Claim, Verdict
from pcpo.claims.judging import judge
from pcpo.claims.options import cells_of
from pcpo.claims.tables import read_tables, simulated, write_table
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.clustering.measures import per_run, rollout_slope
from pcpo.evidence.clustering.studies import CLUSTERING, HETEROGENEITY, early_epoch, settled
from pcpo.evidence.registry import load_group

GROUP = load_group("clustering")
CLAIMS = {claim.id.removeprefix("clustering."): claim for claim in GROUP.claims}
RUNS = 80
TINY = {
    "agents": [4],
    "clusters": [2],
    "halvings": [1],
    "minibatch_scale": 0.3,
    "smaller_minibatches": [],
    "positions": [],
}


def cell(name: str, role: str, runs: int = RUNS, *, failing: int = 0, exact: bool = True) -> pd.DataFrame:
    """Make up runs of three epochs with L = 3.

    Their sets are exact from epoch 1 on; the last `failing` runs violate everything in epoch 2.
    """
    seed, epoch = (g.ravel() for g in np.meshgrid(np.arange(runs), [1, 2, 3], indexing="ij"))
    bad = seed >= runs - failing
    margins = np.where(bad & (epoch == 2), 1.5, 0.3)
    return pd.DataFrame(
        {
            "cell": name,
            "seed": seed,
            "epoch": epoch,
            "role": role,
            "states": 1,
            "agents": 4,
            "clusters": 2,
            "minibatch_scale": 1.0,
            "delta": 0.1,
            "Delta": 4.0,
            "L": 3,
            "Delta_l": 4.0 * (4 / 3) * 2.0 ** (1 - epoch),
            "margin": margins,
            "gap_margin": margins,
            "estimate_margin": margins,
            "lost": (bad & (epoch >= 2)).astype(int),
            "exact": (~bad & exact | (bad & (epoch < 2) & exact)).astype(int),
            "rollouts": 100.0 * 4.0**epoch,
            "mode": "calibrated",
        }
    )


def good_tables(failing: int = 0) -> dict[str, pd.DataFrame]:
    """Make up two cells of the grid, a sweep and the control cells; and rollouts exactly as the schedule plans them."""
    edge = cell("edge", "control:edge")
    edge.loc[edge["epoch"] == 1, "exact"] = 0
    parts = [
        cell("base", "grid"),
        cell("agents_8", "grid", failing=failing).assign(agents=8),
        cell("scale_0.1", "sweep", failing=10).assign(minibatch_scale=0.1),
        cell("noisy", "control:noisy", failing=RUNS),
        cell("no_elimination", "control:no_elimination", exact=False),
        cell("close", "control:close", exact=False),
        edge,
    ]
    seed, k = (g.ravel() for g in np.meshgrid(np.arange(10), [1, 2, 3], indexing="ij"))
    planned = 1000.0 * 5.0**k
    rows = pd.DataFrame(
        {"cell": "x", "seed": seed, "agents": 4, "Delta": 8.0 * 2.0**-k, "L": k + 2, "settled": k * 1.0}
    )
    rows = rows.assign(rollouts=planned, predicted_rollouts=planned, promised_rollouts=25 * planned, mode="calibrated")
    return {"clustering": pd.concat(parts, ignore_index=True), "heterogeneity": rows}


def verdict(claim: Claim, tables: dict[str, pd.DataFrame]) -> Verdict:
    finding = claim.measure(tables)
    return claim.rule.verdict(finding, finding.p_value)


def test_every_claim_is_supported_by_good_data_and_refuted_by_its_controls() -> None:
    verdicts = judge(GROUP.name, GROUP.claims, good_tables())
    for role, expected in (("claim", Verdict.SUPPORTED), ("negative_control", Verdict.REFUTED)):
        found = verdicts[verdicts["role"] == role]
        assert set(found["verdict"]) == {expected.value}, found[["claim", "control", "verdict"]]
    power = verdicts[verdicts["role"] == "power"].set_index("claim")["statistic"]
    primary, level = power.pop("clustering.event_22"), 0.05 / (len(CLAIMS) - 1)
    assert primary.startswith("power at level 0.05 against")
    assert power.str.startswith(f"power at level {level:.3g} against").all()


@pytest.mark.parametrize("name", ["event_22", "event_23a", "event_23b", "theorem_1_1", "theorem_1_2", "settles_early"])
def test_one_bad_cell_among_good_ones_refutes(name: str) -> None:
    bad = good_tables(failing=20)
    assert verdict(CLAIMS[name], bad) is Verdict.REFUTED
    finding = CLAIMS[name].measure(bad)
    assert finding.estimate == 20 / RUNS
    assert "agents_8" in finding.statistic


def test_too_few_runs_are_inconclusive() -> None:
    tables = good_tables()
    few = tables["clustering"][tables["clustering"]["seed"] < 71]
    assert verdict(CLAIMS["event_22"], {**tables, "clustering": few}) is Verdict.INCONCLUSIVE
    enough = tables["clustering"][tables["clustering"]["seed"] < 72]  # .95^72 < .025
    assert verdict(CLAIMS["event_22"], {**tables, "clustering": enough}) is Verdict.SUPPORTED


def test_worst_cell_limits_are_clopper_pearson_with_bonferroni_below_only() -> None:
    measure = failure_probability("clustering", per_run, lambda runs: runs["margin"] > 1, "x", share_of_delta(0.5))
    finding = measure(good_tables(failing=4))
    level = 0.05 / 2 / 2  # two-sided, two cells
    assert finding.low == pytest.approx(stats.beta.ppf(level, 4, RUNS - 3))
    assert finding.high == pytest.approx(stats.beta.ppf(0.975, 5, RUNS - 4))
    assert finding.p_value == pytest.approx(min(1.0, 4 * stats.binom.sf(3, RUNS, 0.05)))
    assert (finding.n_runs, finding.trials) == (RUNS, 2 * RUNS)


def test_infinite_margins_count_as_failures() -> None:
    tables = good_tables()
    table = tables["clustering"].copy()
    table.loc[(table["role"] == "grid") & (table["seed"] < 40), "gap_margin"] = np.inf
    assert verdict(CLAIMS["event_23a"], {**tables, "clustering": table}) is Verdict.REFUTED


def test_implication_looks_only_at_epochs_up_to_which_the_event_held() -> None:
    """A run of the sweep that is misclustered after (22) failed in epoch 2 is no violation; one before epoch 2 is."""
    tables = good_tables()
    claim = CLAIMS["event_implies_clusters"]
    assert claim.measure(tables).n_runs == RUNS
    table = tables["clustering"].copy()
    failing = (table["role"] == "sweep") & (table["seed"] >= 70)
    table.loc[failing & (table["epoch"] == 1), "lost"] = 1
    assert claim.measure({**tables, "clustering": table}).estimate == 10


def test_settled_epoch() -> None:
    assert settled([True, True]) == 1
    assert settled([False, True, True]) == 2
    assert settled([True, False, True]) == 3
    assert settled([True, False]) == math.inf
    rows = cell("x", "grid", 1)
    for exact in ([1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]):
        assert per_run(rows.assign(exact=exact))["settled"].tolist() == [settled([bool(e) for e in exact])]
    assert [early_epoch(L) for L in (1, 2, 3, 4, 6)] == [1, 1, 1, 2, 4]


def test_slope_is_least_squares_and_infinite_rollouts_refute() -> None:
    tables = good_tables()
    assert rollout_slope(tables).estimate == pytest.approx(-math.log2(5))
    late = tables["heterogeneity"].copy()
    late.loc[0, "rollouts"] = np.inf
    for name in ("heterogeneity_slope", "heterogeneity_helps"):
        assert verdict(CLAIMS[name], {**tables, "heterogeneity": late}) is not Verdict.SUPPORTED
    assert verdict(CLAIMS["heterogeneity_slope"], {**tables, "heterogeneity": late}) is Verdict.REFUTED


def test_slope_has_an_interval_when_runs_differ() -> None:
    """Runs that settle an epoch late at random change the rollouts and leave the slope as it is."""
    tables = good_tables()
    table = tables["heterogeneity"]
    rng = np.random.default_rng(1)
    noisy = table.assign(rollouts=table["rollouts"] * 5.0 ** rng.integers(0, 2, len(table)))
    finding = rollout_slope({**tables, "heterogeneity": noisy})
    assert finding.low < finding.estimate < finding.high
    weights = np.log2([4.0, 2.0, 1.0]) - 1
    error = math.log2(5) * 0.5 * math.sqrt(np.sum(weights**2)) / np.sum(weights**2) / math.sqrt(10)
    assert abs(finding.estimate + math.log2(5)) < 4 * error  # a known standard error


def test_power_is_the_exact_binomial_one() -> None:
    tables = good_tables()
    half = share_of_delta(0.5)
    power = failing_cell("clustering", 0.2, half).value(tables, 0.05)
    critical = next(x for x in range(RUNS + 1) if 4 * stats.binom.sf(x - 1, RUNS, 0.05) < 0.05)
    assert power == pytest.approx(stats.binom.sf(critical - 1, RUNS, 0.2))
    assert failing_cell("clustering", 0.05, half).value(tables, 0.05) < 0.05 / 2


@pytest.mark.parametrize(
    ("study", "options", "named"),
    [
        (CLUSTERING, {"agent": [4]}, "agent"),
        (CLUSTERING, {"agents": 4}, "agents"),
        (CLUSTERING, {"agents": []}, "agents"),
        (CLUSTERING, {"agents": [4.5]}, "agents"),
        (CLUSTERING, {"agents": [3], "clusters": [3]}, "agents"),
        (CLUSTERING, {"minibatch_scale": 0.0}, "minibatch_scale"),
        (CLUSTERING, {"positions": [0.4]}, "position"),
        (CLUSTERING, {"delta": True}, "delta"),
        (HETEROGENEITY, {"halvings": [2]}, "halvings"),
        (HETEROGENEITY, {"halvings": [0, 1]}, "halvings"),
    ],
)
def test_wrong_options_are_named(study, options, named) -> None:
    with pytest.raises(ConfigError, match=named):
        cells_of(study, options)


def test_missing_roles_are_named() -> None:
    tables = good_tables()
    table = tables["clustering"]
    without = {**tables, "clustering": table[table["role"] != "grid"]}
    with pytest.raises(ResultsError, match="grid"):
        CLAIMS["event_22"].measure(without)
    without = {**tables, "clustering": table[table["role"] != "control:noisy"]}
    with pytest.raises(ResultsError, match="control:noisy"):
        CLAIMS["event_22"].controls[0].tables(without)


def through_files(study, options, seeds, folder) -> pd.DataFrame:
    """Simulate, write and read the table of a study, as the workflow does."""
    write_table(study, seeds, simulated(study, options, seeds), folder / f"{study.name}.parquet", {})
    return read_tables(study, [folder / f"{study.name}.parquet"])


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("tables")
    few = {"halvings": [1, 2], "minibatch_scale": 0.1}
    return {
        "clustering": through_files(CLUSTERING, TINY, range(2), folder),
        "heterogeneity": through_files(HETEROGENEITY, few, range(2), folder),
    }


def test_small_simulation_refutes_the_controls_and_no_claim(tables) -> None:
    verdicts = judge(GROUP.name, GROUP.claims, tables)
    # The slope of two runs has no interval: the claims on heterogeneity are tested on tables of known truth above.
    controls = verdicts[(verdicts["role"] == "negative_control") & (verdicts["figure"] != "heterogeneity")]
    assert set(controls["verdict"]) == {Verdict.REFUTED.value}, controls[["claim", "control", "verdict"]]
    assert Verdict.REFUTED.value not in set(verdicts.loc[verdicts["role"] == "claim", "verdict"])


def test_claims_have_the_mode_of_their_runs(tables) -> None:
    found = {mode for table in tables.values() for mode in table["mode"]}
    assert found == {claim.mode for claim in GROUP.claims} == {"calibrated, oracle auto"}


def test_margins_obey_the_triangle_inequality(tables) -> None:
    """The margin of (22) is at most the mean of those of (23a) and (23b), each of the worst agent: (22) follows."""
    table = tables["clustering"]
    assert (table["margin"] <= (table["gap_margin"] + table["estimate_margin"]) / 2 * (1 + 1e-12)).all()


def test_rows_of_a_seed_do_not_depend_on_other_seeds(tables) -> None:
    one = cells_of(HETEROGENEITY, {"halvings": [1, 2]})["halvings_1"]
    alone = HETEROGENEITY.simulate(one, [1])
    found = tables["heterogeneity"]
    expected = found[(found["cell"] == "halvings_1") & (found["seed"] == 1)]
    pd.testing.assert_frame_equal(alone.reset_index(drop=True), expected[alone.columns].reset_index(drop=True))


@pytest.mark.parametrize("name", list(GROUP.figures))
def test_figures_draw_what_their_tables_hold(tables, name) -> None:
    figure = GROUP.figures[name]
    numbers = figure.table(tables)
    assert not numbers.empty
    assert figure.draw(numbers).axes
