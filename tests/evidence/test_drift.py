"""Test the claims on agents that change: made-up tables of known truth, the population, and one small simulation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.contract import Tables, Verdict
from pcpo.claims.judging import judge
from pcpo.claims.options import cells_of
from pcpo.evidence.drift.measures import again, allowed_epochs, finite_pairs, heard
from pcpo.evidence.drift.population import AFTER, AGENT, CLEARANCE, draw
from pcpo.evidence.registry import load_group
from pcpo.fleets.timetable import Timetable

GROUP = load_group("drift")
[STUDY] = GROUP.studies
CELLS = ("undisturbed", "switch", "drift", "control:plain", "control:blunt")


def table(seeds: int = 400) -> pd.DataFrame:
    """Make runs in which everything is as claimed, with jumps and steps of the experiment's size."""
    rng = np.random.default_rng(3)
    keys = pd.MultiIndex.from_product([CELLS, range(seeds), range(1, 8)], names=["cell", "seed", "epoch"])
    frame = keys.to_frame(index=False)
    own = pd.DataFrame({"Delta": rng.uniform(1, 2, seeds), "pace": np.exp(rng.uniform(np.log(0.03), np.log(4), seeds))})
    frame = frame.join(own, on="seed")
    after, cell = frame["epoch"] > AFTER, frame["cell"]
    drifting = (cell == "drift") & after & (frame["epoch"] < 7)
    step = np.where(drifting, frame["pace"] * 2.0 ** (frame["epoch"] - 4), 0.0)
    first = (frame["epoch"] == AFTER + 1) & cell.isin(["switch", "control:plain", "control:blunt"])
    jump = np.where(first, 2.0 + (frame["seed"] % 7) / 2, 0.05 + step / 0.75)
    missed = ((cell == "control:blunt") & (frame["seed"] % 7 <= 1)) | (cell == "control:plain")
    gap = rng.gamma(2.0, 0.5, len(frame)) / 2.0 ** frame["epoch"]
    return frame.assign(
        mode="calibrated, moment oracle",
        minibatch_scale=0.2,
        step=step,
        jump=jump,
        alarm=((jump > 1) & (cell != "control:plain")).astype(int),
        largest=0.15 + 0.1 * rng.random(len(frame)),
        exact=((frame["epoch"] > 2) & ~(missed & after)).astype(int),
        worst=0.3,
        own_gap=gap * np.where(cell == "control:plain", 2.0, 0.95),
        others_gap=rng.gamma(8.0, 0.125, len(frame)) / 2.0 ** frame["epoch"],
        others_local_gap=2 * rng.gamma(8.0, 0.125, len(frame)) / 2.0 ** frame["epoch"],
        hosts_gap=rng.gamma(8.0, 0.125, len(frame)) / 2.0 ** frame["epoch"],
    )


@cache
def truth() -> Tables:
    return {"drift": table()}


def test_true_claims_are_supported_and_their_controls_refuted() -> None:
    rows = judge("drift", GROUP.claims, truth(), families=28)
    assert set(rows.loc[rows["role"] == "claim", "verdict"]) == {Verdict.SUPPORTED}
    controls = rows[rows["role"].isin(["negative_control", "sharp_control"])]
    assert len(controls) > 2 * len(GROUP.claims)
    assert set(controls["verdict"]) == {Verdict.REFUTED}
    assert rows.loc[rows["role"] == "power", "estimate"].min() > 0.8


Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize(
    ("change", "refuted"),
    [
        (lambda t: t.assign(largest=t["largest"] * 4.4), {"drift.false_alarms", "drift.false_alarms_on_event"}),
        (lambda t: t.assign(exact=t["exact"] * (t["epoch"] != 7)), {"drift.again", "drift.again_on_event"}),
        (lambda t: t.assign(exact=t["exact"] * (t["epoch"] != 4)), {"drift.again_on_event"}),
        (lambda t: t.assign(others_gap=t["others_gap"] * (1 + 0.3 * (t["cell"] == "switch"))), {"drift.others"}),
        (lambda t: t.assign(own_gap=1.5 * t["own_gap"]), {"drift.recovered"}),
        (lambda t: t.assign(own_gap=t["own_gap"].where(t["seed"] != 5, np.inf)), {"drift.recovered"}),
        (lambda t: t.assign(alarm=0), {"drift.heard"}),
        (lambda t: t.assign(alarm=1), {"drift.unheard"}),
    ],
)
def test_false_claims_are_refuted(change: Change, refuted: set[str]) -> None:
    changed = {"drift": change(table())}
    for claim in GROUP.claims:
        found = claim.measure(changed)
        against = claim.rule.verdict(found, min(1.0, 24 * claim.rule.against(found)))
        assert (against == Verdict.REFUTED) == (claim.id in refuted), claim.id


