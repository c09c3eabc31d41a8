"""The claims on FedLQR's experiment: on made-up curves of known truth, on wrong tables, and in their figures."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Tables, Verdict
from pcpo.claims.judging import VERDICT_COLUMNS, check_claims, judge
from pcpo.errors import ResultsError
from pcpo.evidence.fedlqr.measures import QUANTITIES, curves, estimated, noise_free, rounds_to
from pcpo.evidence.fedlqr.studies import CONDITIONS, MEASURES
from pcpo.evidence.registry import load_claims, load_group

GROUP = load_group("fedlqr")
RUNS = 12


def made_up(speed: float = 20.0, growth: float = 1.0, *, copies: float | None = None, spread: bool = True) -> Tables:
    """Return curves 4·2^(−round·rate/50) with noise.

    Args:
        speed: rate of fleets that differ; one agent has rate 1.
        growth: added to the gap per level of heterogeneity, whose floors are 0, 1 and 2.
        copies: rate of identical agents, `speed` if not given.
        spread: whether the noise falls as 1/√M.
    """
    rng, rounds, frames = np.random.default_rng(5), np.arange(201), []
    for name, wanted in CONDITIONS.items():
        rate = {"level": 1.0, "number": speed, "copies": speed if copies is None else copies}[wanted.group]
        level = ["level_0", "level_0.1", "level_0.5"].index(name) if wanted.group == "level" else 0
        curve: FloatArray = 4 * 2.0 ** (-rounds * (rate if wanted.agents > 1 else 1.0) / 50) + growth * level
        size = 0.02 / np.sqrt(wanted.agents) if spread else 0.02
        for seed in range(RUNS):
            noise = size * rng.standard_normal(len(rounds)) * (rounds > 0)
            gaps = {column: curve + noise for column in MEASURES}
            quiet = {f"{column}_noise_free": curve for column in MEASURES}
            floors = {f"{column}_floor": float(level) for column in MEASURES}
            frames.append(pd.DataFrame({"cell": name, "seed": seed, "round": rounds, **gaps, **quiet, **floors}))
    return {"fedlqr": pd.concat(frames, ignore_index=True)}


def verdicts(tables: Tables) -> dict[str, str]:
    rows = judge("fedlqr", GROUP.claims, tables)
    return {
        str(row["claim"]).removeprefix("fedlqr."): row["verdict"]
        for row in rows[rows["role"] == "claim"].to_dict("records")
    }


def changed(tables: Tables, cell: str, **columns: object) -> Tables:
    """Return tables with columns replaced in one condition."""
    frame = tables["fedlqr"].copy()
    for column, value in columns.items():
        frame.loc[frame["cell"] == cell, column] = value
    return {"fedlqr": frame}


def test_the_group_is_complete() -> None:
    check_claims("fedlqr", GROUP.claims)
    assert [claim.id for claim in GROUP.claims if claim.primary] == ["fedlqr.linear_10"]
    assert {claim.id.removeprefix("fedlqr.") for claim in GROUP.claims} == set(QUANTITIES)


def test_rounds_to_a_level() -> None:
    rounds, gap = np.array([0.0, 10.0, 20.0]), np.array([4.0, 3.0, 1.0])
    assert rounds_to(gap, rounds, 2.0) == 15.0
    assert rounds_to(gap, rounds, 4.0) == 0.0
    assert rounds_to(gap, rounds, 0.5) == np.inf


@pytest.mark.parametrize(
    ("speed", "growth", "expected"),
    [
        (60.0, 1.0, {"supported": set(QUANTITIES)}),
        (2.0, 0.2, {"refuted": {"linear_10", "linear_50", "floor"}}),
        (0.5, -0.2, {"supported": {"spread_10", "spread_50"}}),
    ],
)
def test_claims_on_made_up_runs(speed: float, growth: float, expected: dict[str, set[str]]) -> None:
    """A world where every claim holds, another where only the weak ones do, and a third where only the spread falls."""
    ((verdict, claims),) = expected.items()
    other = "refuted" if verdict == "supported" else "supported"
    wanted = {claim: verdict if claim in claims else other for claim in QUANTITIES}
    assert verdicts(made_up(speed, growth)) == wanted


def test_estimates_are_those_that_were_put_in() -> None:
    tables = made_up(speed=4.0, growth=0.25)
    for claim, expected in {"speed_10": 1 / 4, "linear_50": 1 / 4, "copies_10": 1 / 4, "bias_low": -0.25}.items():
        found = estimated(QUANTITIES[claim], tables)
        assert found.estimate == pytest.approx(expected, rel=0.1)
        assert noise_free(QUANTITIES[claim], tables) == pytest.approx(expected, rel=0.05)
        assert found.low < found.estimate < found.high
    assert estimated(QUANTITIES["spread_10"], tables).estimate == pytest.approx(10**-0.5, rel=0.2)
    assert np.isnan(noise_free(QUANTITIES["spread_10"], tables))
    assert noise_free(QUANTITIES["floor"], tables) == pytest.approx(np.log(4), rel=1e-12)
    assert [estimated(QUANTITIES[c], tables).predicted for c in ("linear_50", "speed_50")] == pytest.approx([0.02, 1.0])


def test_every_negative_control_is_refuted() -> None:
    """In a world like the paper's, where agents that differ are faster, and copies are not."""
    rows = judge("fedlqr", GROUP.claims, made_up(copies=1.0))
    assert list(rows.columns) == VERDICT_COLUMNS
    controls = rows[rows["role"] == "negative_control"]
    assert set(controls["claim"]) == {claim.id for claim in GROUP.claims}
    assert set(controls["verdict"]) == {"refuted"}, controls[controls["verdict"] != "refuted"][["claim", "control"]]
    power = rows[rows["role"] == "power"]
    assert len(power) == len(GROUP.claims)
    assert power["estimate"].between(0, 1).all()
    assert power["statistic"].str.contains("level 0.05 ").sum() == 1
    assert power["statistic"].str.contains("level 0.005 ").sum() == 10


