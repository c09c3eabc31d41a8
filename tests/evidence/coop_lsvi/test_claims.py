"""Test the claims on CoopLSVI: on synthetic tables, with their controls, and on a small real simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pcpo import statistics
from pcpo.claims.contract import Verdict
from pcpo.claims.judging import judge
from pcpo.claims.options import cells_of
from pcpo.claims.tables import read_tables, simulated, write_table
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.coop_lsvi.measures import (
    agents_exponent,
    deviation_growth,
    deviation_ratio,
    optimism,
    pooled_ratio,
    seeds_with,
    size_exponent,
)
from pcpo.evidence.coop_lsvi.measures_joint import joint_exponent, proposition_3
from pcpo.evidence.coop_lsvi.studies import REGRET
from pcpo.evidence.coop_lsvi.studies_communication import COMMUNICATION, CONTROL
from pcpo.evidence.coop_lsvi.studies_heterogeneity import HETEROGENEITY
from pcpo.evidence.coop_lsvi.studies_joint import EXACT, FRONT, PARETO
from pcpo.evidence.coop_lsvi.studies_sizes import SIZES_STUDY
from pcpo.evidence.registry import load_group
from pcpo.figures.style import save

GROUP = load_group("coop_lsvi")
RUNS = 100
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
    HETEROGENEITY.name: {"agents": 3, "episodes": 30, "deviations": [0, 0.02, 0.2], "chis": [1, 2], "contexts": 2},
    SIZES_STUDY.name: {
        "episodes": 30,
        "dimensions": [2, 3],
        "horizons": [1, 2],
        "thresholds": [1, 4],
        "threshold_agents": 3,
        "contexts": [2, 3],
        "group_sizes": [2, 3],
        "many": 8,
    },
    PARETO.name: {"thresholds": [2, 8], "episodes": 1024, "states": 2, "points": 9},
    EXACT.name: {"states": 2, "points": 100},
    FRONT.name: {"states": 2, "points": 9, "episodes": 40},
}
CLAIMS = {claim.id: claim for claim in GROUP.claims}


def scatter(seed: int, size: int) -> np.ndarray:
    """Draw factors of mean 1 by which runs differ."""
    return np.random.default_rng(np.random.SeedSequence(seed)).uniform(0.7, 1.3, size)


def rows_of(own: dict[str, object], means: dict[str, float], seed: int) -> pd.DataFrame:
    """Make the rows of all seeds of a condition: `own` as it is, `means` times the factors of the seeds."""
    factors = scatter(seed, RUNS)
    values = {name: mean * factors for name, mean in means.items()}
    return pd.DataFrame({"seed": np.arange(RUNS), **own, **values, "cell": str(sorted(own.items(), key=str))})


def regret_rows() -> pd.DataFrame:
    """Make regrets of (MT)^0.4 together, M·T^0.4 alone, MT with the printed widths; one of two contrasts is worse."""
    rows = []
    for k, (name, power_M, power_T, pessimistic) in enumerate(
        [("shared", 0.4, 0.4, 0.1), ("remark", 0.4, 0.4, 0.0), ("alone", 1.0, 0.4, 0.0), ("pooled", 0.4, 0.4, 0.0),
         ("proof", 1.0, 1.0, 0.0), ("no_bonus", 0.4, 0.4, 0.5), ("theorem", 1.0, 0.6, 0.0), ("every", 0.4, 0.4, 0.0),
         ("third", 0.4, 0.4, 0.1), ("greedy", 0.4, 0.4, 1.0)]
    ):  # fmt: skip
        few = {"pooled": 16, "every": 16, "proof": 4, "no_bonus": 4, "theorem": 4, "third": 4}
        for M in [few[name]] if name in few else [1, 4, 16]:
            for g in (0.5, 0.25):
                if g == 0.25 and name in ("proof", "no_bonus", "theorem", "third", "greedy"):
                    continue
                for T in (62, 125, 250, 500, 1000):
                    mean = (1 + g) * M**power_M * T**power_T
                    own = {"algorithm": name, "agents": M, "contrast": g, "episode": T, "pessimistic": pessimistic}
                    rows.append(rows_of(own, {"regret": mean, "first": 1.5 * M * T}, 1000 * k + 10 * M + T))
    frame = pd.concat(rows, ignore_index=True)
    bonus = frame["regret"] * np.where(frame["algorithm"] == "greedy", 0.5, 20)
    return frame.assign(bonus=bonus, threshold=1.0, beta=1.0, rounds=frame["episode"] // 10, bytes=100)


def communication_rows() -> pd.DataFrame:
    rows = []
    for algorithm in ("parallel", "joint"):
        for T, S in ((250, 10), (500, 10), (1000, 10), (500, 2), (500, 100)):
            own = {"algorithm": algorithm, "role": "trigger", "episodes": T, "threshold": float(S), "rounds": 0}
            counted = np.sqrt(T / S) if algorithm == "parallel" else 20 / np.log(S)
            rows.append(rows_of({**own, "rounds": round(6 * counted), "counted_bound": 7 * counted}, {}, T))
        own = {"algorithm": algorithm, "role": CONTROL, "episodes": 250, "threshold": 10.0}
        rows.append(rows_of({**own, "rounds": 250, "counted_bound": 100.0}, {}, 0))
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(agents=4, dimension=4, horizon=2, bound=3 * frame["counted_bound"], messages=1, bytes=1)


def heterogeneity_rows() -> pd.DataFrame:
    rows = []
    for kind, amounts in (("xi", (0.0, 0.02, 0.2, 0.4)), ("chi", (1.0, 2.0, 8.0))):
        names = ("told", "untold", "alone") if kind == "xi" else ("contexts", "ignored", "alone", "plain")
        for algorithm in names:
            for amount in amounts if algorithm != "plain" else (1.0,):
                for g in (1.0, 0.25):
                    growth = {"alone": 4.0, "plain": 0.5, "untold": 1 + 10 * amount}.get(algorithm, 1 + 0.02 * amount)
                    growth = 1 + 30 * amount if algorithm == "told" else growth
                    own = {"kind": kind, "amount": amount, "algorithm": algorithm, "contrast": g}
                    own |= {"spread": 1e-15 if kind == "chi" else amount, "chi": amount if kind == "chi" else 0}
                    means = {"late": 0.001 + 0.3 * amount**1.5, "regret": (100 + g) * growth, "first": 0.3}
                    rows.append(rows_of(own, means, int(10 * amount)))
    frame = pd.concat(rows, ignore_index=True)
    frame = frame.assign(log_det=40.0 + 3 * frame["chi"], log_det_bound=9.0 * (5 + frame["chi"]), log_det_bound_1=54.0)
    return frame.assign(agents=8, horizon=2, dimension=4, contexts=8, rounds=10, variation=0.1)


def sizes_rows() -> pd.DataFrame:
    """Make regrets d·H^1.5·S^0.1·(1 + k/d)^0.5·M^0.4, and M alone, with sums of widths at half their bound."""
    base = {"agents": 4, "horizon": 2, "dimension": 4, "contexts": 0, "threshold": 1.0, "alone": 0}
    points = [{"varied": "d", "dimension": d} for d in (2, 4, 8)] + [{"varied": "H", "horizon": H} for H in (1, 2, 4)]
    points += [{"varied": "S", "threshold": S} for S in (1.0, 4.0)] + [{"varied": "S", "alone": 1}]
    points += [{"varied": "k", "contexts": k} for k in (2, 8)]
    points += [{"varied": "M", "contexts": 4, "agents": M, "alone": alone} for M in (2, 8) for alone in (0, 1)]
    points += [{"varied": "many", "agents": 64, "alone": alone} for alone in (0, 1)]
    rows = []
    for number, point in enumerate(points):
        own = {**base, **point}
        mean = own["dimension"] * own["horizon"] ** 1.5 * own["threshold"] ** 0.1 * 3.0 ** own["alone"]
        mean *= (1 + own["contexts"] / own["dimension"]) ** 0.5 * own["agents"] ** (1.0 if own["alone"] else 0.4)
        for g in (1.0, 0.25):
            rows.append(
                rows_of({**own, "contrast": g}, {"regret": mean * g, "width": 50.0 * 4 ** own["alone"]}, number)
            )
    frame = pd.concat(rows, ignore_index=True).assign(episodes=500, rounds=3, width_bound=100.0)
    return frame.assign(beta=frame["horizon"] * np.sqrt(frame["dimension"] + frame["contexts"]))


def pareto_rows() -> pd.DataFrame:
    rows = []
    for threshold in (2.0, 32.0, np.nan):
        for T in (1, 8, 64, 256, 1024):
            for g in (1.0, 0.25):
                silent = np.isnan(threshold)
                own = {"episode": T, "threshold": threshold, "contrast": g}
                regret, bayes = (0.2 * T, 0.1) if silent else (0.5 * T**0.4, 0.05 / T)
                means = {"regret": g * regret, "bayes": g * bayes, "bayes_last": 0.5}
                rows.append(rows_of(own, means, T + int(100 * threshold if threshold < 100 else 7)))
    return pd.concat(rows, ignore_index=True).assign(beta=1.0, agents=2, recovered=0.5, rounds=3)


def exact_rows() -> pd.DataFrame:
    own = {"tested": 100, "policies": 4096, "front": 40, "supported": 5, "gap": 1e-15, "gap_myopic": 0.1}
    own |= {"unsupported": 9, "unsupported_greedy": 0}
    counts = {"dominated": 0, "dominated_contrary": 90, "dominated_boundary": 1}
    return pd.DataFrame({"seed": np.arange(RUNS), **own, **counts, "cell": "all"})


def good_tables() -> dict[str, pd.DataFrame]:
    return {
        REGRET.name: regret_rows(),
        COMMUNICATION.name: communication_rows(),
        HETEROGENEITY.name: heterogeneity_rows(),
        SIZES_STUDY.name: sizes_rows(),
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
    found = agents_exponent(tables, "shared", 0.5)
    assert found.estimate == pytest.approx(slope, abs=error)
    named = float(found.statistic.split("not divided ")[1].split()[0])
    assert named == pytest.approx(0.4, abs=error), "the slope before the division by logarithms stands beside it"
    assert joint_exponent(tables, 2.0, 0.5).estimate < 0.4
    # At ξ = 0.2 the extra regret 0.3·0.2^1.5 over 0.2·6; the larger ξ of 0.4 is left out, since 0.4·3 ≥ 1.
    extra = 0.3 * 0.2**1.5 / (0.2 * 6)
    assert deviation_ratio(tables).estimate == pytest.approx(extra, rel=4 * 0.6 / np.sqrt(12 * RUNS))
    assert deviation_growth(tables).estimate == pytest.approx(0.3 * (0.02**0.5 - 0.4**0.5), rel=0.1)
    assert size_exponent(tables, "H", 1.0).estimate == pytest.approx(0.5, abs=error), "β_T is H√(d + k) there"


def test_the_worst_contrast_counts() -> None:
    """Every measure on rates takes the contrast with the largest mean; the smaller one may do as it likes."""
    tables = good_tables()
    for study, measured in (
        (REGRET.name, lambda t: agents_exponent(t, "shared", 0.5)),
        (REGRET.name, lambda t: pooled_ratio(t, "shared", 2.0)),
        (SIZES_STUDY.name, lambda t: size_exponent(t, "d", 1.0)),
        (PARETO.name, lambda t: joint_exponent(t, 32.0, 0.5)),
    ):
        frame, before = tables[study], measured(tables)
        small = frame["contrast"] == frame["contrast"].min()
        halved = frame.assign(regret=frame["regret"].where(~small, frame["regret"] * 0.5))
        assert measured({**tables, study: halved}).estimate == before.estimate
        raised = frame.assign(regret=frame["regret"].where(~small, 9 * frame["regret"] * frame.index.to_numpy()))
        assert measured({**tables, study: raised}).estimate != before.estimate


def test_a_seed_is_one_trial_however_many_rows_it_has() -> None:
    frame = pd.DataFrame({"seed": [0, 0, 0, 1, 1, 1, 2, 2, 2], "bad": [1, 1, 1, 0, 1, 0, 0, 0, 0]})
    found = seeds_with(frame, frame["bad"] > 0)
    assert (found.estimate, found.n_runs) == (2, 3)
    tables = good_tables()
    many = tables[REGRET.name].assign(algorithm="theorem", pessimistic=0.0)  # all rows, of RUNS seeds
    assert optimism({**tables, REGRET.name: many}, "theorem", 0.05).n_runs == RUNS
    exact = judge(GROUP.name, GROUP.claims, tables)
    for claim in ("proposition_1", "proposition_2", "lemma_1", "lemma_3", "lemma_14", "same_optimum", "lemma_9"):
        row = exact[(exact["claim"] == f"coop_lsvi.{claim}") & (exact["role"] == "claim")]
        assert row["n_runs"].item() == RUNS
    few = {**tables, EXACT.name: tables[EXACT.name].head(99)}
    verdict = CLAIMS["coop_lsvi.proposition_1"].rule.verdict(CLAIMS["coop_lsvi.proposition_1"].measure(few), 1.0)
    assert verdict == Verdict.INCONCLUSIVE, "99 instances with 100 scalarisations each are 99 trials"


def test_the_largest_of_several_is_bounded_by_all_and_refuted_by_one() -> None:
    draw = np.random.default_rng(np.random.SeedSequence(5))
    values = draw.normal(0.0, 1.0, (400, 20, 4))  # 400 tables of 20 runs of four quantities, all 0
    below = above = 0
    for table in values:
        found = statistics.largest([statistics.mean(column) for column in table.T])
        below += found.high < 0
        above += found.estimate > 0 and found.p_value(0.0) < 0.05
    # Equal means are the hardest case.
    error = np.sqrt(0.025 * 0.975 / 400)
    assert below / 400 <= 0.025 + 3 * error
    assert above / 400 <= 0.025 + 3 * error


def test_proposition_3_counts_runs_without_communication() -> None:
    tables = good_tables()
    frame = tables[PARETO.name]
    silent = frame["threshold"].isna()
    wrong = {**tables, PARETO.name: frame.assign(bayes=frame["bayes"].where(~silent, 1.0))}
    assert proposition_3(tables).high < 0 < proposition_3(wrong).low


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
    refuted = verdicts[(verdicts["role"] == "claim") & (verdicts["verdict"] == "refuted")]
    assert set(refuted["claim"]) <= {"coop_lsvi.learns"}, "in 32 episodes nobody leaves exploration"
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
        (HETEROGENEITY.name, {"contrasts": [2]}, r"contrasts.0: found 2, expected a number of at most 1"),
        (SIZES_STUDY.name, {"contexts": [1]}, r"contexts.0: found 1, expected a number of at least 2"),
        (PARETO.name, {"dimension": 5}, "dimension: found 5, expected a number of at least 6"),
    ],
)
def test_wrong_options_are_refused(name: str, change: dict[str, object], message: str) -> None:
    study = next(study for study in GROUP.studies if study.name == name)
    with pytest.raises(ConfigError, match=rf"evidence.{name}.options.{message}"):
        cells_of(study, change)
