"""FedLQR's experiment: the recursion, what the server counts, the conditions, and the study's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pcpo.algorithms.protocol import Traffic
from pcpo.claims.options import cells_of
from pcpo.claims.tables import read_tables, simulated, write_table
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.fedlqr.model.algorithm import FedLQR, FedLQRRun, run
from pcpo.evidence.fedlqr.model.finite_horizon import gradients
from pcpo.evidence.fedlqr.model.oracles import ExactFiniteHorizonOracle, FiniteHorizonOracle
from pcpo.evidence.fedlqr.studies import CONDITIONS, INITIAL_GAIN, floor_of, normalised_gaps, setting_of
from pcpo.evidence.registry import check_evidence, study_named
from pcpo.pipeline.config import studies_of

STUDY = study_named("fedlqr")
SMALL = {"rounds": 20, "every": 5, "fleet_seed": 3}


def short_run(name: str, algorithm: FedLQR, rounds: int = 4, *, seed: int = 1, every: int = 1) -> FedLQRRun:
    return run(algorithm, FiniteHorizonOracle(setting(name), seed=seed), INITIAL_GAIN, rounds, every=every)


def setting(name: str) -> Any:
    return setting_of(CONDITIONS[name], fleet_seed=3)


def test_steps_multiply_and_the_server_step_decays() -> None:
    """With exact gradients: K ← K − (η·η_g/1.0005^t)·mean ∇C_i(K), written out."""
    fleet = setting("level_0.5")
    found = run(FedLQR(server_step=1e-2), ExactFiniteHorizonOracle(fleet), INITIAL_GAIN, 3)
    K = INITIAL_GAIN
    for t in range(3):
        K = K - 1e-4 * 1e-2 / 1.0005**t * gradients(fleet, K[None]).mean(axis=0)
        np.testing.assert_allclose(found.gains[t + 1], K, rtol=1e-13)
    np.testing.assert_array_equal(found.gains[0], INITIAL_GAIN)


def test_local_updates_are_taken_at_the_agents_own_gains() -> None:
    fleet = setting("level_0.5")
    found = run(FedLQR(1.0, 1e-5, 2), ExactFiniteHorizonOracle(fleet), INITIAL_GAIN, 1).gains[-1]
    own = np.repeat(INITIAL_GAIN[None], fleet.N, axis=0)
    for _ in range(2):
        own = own - 1e-5 * gradients(fleet, own)
    np.testing.assert_allclose(found, own.mean(axis=0), rtol=1e-13)


@pytest.mark.parametrize(("name", "updates"), [("number_1", 1), ("level_0.1", 1), ("level_0.1", 3)])
def test_the_server_counts_rounds_messages_and_bytes(name: str, updates: int) -> None:
    """N messages of nine doubles each way in every round, however many local updates; 5 rollouts per update."""
    N, algorithm = CONDITIONS[name].agents, FedLQR(1e-2, local_updates=updates)
    for rounds in (1, 7):
        done = short_run(name, algorithm, rounds)
        assert done.traffic == Traffic(rounds, N * rounds, N * rounds, N * rounds * 72, N * rounds * 72)
        assert done.rollouts == 5 * updates * rounds


@pytest.mark.parametrize("product", [1e-4, 2e-2])
def test_other_readings_of_the_two_steps_explode_and_the_product_does_not(product: float) -> None:
    """η alone (server step 1), or η_g applied to gradients: saturated rollouts. The product, 2e-6: none."""
    wrong, right = (short_run("number_50", FedLQR(step / 1e-4), 20) for step in (product, 2e-6))
    assert wrong.nonfinite > 0
    assert right.nonfinite == 0
    own = normalised_gaps(right.gains)["own"]
    assert own[-1] < own[0]


def test_same_seed_same_bits_however_often_recorded() -> None:
    first = short_run("number_10", FedLQR(2e-2), 12)
    again, thinned, other = (short_run("number_10", FedLQR(2e-2), 12, **o) for o in ({}, {"every": 4}, {"seed": 2}))
    assert first.gains.tobytes() == again.gains.tobytes()
    assert first.gains[::4].tobytes() == thinned.gains.tobytes()
    assert first.gains.tobytes() != other.gains.tobytes()
    np.testing.assert_array_equal(thinned.rounds, [0, 4, 8, 12])


@pytest.mark.parametrize(
    ("field", "value"),
    [("server_step", 0.0), ("local_step", np.nan), ("local_updates", 0), ("decay", 0.9), ("radius", -1.0)],
)
def test_bad_algorithm(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{field}: found"):
        FedLQR(**{"server_step": 1e-2, field: value})


@pytest.mark.parametrize(("rounds", "every"), [(0, 1), (5, 2), (4, 0)])
def test_bad_rounds(rounds: int, every: int) -> None:
    with pytest.raises(ConfigError, match="rounds: found"):
        short_run("number_1", FedLQR(1e-2), rounds, every=every)


def test_conditions_are_the_published_fleets() -> None:
    nominal = setting("number_1")
    for name in CONDITIONS:
        fleet = setting(name)
        assert CONDITIONS[name].agents == fleet.N
        np.testing.assert_array_equal(fleet.A[0], nominal.A[0])
    many, level = setting("number_50"), [setting(f"level_{eps}") for eps in ("0", "0.1", "0.5")]
    np.testing.assert_allclose(many.A[1:] - nominal.A, 0.01 * np.arange(2, 51)[:, None, None] * np.eye(3), atol=1e-15)
    np.testing.assert_allclose(many.B - np.eye(3), many.A - nominal.A, atol=1e-15)
    np.testing.assert_allclose(level[2].A - nominal.A, 5 * (level[1].A - nominal.A), atol=1e-14)
    np.testing.assert_allclose(level[2].B[3, 2, 2] - 1, (level[2].A[3, 1, 1] - 0.75), atol=1e-14)
    assert np.all(level[0].A == nominal.A)
    with pytest.raises(ConfigError, match=r"evidence\.fedlqr\.options\.conditions\.0: found 'number_2'"):
        cells_of(STUDY, {"conditions": ["number_2"]})


def test_floors_vanish_for_identical_agents_only() -> None:
    found = {name: floor_of(wanted, fleet_seed=3)["own"] for name, wanted in CONDITIONS.items()}
    for name in ("number_1", "copies_10", "copies_50", "level_0"):
        assert abs(found[name]) < 1e-12
    assert 0 < found["number_10"] < found["number_50"]
    assert 0 < found["level_0.1"] < found["level_0.5"]


def test_gaps_at_the_start_are_the_published_numbers() -> None:
    """C(K_0)/C(K*) − 1: 32.4224/8.0333 − 1 for the own cost, by the series written out here."""
    F, W = setting("number_1").A[0] - INITIAL_GAIN, 2 * np.eye(3) + 0.5 * INITIAL_GAIN @ INITIAL_GAIN
    powers = [np.linalg.matrix_power(F, t) for t in range(100)]
    own = sum(np.trace(p.T @ W @ p) for p in powers[:15])
    long = sum(np.ones(3) @ p.T @ W @ p @ np.ones(3) for p in powers)
    gaps = normalised_gaps(INITIAL_GAIN)
    assert own / (gaps["own"] + 1) == pytest.approx(8.0333, abs=1e-4)
    assert long / (gaps["published"] + 1) == pytest.approx(9.5220, abs=1e-4)


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    """All conditions, 2 seeds, 20 rounds."""
    return simulated(STUDY, SMALL, (1, 2))


def test_a_row_per_condition_seed_and_record(runs: pd.DataFrame) -> None:
    assert runs.groupby(["cell", "seed"]).size().to_dict() == {
        (name, seed): 5 for name in CONDITIONS for seed in (1, 2)
    }
    assert set(runs["rounds"]) == {20}


def test_rows_of_a_seed_depend_neither_on_other_seeds_nor_on_other_conditions(runs: pd.DataFrame) -> None:
    alone = simulated(STUDY, {**SMALL, "conditions": ["level_0.5"]}, [2])
    chosen = runs[(runs["cell"] == "level_0.5") & (runs["seed"] == 2)].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, chosen, check_exact=True)


def test_columns_without_noise_are_the_exact_recursion_and_the_floor(runs: pd.DataFrame) -> None:
    fleet = setting("level_0.1")
    exact = run(FedLQR(1e-2), ExactFiniteHorizonOracle(fleet), INITIAL_GAIN, 20, every=5)
    for measure, gaps in normalised_gaps(exact.gains).items():
        for _, part in runs[runs["cell"] == "level_0.1"].groupby("seed"):
            np.testing.assert_array_equal(part[f"{measure}_noise_free"], gaps)
            assert set(part[f"{measure}_floor"]) == {floor_of(CONDITIONS["level_0.1"], fleet_seed=3)[measure]}


def test_tables_come_back_and_bad_ones_are_named(runs: pd.DataFrame, tmp_path: Path) -> None:
    """A file per condition, as the workflow writes them."""
    paths = [tmp_path / f"{name}.parquet" for name in ("number_1", "level_0")]
    for path in paths:
        write_table(STUDY, (1, 2), runs[runs["cell"] == path.stem], path, {"commit": "x"})
    both = runs[runs["cell"].isin(["number_1", "level_0"])]
    read = read_tables(STUDY, paths)
    pd.testing.assert_frame_equal(read[both.columns], both.reset_index(drop=True), check_exact=True, check_dtype=False)
    with pytest.raises(ResultsError, match=r"missing\.parquet: no such results file"):
        read_tables(STUDY, [tmp_path / "missing.parquet"])
    with pytest.raises(ResultsError, match="no results files"):
        read_tables(STUDY, [])
    frame = runs[runs["cell"] == "number_1"]
    for bad in (frame.assign(own=np.nan), frame[frame["seed"] == 1], pd.concat([frame, frame.iloc[-1:]])):
        with pytest.raises(ResultsError, match=r"study fedlqr.*: found"):
            write_table(STUDY, (1, 2), bad, tmp_path / "bad.parquet", {})
    paths[0].write_bytes(paths[0].read_bytes()[:-50])
    with pytest.raises(ResultsError, match=r"number_1\.parquet: not a readable"):
        read_tables(STUDY, paths)


def test_the_key_fedlqr_configures_the_study() -> None:
    settings = {"rounds": 20, "realisations": 3, "every": 5, "seed": 8, "first_stage": 1}
    options = {"rounds": 20, "every": 5, "first_stage": 1, "fleet_seed": 8}
    found = studies_of({"fedlqr": settings, "evidence": {"surrogate": {"count": 1}}})
    assert found == {"surrogate": {"count": 1}, "fedlqr": {"first": 8, "count": 3, "options": options}}
    assert set(cells_of(STUDY, options)) == set(CONDITIONS)
    check_evidence(["fedlqr"])
    assert studies_of({}) == {}
    with pytest.raises(ConfigError, match=r"^fedlqr\.every: found 3, expected a divisor of fedlqr\.rounds = 20$"):
        studies_of({"fedlqr": {**settings, "every": 3}})
    with pytest.raises(ConfigError, match=r"evidence\.fedlqr: found an entry, expected the key fedlqr"):
        studies_of({"evidence": {"fedlqr": {"count": 3}}})
    with pytest.raises(ConfigError, match=r"fedlqr\.options\.every: found 3, expected a divisor of rounds = 20"):
        cells_of(STUDY, {"rounds": 20, "every": 3})