@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        ("linear_10", {"speed": 9.0}),
        ("linear_50", {"speed": 40.0}),
        ("speed_10", {"speed": 0.9}),
        ("speed_50", {"speed": 0.9}),
        ("copies_10", {"copies": 0.9}),
        ("copies_50", {"copies": 0.9}),
        ("bias_low", {"growth": -0.05}),
        ("bias_high", {"growth": -0.05}),
        ("floor", {"growth": 2.1}),
        ("floor", {"growth": 0.4}),
        ("floor", {"growth": -1.0}),
    ],
)
def test_what_is_wrong_is_refuted(claim: str, wrong: dict[str, float]) -> None:
    assert verdicts(made_up(**wrong))[claim] == "refuted"  # type: ignore[arg-type]


@pytest.mark.parametrize(("claim", "cell"), [("spread_10", "copies_10"), ("spread_50", "copies_50")])
def test_more_spread_than_of_one_agent_is_refuted(claim: str, cell: str) -> None:
    tables = made_up()
    frame = tables["fedlqr"]
    own = frame.loc[frame["cell"] == cell]
    wider = own["own_noise_free"] + 20 * (own["own"] - own["own_noise_free"])
    assert verdicts(tables)[claim] == "supported"
    assert verdicts(changed(tables, cell, own=wider))[claim] == "refuted"
    assert verdicts(made_up(spread=False))[claim] == "inconclusive"


def test_gaps_that_never_fall_so_far_decide_nothing_or_refute() -> None:
    """T_M unknown refutes a speed-up; T_1 unknown, or any of them in some resample only, decides nothing."""
    tables = made_up()
    many = estimated(QUANTITIES["speed_10"], changed(tables, "number_10", own=4.0))
    assert (many.estimate, many.p_value) == (np.inf, 0.0)
    assert verdicts(changed(tables, "number_10", own=4.0))["speed_10"] == "refuted"
    one = estimated(QUANTITIES["speed_10"], changed(tables, "number_1", own=4.0))
    assert np.isnan(one.estimate)
    assert (one.p_value, one.n_runs) == (1.0, RUNS)
    assert verdicts(changed(tables, "number_1", own=4.0))["speed_10"] == "inconclusive"
    frame = tables["fedlqr"]
    runs = (frame["cell"] == "number_10") & (frame["seed"] > 0)
    edge = {"fedlqr": frame.assign(own=frame["own"].mask(runs, 2.0 + 1e-6))}  # only the first run is below the level
    assert estimated(QUANTITIES["speed_10"], edge).p_value == 1.0


