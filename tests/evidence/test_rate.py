"""Test the claims on the best radius: synthetic tables of known truth, and one small simulation."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.contract import Tables, Verdict
from pcpo.claims.judging import judge
from pcpo.claims.options import cells_of
from pcpo.claims.tables import write_table
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.rate.measures import closed_ratio, gap_left, lost_growth, neighbours, rate, series
from pcpo.evidence.rate.studies import METHODS, STUDY, draw_fleet
from pcpo.evidence.registry import load_group
from pcpo.simulation.noise import stream

GROUP = load_group("rate")
CLOSED = GROUP.studies[1]
SMALL = {"sizes": [1, 3], "epochs": 3}
EXPONENTS = dict.fromkeys(METHODS, -2 / 3) | {"pcpo": -1 / 2, "pcpo_two_point": -0.6}
LEVELS = dict(zip(METHODS, (3.0, 1.0, 0.3, 0.15), strict=True))


def runs(seeds: int = 40, *, factor: float = 1.0, steeper: float = 0.0) -> pd.DataFrame:
    """Draw χ²_4-like gaps of mean factor·(closed form)·E^steeper, the same numbers for all methods."""
    rows = []
    for method in METHODS:
        rng = stream(7, 1)
        for size in (1, 4, 16):
            for epoch in range(1, 9):
                E = float(size * 4.0 ** (epoch - 5) / 4)
                form = LEVELS[method] * E ** EXPONENTS[method]
                common = rng.gamma(2, 0.5, seeds)
                alone = form * (4 * E / size * 4) ** 0 * size ** -EXPONENTS[method]
                rows.append(
                    pd.DataFrame(
                        {
                            "seed": np.arange(seeds),
                            "algorithm": method,
                            "mode": "calibrated, moment oracle",
                            "cluster": size,
                            "size": size,
                            "epoch": epoch,
                            "minibatch": 4.0**epoch * 1e4,
                            "relative": E,
                            "gap": factor * form * E**steeper * common,
                            "local_gap": alone * rng.gamma(2, 0.5, seeds),
                            "clean": epoch > 1,
                            "predicted": form,
                            "middle": LEVELS[method],
                            "best": 1.0,
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def closed(seeds: int = 12, *, growth: float = 1 / 6) -> pd.DataFrame:
    """Make exact gaps whose loss grows with that exponent."""
    seed = np.tile(np.arange(seeds), 3)
    E = np.repeat([1e4, 1e6, 1e8], seeds)
    best = (1 + 0.01 * (seed % 3)) * E ** (-2 / 3)
    gaps = {
        "gap_best": best,
        "gap_smaller": 1.18 * best,
        "gap_larger": 1.24 * best,
        "gap_paper": best * (2 + seed % 4) * (E / 1e6) ** growth,
        "closed_best": E ** (-2 / 3),
    }
    levels = {"closed_paper": 3 * best, "closed_no_log": 9 * best, "closed_centred": best / 7}
    return pd.DataFrame({"seed": seed, "n": 1, "m": 1, "rollouts": E, **gaps, **levels})


@cache
def truth() -> Tables:
    return {"rate": runs(), "rate_closed": closed()}


def test_true_claims_are_supported_and_their_controls_refuted() -> None:
    rows = judge("rate", GROUP.claims, truth(), families=20)
    assert set(rows.loc[rows["role"] == "claim", "verdict"]) == {Verdict.SUPPORTED}
    controls = rows[rows["role"].isin(["negative_control", "sharp_control"])]
    assert len(controls) > 2 * len(GROUP.claims)
    assert set(controls["verdict"]) == {Verdict.REFUTED}
    assert rows.loc[rows["role"] == "power", "estimate"].min() > 0.9


@pytest.mark.parametrize(
    ("changed", "refuted"),
    [
        (runs(steeper=1 / 6), {"rate.best_rate", "rate.best_rate_two_point"}),
        (runs(steeper=-1 / 6), {"rate.best_rate", "rate.paper_rate"}),
        (runs(factor=1.5), {"rate.closed_form", "rate.closed_form_two_point", "rate.closed_form_paper"}),
        (runs(factor=0.6), {"rate.closed_form", "rate.closed_form_two_point", "rate.closed_form_paper"}),
        (
            runs().assign(gap=lambda frame: frame["gap"].where(frame["algorithm"].isin(["pcpo", "pcpo_two_point"]), 2)),
            {"rate.won", "rate.won_combined", "rate.won_over_estimator"},
        ),
    ],
)
def test_false_claims_are_refuted(changed: pd.DataFrame, refuted: set[str]) -> None:
    for claim in GROUP.claims:
        if claim.id in refuted:
            found = claim.measure({**truth(), "rate": changed})
            assert claim.rule.verdict(found, 24 * found.p_value) == Verdict.REFUTED, claim.id
    assert refuted <= {claim.id for claim in GROUP.claims}


def test_exact_claims_are_refuted_where_they_are_false() -> None:
    flat = {**truth(), "rate_closed": closed(growth=0.05)}
    found = lost_growth(flat, exponent=1 / 6, margin=0.03)
    assert found.low > 0.03
    assert found.p_value < 1e-6
    assert lost_growth(truth(), exponent=1 / 6, margin=0.03).high < 0.03
    better = truth()["rate_closed"].assign(gap_larger=lambda frame: 0.99 * frame["gap_best"])
    assert neighbours({"rate_closed": better}).estimate == 12
    assert neighbours(truth()).estimate == 0


def test_measures_of_known_tables() -> None:
    sharp = {"rate": runs(500)}
    for method in METHODS:
        assert rate(sharp, method, EXPONENTS[method], 0.08).estimate < 0.03
        assert closed_ratio(sharp, method, 0.2).estimate < 0.06
    left = gap_left(sharp, "pcpo_two_point_radius_1_6", "pcpo")
    assert left.predicted == 1.25
    assert left.estimate == pytest.approx(1, rel=1e-9), "the same draws for both"
    last = [size * 4.0**3 / 4 for size in (1, 4, 16)]
    won = np.exp(np.mean(np.log([3 * E**-0.5 / (0.15 * E ** (-2 / 3)) for E in last])))
    assert f"factor won {won:.3g}, closed form {won:.3g}" in left.statistic


def test_epochs_with_wrong_sets_count_for_what_is_won_and_not_for_slopes() -> None:
    lost = runs()
    wrong = (lost["algorithm"] == "pcpo_radius_1_6") & (lost["seed"] == 3) & (lost["epoch"] == 8)
    lost.loc[wrong, "gap"], lost.loc[wrong, "clean"] = np.inf, False
    assert np.isfinite(rate({"rate": lost}, "pcpo_radius_1_6", -2 / 3, 0.08).estimate)
    found = gap_left({"rate": lost}, "pcpo_radius_1_6", "pcpo")
    assert found.estimate == np.inf
    assert found.p_value == 0
    with pytest.raises(ResultsError, match="found no collaborative epoch of pcpo in some cell"):
        series({"rate": lost.assign(clean=False)}, "pcpo", "gap", "best")


def test_fleets_are_those_of_their_seed_and_sizes_are_dealt_out() -> None:
    fleets = [draw_fleet(seed, (1, 2, 5), 8.0) for seed in range(8)]
    assert {tuple(np.bincount(f.labels)) for f in fleets} > {(1, 2, 5)}
    assert {(f.n, f.m) for f in fleets} != {(1, 1)}
    again = draw_fleet(3, (1, 2, 5), 8.0)
    np.testing.assert_array_equal(again.initial_gains, fleets[3].initial_gains)
    assert max(draw_fleet(seed, (1,), None, most=4).D for seed in range(12)) <= 4


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="sizes"):
        cells_of(STUDY, {"sizes": [1]})
    assert list(cells_of(STUDY, {})) == list(METHODS)


def test_a_small_simulation_passes_through_the_judge_and_the_figures(tmp_path) -> None:
    """Two seeds settle nothing, but every number is there; the closed form is that of the radius that ran."""
    tables = {}
    for study, options in ((STUDY, SMALL), (CLOSED, {"rollouts": [1e6, 1e8]})):
        parts = [study.simulate(c, [8, 9]).assign(cell=name) for name, c in cells_of(study, options).items()]
        tables[study.name] = pd.concat(parts, ignore_index=True)
        write_table(study, [8, 9], tables[study.name], tmp_path / f"{study.name}.parquet", {})
        assert set(study.columns) <= set(tables[study.name].columns)
    frame = tables["rate"]
    assert frame.loc[frame["epoch"] == 3, "clean"].all()
    assert (frame["predicted"] > 0).all()
    best = frame[(frame["algorithm"] == "pcpo_radius_1_6") & (frame["epoch"] > 1) & ~frame["capped"]]
    constant = best["radius"] * (best["minibatch"] * best["size"]) ** (1 / 6)
    assert constant.groupby(best["seed"]).agg(["min", "max"]).pct_change(axis=1)["max"].abs().max() < 1e-9
    rows = judge("rate", GROUP.claims, tables, families=20)
    assert not rows["estimate"][rows["role"] == "claim"].isna().any()
    for name, figure in GROUP.figures.items():
        numbers = figure.table(tables)
        assert len(numbers), name
        figure.draw(numbers)
