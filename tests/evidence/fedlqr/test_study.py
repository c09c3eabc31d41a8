"""FedLQR's experiment: the recursion, what the server counts, conditions, records, claims and figure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pcpo.algorithms.protocol import Traffic
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError, PcpoError, ResultsError
from pcpo.evidence.fedlqr import figures as fedlqr_replication
from pcpo.evidence.fedlqr.claims import CLAIMS, Claim, claims_table, rounds_to, verdict
from pcpo.evidence.fedlqr.model.algorithm import FedLQR, FedLQRRun, run
from pcpo.evidence.fedlqr.model.finite_horizon import gradients
from pcpo.evidence.fedlqr.model.oracles import ExactFiniteHorizonOracle, FiniteHorizonOracle
from pcpo.evidence.fedlqr.records import read, write
from pcpo.evidence.fedlqr.studies import (
    CONDITIONS,
    INITIAL_GAIN,
    condition,
    floors,
    normalised_gaps,
    run_condition,
    setting_of,
)


def short_run(name: str, algorithm: FedLQR, rounds: int = 4, *, seed: int = 1, every: int = 1) -> FedLQRRun:
    return run(algorithm, FiniteHorizonOracle(setting(name), seed=seed), INITIAL_GAIN, rounds, every=every)


def setting(name: str) -> Any:
    return setting_of(condition(name), fleet_seed=3)


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
    with pytest.raises(ConfigError, match="condition: found 'number_2'"):
        condition("number_2")


def test_floors_vanish_for_identical_agents_only() -> None:
    found = floors(fleet_seed=3).query("measure == 'own'").set_index("condition")["floor"]
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
    return pd.concat([run_condition(name, (1, 2), rounds=20, every=5, fleet_seed=3) for name in CONDITIONS])


def test_a_row_per_oracle_seed_and_record(runs: pd.DataFrame) -> None:
    assert runs.groupby(["condition", "oracle", "seed"]).size().to_dict() == {
        (name, kind, seed): 5 for name in CONDITIONS for kind, seed in (("exact", -1), ("rollouts", 1), ("rollouts", 2))
    }
    assert set(runs["rounds"]) == {20}


def test_records_come_back_and_bad_ones_are_named(runs: pd.DataFrame, tmp_path: Path) -> None:
    frame, path = runs[runs["condition"] == "number_1"].reset_index(drop=True), tmp_path / "a.parquet"
    write(frame, path, {"commit": "x"})
    pd.testing.assert_frame_equal(read([path]), frame, check_dtype=False)
    with pytest.raises(ResultsError, match=r"missing\.parquet: no such results file"):
        read([tmp_path / "missing.parquet"])
    with pytest.raises(ResultsError, match="no results files"):
        read([])
    for name, bad in {"nan": frame.assign(own=np.nan), "lacks": frame.iloc[:-1]}.items():
        write(bad, tmp_path / f"{name}.parquet", {})
        with pytest.raises(ResultsError, match=f"{name}.parquet: found"):
            read([tmp_path / f"{name}.parquet"])
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ResultsError, match=r"a\.parquet: not a readable"):
        read([path])


def test_rounds_to_a_level() -> None:
    rounds, gap = np.array([0.0, 10.0, 20.0]), np.array([4.0, 3.0, 1.0])
    assert rounds_to(gap, rounds, 2.0) == 15.0
    assert rounds_to(gap, rounds, 4.0) == 0.0
    assert rounds_to(gap, rounds, 0.5) == np.inf


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1.1, 2, "appears"), (0.5, 0.9, "does not appear"), (0.9, 1.1, "undecided"), (np.nan, np.nan, "undecided"),
     (3.1, 4, "does not appear"), (2.9, 3.1, "undecided"), (1.1, np.inf, "does not appear")],
)  # fmt: skip
def test_verdicts(low: float, high: float, expected: str) -> None:
    claim = Claim("c", "it is so", lambda curves, rounds, floors: 0.0, 1.0, 3.0)
    found = verdict(low, high, claim) if not np.isinf(high) else verdict(3.1, high, claim)
    assert found == expected


def made_up(speed: float, growth: float) -> pd.DataFrame:
    """Curves 4·2^(−round·rate/10), rate `speed` for more than one agent, plus `growth` by level, and small noise."""
    rng, frames = np.random.default_rng(5), []
    rounds = np.arange(41)
    for name, wanted in CONDITIONS.items():
        rate = speed if wanted.group != "level" and wanted.agents > 1 else 1.0
        extra: float = {"level_0.1": growth, "level_0.5": 2 * growth}.get(name, 0.0)
        curve: FloatArray = 4 * 2.0 ** (-rounds * rate / 10) + extra
        for seed in (-1, *range(8)):
            noise = 0.0 if seed < 0 else 0.01 * rng.standard_normal()
            kind = "exact" if seed < 0 else "rollouts"
            gaps = curve + noise
            frames.append(
                pd.DataFrame(
                    {"condition": name, "oracle": kind, "seed": seed, "round": rounds, "own": gaps, "published": gaps}
                )
            )
    return pd.concat(frames, ignore_index=True)


def made_up_floors() -> pd.DataFrame:
    sizes = {"level_0.1": 1.0, "level_0.5": 2.0}
    rows = [
        {"condition": c, "measure": m, "floor": sizes.get(c, 0.0)} for c in CONDITIONS for m in ("own", "published")
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("speed", "growth", "expected"),
    [
        (20.0, 1.0, ("appears", "appears", "appears", "appears", "appears")),
        (2.0, 0.2, ("appears", "does not appear", "appears", "appears", "does not appear")),
        (0.5, -0.2, ("does not appear", "does not appear", "does not appear", "does not appear", "does not appear")),
    ],
)
def test_claims_on_made_up_runs(speed: float, growth: float, expected: tuple[str, ...]) -> None:
    """A world where every claim holds, one where only the weak ones do, and one where none does."""
    names = ("speed-up, M = 10", "linear speed-up, M = 10", "control: 50 copies", "bias, 0 to 0.1", "bias is the floor")
    found = claims_table(made_up(speed, growth), made_up_floors())
    assert len(found) == 2 * len(CLAIMS)
    own = found[found["measure"] == "own"].set_index("claim")
    assert tuple(own.loc[list(names), "verdict"]) == expected
    assert own.loc["speed-up, M = 10", "noise_free"] == pytest.approx(speed, rel=0.3)
    assert "10 agents halve the gap" in own.loc["speed-up, M = 10", "sentence"]


def test_claims_refuse_unequal_seeds(runs: pd.DataFrame) -> None:
    fewer = runs[~((runs["condition"] == "level_0") & (runs["seed"] == 2))]
    with pytest.raises(PcpoError, match="condition level_0: found other seeds"):
        claims_table(fewer, floors(fleet_seed=3))


def test_figure_shows_every_condition(runs: pd.DataFrame) -> None:
    numbers = fedlqr_replication.table(runs, floors(fleet_seed=3))
    assert set(numbers["condition"]) == set(CONDITIONS)
    row = numbers.query("condition == 'number_10' and measure == 'own' and round == 20").iloc[0]
    mine = runs.query("condition == 'number_10' and oracle == 'rollouts' and round == 20")["own"]
    assert row["gap"] == pytest.approx(mine.mean(), rel=1e-14)
    assert (row["runs"], row["infinite"]) == (2, 0)
    figure = fedlqr_replication.draw(numbers)
    assert [len(axes.get_legend().get_texts()) for axes in figure.axes] == [3, 3, 3]


def test_the_page_quotes_the_reference_table(repository: Path) -> None:
    """docs/fedlqr.md repeats docs/reference/fedlqr_claims.csv to the digits shown, verdicts included."""
    reference = pd.read_csv(repository / "docs/reference/fedlqr_claims.csv").set_index(["measure", "claim"])
    page = (repository / "docs/fedlqr.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| .+? \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \| ([\d.]*) ?\| (.+?) \|$", page, re.M)
    own = reference.loc["own"]
    assert len(rows) == len(own)
    for expected, found, (claim, *numbers, said) in zip(own["verdict"], own.itertuples(), rows, strict=True):
        quoted = [float(x) for x in numbers if x]
        exact = [found.statistic, found.ci_low, found.ci_high, found.noise_free][: len(quoted)]
        assert claim == found.Index
        assert quoted == [float(f"{x:.3g}") for x in exact]
        assert said == expected
    other = reference.loc["published"]["verdict"]
    assert (other.to_numpy() == own["verdict"].to_numpy()).all()
