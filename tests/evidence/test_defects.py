"""Test the claims on the paper's defects: one small simulation, and the slips of the proofs by other formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pcpo import lqr
from pcpo.claims.contract import Study, Tables, Verdict
from pcpo.claims.findings import violations
from pcpo.claims.judging import check_claims, judge
from pcpo.claims.options import cells_of
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.defects import measures as measured
from pcpo.evidence.defects.measures import expected_ratio
from pcpo.evidence.defects.studies import plateaus, prepared
from pcpo.evidence.registry import load_group
from pcpo.figures.style import save
from pcpo.oracles.protocol import Estimates, Question
from pcpo.oracles.rollout import ExactOracle
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.printed import scalar_constants
from pcpo.theory.printed.literal_cases import SHAPES, draw_case

GROUP = load_group("defects")
CLAIMS = {claim.id: claim for claim in GROUP.claims}
STUDIES = {study.name: study for study in GROUP.studies}


def simulated(study: Study, seeds: list[int], **options: object) -> pd.DataFrame:
    parts = [study.simulate(cell, seeds).assign(cell=name) for name, cell in cells_of(study, options).items()]
    frame = pd.concat(parts, ignore_index=True)
    assert sorted(frame.columns) == sorted(["cell", *study.columns])
    complete = [c for c in frame.columns if c not in study.may_be_missing]
    assert not frame[complete].isna().any().any()
    assert not frame.duplicated(["cell", *study.key]).any()
    return frame


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Simulate every study with few seeds; make the table of budgets by hand, since it needs many runs."""
    rng = stream(11, 5)
    R, size = 15, 400
    spread = stats.chi2.ppf((np.arange(size) + 0.5) / size, 4) / 4  # quantiles, so that means are as said
    gaps = {name: 1 / np.sqrt(m) for name, m in (("pcpo_1", 1), ("pcpo_2", 2), ("pcpo_4", 4), ("local", 1))}
    gaps["local_whole"] = 1 / expected_ratio(R)
    rows = [
        pd.DataFrame(
            {
                "cell": name, "seed": range(size), "algorithm": name.split("_")[0] if "pcpo" in name else name,
                "mode": "calibrated", "size": int(name[-1]) if "pcpo" in name else 4, "iterations": R,
                "minibatch": 350, "rollouts": 1.0, "capped": 0, "reinitialised": 0,
                "gap": gap * rng.permutation(spread),
            }
        )
        for name, gap in gaps.items()
    ]  # fmt: skip
    return {
        "defects_runs": simulated(STUDIES["defects_runs"], [7]),
        "defects_rounds": simulated(STUDIES["defects_rounds"], [7]),
        "defects_proofs": simulated(STUDIES["defects_proofs"], list(range(25))),
        "defects_noise": simulated(STUDIES["defects_noise"], list(range(60))),
        "defects_budget": pd.concat(rows, ignore_index=True),
    }


def test_group_is_complete() -> None:
    check_claims("defects", GROUP.claims)
    assert all(claim.figure == "defects" for claim in GROUP.claims)


def test_claims_hold_and_controls_are_refuted(tables: Tables, tmp_path: object) -> None:
    """Check that no claim is refuted; by their rule, one run is too few to support the deterministic claims."""
    found = judge("defects", GROUP.claims, tables)
    claims, controls = (found[found["role"] == role] for role in ("claim", "negative_control"))
    assert (claims["verdict"] != "refuted").all(), claims[claims["verdict"] == "refuted"]["claim"].tolist()
    enough = {
        f"defects.{claim}"
        for claim in ("log_squared", "wrong_side", "lemma_5_early", "whole_epochs", "gaussian", "break_even")
    }
    assert set(claims.loc[claims["verdict"] == "supported", "claim"]) == enough
    wrong = controls[controls["verdict"] != "refuted"]
    assert wrong.empty, wrong[["claim", "control"]].to_numpy().tolist()
    figure = GROUP.figures["defects"]
    save(figure.table(tables), figure.draw, f"{tmp_path}/defects")


def test_four_runs_support(tables: Tables) -> None:
    frame = tables["defects_runs"]
    four = {**tables, "defects_runs": pd.concat([frame.assign(seed=seed) for seed in range(4)], ignore_index=True)}
    for claim in GROUP.claims[:9]:
        found = claim.measure(four)
        assert claim.rule.verdict(found, found.p_value) is Verdict.SUPPORTED, claim.id


