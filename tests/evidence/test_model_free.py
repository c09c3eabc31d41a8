"""Test the experiment of `pcpo_auto`: its fleets, the methods' budgets, outcomes, measures and claims."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.baselines.oracle_clusters import OracleClusters
from pcpo.algorithms.model_free.annealing import Annealing
from pcpo.algorithms.model_free.auto import PCPOAuto
from pcpo.claims.contract import Verdict
from pcpo.claims.options import cells_of
from pcpo.errors import BudgetError, ConfigError, FleetError, ResultsError
from pcpo.evidence.model_free import studies_annealing, studies_constants
from pcpo.evidence.model_free.claims import CLAIMS
from pcpo.evidence.model_free.figures import FIGURES
from pcpo.evidence.model_free.figures_compared import compared_table
from pcpo.evidence.model_free.measures import FACTORS, annealing_failures, failures, false_successes, gap_ratio
from pcpo.evidence.model_free.population import CONDITIONS, deviation, draw, largest_condition, stratum
from pcpo.evidence.model_free.runs import COLUMNS, Cell, simulate
from pcpo.evidence.model_free.settings import METHODS, experiment
from pcpo.evidence.model_free.studies import COMPARED, CONTROLS, GUESSED, PARTS, STUDIES
from pcpo.evidence.model_free.unstable import draw_unstable
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.population import PopulationSpec, draw_clusters
from pcpo.fleets.random import condition
from pcpo.simulation.noise import stream

#: A fleet of one state and one input.
SEED = next(k for k in range(1, 200) if stratum("condition_3", k).shape == (1, 1))
CELL = Cell("condition_3", 30_000, ("auto", "alone", "pcpo", "known"))


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return simulate(CELL, [SEED])


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_strata_are_balanced_over_successive_numbers(name: str) -> None:
    found = [stratum(name, k) for k in range(80000, 80200)]
    for field, parts in (("open_loop", 2), ("ratio", 4), ("sizes", 4)):
        counts = Counter(getattr(s, field) for s in found)
        assert len(counts) == parts
        assert max(counts.values()) - min(counts.values()) <= 4
    assert all(8 <= sum(s.sizes) <= 12 and max(s.sizes) >= 4 for s in found)
    assert {s.shape for s in found} >= {(n, m) for n in (2, 3, 4) for m in (1, 2)}


@pytest.mark.parametrize(("name", "number"), [("condition_3", 4), ("condition_10", 5), ("condition_30", 6)])
def test_a_fleet_is_what_its_stratum_says(name: str, number: int) -> None:
    fleet, chosen, (low, high) = draw(name, number), stratum(name, number), CONDITIONS[name]
    assert low < largest_condition(fleet) <= high
    assert (fleet.n, fleet.m, fleet.gamma) == (*chosen.shape, chosen.gamma)
    assert fleet.separation is not None
    assert fleet.separation / deviation(fleet.systems[0]) == pytest.approx(chosen.ratio)
    radii = [np.sqrt(s.gamma) * np.abs(np.linalg.eigvals(s.A)).max() for s in fleet.systems]
    assert min(radii) > 1 if chosen.open_loop == "unstable" else max(radii) < 1
    ratios = 1 + fleet.gaps(fleet.initial_gains) / fleet.optimal_costs[fleet.labels]
    assert ratios.min() >= 1.05 * (1 - 1e-9)
    assert ratios.max() <= 1.5 * (1 + 1e-9)


def test_a_least_condition_number_holds_for_one_cluster() -> None:
    spec = PopulationSpec(sizes=(1, 1, 1), condition_least=8.0, condition_limit=30.0, common_gain=True)
    for seed in range(3):
        systems = draw_clusters(spec, stream(seed, 0)).systems
        numbers = [condition(system) for system in systems]
        assert 8 < max(numbers) <= 30
    with pytest.raises(FleetError, match=r"condition_least: found 30, expected a number from 1 to below"):
        PopulationSpec(condition_least=30)


def test_a_calibrated_schedule_spends_the_budget_and_not_more() -> None:
    fleet = draw("condition_3", SEED)
    right = experiment(fleet, 100_000, 1.0, "moments")
    assert right.epochs == 2
    assert 0.9 * 100_000 < right.schedule.rollouts_for(2) <= 100_000
    too_large = experiment(fleet, 100_000, 30.0, "moments")
    assert too_large.schedule.Delta0 == pytest.approx(30 * right.schedule.Delta0)
    assert too_large.epochs > 2
    with pytest.raises(BudgetError):
        experiment(fleet, 100_000, 1 / 30, "moments")
    with pytest.raises(BudgetError, match="which leaves minibatches of 1, expected at least 2"):
        experiment(fleet, 100_000, 30.0, "moments", least=2)
    with pytest.raises(BudgetError):
        experiment(fleet, 300, 1.0, "moments")


def test_runs_say_what_became_of_them(runs: pd.DataFrame) -> None:
    assert list(runs.columns) == list(COLUMNS)
    found = runs.set_index("method")
    assert (found["spent"] <= 30_000).all()
    assert found.loc["auto", "mode"] == "model-free, moment oracle"
    assert found.loc["auto", ["failed", "cause"]].tolist() == [0, ""]
    assert found.loc["alone", ["failed", "cause"]].tolist() == [1, "split"], "agents alone have no clusters"
    assert 0 < found.loc["auto", "probing"] < 0.5 * 30_000
    assert np.isnan(found.loc["pcpo", "probing"])
    assert (found["kept_gap"] <= found["start_gap"]).all()
    assert found.loc["auto", "kept_gap"] < 0.1 * found.loc["auto", "start_gap"]


def test_a_budget_that_is_too_small_keeps_the_first_gains() -> None:
    row = simulate(Cell("condition_3", 300, ("pcpo",)), [SEED]).iloc[0]
    assert (row["cause"], row["failed"], row["epochs"], row["spent"]) == ("no epoch", 1, 0, 0.0)
    assert row["gap"] == row["kept_gap"] == row["start_gap"]


def test_a_row_does_not_depend_on_the_other_seeds(runs: pd.DataFrame) -> None:
    again = simulate(replace(CELL, methods=("auto",)), [SEED + 1, SEED])
    ours, theirs = again[again["seed"] == SEED].reset_index(drop=True), runs[runs["method"] == "auto"]
    pd.testing.assert_frame_equal(ours, theirs.reset_index(drop=True))


def test_methods_that_are_compared_may_run_on_some_of_the_fleets() -> None:
    cell = replace(CELL, methods=("alone", "local"), rollouts=6_000, others_every=2)
    found = simulate(cell, [SEED, SEED + 1])
    even, odd = sorted([SEED, SEED + 1], key=lambda seed: seed % 2)
    assert [(row.seed, row.method) for row in found.sort_values(["seed", "method"]).itertuples()] == sorted(
        [(even, "alone"), (even, "local"), (odd, "alone")]
    )
    tables = invented()
    some = tables["model_free_fleets"]
    some = some[(some["method"] == "auto") | (some["seed"] % 3 == 0)]
    few = {**tables, "model_free_fleets": some}
    assert gap_ratio("local", 1.25)(few).n_runs == 3 * -(-250 // 3)
    assert failures("condition_3")(few).n_runs == 250
    assert {row["kind"] for _, row in compared_table(few).iterrows()} == {"condition", "ratio", "gap"}


def test_unknown_methods_and_conditions_are_refused() -> None:
    with pytest.raises(ConfigError, match="methods: found 'nonsense', expected one of auto"):
        Cell("condition_3", 1000, ("nonsense",))
    with pytest.raises(ConfigError, match="condition_4"):
        cells_of(STUDIES["model_free_fleets"], {"conditions": ["condition_4"]})


def test_other_estimators_are_named_deviations() -> None:
    assert [Local().name, Local(estimator="centred").name] == ["local", "local_centred"]
    assert OracleClusters(estimator="two_point").name == "oracle_clusters_two_point"


def test_probing_is_near_the_truth_and_a_fiftieth_is_farther() -> None:
    study = studies_constants.STUDIES["model_free_constants"]
    cells = cells_of(study, {"conditions": ["condition_3"]})
    full, little = (study.simulate(cells[name], [SEED]) for name in ("condition_3", "control:condition_3"))
    assert np.abs(np.log(full["cost"])).max() < np.log(FACTORS["cost"])
    assert np.abs(np.log(full["radius"])).mean() < np.abs(np.log(little["radius"])).mean()
    assert (full["true_mean_curvature"] > 0).all()


# -------------------------------------------------------------------------------------- fleets without known gains


@pytest.mark.parametrize("number", [8_000_000, 8_000_005, 8_000_019])
def test_unstable_fleets_have_zero_gains_of_infinite_cost(number: int) -> None:
    fleet = draw_unstable(number, 2)
    assert (fleet.N, fleet.H, fleet.gains_known) == (4, 2, False)
    assert np.isinf(fleet.costs(fleet.initial_gains)).all()
    assert max(map(condition, fleet.systems)) <= 300
    alone = draw_unstable(number, 1)
    assert all(np.array_equal(a.A, b.A) for a, b in zip(fleet.systems, alone.systems, strict=True))


def test_shapes_and_discounts_of_unstable_fleets_are_crossed() -> None:
    found = {(f.n, f.m, f.gamma) for f in (draw_unstable(k, 1) for k in range(8_000_000, 8_000_024))}
    assert len(found) == 4 * 2 * 3


@pytest.fixture(scope="module")
def annealing() -> pd.DataFrame:
    study = studies_annealing.STUDIES["model_free_annealing"]
    cells = cells_of(study, {"agents": 1})
    assert {cell.role for cell in cells.values()} == {"grid", "control"}
    rows = [study.simulate(cell, [8_000_000, 8_000_016]) for cell in cells.values()]
    assert all(list(frame.columns) == list(study.columns) for frame in rows)
    return pd.concat(rows, ignore_index=True)


def test_annealing_finds_gains_where_its_controls_do_not(annealing: pd.DataFrame) -> None:
    found = annealing.set_index("phase")
    annealed = found.loc["annealed"]
    assert (annealed[["arrived", "false_systems", "infinite", "failed"]] == [1, 0, 0, 0]).all(axis=None)
    assert (annealed["gap"] < 1).all()
    assert annealed["initial"].between(1, 150_000).all()
    assert set(annealed["mode"]) == {"model-free, annealed first"}
    exact = found.loc["undiscounted"]
    assert (exact[["arrived", "false_systems", "infinite", "failed"]] == [1, 2, 2, 1]).all(axis=None)
    assert found.loc["unbounded", "failed"].any()
    assert (found.loc["unbounded", "false_systems"] > 0).equals(found.loc["unbounded", "failed"] > 0)


def test_a_phase_that_does_not_arrive_fails_without_a_false_word() -> None:
    cell = studies_annealing.Cell("annealed", 25_000, 1, "grid")
    row = studies_annealing.STUDIES["model_free_annealing"].simulate(cell, [8_000_001]).iloc[0]
    assert (row["arrived"], row["false_systems"], row["infinite"], row["failed"]) == (0, 0, 2, 1)
    assert 0 < row["initial"] <= 25_000


def test_a_phase_is_run_as_pcpo_auto_runs_it() -> None:
    """The study watches the phase; without the watching the same first epoch has the same bits."""
    fleet: Fleet = draw_unstable(8_000_000, 1)
    plain = Experiment.model_free(fleet, rollouts=60_000)
    seen: list[np.ndarray] = []
    plain.result(PCPOAuto(), seed=8_000_000, on_epoch=lambda report: seen.append(report.global_gains))
    cell = studies_annealing.Cell("annealed", 60_000, 1, "grid")
    row = studies_annealing.STUDIES["model_free_annealing"].simulate(cell, [8_000_000]).iloc[0]
    assert row["gap"] == (fleet.gaps(seen[0]) / fleet.optimal_costs).mean()
    assert studies_annealing.PHASES["annealed"].how == Annealing()


def test_annealing_is_counted_by_fleets_and_by_systems() -> None:
    tables = invented()
    rows = tables["model_free_annealing"]
    wrong = rows.assign(failed=np.where(rows["seed"] < 50, 1, 0), false_systems=np.where(rows["seed"] < 30, 1, 0))
    failed, false = (f({**tables, "model_free_annealing": wrong}) for f in (annealing_failures, false_successes))
    assert (failed.estimate, failed.n_runs) == (pytest.approx(50 / 250), 250)
    assert (false.estimate, false.n_runs) == (pytest.approx(30 / 500), 500)
    with pytest.raises(ResultsError, match="found no runs of 'annealed'"):
        annealing_failures({"model_free_annealing": rows[rows["phase"] == "unbounded"]})


# ------------------------------------------------------------------------------------------ claims on invented tables


def invented(fleets: int = 250, failed: int = 0) -> dict[str, pd.DataFrame]:
    """Make tables on which all claims hold, but for some failures of `pcpo_auto`."""
    rng = np.random.default_rng(1)
    gaps = dict.fromkeys(METHODS, 0.01) | {"auto": 0.001, "unsafe": 0.01, "alone": 0.002}

    def rows(methods: tuple[str, ...], conditions: list[str], **fixed: object) -> pd.DataFrame:
        made = []
        for name in conditions:
            for method in methods:
                lost = method == "unsafe" or method == "alone" or (method.startswith("guess"))
                gap = gaps[method] * np.exp(0.3 * rng.standard_normal(fleets))
                made.append(
                    pd.DataFrame(
                        {
                            "cell": name, "seed": np.arange(fleets), "condition": name, "method": method,
                            "role": "grid", "oracle": "moments", "mode": "model-free, moment oracle",
                            "gap": gap, "kept_gap": gap, "large_gap": gap, "start_gap": 0.2, "spent": 100_000.0,
                            "probing": 9_000.0 + 100 * rng.standard_normal(fleets), "budget": 100_000.0,
                            "failed": (np.arange(fleets) < failed).astype(int) if method == "auto" else int(lost),
                            "infinite": 0, "ratio": np.resize([0.1, 0.3, 1.0, 3.0], fleets), **fixed,
                        }
                    )
                )  # fmt: skip
        return pd.concat(made, ignore_index=True)

    every = list(CONDITIONS)
    agents = pd.DataFrame({"seed": np.repeat(np.arange(fleets), 4), "agent": np.tile(np.arange(4), fleets)})
    truth = {f"true_{name}": np.exp(rng.standard_normal(len(agents))) for name in FACTORS}
    good = agents.assign(role="grid", condition="condition_3", spent=8000.0, cell="condition_3", **truth)
    good = good.assign(**dict.fromkeys(FACTORS, 1.01))
    bad = good.assign(role="control", cell="control:condition_3", **dict.fromkeys(FACTORS, 3.0))
    phases = []
    for phase, outcome in {"annealed": (0, 0), "undiscounted": (1, 2), "unbounded": (1, 1)}.items():
        runs = pd.DataFrame({"seed": np.arange(fleets), "n": 1 + np.arange(fleets) % 4, "phase": phase, "systems": 2})
        runs = runs.assign(failed=outcome[0], false_systems=outcome[1], initial=40_000.0, cell=phase, role="grid")
        phases.append(runs.assign(mode="model-free, annealed first"))
    return {
        "model_free_annealing": pd.concat(phases, ignore_index=True),
        "model_free_fleets": rows(COMPARED, every),
        "model_free_parts": rows((*PARTS, *CONTROLS), every),
        "model_free_guesses": rows(GUESSED, ["condition_3", "condition_10"]),
        "model_free_budgets": rows(("auto", "pcpo", "pcpo_two_point"), ["condition_10"], budget=30_000.0),
        "model_free_audit": pd.concat([rows(("auto",), ["condition_3"], oracle=o) for o in ("moments", "rollouts")]),
        "model_free_constants": pd.concat([good, bad], ignore_index=True),
    }


def test_good_tables_support_every_claim_and_controls_refute_it() -> None:
    tables = invented()
    for claim in CLAIMS:
        found = claim.measure(tables)
        assert claim.rule.verdict(found, found.p_value) == Verdict.SUPPORTED, claim.id
        for control in claim.controls:
            wrong = claim.measure(control.tables(tables))
            assert claim.rule.verdict(wrong, wrong.p_value) == Verdict.REFUTED, (claim.id, control.name)
        assert claim.power.departure is not None
        sharp = claim.power.departure(tables)
        assert claim.rule.verdict(sharp, sharp.p_value) == Verdict.REFUTED, claim.id
        assert claim.power.value(tables, 1e-3) > 0.8, claim.id


def test_failures_are_counted_over_the_conditions_of_the_claim() -> None:
    found = failures("condition_3", "condition_10")(invented(failed=50))
    assert found.estimate == pytest.approx(50 / 250)
    assert found.n_runs == 500
    with pytest.raises(ResultsError, match="found no runs of 'auto' in condition_4"):
        failures("condition_4")(invented())


@pytest.mark.parametrize("figure", list(FIGURES))
def test_figures_draw_good_tables(figure: str) -> None:
    entry, tables = FIGURES[figure], invented(40)
    numbers = entry.table({name: tables[name] for name in entry.inputs})
    assert len(numbers) > 5
    assert entry.draw(numbers).get_axes()
