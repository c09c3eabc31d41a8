"""Test the claims on soft clusters: made-up tables of known truth, the fleets at their distances, one small run."""

from __future__ import annotations

from math import inf

import numpy as np
import pandas as pd
import pytest

from pcpo import lqr
from pcpo.claims.contract import Tables, Verdict
from pcpo.claims.judging import judge
from pcpo.claims.options import cells_of
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.registry import load_group
from pcpo.evidence.soft_clusters.measures import averaging_form, gaps, near_best, ratios
from pcpo.evidence.soft_clusters.population import SHAPES, Range, draw, unstable
from pcpo.evidence.soft_clusters.studies import METHODS, REGISTERED, STUDIES, WEIGHTS, averaging_gap
from pcpo.fleets.fleet import Fleet
from pcpo.simulation.noise import stream

GROUP = load_group("soft_clusters")
CHOSEN = Range(epochs=3, Delta0=12.0, minibatch_scale=1.0, far_separation=8.0)
NAMES = [*METHODS, *WEIGHTS, *REGISTERED]
#: Mean gaps of fixed sets at made-up distances: alone, known, everyone.
LEVELS = {"0": (1.0, 0.5, 0.35), "1": (1.0, 0.5, 0.6), "4": (1.0, 0.5, 1.35), "far": (1.0, 0.5, 900.0)}


def made(seeds: int = 300, worst: float = 1.1, split: float = 0.0) -> Tables:
    """Make gaps of known ratios: the choice has that of the best sets but at distance 1, `worst` times as large."""
    rng, rows = stream(8, 0), []
    for distance, level in LEVELS.items():
        alone, known, everyone = (one * rng.gamma(2, 0.5, seeds) for one in level)
        fixed = dict(zip(("alone", "known", "everyone"), (alone, known, everyone), strict=True))
        best = everyone if distance == "0" else known
        merged = known if distance == "far" else everyone
        values = fixed | {"soft": (worst if distance == "1" else 1.0) * best, "hard": merged, "bias_tenth": merged}
        values |= {name: fixed[sets] * rng.gamma(20, 0.05, seeds) for name, sets in REGISTERED.items()}
        late = rng.random(seeds) < split
        for name, gap in values.items():
            frame = pd.DataFrame({"seed": range(seeds), "distance": distance, "method": name, "gap": gap})
            near = (distance == "0") & ~late
            frame = frame.assign(everyone=1 * near if name == "soft" else 1 * (name == "everyone"))
            exact = 1 * ((distance in ("4", "far")) & ~late) if name == "soft" else 1 * (name == "known")
            frame = frame.assign(exact=exact, everyone_form=level[2], pairs_form=1.6 * level[2])
            rows.append(frame.assign(mode="calibrated, moment oracle", minibatch_scale=1.0))
    return {"soft_clusters": pd.concat(rows, ignore_index=True)}


def verdicts(tables: Tables) -> pd.DataFrame:
    return judge(GROUP.name, GROUP.claims, tables, families=2)


class TestClaims:
    def test_supported_with_every_control_refuted(self) -> None:
        found = verdicts(made())
        claims = found[found["role"] == "claim"].set_index("claim")["verdict"]
        assert set(claims) == {Verdict.SUPPORTED}
        controls = found[found["role"] == "negative_control"]
        assert set(controls["verdict"]) == {Verdict.REFUTED}, controls[["claim", "control", "verdict"]]

    def test_one_bad_distance_refutes(self) -> None:
        found = near_best(made(worst=1.6))
        assert found.estimate == pytest.approx(1.6)
        assert found.statistic.endswith("of 4 distances; worst: 1")
        refuted = verdicts(made(worst=1.6)).query("role == 'claim'").set_index("claim")["verdict"]
        assert refuted["soft_clusters.near_best"] == Verdict.REFUTED

    def test_wrong_sets_refute(self) -> None:
        found = verdicts(made(split=0.3)).query("role == 'claim'").set_index("claim")["verdict"]
        assert found["soft_clusters.far_sets"] == found["soft_clusters.together"] == Verdict.REFUTED

    def test_the_best_sets_are_those_of_the_smallest_mean(self) -> None:
        tables = made()
        assert ratios(tables, "known")["1"].estimate == 1.0
        expected = gaps(tables, "0", ["alone", "everyone"]).mean()
        assert ratios(tables, "alone")["0"].estimate == pytest.approx(expected["alone"] / expected["everyone"])

    def test_what_is_missing_is_named(self) -> None:
        tables = made(seeds=3)
        frame = tables["soft_clusters"]
        few = {"soft_clusters": frame[(frame["method"] != "soft") | (frame["seed"] == 0)]}
        with pytest.raises(ResultsError, match=r"^soft_clusters: found 1 seeds with soft, alone, known, everyone at"):
            near_best(few)

    def test_the_form_is_compared_at_distances_where_bias_counts(self) -> None:
        assert averaging_form(made()).estimate < 0.1
        wrong = made()
        wrong["soft_clusters"]["everyone_form"] *= 0.5
        assert averaging_form(wrong).estimate > 0.8


