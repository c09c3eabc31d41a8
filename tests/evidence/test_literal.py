"""Test the claims with the printed constants: verdicts on synthetic tables and on a small simulation; figures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.contract import Verdict
from pcpo.claims.judging import judge
from pcpo.claims.options import cells_of
from pcpo.claims.tables import read_tables, simulated, write_table
from pcpo.errors import ConfigError
from pcpo.evidence.literal.figures import SECONDS_PER_YEAR
from pcpo.evidence.literal.fleets import MODE, fleet_cells, literal_fleet, small_fleet
from pcpo.evidence.literal.measured import PROCESSOR, SECONDS
from pcpo.evidence.literal.runs import RUNS
from pcpo.evidence.literal.studies import LADDER, SPEED, TABLE, measured, measurement_source
from pcpo.evidence.registry import load_group
from pcpo.theory.printed.literal_cases import promised

SCALAR = {"random": {"seed": 5, "n": 1, "m": 1, "sizes": [1, 2], "gamma": 0.5, "optimal_cost": 20, "separation": 0.75,
                     "initial_gap": 0.5}}  # fmt: skip
FLEETS = {"scalar": {"fleet": SCALAR, "Delta0": 1.0, "epochs": 3}}
N_RUNS = 160
GROUP = load_group("literal")
CLAIMS = {claim.id: claim for claim in GROUP.claims}


def cell(name: str, role: str, *, bad: tuple[str, ...] = (), runs: int = N_RUNS) -> pd.DataFrame:
    """Make up runs of four epochs with L = 2, where every gap is its prediction times a mean of χ²_2/2 variables.

    bad: what fails in all runs: "margin", "gap", "restricted" or "sets".
    """
    seed, epoch = (g.ravel() for g in np.meshgrid(np.arange(runs), [1, 2, 3, 4], indexing="ij"))
    rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(len(name),)))
    local, shared = (rng.exponential(size=(len(seed), 4)).mean(axis=1) for _ in range(2))
    factor = 1e6 if "gap" in bad else 1.0
    return pd.DataFrame(
        {
            "cell": name,
            "seed": seed,
            "epoch": epoch,
            "role": role,
            "kind": "scalar",
            "mode": MODE,
            "agents": 4,
            "delta": 0.05,
            "Delta": 0.75,
            "L": 2,
            "minibatch_scale": 1.0,
            "Delta_l": 2.0**-epoch,
            "minibatch": 1e13 * 4.0**epoch,
            "iterations": 7e3,
            "rollouts": 1e17 * 4.0**epoch,
            "margin": 2.0 if "margin" in bad else 1e-5,
            "gap_margin": 2.0 if "gap" in bad else 1e-7,
            "estimate_margin": 2.0 if "margin" in bad else 1e-5,
            "restricted_margin": math.inf if "restricted" in bad else 1e-9,
            "lost": int("sets" in bad),
            "exact": int("sets" not in bad),
            "bound_margin": 2.0 if "gap" in bad else 1e-7,
            "rate_margin": 2.0 if "restricted" in bad else 1e-8,
            "local_gap": 1e-9 * local * factor,
            "global_gap": 5e-10 * shared * factor,
            "bound_35": 0.04 * 2.0**-epoch,
            "bound_9": 0.3 * 2.0**-epoch,
            "lemma_9_margin": 2.0 if "gap" in bad else 1e-7,
            "nonfinite": 0.0,
        }
    )


def clusters(name: str, *, factor: float = 1.0, apart: float = 0.0, runs: int = N_RUNS) -> pd.DataFrame:
    """Make up runs with clusters of 1, 4 and 16 agents, L = 2, whose gaps are exponential around their predictions."""
    grids = np.meshgrid(np.arange(runs), [1, 2, 3, 4], [0, 1, 2], indexing="ij")
    seed, epoch, cluster = (g.ravel() for g in grids)
    rng, size = np.random.default_rng(np.random.SeedSequence(4, spawn_key=(len(name),))), 4.0**cluster
    return pd.DataFrame(
        {
            "cell": name,
            "seed": seed,
            "epoch": epoch,
            "cluster": cluster,
            "mode": MODE,
            "size": size.astype(int),
            "L": 2,
            "correct": 1,
            "minibatch": 1e13 * 4.0**epoch,
            "iterations": 7e3,
            "local_gap": 1e-9 * rng.gamma(size) / size * factor,
            "global_gap": 1e-9 * rng.exponential(size=len(seed)) / np.sqrt(size) * factor,
            "local_prediction": 1e-9,
            "global_prediction": 1e-9 / np.sqrt(size),
            "apart": np.where(size > 1, apart, 0.0),
        }
    )


def good_tables(runs: int = N_RUNS) -> dict[str, pd.DataFrame]:
    parts = [
        cell("scalar", "grid", runs=runs),
        cell("three", "grid", runs=runs).assign(kind="three"),
        cell("few_rollouts", "control:few_rollouts", bad=("margin", "sets"), runs=runs),
        cell("few_iterations", "control:few_iterations", bad=("margin", "gap"), runs=runs),
        cell("long_steps", "control:long_steps", bad=("margin", "gap", "restricted"), runs=runs),
        cell("close", "control:close", bad=("sets",), runs=runs),
        cell("no_elimination", "control:no_elimination", bad=("sets",), runs=runs),
    ]
    sizes = [
        clusters("sizes", runs=runs),
        clusters("control:few_iterations", factor=1e6, runs=runs),
        clusters("control:no_reinit", apart=1e-3, runs=runs),
    ]
    return {
        "literal_runs": pd.concat(parts, ignore_index=True),
        "literal_sizes": pd.concat(sizes, ignore_index=True),
    }


@pytest.fixture(scope="module")
def real() -> dict[str, pd.DataFrame]:
    """Simulate two runs of the scalar fleet and of every control, and make the other tables of the group."""
    options = {
        "literal_runs": {"kinds": ["scalar"], "epochs": 3},
        "literal_sizes": {"epochs": 3},
        "literal_ladder": {"kinds": ["scalar"]},
    }
    options |= {"literal_table": {"fleets": FLEETS}, "literal_speed": {"fleets": FLEETS}}
    return {study.name: simulated(study, options[study.name], [0, 1]) for study in GROUP.studies}


def test_claims_are_supported_by_good_data_and_refuted_by_their_controls() -> None:
    verdicts = judge(GROUP.name, GROUP.claims, good_tables())
    for role, expected in (("claim", Verdict.SUPPORTED), ("negative_control", Verdict.REFUTED)):
        found = verdicts[verdicts["role"] == role]
        assert set(found["verdict"]) == {expected.value}, found[["claim", "control", "verdict"]]
    power = verdicts[verdicts["role"] == "power"].set_index("claim")
    assert power["estimate"].min() > 0.8
    levels = power["statistic"].str.extract(r"at level (\S+) against")[0].astype(float)
    assert levels.pop("literal.event_22") == 0.05
    assert levels.tolist() == pytest.approx([0.05 / (len(CLAIMS) - 1)] * (len(CLAIMS) - 1), rel=1e-2)
    assert set(verdicts["mode"]) == {"literal, moment oracle"}


def test_few_runs_leave_probabilities_open() -> None:
    found = CLAIMS["literal.event_22"].measure(good_tables(runs=20))
    assert CLAIMS["literal.event_22"].rule.verdict(found, found.p_value) is Verdict.INCONCLUSIVE
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 20))  # no failure in 20 runs, one-sided 97.5 %


@pytest.mark.parametrize(
    ("column", "claim"),
    [
        ("margin", "literal.event_22"),
        ("gap_margin", "literal.event_23a"),
        ("estimate_margin", "literal.event_23b"),
        ("restricted_margin", "literal.restricted"),
        ("bound_margin", "literal.theorem_2_minibatch"),
        ("rate_margin", "literal.theorem_2_rollouts"),
        ("lemma_9_margin", "literal.lemma_9"),
    ],
)
def test_one_bad_fleet_refutes(column: str, claim: str) -> None:
    tables = good_tables()
    table = tables["literal_runs"]
    table.loc[(table["cell"] == "three") & (table["seed"] < 30) & (table["epoch"] == 3), column] = 1.5
    found = CLAIMS[claim].measure(tables)
    assert CLAIMS[claim].rule.verdict(found, found.p_value) is Verdict.REFUTED
    assert found.estimate == 30 / N_RUNS


def test_theorem_2_is_of_epochs_after_L() -> None:
    tables = good_tables()
    table = tables["literal_runs"]
    table.loc[table["epoch"] <= table["L"], ["bound_margin", "rate_margin"]] = 100.0
    for claim in ("literal.theorem_2_minibatch", "literal.theorem_2_rollouts"):
        found = CLAIMS[claim].measure(tables)
        assert CLAIMS[claim].rule.verdict(found, found.p_value) is Verdict.SUPPORTED


def test_a_small_simulation_refutes_the_controls_and_no_claim(real: dict[str, pd.DataFrame]) -> None:
    verdicts = judge(GROUP.name, GROUP.claims, real)
    claims = verdicts[verdicts["role"] == "claim"]
    assert Verdict.REFUTED.value not in set(claims["verdict"])
    sizes = real["literal_sizes"]
    assert (sizes.loc[sizes["cell"] == "sizes", "apart"] == 0).all()
    assert set(sizes["size"]) == {1, 4, 16}
    for name in CLAIMS.keys() - {"literal.prediction", "literal.collaboration"}:
        for control in CLAIMS[name].controls:  # two runs refute a claim by itself, not after Holm's correction
            found = CLAIMS[name].measure(control.tables(real))
            assert CLAIMS[name].rule.verdict(found, found.p_value) is Verdict.REFUTED, (name, control.name)
    runs = real["literal_runs"]
    assert set(runs["mode"]) == {MODE}
    grid = runs[runs["role"] == "grid"]
    assert (grid["minibatch"] > 1e12).all()
    assert (grid["bound_margin"] < 1e-3).all()
    assert (grid["nonfinite"] == 0).all()


@pytest.mark.parametrize(
    ("power", "expected"), [(0.5, Verdict.SUPPORTED), (0.25, Verdict.REFUTED), (0.0, Verdict.REFUTED)]
)
def test_the_exponent_of_the_size_is_found(power: float, expected: Verdict) -> None:
    tables = good_tables()
    table = tables["literal_sizes"]
    table["global_gap"] *= table["size"] ** (0.5 - power)
    found = CLAIMS["literal.collaboration"].measure(tables)
    assert found.low - 0.02 < -power < found.high + 0.02
    assert CLAIMS["literal.collaboration"].rule.verdict(found, found.p_value) is expected


def test_single_agents_tell_nothing_of_collaboration() -> None:
    """Check that a cluster of one agent does not enter the exponent or the mean ratio, whatever its gaps."""
    tables = good_tables(runs=30)
    changed = tables["literal_sizes"].copy()
    changed.loc[changed["size"] == 1, ["global_gap", "local_gap"]] = [7.0, 0.1]
    for claim in ("literal.collaboration", "literal.prediction"):
        measure = CLAIMS[claim].measure
        assert measure(tables).estimate == measure({**tables, "literal_sizes": changed}).estimate


def test_agents_may_differ_until_the_sets_stay_right() -> None:
    tables = good_tables(runs=30)
    table = tables["literal_sizes"]
    table.loc[table["epoch"] <= 2, ["correct", "apart"]] = [0, 1.0]
    table.loc[table["epoch"] == 1, "correct"] = 1  # right for a while: L̃ is epoch 3
    found = CLAIMS["literal.same_gains"].measure(tables)
    assert (found.estimate, found.n_runs) == (0, 30)
    table.loc[(table["seed"] == 3) & (table["cluster"] == 2) & (table["epoch"] == 4), "apart"] = 1e-300
    assert CLAIMS["literal.same_gains"].measure(tables).estimate == 1


def test_rows_of_a_seed_do_not_depend_on_the_other_seeds(real: dict[str, pd.DataFrame]) -> None:
    chosen = cells_of(RUNS, {"kinds": ["scalar"], "epochs": 3})["few_iterations"]
    alone = RUNS.simulate(chosen, [1])
    among = real["literal_runs"].query("cell == 'few_iterations' and seed == 1")
    pd.testing.assert_frame_equal(alone, among[alone.columns].reset_index(drop=True))


def test_tables_are_as_declared_and_figures_are_drawn(real: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    for study in GROUP.studies:
        path = tmp_path / f"{study.name}.parquet"
        write_table(study, [0, 1], real[study.name], path, {})
        pd.testing.assert_frame_equal(read_tables(study, [path]), real[study.name][["cell", *study.columns]])
    for figure in GROUP.figures.values():
        figure.draw(figure.table(real))


def test_table_2_of_a_fleet_by_hand(real: dict[str, pd.DataFrame]) -> None:
    """Every value follows from λ, φ, ρ, μ, G∞ of the row by the formulas of Table 2 and (21), written out again."""
    table = real["literal_table"].query("seed == 0")
    for _, row in table.iterrows():
        lam, phi, rho, mu, G = (float(row[name]) for name in ("lambda", "phi", "rho", "mu", "G"))
        D, N, delta, Delta0 = row["states"] * row["inputs"], row["agents"], 0.05, 1.0
        epoch, tilde = row["epoch"], row["Delta0_tilde"]
        worst = max(math.sqrt(phi), 1 / rho)
        c8 = G + lam * rho / D + phi * rho**2 / D
        c9 = 12 * c8 / mu * worst**2
        c10 = max(Delta0**2, 256 * c9**2 * D**2, c8**2 * D**2 * Delta0**2, 36 * G**2)
        eta = min(4 / mu, 1 / (4 * phi), rho / (lam + 2 * worst))
        Delta_l, delta_l = Delta0 / 2**epoch, delta / (2 * epoch**2)
        R = math.ceil(4 / (eta * mu) * math.log(tilde * max(16, 10 * c10) * N / Delta_l**2))
        log = math.log(8 * D * N * R / delta_l)
        M = c10 / Delta_l**2 * log
        r = math.sqrt(c8 * D / phi * math.sqrt(log / M))
        expected = {"Delta_l": Delta_l, "delta_l": delta_l, "step_size": eta, "iterations": R, "log_term": log}
        expected |= {"minibatch": M, "radius_uncapped": r, "radius_local": min(rho, r), "rollouts": (2 * R + 1) * M}
        expected |= {"radius_global": min(rho, r / N**0.25), "cap_active": int(r > rho)}
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-9), name
        assert row["phi_guarantee"] == "exact"
    assert table["total"].tolist() == pytest.approx(table["rollouts"].cumsum().tolist())


def test_years_are_rollouts_over_the_measured_speed(real: dict[str, pd.DataFrame]) -> None:
    years = GROUP.figures["literal_years"].table(real)
    speed = real["literal_speed"]["speed"].max()
    np.testing.assert_allclose(years["years"], years["rollouts"] / speed / SECONDS_PER_YEAR)
    row = real["literal_speed"].iloc[0]
    fixed, per_stage = SECONDS[1, 1]
    assert row["speed"] == pytest.approx(1 / (fixed + per_stage * row["horizon"]))
    assert row["processor"] == PROCESSOR


def test_no_job_measures_time(real: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    """The speeds are those stored with the code, whatever the clock says; every configured fleet has one."""
    monkeypatch.setattr("time.thread_time", lambda: 1 / 0)
    pd.testing.assert_frame_equal(simulated(SPEED, {"fleets": FLEETS}, [0, 1]), real["literal_speed"])
    shapes = {(2, 1), (3, 2), (3, 3)}  # of config/*.yaml
    assert shapes <= set(SECONDS)
    assert all(0 <= a < 1e-5 and 0 < b < 1e-6 for a, b in SECONDS.values())


def test_a_measurement_is_of_the_order_of_the_stored_one() -> None:
    """A factor of up to 30 between machines, or with a busy one, is not an error; a wrong unit is."""
    fixed, per_stage = measured(1, 1)
    stored = SECONDS[1, 1][0] + 100 * SECONDS[1, 1][1]
    assert 1 / 30 < (fixed + 100 * per_stage) / stored < 30


def test_the_stored_measurement_is_what_the_module_writes(repository: Path) -> None:
    source = (repository / "pcpo/evidence/literal/measured.py").read_text(encoding="utf-8")
    assert measurement_source(PROCESSOR, SECONDS) == source


def test_a_shape_without_a_measurement_is_refused() -> None:
    wide = {"random": {**SCALAR["random"], "n": 4, "m": 1}}
    with pytest.raises(ConfigError, match="n = 4, m = 1, whose speed was not measured"):
        simulated(SPEED, {"fleets": {"wide": {"fleet": wide, "Delta0": 0.2, "epochs": 1}}}, [0])


def test_ladder_starts_at_the_schedule_of_the_runs(real: dict[str, pd.DataFrame]) -> None:
    fleet, Delta0 = small_fleet("scalar")
    schedule = literal_fleet(fleet, Delta0).schedule
    first = real["literal_ladder"].query("seed == 0 and rung == 0").iloc[0]
    assert first["rollouts"] == pytest.approx(schedule.rollouts_for(4), rel=1e-12)
    runs = real["literal_runs"].query("role == 'grid' and epoch == 3")
    assert runs["minibatch"].iloc[0] == pytest.approx(schedule.plan(3).minibatch, rel=1e-12)


def test_promised_epoch() -> None:
    assert [promised(Delta, 1.0) for Delta in (2.0, 1.0, 0.99, 0.75, 0.5, 0.3)] == [1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize(
    ("study", "options", "words"),
    [
        (RUNS, {"kinds": ["square"]}, "kinds"),
        (RUNS, {"epochs": 2}, "epochs"),
        (RUNS, {"delta": 1.0}, "delta"),
        (LADDER, {"kinds": []}, "kinds"),
        (LADDER, {"kappa": 0.0}, "kappa"),
        (LADDER, {"epochs": 0}, "epochs"),
        (SPEED, {"rollouts": 1}, "options"),
        (TABLE, {"fleets": {}}, "fleets"),
        (TABLE, {"fleets": {"x": {"fleet": {}, "Delta0": 1.0, "epochs": 1}}}, "fleet"),
        (TABLE, {"fleets": {"x": {"fleet": {"file": "a"}, "Delta0": -1.0, "epochs": 1}}}, "Delta0"),
        (TABLE, {"fleets": {"x": {"fleet": {"file": "a"}, "Delta0": 1.0, "epochs": 0}}}, "epochs"),
        (
            TABLE,
            {"fleets": {"x": {"fleet": {"file": "a"}, "Delta0": float("nan"), "epochs": 1}}},
            "x.Delta0: found nan",
        ),
        (TABLE, {"fleets": {"x": {"fleet": {"file": "a"}}}}, "fleets.x: found no key"),
    ],
)
def test_bad_options_are_named(study: object, options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        simulated(study, options, [0])  # type: ignore[arg-type]


def test_published_fleets_are_described_by_their_files() -> None:
    cells = fleet_cells(TABLE.defaults)
    assert {"example", "mirror", "toso2023", "wang2023"} <= set(cells)
    for chosen in cells.values():
        assert Path(chosen.description["file"]).is_file()


def test_whole_numbers_written_with_a_point_describe_the_same_fleet() -> None:
    random = {"seed": 1, "n": 2, "m": 1, "sizes": [1, 2], "gamma": 0.5, "separation": 4, "initial_gap": 1}
    as_r_writes = {**random, "seed": 1.0, "n": 2.0, "m": 1.0, "sizes": [1.0, 2.0]}
    cells = [
        cells_of(TABLE, {"fleets": {"a": {"fleet": {"random": given}, "Delta0": 12, "epochs": 2.0}}})["a"]
        for given in (random, as_r_writes)
    ]
    assert repr(cells[0].description) == repr(cells[1].description)
    assert repr([cell.epochs for cell in cells]) == "[2, 2]"
    with pytest.raises(
        ConfigError, match=r"fleets\.a\.fleet\.random\.sizes\.0: found 1\.5, expected a value of type int"
    ):
        cells_of(TABLE, {"fleets": {"a": {"fleet": {"random": {**random, "sizes": [1.5]}}, "Delta0": 1, "epochs": 2}}})