def test_the_defects_are_where_they_are_said_to_be(tables: Tables) -> None:
    frame = tables["defects_runs"].set_index(["cell", "epoch"]).sort_index()
    assert frame.loc["single", "reinitialised"].sum() == 0
    assert (frame.loc["single", "plateau"] / frame.loc["single", "quadratic"] - 1).abs().max() < 0.1
    assert frame.loc["single_sync", "gap"].iloc[-1] < 1e-12 * frame.loc["single", "gap"].iloc[-1]
    forked = frame.loc["forked"]
    assert forked["separated"].tolist() == [0, 0, 1, 1]
    assert forked["destabilised"].tolist() == [2, 2, 0, 0]
    assert (frame.loc[frame["answers"] == "exact", "event"] <= 1).all()
    assert (frame["symmetric"] == 1).all()
    assert frame.loc["chain", "transitive"].tolist()[:2] == [0, 1]
    assert frame.loc["equal", "distance"].iloc[0] > 1
    late, repaired = frame.loc["late"], frame.loc["late_touched"]
    assert late["first_separated"].tolist() == [1, 1, 1, 1]
    assert late["separated"].tolist() == [0, 0, 1, 1]
    assert late["first_local"].tolist() == [1, 0, 1, 0]
    assert repaired["first_local"].tolist() == [1, 0, 0, 0]
    assert (repaired["destabilised"].iloc[2:] == 0).all()


