"""Test the claims on CoopLSVI: on synthetic tables, with their controls, and on a small real simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.contract import Verdict
from pcpo.claims.judging import judge
from pcpo.claims.options import cells_of
from pcpo.claims.tables import read_tables, simulated, write_table
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.coop_lsvi.measures import agents_exponent, deviation_ratio, joint_exponent
from pcpo.evidence.coop_lsvi.studies import HETEROGENEITY, REGRET
from pcpo.evidence.coop_lsvi.studies_communication import COMMUNICATION, CONTROL
from pcpo.evidence.coop_lsvi.studies_joint import EXACT, FRONT, PARETO
from pcpo.evidence.registry import load_group
from pcpo.figures.style import save

GROUP = load_group("coop_lsvi")
RUNS = 80
SMALL = {
    REGRET.name: {"agents": [1, 4], "contrasts": [0.5, 0.25], "episodes": 32, "states": 3, "dimension": 3},
    COMMUNICATION.name: {
        "episodes": [30, 60],
        "agents": [1, 2],
        "parallel_dimensions": [2, 3],
        "joint_dimensions": [6, 7],
        "parallel_thresholds": [1, 10],
        "joint_thresholds": [2, 8],
        "states": 3,
    },
    HETEROGENEITY.name: {"agents": 3, "episodes": 30, "deviations": [0, 0.1], "chis": [1, 2], "contexts": 2},
    PARETO.name: {"thresholds": [2, 8], "episodes": 1024, "states": 2, "points": 9},
    EXACT.name: {"states": 2, "points": 9},
    FRONT.name: {"states": 2, "points": 9, "episodes": 40},
}
CLAIMS = {claim.id: claim for claim in GROUP.claims}


def scatter(seed: int, size: int) -> np.ndarray:
    """Draw factors of mean 1 by which runs differ."""
    return np.random.default_rng(np.random.SeedSequence(seed)).uniform(0.7, 1.3, size)


def regret_rows() -> pd.DataFrame:
    """Make regrets of √(MT) together, M√T alone, MT with the printed widths; one of two contrasts is worse."""
    rows = []
    for k, (name, power_M, power_T, pessimistic) in enumerate(
        [("shared", 0.4, 0.4, 0.0), ("remark", 0.4, 0.4, 0.0), ("alone", 1.0, 0.4, 0.0), ("pooled", 0.4, 0.4, 0.0),
         ("proof", 1.0, 1.0, 0.0), ("no_bonus", 0.4, 0.4, 0.5), ("theorem", 1.0, 1.0, 0.0), ("every", 0.4, 0.4, 0.0)]
    ):  # fmt: skip
        agents = {"proof": [4], "no_bonus": [4], "theorem": [4], "pooled": [16], "every": [16]}.get(name, [1, 4, 16])
        for M in agents:
            for g in (0.5, 0.25):
                for T in (62, 125, 250, 500, 1000):
                    mean = (1 + g) * M**power_M * T**power_T
                    own = {"algorithm": name, "agents": M, "contrast": g, "episode": T, "regret": mean}
                    frame = pd.DataFrame({"seed": np.arange(RUNS), **own, "pessimistic": pessimistic})
                    rows.append(
                        frame.assign(regret=mean * scatter(1000 * k + 10 * M + T, RUNS), cell=f"{name}_{M}_{g}")
                    )
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(threshold=1.0, beta=1.0, rounds=frame["episode"] // 10, bytes=100)


def communication_rows() -> pd.DataFrame:
    rows = []
    for algorithm in ("parallel", "joint"):
        for role, rounds in (("trigger", 20), (CONTROL, 500)):
            for T in (250, 500):
                own = {"algorithm": algorithm, "role": role, "episodes": T, "agents": 4, "dimension": 4}
                rows.append(
                    pd.DataFrame({"seed": np.arange(RUNS), **own, "rounds": rounds, "cell": f"{algorithm}{T}{role}"})
                )
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(threshold=1.0, horizon=2, bound=100.0, messages=1, bytes=1)


def heterogeneity_rows() -> pd.DataFrame:
    rows = []
    for kind, amounts in (("xi", (0.0, 0.1, 0.4)), ("chi", (1.0, 2.0, 8.0))):
        for algorithm in ("told", "untold", "alone") if kind == "xi" else ("contexts", "ignored", "alone"):
            for amount in amounts:
                growth = 3.0 if algorithm == "alone" else 1 + 0.02 * amount
                late = 0.001 + 0.2 * amount
                own = {"kind": kind, "amount": amount, "algorithm": algorithm}
                frame = pd.DataFrame({"seed": np.arange(RUNS), **own, "late": late, "regret": 100 * growth})
                noise = scatter(int(10 * amount), RUNS)
                frame = frame.assign(regret=frame["regret"] * noise, late=frame["late"] * noise)
                frame["log_det"] = 40.0 + 3 * amount
                frame["log_det_bound"] = 9.0 * (5 + amount)
                frame["spread"] = 1e-15 if kind == "chi" else amount
                rows.append(frame.assign(chi=amount if kind == "chi" else 0, cell=f"{kind}{amount}{algorithm}"))
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(agents=8, horizon=2, dimension=4, rounds=10, variation=0.1, log_det_bound_1=54.0)


def pareto_rows() -> pd.DataFrame:
    rows = []
    for threshold in (2.0, 32.0, np.nan):
        for T in (1, 64, 256, 1024):
            silent = np.isnan(threshold)
            regret = 0.2 * T if silent else 0.5 * T**0.4
            own = {"episode": T, "threshold": threshold, "regret": regret, "cell": f"S{threshold}"}
            frame = pd.DataFrame({"seed": np.arange(RUNS), **own})
            frame["regret"] *= scatter(T + int(100 * threshold if threshold < 100 else 7), RUNS)
            frame["bayes"], frame["bayes_last"] = 1e-4 * scatter(5, RUNS), 0.1 * scatter(6, RUNS)
            rows.append(frame)
    return pd.concat(rows, ignore_index=True).assign(beta=1.0, agents=2, recovered=0.5, rounds=3)


def exact_rows() -> pd.DataFrame:
    own = {"tested": 100, "policies": 4096, "front": 40, "supported": 5, "gap": 1e-15, "gap_myopic": 0.1}
    counts = {"dominated": 0, "dominated_contrary": 90, "dominated_boundary": 1}
    return pd.DataFrame({"seed": np.arange(RUNS), **own, **counts, "cell": "all"})


def good_tables() -> dict[str, pd.DataFrame]:
    return {
        REGRET.name: regret_rows(),
        COMMUNICATION.name: communication_rows(),
        HETEROGENEITY.name: heterogeneity_rows(),
        PARETO.name: pareto_rows(),
        EXACT.name: exact_rows(),
    }


@pytest.fixture(scope="module")
def real() -> dict[str, pd.DataFrame]:
    """Simulate two runs of every study, of small sizes."""
    return {study.name: simulated(study, SMALL[study.name], [0, 1]) for study in GROUP.studies}


def test_claims_are_supported_by_good_data_and_refuted_by_their_controls() -> None:
    verdicts = judge(GROUP.name, GROUP.claims, good_tables())
    for role, expected in (("claim", Verdict.SUPPORTED), ("negative_control", Verdict.REFUTED)):
        found = verdicts[verdicts["role"] == role]
        assert set(found["verdict"]) == {expected.value}, found[["claim", "control", "estimate", "verdict"]]
    power = verdicts[verdicts["role"] == "power"]
    assert power["estimate"].min() > 0.8, power[["claim", "estimate"]]


def test_exponents_are_those_of_the_data() -> None:
    tables = good_tables()
    # Runs differ by factors of standard deviation 0.6/√12; three means a slope over log M.
    error = 4 * 0.6 / np.sqrt(12 * RUNS) / np.sqrt(2 * np.log(4) ** 2)
    assert agents_exponent(tables, "alone", 1.0, logs=False).estimate == pytest.approx(1.0, abs=error)
    M, hidden = np.log([1.0, 4.0, 16.0]), np.sqrt(np.log([1e3, 4e3, 16e3]))
    slope = np.polyfit(M, 0.4 * M - np.log(hidden), 1)[0]
    assert agents_exponent(tables, "shared", 0.5).estimate == pytest.approx(slope, abs=error)
    assert joint_exponent(tables, 2.0, 0.5).estimate < 0.4
    assert deviation_ratio(tables).estimate == pytest.approx(0.2 / 6, rel=4 * 0.6 / np.sqrt(12 * RUNS))


def test_tables_without_rows_are_refused() -> None:
    tables = good_tables()
    tables[REGRET.name] = tables[REGRET.name][tables[REGRET.name]["algorithm"] != "shared"]
    with pytest.raises((ResultsError, ValueError, IndexError)):
        CLAIMS["coop_lsvi.together"].measure(tables)


def test_studies_make_what_they_declare(real: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    for study in GROUP.studies:
        path = tmp_path / f"{study.name}.parquet"
        write_table(study, [0, 1], real[study.name], path, {})
        pd.testing.assert_frame_equal(read_tables(study, [path]), real[study.name][["cell", *study.columns]])


def test_runs_depend_on_their_seed_alone(real: dict[str, pd.DataFrame]) -> None:
    for study in (COMMUNICATION, EXACT):
        alone = simulated(study, SMALL[study.name], [1])
        both = real[study.name]
        pd.testing.assert_frame_equal(alone, both[both["seed"] == 1].reset_index(drop=True))


@pytest.mark.slow
def test_real_runs_are_judged_and_drawn(real: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    verdicts = judge(GROUP.name, GROUP.claims, real)
    assert not (verdicts.loc[verdicts["role"] == "claim", "verdict"] == "refuted").any()
    exact = verdicts[(verdicts["claim"] == "coop_lsvi.proposition_1") & (verdicts["role"] == "claim")]
    assert exact["estimate"].item() == 0
    for name, figure in GROUP.figures.items():
        numbers = figure.table(real)
        assert len(numbers) > 5
        save(numbers, figure.draw, tmp_path / name)
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    points = real[FRONT.name]
    assert set(points["kind"]) <= {"front", "supported", "played"}
    assert (points.loc[points["kind"] == "played", "episode"] >= 1).all()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (REGRET.name, {"episodes": 31}, "episodes: found 31, expected a number of at least 32"),
        (REGRET.name, {"agents": []}, r"agents: found \[\], expected at least 1 items"),
        (REGRET.name, {"contrasts": [2]}, r"contrasts.0: found 2, expected a number of at most 1"),
        (REGRET.name, {"scale": 0}, "scale: found 0, expected a number above 0"),
        (REGRET.name, {"states": True}, "states: found True, expected a value of type integer"),
        (COMMUNICATION.name, {"joint_thresholds": [1]}, r"joint_thresholds.0: found 1, expected a number above 1"),
        (HETEROGENEITY.name, {"chis": [9]}, "chis: found 9, expected at most 8"),
        (HETEROGENEITY.name, {"chis": [1.5]}, r"chis.0: found 1.5, expected a value of type integer"),
        (HETEROGENEITY.name, {"weight": 1}, "weight: found"),
        (PARETO.name, {"dimension": 5}, "dimension: found 5, expected a number of at least 6"),
    ],
)
def test_wrong_options_are_refused(name: str, change: dict[str, object], message: str) -> None:
    study = next(study for study in GROUP.studies if study.name == name)
    with pytest.raises(ConfigError, match=rf"evidence.{name}.options.{message}"):
        cells_of(study, change)