def distance_of(fleet: Fleet, cluster: int, gap: float) -> float:
    """Return ½‖K_j* − K_0*‖²_H/gap with H the Hessian at K_0*."""
    best = fleet.optimal_gains
    step = (best[cluster] - best[0]).ravel()
    H = lqr.hessian_at(fleet.systems[0], best[0])
    return float(0.5 * step @ H @ step) / gap


class TestPopulation:
    @pytest.mark.parametrize("number", [9_000_003, 9_000_011, 9_000_038])
    def test_clusters_have_their_distance_and_separation(self, number: int) -> None:
        unit = draw(number, 0.0, CHOSEN).local_gap
        for distance in (0.0, 1.0, 16.0):
            fleet = draw(number, distance, CHOSEN).experiment.fleet
            assert (fleet.n, fleet.m) == SHAPES[number % len(SHAPES)]
            for cluster in range(1, fleet.H):
                assert distance_of(fleet, cluster, unit) == pytest.approx(distance, rel=1e-4, abs=1e-12)
            assert fleet.separation == pytest.approx(max(2e-5, 1.5 * distance / 64), rel=1e-6)
        assert draw(number, inf, CHOSEN).experiment.fleet.separation == pytest.approx(8.0)

    def test_half_of_the_fleets_are_unstable(self) -> None:
        numbers = range(9_000_000, 9_000_016)
        assert sum(map(unstable, numbers)) == 8
        for number in (9_000_000, 9_000_008):
            system = draw(number, 0.0, CHOSEN).experiment.fleet.systems[0]
            assert np.isinf(lqr.cost(system, np.zeros((system.m, system.n)))) == unstable(number)

    def test_the_closed_form_of_averaging(self) -> None:
        """Equal optima have no bias, and two equal clusters of scalar agents d apart have h d²/8 each."""
        assert averaging_gap(draw(9_000_003, 0.0, CHOSEN))[0] == pytest.approx(0.0, abs=1e-15)
        drawn = draw(9_000_000, 16.0, CHOSEN)
        fleet = drawn.experiment.fleet
        h, K = (lqr.hessian_eigenvalues(s)[0] for s in fleet.systems), fleet.optimal_gains.ravel()
        sizes, h = np.bincount(fleet.labels), np.array([*h])
        weights = sizes * h
        mean = float(weights @ K / weights.sum())
        expected = float(0.5 * weights @ (K - mean) ** 2) / fleet.N
        assert averaging_gap(drawn)[0] == pytest.approx(expected, rel=1e-9)


def test_a_small_run_has_the_declared_columns() -> None:
    study = STUDIES["soft_clusters"]
    (cell,) = cells_of(study, {"distances": [0, 1, 4], "epochs": 2}).values()
    frame = study.simulate(cell, [9_000_001])
    assert list(frame.columns) == list(study.columns)
    assert not frame.duplicated(list(study.key)).any()
    assert set(frame["distance"]) == {"0", "1", "4", "far"}
    assert set(frame.loc[frame["distance"] == "0", "method"]) == set(NAMES)
    assert set(frame.loc[frame["distance"] != "0", "method"]) == {*METHODS, *WEIGHTS}
    assert frame.groupby("distance")["rollouts"].nunique().eq(1).all()
    choice = frame[frame["method"] == "soft"].set_index("distance")
    assert choice["sets"].between(1, choice["agents"]).all()
    assert choice.loc["0", "everyone"] == 1
    assert choice.loc["far", "exact"] == 1


def test_the_distances_of_claims_and_controls_are_always_there() -> None:
    with pytest.raises(ConfigError, match=r"options\.distances: found 1, 4, expected 0, 1 and 4 among them"):
        cells_of(STUDIES["soft_clusters"], {"distances": [1, 4]})