def test_a_run_that_diverges_refutes() -> None:
    frame = made_up()["fedlqr"]
    lost = (frame["cell"] == "number_10") & (frame["seed"] == 3) & (frame["round"] > 150)
    found = estimated(QUANTITIES["linear_10"], {"fedlqr": frame.assign(own=frame["own"].mask(lost, np.inf))})
    assert (found.estimate, found.p_value) == (np.inf, 0.0)
    one = (frame["cell"] == "number_1") & (frame["seed"] == 3) & (frame["round"] > 30)
    rows = judge("fedlqr", GROUP.claims, {"fedlqr": frame.assign(own=frame["own"].mask(one, np.inf))})
    assert set(rows.loc[rows["control"] == "one agent at half the pace, counted as many", "verdict"]) == {"refuted"}


def test_few_runs_leave_claims_open() -> None:
    frame = made_up(copies=1.0)["fedlqr"]
    assert set(verdicts({"fedlqr": frame[frame["seed"] < 1]}).values()) == {"inconclusive"}


def test_unequal_seeds_are_refused() -> None:
    tables = made_up()
    frame = tables["fedlqr"]
    fewer = {"fedlqr": frame[~((frame["cell"] == "level_0.1") & (frame["seed"] == 2))]}
    with pytest.raises(ResultsError, match=r"condition level_0\.1: found other seeds"):
        curves(fewer, ("level_0", "level_0.1"))
    with pytest.raises(ResultsError, match="condition level_0: found no run"):
        curves({"fedlqr": frame[frame["cell"] != "level_0"]}, ("level_0", "level_0.1"))


def test_figures_show_every_condition_and_claim() -> None:
    tables = made_up()
    curve = GROUP.figures["fedlqr_replication"]
    numbers = curve.table(tables)
    assert set(numbers["condition"]) == set(CONDITIONS)
    row = numbers.query("condition == 'number_10' and measure == 'own' and round == 200").iloc[0]
    mine = tables["fedlqr"].query("cell == 'number_10' and round == 200")["own"]
    assert row["gap"] == pytest.approx(mine.mean(), rel=1e-14)
    assert (row["runs"], row["infinite"]) == (RUNS, 0)
    drawn = curve.draw(numbers)
    assert [len(axes.get_legend().get_texts()) for axes in drawn.axes] == [3, 3, 3]
    compared = GROUP.figures["fedlqr_measures"].table(tables)
    assert set(map(tuple, compared[["claim", "measure"]].to_numpy())) == {(c, m) for c in QUANTITIES for m in MEASURES}
    found = {claim.id: claim.measure(tables) for claim in load_claims("fedlqr")}
    for row in compared[compared["measure"] == "own"].to_dict("records"):
        assert row["estimate"] == found[f"fedlqr.{row['claim']}"].estimate
    unknown = changed(tables, "number_10", own=4.0)
    for numbers in (compared, GROUP.figures["fedlqr_measures"].table(unknown)):
        GROUP.figures["fedlqr_measures"].draw(numbers).savefig(io.BytesIO(), format="png", dpi=30)


def test_the_bound_decides() -> None:
    """The same curves: at most a quarter of the rounds is supported, at most a fifth is refuted."""
    tables, (claim,) = made_up(4.5), [one for one in GROUP.claims if one.primary]
    for bound, expected in ((1 / 4, Verdict.SUPPORTED), (1 / 5, Verdict.REFUTED)):
        found = estimated(replace(QUANTITIES["linear_10"], predicted=float(np.log(bound))), tables)
        assert claim.rule.verdict(found, found.p_value) == expected
