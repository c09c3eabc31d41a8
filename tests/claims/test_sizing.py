"""Sizes from a pilot: whole seeds are drawn, more of them settle more, and what is wrong is never supported."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.controls import scaled
from pcpo.claims.findings import failures, mean
from pcpo.claims.judging import Agrees, AtMost
from pcpo.claims.power import probability, shift
from pcpo.claims.sizing import ENOUGH, OUTLOOK_COLUMNS, Pilot, falls_short, outlook
from pcpo.errors import ConfigError, ResultsError

_SEEDS = range(1000, 1060)


def _table(truth: float) -> pd.DataFrame:
    """Two rows per seed and cell; the rows of a seed add up to twice its value in either cell."""
    values = np.random.default_rng(3).normal(truth, 0.5, len(_SEEDS))
    frames = []
    for cell, sign in (("b", 1.0), ("a", -1.0)):
        part = pd.DataFrame({"seed": np.repeat(_SEEDS, 2), "step": np.tile([0, 1], len(_SEEDS))})
        frames.append(part.assign(value=np.repeat(values, 2) + sign * (part["step"] - 0.5), cell=cell))
    return pd.concat(frames, ignore_index=True)


def _mean_of(study: str) -> Callable[[Tables], Finding]:
    return lambda tables: mean(tables[study].groupby("seed")["value"].mean().to_numpy(), 2.0)


def _below(tables: Tables) -> Finding:
    by_seed = tables["toy"].groupby("seed")["value"].mean()
    return failures(int((by_seed > 5.0).sum()), len(by_seed), 0.1)


_DOUBLED = scaled("toy", "value", 3.0)
CLAIMS = [
    Claim(
        "agrees", _mean_of("toy"), Agrees(0.15), [Control("tripled", "three times the value", _DOUBLED)],
        shift(_mean_of("toy"), 0.3, "a mean of 2.3"), "toy", primary=True,
    ),
    Claim(
        "below", _below, AtMost(), [Control("tripled", "three times the value", _DOUBLED)],
        probability(_below, 0.4, "0.4 of the runs"), "toy",
    ),
]  # fmt: skip
TABLES = {"toy": _table(2.0)}


def test_rows_of_a_seed_stay_together() -> None:
    tables = {"toy": _table(2.0), "other": _table(5.0)}
    drawn = Pilot(tables).drawn({"toy": 200, "other": 7}, np.random.default_rng(1))
    originals = {tuple(part["value"]) for _, part in tables["toy"].sort_values("seed", kind="stable").groupby("seed")}
    found = drawn["toy"]
    assert found["seed"].nunique() == 200
    assert list(found.columns) == list(tables["toy"].columns)
    for seed, part in found.groupby("seed"):
        assert tuple(part["value"]) in originals, seed
        assert list(part["cell"]) == ["b", "b", "a", "a"]
    # 200 draws of 60 seeds with replacement: fewer than 60 occur, and some more than once
    assert 40 < found.loc[(found["cell"] == "a") & (found["step"] == 0), "value"].nunique() < 60
    # cells one after another, seeds in order: as a study writes its table
    assert found["cell"].drop_duplicates().tolist() == ["b", "a"]
    assert all(part["seed"].is_monotonic_increasing for _, part in found.groupby("cell"))
    assert drawn["other"]["seed"].nunique() == 7


def test_studies_of_the_same_seeds_keep_their_pairs_and_more_seeds_begin_with_fewer() -> None:
    pilot = Pilot({"toy": _table(2.0), "other": _table(5.0)})
    drawn = pilot.drawn({"toy": 30, "other": 30}, np.random.default_rng(1))
    difference = drawn["other"]["value"] - drawn["toy"]["value"]
    assert np.allclose(difference, 3.0)
    larger = pilot.drawn({"toy": 60, "other": 1}, np.random.default_rng(1))["toy"]
    begun = larger[larger["seed"] < 30].reset_index(drop=True)
    # one stream of places: the first 30 of 60 are those of 30
    assert begun.equals(drawn["toy"])
    assert pilot.sizes == {"toy": 60, "other": 60}


def test_more_seeds_settle_more() -> None:
    found = {n: outlook("toys", CLAIMS, TABLES, {"toy": n}, repetitions=20).set_index("claim") for n in (12, 40, 120)}
    for name in ("agrees", "below"):
        few, some, many = (found[n].loc[name] for n in (12, 40, 120))
        assert few["supported"] < 0.2
        assert few["supported"] <= some["supported"] <= many["supported"]
        assert few["power"] < some["power"] < many["power"]
        assert many["power"] > ENOUGH
    assert found[120].loc["below", "supported"] == 1.0  # 36 clean runs are enough, in every draw
    assert found[120].loc["agrees", "supported"] > 0.7  # 0.95 with fresh seeds
    assert list(falls_short(found[12].reset_index())["claim"]) == ["agrees", "below"]
    assert (found[120]["controls"] == 1.0).all()


def test_a_wrong_claim_is_refuted_and_never_supported() -> None:
    wrong = {"toy": _table(2.6)}
    found = outlook("toys", CLAIMS, wrong, {"toy": 60}, repetitions=20).set_index("claim").loc["agrees"]
    assert list(found.index) == OUTLOOK_COLUMNS[1:]
    assert (found["supported"], found["pilot"]) == (0.0, "refuted")
    assert found["refuted"] == found["settled"] > ENOUGH
    assert outlook("toys", CLAIMS, wrong, {"toy": 12}, repetitions=20)["supported"].max() < 0.2


def test_a_check_that_misses_its_control_is_named() -> None:
    blunt = [Control("same", "nothing is wrong", lambda tables: tables), *CLAIMS[1].controls]
    claims = [CLAIMS[0], Claim("blunt", _below, AtMost(), blunt, Power("none", lambda t, level: float("nan")), "toy")]
    found = outlook("toys", claims, TABLES, {"toy": 60}, repetitions=5).set_index("claim").loc["blunt"]
    assert (found["controls"], found["weakest"], found["supported"], found["power"]) == (0.0, "nothing is wrong", 0, 0)
    assert "blunt" in set(falls_short(outlook("toys", claims, TABLES, {"toy": 60}, repetitions=5))["claim"])


def test_the_same_seed_gives_the_same_outlook() -> None:
    first, again = (outlook("toys", CLAIMS, TABLES, {"toy": 30}, repetitions=5, seed=7) for _ in range(2))
    assert first.equals(again)
    other = outlook("toys", CLAIMS, TABLES, {"toy": 30}, repetitions=5, seed=8)
    assert not first["power"].equals(other["power"])


def test_sizes_and_pilots_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="size of study toy: found 0, expected a number of seeds from 1"):
        outlook("toys", CLAIMS, TABLES, {"toy": 0})
    with pytest.raises(ConfigError, match="size of study toy: found None"):
        Pilot(TABLES).drawn({}, np.random.default_rng(0))
    with pytest.raises(ResultsError, match="study toy: found no run in the pilot"):
        Pilot({"toy": _table(2.0).iloc[:0]})