def test_the_convention_for_gradients_at_infinite_cost_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enormous random gradients in the place of zeros: other global policies, the same verdicts."""

    class Wild(ExactOracle):
        answers = 0

        def _gradients(self, question: Question) -> Estimates:
            found = super()._gradients(question)
            infinite = found.nonfinite > 0
            Wild.answers += int(infinite.sum())
            wild = np.random.default_rng(Wild.answers).normal(scale=1e3, size=found.values.shape)
            return Estimates(np.where(infinite[:, None, None], wild, found.values), found.nonfinite)

    study, claims = STUDIES["defects_runs"], ("adoption", "repaired", "no_partition", "equal_costs")
    plain = {**tables_of_runs(study)}
    monkeypatch.setattr("pcpo.evidence.defects.studies.ExactOracle", Wild)
    wild = {**tables_of_runs(study)}
    assert Wild.answers > 0
    for name in claims:
        declared = CLAIMS[f"defects.{name}"]
        assert declared.measure(wild) == declared.measure(plain)
        for control in declared.controls:
            found = declared.measure(control.tables(wild))
            assert declared.rule.verdict(found, found.p_value) is Verdict.REFUTED


def tables_of_runs(study: Study) -> Tables:
    wanted = ("forked", "forked_no_reinit", "related", "chain", "pair", "equal", "far")
    cells = {name: cell for name, cell in cells_of(study, {}).items() if name in wanted}
    parts = [study.simulate(cell, [1, 2]).assign(cell=name) for name, cell in cells.items()]
    return {study.name: pd.concat(parts, ignore_index=True)}


def test_the_plateau_is_the_minimum_over_common_shifts() -> None:
    """Check that no common shift of all agents lowers the mean gap below the column `plateau`."""
    fleet, _ = prepared("single", 7, 0.02)
    found = plateaus(fleet)["plateau"]
    d = fleet.initial_gains - fleet.initial_gains.mean(axis=0)
    rng = stream(1, 5)
    for scale in (1e-3, 1e-2):
        for _ in range(20):
            x = scale * rng.standard_normal(d.shape[1:])
            assert np.mean(fleet.gaps(fleet.optimal_gains[0] + x + d)) > found * (1 - 1e-9)


def test_gaussian_slope_is_two(tables: Tables) -> None:
    """Check the mean of the largest of n draws of χ²_2, 2·(1 + ½ + … + 1/n), within four standard errors."""
    frame = tables["defects_noise"].query("law == 'gaussian'").pivot(index="seed", columns="draws", values="largest")
    harmonic = 2 * np.sum(1 / np.arange(1, 10**5 + 1))
    assert abs(frame[10**5].mean() - harmonic) < 4 * frame[10**5].std() / np.sqrt(len(frame))
    bounded = tables["defects_noise"].query("law == 'cube'")
    assert bounded["largest"].max() <= 6


def test_budgets_are_equal_and_the_cap_is_inactive() -> None:
    budget = STUDIES["defects_budget"]
    frame = simulated(budget, [1, 2]).set_index(["cell", "seed"])
    spent = frame["rollouts"].unstack(0)
    assert (spent["local_whole"] <= spent["pcpo_4"]).all()
    assert (spent["local_whole"] > 0.99 * spent["pcpo_4"]).all()
    assert (frame["capped"] == 0).all()
    assert (frame["reinitialised"] == 0).all()
    assert frame["minibatch"].nunique() == 1
    cell = cells_of(budget, {})["pcpo_2"]
    pd.testing.assert_series_equal(
        budget.simulate(cell, [2])["gap"], frame.loc[[("pcpo_2", 2)], "gap"].reset_index(drop=True)
    )


def test_slips_of_the_proofs_against_the_schedule_itself() -> None:
    """Check the condition L̄ > L by the rollouts of Table 2, and the step of Lemma 5 by gradients of `pcpo.lqr`."""
    frame = simulated(STUDIES["defects_proofs"], [3]).set_index("cell")
    for shape, row in frame.iterrows():
        rng = stream(3, Purpose.FLEET, list(SHAPES).index(str(shape)))
        rng.random()
        case = draw_case(str(shape), row["ratio"], noise_law("signs"), rng)
        needed = case.schedule.rollouts_for(case.L + 1)
        assert case.constants.rollouts_that_suffice(row["ratio"] ** 2) < needed
        assert case.constants.rollouts_that_suffice(16.0) >= needed
        assert row["leftover"] == pytest.approx(case.schedule.rollouts_for(case.L + 2) / needed, rel=1e-9)
    rng = stream(3, Purpose.FLEET, 0)
    rng.random()
    case = draw_case("scalar", frame.loc["scalar", "ratio"], noise_law("signs"), rng)
    system, rho = case.fleet.systems[0], case.found.clusters[0].radius.value
    inside = scalar_constants.sublevel_interval(system, 10 * case.found.Delta0_tilde)
    grid = np.linspace(*inside, 2001)
    phi = max(abs(float(lqr.hessian_at(system, np.array([[K]]))[0, 0])) for K in grid)
    gaps = [
        abs(float(lqr.gradient(system, np.array([[a]]))[0, 0] - lqr.gradient(system, np.array([[b]]))[0, 0])) / rho
        for a, b in ((inside[0], inside[0] - rho), (inside[1], inside[1] + rho))
    ]
    assert frame.loc["scalar", "turn"] == pytest.approx(max(gaps) / phi, rel=1e-6)


@pytest.mark.parametrize("x", [1e-4, 1.0, 64.0])
def test_rollouts_that_suffice_are_the_largest_fixed_point(x: float) -> None:
    constants = draw_case("two", 0.1, noise_law("signs"), stream(4, 5)).constants
    T, s = constants.rollouts_that_suffice(x), constants.schedule
    eight = 8 * s.D * s.n_agents / s.delta

    def asked(T: float) -> float:
        logs = np.log(max(constants.c11 * T, 1.0)) * np.log(eight * T)
        return float(4 * constants.c12 * constants.c10 / s.Delta0**2 * logs * x)

    assert pytest.approx(max(1.0, asked(T)), rel=1e-9) == T
    assert all(factor * T > asked(factor * T) for factor in (1.001, 2.0, 1e6))


def test_a_late_reset_needs_sets_that_were_right_before(tables: Tables) -> None:
    """Check that runs whose first cluster parts with the others do not count."""
    frame = tables["defects_runs"]
    fresh = {**tables, "defects_runs": frame.assign(first_separated=frame["separated"])}
    assert measured.late_reset(tables).n_runs == 1
    assert measured.late_reset(fresh).n_runs == 0


def test_runs_without_separation_do_not_count(tables: Tables) -> None:
    never = {**tables, "defects_runs": tables["defects_runs"].assign(separated=0)}
    assert np.isinf(measured.first_correct(never["defects_runs"])).all()
    assert measured.repaired(never).estimate == 0
    claim = CLAIMS["defects.local_output"]
    for nothing in (never, claim.controls[0].tables(never)):
        found = claim.measure(nothing)
        assert found.n_runs == 0
        assert claim.rule.verdict(found, found.p_value) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("study", "options"),
    [
        ("defects_runs", {"epochs": 2}), ("defects_runs", {"equal_epochs": "6"}),
        ("defects_noise", {"log10_draws": 9}), ("defects_budget", {"sizes": []}),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(study: str, options: dict[str, object]) -> None:
    chosen = STUDIES[study]
    with pytest.raises(ConfigError, match=rf"{study}\.options\.{next(iter(options))}"):
        cells_of(chosen, options)


def test_missing_cells_are_named(tables: Tables) -> None:
    with pytest.raises(ResultsError, match="single_rollouts"):
        measured.offsets({"defects_runs": tables["defects_runs"].query("cell != 'single_rollouts'")})
    assert violations(0, 4).n_runs == 4
