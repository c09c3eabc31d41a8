"""Test the claims on scalars in place of gradients: made-up tables of known truth, and small simulations."""

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
from pcpo.evidence.registry import load_group
from pcpo.evidence.scalar.fleets import draw_fleet
from pcpo.evidence.scalar.measures import bytes_off, collaborative, gap_with_more, price, rounds_over_law, sets_off
from pcpo.evidence.scalar.studies import METHODS, MORE, PLAIN, SCALAR, STUDIES
from pcpo.simulation.noise import stream

GROUP = load_group("scalar")
FLEETS, ROUNDS = STUDIES["scalar"], STUDIES["scalar_rounds"]
SMALL = {"sizes": [1, 3], "epochs": 3}
FEW = {"sizes": [1, 4], "agents": 16}
SIZES = (1, 4, 12)


def runs(seeds: int = 120, *, factor: float = 1.0) -> pd.DataFrame:
    """Draw gaps of gamma law whose mean is the closed form, a price of D; `pcpo_scalar` is off by a factor."""
    levels = {PLAIN: 1.0, SCALAR: factor, MORE: 1.0, "control:one_sequence": 1.0}
    rows = []
    for cell, level in levels.items():
        rng = stream(7, list(levels).index(cell))
        for cluster, size in enumerate(SIZES):
            for epoch in range(1, 5):
                seed = np.arange(seeds)
                m = 1 + seed % 2
                D = 4 * m
                whole = 2.0**-epoch / size / (D if cell == MORE else 1)
                predicted = whole * np.where(cell == PLAIN, 1, D)
                gap = level * rng.gamma(3, 1 / 3, seeds) * predicted
                gradients = 17 * 8 * 10 * epoch * np.where(cell == PLAIN, D, 1)
                made = {"cell": cell, "seed": seed, "n": 4, "m": m, "agents": 17, "cluster": cluster, "size": size}
                made |= {"epoch": epoch, "gap": gap, "whole": whole, "predicted": predicted, "clean": epoch > 1}
                made |= {"rounds": 11 * epoch, "messages_up": 187 * epoch, "bytes_down": 8 * epoch * D}
                made |= {"bytes_up": gradients + 8 * 17 * epoch * (D + 1), "sets": epoch, "mode": "calibrated"}
                made["local_state"] = seed + epoch + 1000 * (cell == "control:one_sequence")
                rows.append(pd.DataFrame(made))
    return pd.concat(rows, ignore_index=True)


def rounds(seeds: int = 60, *, factor: float = 1.0) -> pd.DataFrame:
    """Make rounds near those of the law, and the controls' away from them."""
    rng, rows = stream(8, 1), []
    for cell in cells_of(ROUNDS, {}):
        size = int(cell.rpartition(" ")[2])
        step = "table" if cell.startswith("table") else "largest"
        q = 1 + 3 / size
        law = 20 * q if step == "largest" else 20 * (1 + (q - 1) / 8)
        wrong = {"control:common": 4 / q, "control:unscaled": 4.0, "control:unshared": 9.0}.get(cell.split(",")[0], 1.0)
        noise = rng.normal(1, 0.02, seeds)
        last = 2.0 if cell.split(",")[0] in ("control:beyond", "control:unreduced", "control:unshared") else 1e-3
        made = {"cell": cell, "seed": np.arange(seeds), "size": size, "step": step, "rounds_law": law, "last": last}
        made |= {"rounds_whole": 20.0, "rounds": factor * wrong * law * noise, "mode": "exact"}
        rows.append(pd.DataFrame(made))
    return pd.concat(rows, ignore_index=True)


@cache
def truth() -> Tables:
    return {"scalar": runs(), "scalar_rounds": rounds()}


def test_true_claims_are_supported_and_their_controls_refuted() -> None:
    rows = judge("scalar", GROUP.claims, truth(), families=28)
    assert set(rows.loc[rows["role"] == "claim", "verdict"]) == {Verdict.SUPPORTED}
    controls = rows[rows["role"].isin(["negative_control", "sharp_control"])]
    assert len(controls) >= 2 * len(GROUP.claims)
    assert set(controls["verdict"]) == {Verdict.REFUTED}
    assert rows.loc[rows["role"] == "power", "estimate"].min() > 0.8


@pytest.mark.parametrize(
    ("changed", "refuted"),
    [
        ({"scalar": runs(factor=1.5)}, {"scalar.price"}),
        ({"scalar": runs(factor=0.6)}, {"scalar.price"}),
        ({"scalar_rounds": rounds(factor=1.3)}, {"scalar.rounds", "scalar.table_step"}),
    ],
)
def test_false_claims_are_refuted(changed: Tables, refuted: set[str]) -> None:
    for claim in GROUP.claims:
        found = claim.measure({**truth(), **changed})
        verdict = claim.rule.verdict(found, 28 * claim.rule.against(found))
        assert (verdict == Verdict.REFUTED) == (claim.id in refuted), claim.id
    assert refuted <= {claim.id for claim in GROUP.claims}