def test_epochs_that_a_return_may_take() -> None:
    jumps = np.array([0.2, 1.0, 1.3, 1.4, 2.6, 2.7, 5.4]) / 1.0
    expected = [max(0, int(np.ceil(np.log2(max(0.75 * jump, 0.5))))) + 1 for jump in jumps]
    assert allowed_epochs(jumps).tolist() == expected == [1, 1, 1, 2, 2, 3, 4]


def test_sets_may_take_the_epochs_that_their_jump_allows() -> None:
    frame = table(14)
    four = (frame["cell"] == "switch") & (frame["epoch"] == 4)
    late = frame.assign(exact=frame["exact"].where(~four, 0))
    large = frame["seed"] % 7 / 2 + 2 > 4 / 3  # all jumps: two epochs or more
    assert large.all()
    assert again({"drift": late}, 0.05).estimate == 0
    five = (frame["cell"] == "switch") & (frame["epoch"] == 5)
    later = late.assign(exact=late["exact"].where(~five, 0))
    small = [seed for seed in range(14) if 0.75 * (2 + seed % 7 / 2) <= 2]
    assert again({"drift": later}, 0.05).estimate == len(small) / 14


def test_a_pair_is_left_out_for_its_undisturbed_run_alone() -> None:
    frame = table(6)
    base, switch = frame["cell"] == "undisturbed", frame["cell"] == "switch"
    lost = frame.assign(hosts_gap=frame["hosts_gap"].where(~(base & (frame["seed"] == 2)), np.inf))
    assert len(finite_pairs({"drift": lost}, "own_gap", "hosts_gap")[0]) == 5
    wrong = frame.assign(exact=frame["exact"].where(~(switch & (frame["seed"] == 2)), 0))
    assert len(finite_pairs({"drift": wrong}, "own_gap", "hosts_gap")[0]) == 6


def test_a_drift_that_was_heard_before_is_no_trial() -> None:
    frame = table(40)
    drift = frame[frame["cell"] == "drift"]
    early = drift.loc[drift["alarm"] == 1].groupby("seed")["epoch"].min()
    large = drift.loc[drift["step"] > 1.5].groupby("seed")["epoch"].min()
    fresh = [seed for seed in large.index if early[seed] >= large[seed]]
    assert 0 < len(fresh) < len(large)
    assert heard({"drift": frame}).n_runs == len(fresh)


@pytest.mark.parametrize("seed", [9_000_000, 9_000_001])
def test_fleets_are_as_described(seed: int) -> None:
    drawn = draw(seed)
    fleet = drawn.fleet
    assert fleet.N == 8
    assert np.bincount(fleet.labels)[0] >= 3
    assert fleet.separation == pytest.approx(4.0)
    assert CLEARANCE[0] <= fleet.separation / (drawn.Delta0 / 2 ** (AFTER + 1)) <= CLEARANCE[1]
    np.testing.assert_allclose(fleet.gaps(fleet.initial_gains), 6.0)
    for kind in ("switch", "drift"):
        table_ = Timetable(fleet, drawn.changes(kind), 7)
        for epoch in range(AFTER, 7):
            old, new = (table_.at(e) for e in (epoch, epoch + 1))
            gains = old.optimal_gains[old.labels]
            assert new.gaps(gains)[AGENT] <= 6.0
            assert np.abs(new.gaps(gains)[1:]).max() < 1e-9
    assert drawn.changes("none") == ()


def test_rows_do_not_depend_on_the_other_seeds(tmp_path: object) -> None:
    cells = cells_of(STUDY, {})
    assert sorted(cells) == sorted(CELLS)
    switch = STUDY.simulate(cells["switch"], [9_000_000])
    assert list(switch.columns) == list(STUDY.columns)
    assert switch.loc[switch["epoch"] == 4, ["alarm", "exact"]].to_numpy().tolist() == [[1, 1]]
    both = STUDY.simulate(cells["undisturbed"], [9_000_001, 9_000_000])
    pair = (switch, both.iloc[7:])
    first, second = [part[part["epoch"] <= AFTER].drop(columns=["change", "largest"]) for part in pair]
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))
    plain = STUDY.simulate(cells["control:plain"], [9_000_000])
    assert plain.loc[plain["epoch"] == 4, ["alarm", "exact"]].to_numpy().tolist() == [[0, 0]]
    assert plain.loc[plain["epoch"] <= 4, "jump"].tolist() == switch.loc[switch["epoch"] <= 4, "jump"].tolist()
