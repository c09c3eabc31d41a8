"""Judge the claims on the moment oracle on synthetic tables, with their controls, and on a small simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pcpo.claims.contract import Tables
from pcpo.claims.judging import check_claims, judge
from pcpo.claims.options import cells_of
from pcpo.errors import ConfigError
from pcpo.evidence.registry import load_group
from pcpo.evidence.surrogate.measures import indistinguishable_from, likelihood_ratio, skewness, smirnov, thresholds
from pcpo.evidence.surrogate.studies import CONTROLS, KINDS, MOST_UNKNOWNS, SURROGATE
from pcpo.statistics import proportion
from pcpo.theory.normality import directions, visible_below

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


@pytest.mark.slow
@pytest.mark.parametrize("D", [1, 2, 6])
def test_tests_keep_their_level_and_have_power(D: int) -> None:
    """Test 600 samples of 60: rejections at 5 % within an exact 99.9 % interval; samples too wide are rejected.

    The Kolmogorov-Smirnov test detects a width three times too large: sup|Φ(x) − Φ(x/3)| = .24 > 1.36/√60 = .18.
    """
    rng = np.random.default_rng(D)
    draws = rng.standard_normal((600, 60, D))
    for test, width in ((likelihood_ratio, 1.5), (lambda z: smirnov(z)[0], 3.0)):
        rejected = sum(test(z) < 0.05 for z in draws)
        low, high = proportion(rejected, 600).limits(0.0005)
        assert low <= 0.05
        assert high >= 0.05 or test is not likelihood_ratio
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


# --- M* --------------------------------------------------------------------------------------------------------------


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
