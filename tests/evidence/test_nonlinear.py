"""The group nonlinear: fleets at a level, runs, and claims on made-up tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pcpo import lqr
from pcpo.claims.judging import judge
from pcpo.evidence.nonlinear.fleets import GAMMA, HORIZON, KINDS, MOST, RATIOS, SIZES, at_level, draw
from pcpo.evidence.nonlinear.measures import log_ratios, slope_of
from pcpo.evidence.nonlinear.studies import STUDIES
from pcpo.evidence.registry import load_group
from pcpo.experiments.best_gain import SampleCost

FIRST, PATHS = 9_100_000, 2048
OPTIONS = {"rollouts": 6_000, "paths": PATHS}


def test_numbers_deal_out_plants_and_ratios() -> None:
    drawn = [draw(number) for number in range(FIRST, FIRST + 6)]
    assert {(one.kind, one.ratio) for one in drawn} == {(kind, ratio) for kind in KINDS for ratio in RATIOS}
    for one in drawn:
        assert sorted(np.bincount(one.labels)) == sorted(SIZES)
        above = [lqr.cost(one.system(h), one.start) / lqr.riccati(one.system(h)).cost for h in range(3)]
        assert 1.02 <= min(above) <= max(above) <= 1.6
    assert (draw.__wrapped__(FIRST).start == drawn[0].start).all()


@pytest.mark.parametrize("number", [FIRST, FIRST + 1])
def test_a_fleet_is_at_its_level(number: int) -> None:
    fleet = at_level(number, MOST, PATHS)
    for h, plant in enumerate(fleet.plants):
        system, weight = fleet.drawn.system(h), plant.parameters[-1] / fleet.drawn.plant(h).parameters[-1]
        costs = SampleCost(plant, GAMMA, HORIZON, 65_536, 1, (h,))
        linear = SampleCost(fleet.drawn.plant(h), GAMMA, HORIZON, 65_536, 1, (h,))
        optimum = lqr.riccati(system).K[None]
        assert abs(abs(costs(optimum)[0] / weight / linear(optimum)[0] - 1) - MOST) < 0.03
        assert abs(costs.moments(fleet.best[h].gain[None], np.eye(1))[0][0] / fleet.best[h].cost - 1) < 0.1
    steps = np.diff([best.cost for best in fleet.best])
    sigma = fleet.best[0].error * np.sqrt(PATHS)
    np.testing.assert_allclose(steps / sigma, fleet.ratio, rtol=1e-9)
    best = np.stack([fleet.best[h].gain for h in fleet.drawn.labels])
    np.testing.assert_allclose(fleet.gaps(best), 0.0, atol=1e-12)
    assert (fleet.gaps(1.2 * best) > 0.001).all()


def test_equal_clusters_cost_the_same_and_differ() -> None:
    fleet = at_level(FIRST, MOST, PATHS, 0.0)
    costs = [best.cost for best in fleet.best]
    np.testing.assert_allclose(costs, costs[0], rtol=1e-12)
    assert np.abs(fleet.best[1].gain / fleet.best[0].gain - 1).max() > 0.01


def test_at_level_0_gaps_are_exact() -> None:
    fleet = at_level(FIRST, 0.0, PATHS)
    start = np.broadcast_to(fleet.drawn.start, (len(fleet.drawn.labels), *fleet.drawn.start.shape))
    for h, gap in zip(fleet.drawn.labels, fleet.gaps(start), strict=True):
        system = fleet.drawn.system(h)
        assert gap == pytest.approx(lqr.cost(system, fleet.drawn.start) / lqr.riccati(system).cost - 1)
    assert (fleet.noise == 0).all()


def test_a_row_does_not_depend_on_other_seeds() -> None:
    study = STUDIES["nonlinear"]
    cells = study.cells(OPTIONS)
    assert list(cells) == ["linear", "level_5", "level_20", "control:equal"]
    both = study.simulate(cells["level_20"], [FIRST, FIRST + 2])
    alone = study.simulate(cells["level_20"], [FIRST + 2])
    assert list(both.columns) == list(study.columns)
    pd.testing.assert_frame_equal(both[both["seed"] == FIRST + 2].reset_index(drop=True), alone)
    assert (both["spent"] <= 6_000).all()
    assert both.groupby("seed")["size"].apply(sorted).tolist() == [[1, 2, 4]] * 2


def made(seeds: int = 120, slope: float = 0.0) -> pd.DataFrame:
    """Make a table on which every claim holds; at 20 % the slope is off by `slope`."""
    rng, rows = np.random.default_rng(1), []
    for role, level in (("grid", 0.0), ("grid", 0.05), ("grid", 0.2), ("control", 0.2)):
        for seed in range(seeds):
            for size in SIZES:
                local = 0.04 * rng.uniform(0.9, 1.1)
                gap = 0.3 * local * size ** (-0.6 + slope * (level == 0.2)) * rng.uniform(0.9, 1.1)
                rows.append(
                    {
                        "role": role, "level": level, "seed": seed, "size": size, "gap": gap, "local_gap": local,
                        "exact": int(role == "grid" or seed % 4 == 0), "change": -level * rng.uniform(0.98, 1.02),
                        "start_gap": 0.5, "linear_gap": 0.1 * (level > 0), "gap_error": 1e-5,
                        "mode": "model-free, rollouts",
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_claims_hold_on_made_up_tables_and_controls_do_not() -> None:
    verdicts = judge("nonlinear", load_group("nonlinear").claims, {"nonlinear": made()})
    claims = verdicts[verdicts["role"] == "claim"]
    assert claims["verdict"].tolist() == ["supported"] * 6
    controls = verdicts[verdicts["role"] == "negative_control"]
    assert len(controls) == 12
    assert (controls["verdict"] == "refuted").all()


def test_claims_are_refuted_where_they_are_false() -> None:
    group = {claim.id: claim for claim in load_group("nonlinear").claims}
    wrong = made(slope=0.3)
    ratios = log_ratios({"nonlinear": wrong}, 0.2)
    assert slope_of(ratios.to_numpy(), ratios.columns.to_numpy(dtype=float)) == pytest.approx(-0.3, abs=0.05)
    found = group["nonlinear.slope_20"].measure({"nonlinear": wrong})
    assert found.low > 0.1
    assert group["nonlinear.slope_5"].measure({"nonlinear": wrong}).high < 0.1
    seeds = wrong["seed"] < 20
    found = group["nonlinear.sets"].measure({"nonlinear": wrong.assign(exact=wrong["exact"].where(~seeds, 0))})
    assert found.estimate == pytest.approx(20 / 120)
    assert found.low > 0.05


def test_the_figure_has_its_three_panels() -> None:
    figure = load_group("nonlinear").figures["nonlinear"]
    numbers = figure.table({"nonlinear": made(8)})
    assert numbers.groupby("panel").size().to_dict() == {"gaps": 11, "sets": 3, "slope": 9}
    drawn = figure.draw(numbers)
    assert [axes.get_title(loc="left")[:3] for axes in drawn.axes] == ["(a)", "(b)", "(c)"]