@pytest.mark.parametrize("column", ["bytes_up", "bytes_down", "rounds", "messages_up"])
def test_one_number_too_many_in_one_epoch_is_seen(column: str) -> None:
    wrong = runs(12)
    chosen = (wrong["cell"] == SCALAR) & (wrong["seed"] == 3) & (wrong["epoch"] == 2)
    wrong.loc[chosen, column] += 1
    assert bytes_off({"scalar": runs(12)}).estimate == 0
    assert bytes_off({"scalar": wrong}).estimate == 1


@pytest.mark.parametrize("column", ["sets", "local_state"])
def test_one_bit_in_one_epoch_is_seen(column: str) -> None:
    wrong = runs(12)
    wrong.loc[(wrong["cell"] == SCALAR) & (wrong["seed"] == 3) & (wrong["epoch"] == 4), column] += 1
    assert sets_off({"scalar": runs(12)}).estimate == 0
    assert sets_off({"scalar": wrong}).estimate == 1


def test_infinite_gaps_count_a_hundred_times_the_closed_form() -> None:
    frame = runs(12)
    frame.loc[frame["cell"] == SCALAR, "gap"] = np.inf
    assert collaborative({"scalar": frame}, SCALAR, "predicted")["value"].eq(100).all()
    assert np.isfinite(price({"scalar": frame}, 0.2).high)


def test_tables_without_a_collaborative_epoch_are_refused() -> None:
    with pytest.raises(ResultsError, match=r"^scalar: found no collaborative epoch of pcpo_scalar, expected some$"):
        price({"scalar": runs(12).assign(clean=False)}, 0.2)


def test_too_many_agents_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^evidence\.scalar\.options\.sizes: found 70 agents, expected 62 or fewer$"):
        cells_of(FLEETS, {"sizes": [30, 40]})


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    cells = cells_of(FLEETS, SMALL)
    seeds = [9_000_011, 9_000_012]
    return pd.concat([FLEETS.simulate(cells[name], seeds).assign(cell=name) for name in METHODS], ignore_index=True)


def test_runs_keep_what_holds_to_the_last_bit(simulated: pd.DataFrame, tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    tables = {"scalar": simulated}
    assert bytes_off(tables).estimate == 0
    assert sets_off(tables).estimate == 0
    other = simulated.assign(cell=simulated["cell"].replace({SCALAR: "", "control:one_sequence": SCALAR}))
    assert sets_off({"scalar": other}).estimate == 2
    assert np.isfinite([price(tables, 0.2).estimate, gap_with_more(tables, 0.2).estimate]).all()
    write_table(FLEETS, [9_000_011, 9_000_012], simulated, tmp_path / "table.parquet", {})
    alone = FLEETS.simulate(cells_of(FLEETS, SMALL)[SCALAR], [9_000_012])
    both = simulated[(simulated["cell"] == SCALAR) & (simulated["seed"] == 9_000_012)]
    assert alone.equals(both[alone.columns].reset_index(drop=True)), "a row does not depend on the other seeds"


def test_minibatches_d_times_as_large_change_nothing_else(simulated: pd.DataFrame) -> None:
    scalar, more = (simulated[simulated["cell"] == name].reset_index(drop=True) for name in (SCALAR, MORE))
    assert (more["rollouts"] == scalar["n"] * scalar["m"] * scalar["rollouts"]).all()
    for column in ("iterations", "rounds", "radius", "bytes_up", "bytes_down"):
        assert more[column].equals(scalar[column]), column


def test_without_noise_sets_follow_the_recursion() -> None:
    cells = cells_of(ROUNDS, {"sizes": [1, 4], "agents": 64})
    found = {name: ROUNDS.simulate(cells[name], [9_000_021]).iloc[0] for name in ("largest, 4", "table, 4")}
    for row in found.values():
        assert row["rounds"] == pytest.approx(row["rounds_law"], rel=0.2)
        assert row["rounds_whole"] == pytest.approx(row["whole_law"], rel=0.05)
        assert row["last"] < 0.01
    unshared = ROUNDS.simulate(cells["control:unshared, 4"], [9_000_021]).iloc[0]
    assert unshared["last"] > 1
    assert unshared["rounds"] == unshared["rounds_run"]


def test_rounds_are_compared_without_controls() -> None:
    found = rounds_over_law({"scalar_rounds": rounds()}, 0.1)
    assert found.n_runs == 60
    assert found.estimate < 0.01
    assert "price 2.31" in found.statistic


def test_fleets_vary() -> None:
    fleets = [draw_fleet(seed, (1, 3), 8.0) for seed in range(9_000_030, 9_000_060)]
    assert {(fleet.n, fleet.m) for fleet in fleets} == {(n, m) for n in (1, 2, 3, 4) for m in (1, 2)}
    radii = [max(abs(np.linalg.eigvals(system.A))) for fleet in fleets for system in fleet.systems]
    assert min(radii) < 1 < max(radii), "open loop stable or not"
    assert {tuple(np.bincount(fleet.labels)) for fleet in fleets} == {(1, 3), (3, 1)}
    assert draw_fleet(5, (1,), None, fewest=2).D >= 2
