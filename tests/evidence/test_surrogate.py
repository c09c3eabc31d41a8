"""Judge the claims on the moment oracle on synthetic tables, with their controls, and on a small simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pcpo import lqr
from pcpo.claims.contract import Tables
from pcpo.claims.judging import check_claims, judge
from pcpo.claims.options import cells_of
from pcpo.errors import ConfigError
from pcpo.evidence.registry import load_group
from pcpo.evidence.surrogate.cumulants import (
    answer_cumulants,
    cost_cumulants,
    directions,
    edgeworth_distance,
    visible_below,
)
from pcpo.evidence.surrogate.measures import indistinguishable_from, likelihood_ratio, skewness, smirnov, thresholds
from pcpo.evidence.surrogate.studies import CONTROLS, KINDS, MOST_UNKNOWNS, SURROGATE
from pcpo.fleets.examples import SYSTEMS
from pcpo.statistics import binomial_interval

GROUP = load_group("surrogate")
UNKNOWNS = {"scalar": 1, "two": 2, "three": 6, "narrow": 2, "cost": 1}
SIZES = {1: 1500, 100: 1500, 100_000: 1500}


def rows(z: np.ndarray, source: str, kind: str, M: int) -> pd.DataFrame:
    padded = np.full((len(z), MOST_UNKNOWNS), np.nan)
    padded[:, : z.shape[1]] = z
    columns = {f"z{d}": padded[:, d] for d in range(MOST_UNKNOWNS)}
    fixed = {"seed": 0, "sample": np.arange(len(z)), "source": source, "kind": kind, "minibatch": M}
    along = 2 * (directions(z.shape[1]) ** 3).sum(axis=1)  # skewness 2/√M of each component
    worst = int(np.argmax(np.abs(along)))
    exact = {"direction": worst, "skewness": along[worst], "kurtosis": 6.0}
    return pd.DataFrame({"cell": f"{kind}:{M}", **fixed, "unknowns": z.shape[1], **exact, **columns})


def synthetic(*, seed: int = 2, off: float = 0.0, scale: float = 1.0) -> Tables:
    """Make z, a standardised mean of M exponential variables; optionally off or too wide in the cells of kind "two"."""
    rng = np.random.default_rng(seed)
    frames = []
    for kind, D in UNKNOWNS.items():
        for M, S in SIZES.items():
            z = (rng.gamma(M, size=(S, D)) - M) / np.sqrt(M)
            if kind == "two" and M > 1:
                z = scale * z + off
            frames += [rows(z, "rollouts", kind, M), rows(rng.standard_normal((S, D)), "moments", kind, M)]
            if M == 100 and kind in ("two", "three"):
                stretched = np.concatenate([1.15 * z[:, :1], z[:, 1:]], axis=1)
                frames += [rows(z + 0.3, CONTROLS[0], kind, M), rows(stretched, CONTROLS[1], kind, M)]
    return {SURROGATE.name: pd.concat(frames, ignore_index=True)}


def verdicts(tables: Tables) -> dict[str, str]:
    return of_role("claim", judge(GROUP.name, GROUP.claims, tables))


def of_role(role: str, judged: pd.DataFrame) -> dict[str, str]:
    judged = judged[judged["role"] == role]
    claims = judged["claim"].str.removeprefix("surrogate.")
    keys = claims if role == "claim" else claims + ":" + judged["control"]
    return dict(zip(keys, judged["verdict"], strict=True))


def test_the_group_is_complete() -> None:
    check_claims(GROUP.name, GROUP.claims)
    assert set(SURROGATE.key) <= set(SURROGATE.columns)
    assert set(UNKNOWNS) == set(KINDS)


def test_what_is_normal_is_supported_and_the_controls_are_refuted() -> None:
    tables = synthetic()
    judged = judge(GROUP.name, GROUP.claims, tables)
    assert (judged.loc[judged["role"] == "claim", "verdict"] == "supported").all()
    assert (judged.loc[judged["role"] == "negative_control", "verdict"] == "refuted").all()
    assert judged.loc[judged["role"] == "power", "estimate"].between(0, 1).all()
    assert indistinguishable_from(tables) == "100"


@pytest.mark.parametrize(("wrong", "claim"), [({"off": 0.2}, "mean"), ({"scale": 1.08}, "covariance")])
def test_a_surrogate_that_is_wrong_is_refuted(wrong: dict[str, float], claim: str) -> None:
    found = verdicts(synthetic(**wrong))
    assert found[claim] == "refuted"
    assert found["own_draws"] == "supported"


@pytest.mark.parametrize("D", [1, 2, 6])
def test_tests_keep_their_level_and_have_power(D: int) -> None:
    """Test 600 samples of 60: rejections at 5 % within an exact 99.9 % interval; samples too wide are rejected.

    The Kolmogorov-Smirnov test detects a width three times too large: sup|Φ(x) − Φ(x/3)| = .24 > 1.36/√60 = .18.
    """
    rng = np.random.default_rng(D)
    draws = rng.standard_normal((600, 60, D))
    for test, width in ((likelihood_ratio, 1.5), (lambda z: smirnov(z)[0], 3.0)):
        rejected = sum(test(z) < 0.05 for z in draws)
        level = binomial_interval(rejected, 600, confidence=0.999)
        assert level.low <= 0.05
        assert level.high >= 0.05 or test is not likelihood_ratio
        assert np.mean([test(width * z) < 0.05 for z in draws[:100]]) > 0.5
    assert likelihood_ratio(draws[0, : D + 1]) == 1.0


def test_a_small_simulation() -> None:
    """Refute normality with M = 1 by the controls only; z² of a scalar estimate is 1 on average."""
    options = {**SURROGATE.defaults, "horizon": 15}
    options |= {"minibatches": [1, 20_000], "samples": 60, "rollouts": 600_000, "control_minibatch": 20_000}
    cells = cells_of(SURROGATE, options)
    frames = [SURROGATE.simulate(cell, [1, 2]).assign(cell=name) for name, cell in cells.items()]
    frame = pd.concat(frames, ignore_index=True)
    assert sorted(frame.columns) == sorted(["cell", *SURROGATE.columns])
    assert not frame.duplicated(["cell", *SURROGATE.key]).any()
    assert set(frame["source"]) == {"rollouts", "moments", *CONTROLS}
    for D in range(MOST_UNKNOWNS):
        assert (frame[f"z{D}"].notna() == (frame["unknowns"] > D)).all()
    judged = judge(GROUP.name, GROUP.claims, {SURROGATE.name: frame})
    assert "refuted" not in of_role("claim", judged).values()
    controls = of_role("negative_control", judged)
    single = {key.split(":")[0]: verdict for key, verdict in controls.items() if "smallest M" in key}
    assert single == {"distribution": "refuted", "own_draws": "refuted"}
    third = skewness({SURROGATE.name: frame})
    assert third.p_value > 1e-4
    one = frame[(frame["cell"] == "scalar:1") & (frame["source"] == "rollouts")]["z0"]
    error = float((one**2).std() / np.sqrt(len(one)))
    assert abs(float((one**2).mean()) - 1) < stats.norm.isf(1e-4) * error


# --- cumulants ------------------------------------------------------------------------------------------------------


def enumerated(name: str, gains: np.ndarray, h: int) -> np.ndarray:
    """Compute the cost of every sequence of signs by simulation: ``(2^(n(h−1)), gains)``."""
    system = SYSTEMS[name]
    n = system.n
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=n * (h - 1))))
    costs = []
    for K in gains:
        x, total = np.zeros((len(signs), n)), np.zeros(len(signs))
        for t in range(h):
            u = -x @ K.T
            total += system.gamma**t * (((x @ system.Q) * x).sum(axis=1) + ((u @ system.R) * u).sum(axis=1))
            if t < h - 1:
                x = x @ system.A.T + u @ system.B.T + signs[:, n * t : n * (t + 1)]
        costs.append(total)
    return np.stack(costs, axis=1)


def cumulants(x: np.ndarray) -> list[float]:
    d = x - x.mean(axis=0)
    return [(d**2).mean(axis=0), (d**3).mean(axis=0), (d**4).mean(axis=0) - 3 * (d**2).mean(axis=0) ** 2]


@pytest.mark.parametrize(("name", "h"), [("scalar", 10), ("two", 6)])
def test_cumulants_of_a_cost_are_those_of_all_sequences_of_signs(name: str, h: int) -> None:
    best = lqr.riccati(SYSTEMS[name]).K
    gains = np.stack([best, best + 0.1])
    np.testing.assert_allclose(
        cost_cumulants(SYSTEMS[name], gains, h), cumulants(enumerated(name, gains, h)), rtol=1e-9
    )


def test_cumulants_of_an_estimate_are_those_of_all_signs_and_directions() -> None:
    """With one unknown the sphere has two points, and an estimate is ±C(K ± r; Z)/r."""
    K, r, h = lqr.riccati(SYSTEMS["scalar"]).K + 0.1, 0.3, 10
    costs = enumerated("scalar", np.stack([K - r, K + r]), h)
    second, third, fourth = cumulants(np.concatenate([-costs[:, 0], costs[:, 1]]) / r)
    found = answer_cumulants(SYSTEMS["scalar"], K, r, h, None)[:, 0] * np.sign(directions(1)[0, 0])
    expected = np.array([third / second**1.5, fourth / second**2 * np.sign(directions(1)[0, 0])])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_edgeworth_distance_is_that_of_a_law_with_these_cumulants() -> None:
    """Compare with standardised gamma variables of shape M exactly; the remainder is of order M^(−3/2)."""
    x = np.linspace(-6, 8, 20_001)
    for M in (100, 1000, 10_000):
        exact = np.abs(stats.gamma.cdf(M + np.sqrt(M) * x, M) - stats.norm.cdf(x)).max()
        assert abs(edgeworth_distance(2.0, 6.0, M) - exact) < 3 / M  # the terms of order 1/M do not cancel in the bound
        assert exact <= edgeworth_distance(2.0, 6.0, M) * (1 + 10 / M)
    assert edgeworth_distance(2.0, 6.0, 1e-9) == 1.0


def test_the_threshold_is_where_the_rate_of_rejection_may_double() -> None:
    for skew, kurtosis, samples in ((2.0, 6.0, 1500), (1e-3, 0.2, 9000), (-1.0, 0.0, 100)):
        M, level = visible_below(skew, kurtosis, samples, 1e-3), 1e-3
        room = np.sqrt(np.log(2 / level) / (2 * samples)) - edgeworth_distance(skew, kurtosis, M)
        assert 2 * np.exp(-2 * samples * room**2) == pytest.approx(2 * level, rel=1e-6)
    assert visible_below(2.0, 6.0, 6000, 1e-3) / visible_below(2.0, 6.0, 1500, 1e-3) == pytest.approx(4, rel=0.1)


def test_thresholds_use_the_estimates_from_100_on_and_a_skewed_cell_below_them_refutes_nothing() -> None:
    tables = synthetic()
    least = thresholds(tables)
    level = 0.05 / (len(UNKNOWNS) * len(SIZES))
    assert least["cost"] == pytest.approx(visible_below(2.0, 6.0, 3000, level))
    assert 100 < least["cost"] < 100_000
    frame = tables[SURROGATE.name].copy()
    chosen = (frame["kind"] == "cost") & (frame["source"] == "rollouts") & (frame["minibatch"] == 100)
    z = np.random.default_rng(2).exponential(size=int(chosen.sum())) - 1
    frame.loc[chosen, "z0"] = z  # as skewed as one rollout
    assert verdicts({SURROGATE.name: frame})["distribution"] == "supported"
    frame.loc[chosen, "minibatch"] = 100_000
    assert verdicts({SURROGATE.name: frame})["distribution"] == "refuted"


def test_without_a_minibatch_beyond_the_threshold_nothing_is_said() -> None:
    frame = synthetic()[SURROGATE.name]
    few = {SURROGATE.name: frame[frame["minibatch"] < 100_000]}
    few[SURROGATE.name] = few[SURROGATE.name].assign(skewness=5.0)
    assert verdicts(few)["distribution"] == "inconclusive"


def test_rows_of_a_seed_do_not_depend_on_the_others() -> None:
    options = {**SURROGATE.defaults, "minibatches": [50], "samples": 5, "horizon": 8}
    for cell in cells_of(SURROGATE, options).values():
        together, alone = SURROGATE.simulate(cell, [4, 5]), SURROGATE.simulate(cell, [5])
        chosen = together[together["seed"] == 5].reset_index(drop=True)
        pd.testing.assert_frame_equal(chosen, alone.reset_index(drop=True), check_exact=True)


@pytest.mark.parametrize(
    "wrong", [{"colour": 1}, {"wide": 0}, {"samples": True}, {"minibatches": []}, {"minibatches": [1.5]}]
)
def test_wrong_options_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        cells_of(SURROGATE, wrong)
