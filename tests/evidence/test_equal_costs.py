"""Group equal_costs: fleets of equal cost as they are meant, and claims that see made-up tables as they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.contract import Tables, Verdict
from pcpo.claims.judging import judge
from pcpo.evidence.equal_costs.population import CLOSE, KINDS, draw, kind_of
from pcpo.evidence.equal_costs.studies import STUDIES, by_costs, promised
from pcpo.evidence.registry import load_figure, load_group
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.optimum import growth_constant, riccati

SEEDS = range(9100, 9108)


@pytest.mark.parametrize("kind", ["mirrored", "matched", "reflected"])
def test_optimal_costs_are_equal_and_systems_are_not(kind: str) -> None:
    for seed in SEEDS:
        fleet = draw(kind, seed)
        assert fleet.equal_costs == (0, 1)
        one, other = fleet.systems
        assert not np.allclose(one.A @ one.B, other.A @ other.B)
        apart = np.linalg.norm(fleet.optimal_gains[0] - fleet.optimal_gains[1])
        size = np.linalg.norm(fleet.optimal_gains[0])
        assert (apart < 1e-7 * size) if kind == "reflected" else (apart > 1e-2 * size)


def test_close_fleets_have_the_separation_that_is_meant() -> None:
    for seed in SEEDS:
        fleet = draw("close", seed)
        assert fleet.separation / fleet.optimal_costs.min() == pytest.approx(CLOSE, rel=1e-9)
        assert fleet.equal_costs is None


def test_the_population_has_all_shapes_and_open_loops() -> None:
    fleets = [draw(kind_of("equal", seed), seed) for seed in range(9100, 9140)]
    assert {fleet.n for fleet in fleets} == {1, 2, 3, 4}
    assert {fleet.m for fleet in fleets} == {1, 2}
    unstable = [
        max(abs(np.linalg.eigvals(s.A)).max() * np.sqrt(s.gamma) for s in fleet.systems) > 1 for fleet in fleets
    ]
    assert 10 < sum(unstable) < 30
    assert {kind_of("equal", seed) for seed in SEEDS} == {"mirrored", "matched"}
    assert set(KINDS) == {"mirrored", "matched", "close", "reflected"}


def test_the_growth_constant_is_a_lower_bound_that_is_nearly_reached() -> None:
    """C(K) − C* ≥ (μ/4)‖K − K*‖² at gains near and far; some direction near K* comes within a factor of two."""
    rng, nearest = np.random.default_rng(3), []
    for seed in SEEDS:
        fleet = draw(kind_of("equal", seed), seed)
        for system in fleet.systems:
            mu, best = growth_constant(system), riccati(system)
            steps = rng.normal(size=(400, *best.K.shape))
            steps *= (10.0 ** rng.uniform(-3, 0, 400) / np.linalg.norm(steps, axis=(1, 2)))[:, None, None]
            one = Fleet("one", (system,), np.zeros(400, dtype=np.int64), np.broadcast_to(best.K, steps.shape))
            ratios = fleet_ratio(one, best.K + steps, mu)
            assert ratios.min() >= 1 - 1e-9
            nearest.append(ratios.min())
    assert np.median(nearest) < 2


def fleet_ratio(fleet: Fleet, gains: np.ndarray, mu: float) -> np.ndarray:
    """Gap over (μ/4)‖K − K*‖² of every gain."""
    distance = np.linalg.norm(gains - fleet.optimal_gains[0], axis=(1, 2))
    found: np.ndarray = fleet.gaps(gains) / (mu / 4 * distance**2)
    return found


def test_promises_are_those_of_the_theorem() -> None:
    for seed in SEEDS:
        fleet, Delta0 = draw(kind_of("equal", seed), seed), 5.0
        mu = min(map(growth_constant, fleet.systems))
        d = np.linalg.norm(fleet.optimal_gains[0] - fleet.optimal_gains[1])
        # 2√(2Δ_0/(2^l μ)) < d
        assert promised(fleet, Delta0) == max(1, int(np.floor(np.log2(8 * Delta0 / (mu * d**2)))) + 1)
        assert promised(fleet, Delta0, exact=True) == max(1, int(np.floor(np.log2(2 * Delta0 / (mu * d**2)))) + 1)
        assert by_costs(fleet, Delta0) == 1000
    alike = draw("reflected", 9100)
    assert promised(alike, 5.0) == promised(alike, 5.0, exact=True) == 1000
    near = draw("close", 9100)
    assert by_costs(near, 5.0) == int(np.floor(np.log2(5.0 / (2 * near.separation)))) + 1


def study(name: str, cell: str, seeds: range) -> pd.DataFrame:
    """Rows of a cell."""
    declared = STUDIES[name]
    return declared.simulate(declared.cells({**declared.defaults, "most_epochs": 4})[cell], seeds).assign(cell=cell)


def test_rows_do_not_depend_on_other_seeds_and_are_as_declared() -> None:
    both = study("equal_costs", "equal", range(9104, 9106))
    one = study("equal_costs", "equal", range(9105, 9106))
    pd.testing.assert_frame_equal(both[both["seed"] == 9105].reset_index(drop=True), one)
    assert list(one.columns) == [*STUDIES["equal_costs"].columns, "cell"]
    assert not both.duplicated(list(STUDIES["equal_costs"].key)).any()
    assert set(study("equal_costs_toso", "toso", range(9101, 9102)).columns) == {*one.columns}


def made(method: str, cell: str, runs: int, **values: object) -> pd.DataFrame:
    """A table of runs of a method."""
    base = {"promised": 3, "parted": 2, "by_costs": 5, "exact_from": 2.0, "split": 0, "alone": 0, "epochs": 4}
    rng = np.random.default_rng(len(method) + len(cell))
    frame = pd.DataFrame({"seed": np.arange(runs), "gap": np.exp(rng.normal(0, 0.3, runs))})
    values = {"mode": "calibrated, moment oracle", "method": method, "cell": cell, **base, **values}
    return frame.assign(**{key: value if key != "gap" else value * frame["gap"] for key, value in values.items()})


def tables(**changes: object) -> Tables:
    """Tables on which every claim holds; changes are of `pcpo_gains` on fleets of equal and of close cost."""
    never = {"exact_from": np.inf, "gap": 100.0}
    equal = [
        made("pcpo_gains", "equal", 120, **changes),
        made("pcpo", "equal", 120, **never),
        made("oracle_clusters", "equal", 120, exact_from=1.0),
        made("local", "equal", 120, gap=2.5, split=1, exact_from=np.inf),
        made("shuffled", "equal", 30, split=1, **never),
        made("narrow", "equal", 30, split=1, **never),
    ]
    near = [
        made("pcpo_gains", "close", 80, **changes),
        made("pcpo", "close", 80, **never),
        made("pcpo_gains_sync", "reflected", 80, gap=0.7),
        made("oracle_clusters", "reflected", 80, alone=1),
        made("local", "reflected", 80, gap=2.5, alone=1),
    ]
    toso = [
        made("pcpo_gains", "toso", 20, exact_from=2.0, by_costs=7),
        made("pcpo", "toso", 20, by_costs=7, **never),
    ]
    parts = {"equal_costs": equal, "equal_costs_near": near, "equal_costs_toso": toso}
    return {name: pd.concat(part, ignore_index=True) for name, part in parts.items()}


def verdicts(found: Tables) -> pd.Series:
    rows = judge("equal_costs", load_group("equal_costs").claims, found, families=28)
    assert (rows.loc[rows["role"] == "negative_control", "verdict"] == "refuted").all()
    claims = rows[rows["role"] == "claim"].set_index("claim")["verdict"]
    return claims.rename(lambda name: str(name).removeprefix("equal_costs."))


def test_what_holds_is_supported() -> None:
    assert set(verdicts(tables())) == {Verdict.SUPPORTED}


def _sometimes(change: dict[str, float]) -> Callable[[], Tables]:
    """Tables in which two runs of five of pruning by gains are otherwise."""

    def spoiled() -> Tables:
        found = dict(tables())
        for name, frame in found.items():
            bad = frame["method"].str.startswith("pcpo_gains") & (frame["seed"] % 5 < 2)
            found[name] = frame.assign(**{key: frame[key].mask(bad, value) for key, value in change.items()})
        return found

    return spoiled


@pytest.mark.parametrize(
    ("change", "refuted"),
    [
        ({"exact_from": 4.0}, {"exact", "settled", "close"}),
        ({"exact_from": 3.0}, {"settled"}),
        ({"split": 1.0}, {"contained"}),
        ({"alone": 1.0}, {"together"}),
        ({"exact_from": np.inf}, {"exact", "settled", "close"}),
    ],
)
def test_what_fails_is_refuted_and_nothing_else(change: dict[str, float], refuted: set[str]) -> None:
    found = verdicts(_sometimes(change)())
    assert set(found.index[found == "refuted"]) == refuted


def test_gaps_are_compared_pairwise() -> None:
    found = verdicts(tables(gap=2.0))
    assert found["known"] == "refuted"
    assert found["below_local"] == "refuted"
    assert found["exact"] == "supported"


@pytest.mark.parametrize("name", ["equal_costs", "equal_costs_near"])
def test_figures_are_drawn_from_the_tables(name: str) -> None:
    figure = load_figure(name)
    numbers = figure.table(tables())
    assert len(figure.draw(numbers).axes) == 2
    assert (numbers["low"].dropna() <= numbers["value"][numbers["low"].notna()] + 1e-12).all()
