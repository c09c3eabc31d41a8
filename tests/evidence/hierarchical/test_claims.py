"""Test the claims on hierarchical actor-critic: on small real simulations, on wrong tables, and in their figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from pcpo.claims.contract import Study, Tables
from pcpo.claims.judging import check_claims, judge
from pcpo.claims.options import cells_of
from pcpo.claims.tables import simulated
from pcpo.errors import ConfigError
from pcpo.evidence.hierarchical.figures import quartiles
from pcpo.evidence.hierarchical.measures import critic_exponent, exponents, growth, too_short
from pcpo.evidence.hierarchical.studies_critics import CRITIC, SAMPLES
from pcpo.evidence.hierarchical.studies_exact import COMPLEXITY, DESCENT, FORMULAS, SYSTEMS
from pcpo.evidence.hierarchical.studies_gains import GAINS, WEIGHTS
from pcpo.evidence.hierarchical.studies_learning import ACTORS, LEARNING
from pcpo.evidence.registry import load_group
from pcpo.figures.style import save

GROUP = load_group("hierarchical")

#: Statements of the paper that do not hold (docs/hierarchical.md, "Found").
FALSE = {"hierarchical.lemma_5", "hierarchical.complexity_total"}

SMALL: Mapping[str, tuple[int, dict[str, Any]]] = {
    SYSTEMS.name: (2, {}),
    FORMULAS.name: (2, {}),
    GAINS.name: (3, {"draws": 2}),
    WEIGHTS.name: (4, {"draws": 3}),
    DESCENT.name: (2, {"most": 250}),
    CRITIC.name: (10, {"first": 11, "last": 15}),
    SAMPLES.name: (10, {"sizes": [2, 6], "few_sizes": [2, 3], "steps": 1000}),
    COMPLEXITY.name: (30, {"sizes": [50, 500], "few_sizes": [5, 10], "most": 300}),
    LEARNING.name: (1, {"sizes": [10, 20], "precision": 0.01}),
    ACTORS.name: (10, {"sizes": [20, 80], "steps": [500, 4000], "precision": 0.05, "fine_precision": 0.01, "most": 8}),
}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {study.name: simulated(study, SMALL[study.name][1], range(SMALL[study.name][0])) for study in GROUP.studies}


@pytest.fixture(scope="module")
def judged(tables: Tables) -> pd.DataFrame:
    return judge(GROUP.name, GROUP.claims, tables)


def test_the_group_is_complete(tables: Tables) -> None:
    check_claims(GROUP.name, GROUP.claims)
    for study in GROUP.studies:
        frame = tables[study.name]
        assert sorted(frame.columns) == sorted(["cell", *study.columns])
        assert not frame.duplicated(["cell", *study.key]).any()
        missing = set(frame.columns[frame.isna().any()])
        assert missing <= study.may_be_missing


def test_claims_hold_and_controls_do_not(judged: pd.DataFrame) -> None:
    """Few runs leave claims inconclusive, and refute only what is false; each control is refuted."""
    claims = judged[judged["role"] == "claim"].set_index("claim")
    refuted = set(claims.index[claims["verdict"] == "refuted"])
    assert {"hierarchical.lemma_5"} <= refuted <= FALSE, claims["verdict"].to_dict()
    settled = [f"hierarchical.{name}" for name in ("complexity", "growth", "samples", "assumption_4")]
    assert (claims.loc[settled, "verdict"] == "supported").all(), claims["verdict"].to_dict()
    controls = judged[judged["role"] == "negative_control"]
    assert (controls["verdict"] == "refuted").all(), controls[controls["verdict"] != "refuted"]["control"].tolist()
    assert judged.loc[judged["role"] == "power", "estimate"].between(0, 1).all()


@pytest.mark.parametrize(
    ("study", "column", "value", "claim"),
    [
        (SYSTEMS, "residual", 1.0, "decomposition"),
        (FORMULAS, "residual", 1.0, "formulas"),
        (FORMULAS, "residual", 1.0, "natural_gradient"),
        (GAINS, "lower", 1.1, "lemma_3"),
        (GAINS, "descent", 1.1, "lemma_4"),
        (WEIGHTS, "lemma_5", 1.1, "lemma_5"),
        (WEIGHTS, "mended", 1.1, "lemma_5_mended"),
        (WEIGHTS, "lemma_15", 0.5, "lemma_15"),
        (DESCENT, "increases", 1.0, "theorem_3"),
        (DESCENT, "short", 1.0, "theorem_3_rate"),
        (DESCENT, "iterations", 1e9, "theorem_3_number"),
        (COMPLEXITY, "allowed", 1.0, "theorem_2"),
        (COMPLEXITY, "allowed", 50.0, "theorem_2_slack"),
        (COMPLEXITY, "error_total", 1.0, "critic_steps"),
        (LEARNING, "gap", 1.0, "theorem_2_estimated"),
        (LEARNING, "gap", 1.0, "theorem_2_allowed"),
        (LEARNING, "missed", 0.5, "premise"),
    ],
)
def test_what_is_wrong_is_refuted(tables: Tables, study: Study, column: str, value: float, claim: str) -> None:
    wrong = {**tables, study.name: tables[study.name].assign(**{column: value})}
    found = next(one for one in GROUP.claims if one.id == f"hierarchical.{claim}")
    finding = found.measure(wrong)
    assert found.rule.verdict(finding, finding.p_value) == "refuted"


def test_exponents_are_those_that_were_put_in(tables: Tables) -> None:
    frame = pd.DataFrame({"seed": [0, 0, 0, 1, 1, 1], "size": [1, 2, 4] * 2})
    y = frame["size"] ** np.where(frame["seed"] == 0, 1.5, -0.5) * (1 + frame["seed"])
    np.testing.assert_allclose(exponents(frame, "size", y), [1.5, -0.5])
    errors = tables[CRITIC.name]
    exact = {**tables, CRITIC.name: errors.assign(error=errors["iterations"] ** -0.6)}
    assert np.isclose(critic_exponent("gtd")(exact).estimate, -0.6)
    counts = tables[COMPLEXITY.name].query("cell == 'shrinking'")
    more = counts["per_factor"].groupby(counts["seed"]).transform("max") * np.log(counts["size"]) + 10
    assert growth({**tables, COMPLEXITY.name: counts.assign(total=more)}).estimate < 1


def test_rows_of_a_seed_do_not_depend_on_the_others(tables: Tables) -> None:
    for study in GROUP.studies:
        count, options = SMALL[study.name]
        cells = cells_of(study, options)
        name = next(reversed(cells))
        seed = min(count, 10) - 1  # controls have fewer seeds
        alone = study.simulate(cells[name], [seed])
        frame = tables[study.name]
        chosen = frame[(frame["cell"] == name) & (frame["seed"] == seed)]
        chosen = chosen.drop(columns="cell")[list(alone.columns)].reset_index(drop=True)
        pd.testing.assert_frame_equal(chosen, alone.reset_index(drop=True), check_exact=True, check_dtype=False)


def test_the_length_of_a_step_is_one_for_the_exact_critic(tables: Tables) -> None:
    frame = tables[ACTORS.name]
    exact = frame.loc[frame["kind"].str.startswith("exact"), "length"].dropna()
    assert len(exact) > 0
    np.testing.assert_allclose(exact, 1.0, rtol=1e-12)
    longer = {**tables, ACTORS.name: frame.assign(length=1.7)}
    assert np.isclose(too_short(longer).estimate, -0.7)


def test_figures_show_the_tables(tables: Tables) -> None:
    for figure in GROUP.figures.values():
        assert not figure.table(tables).isna().any().any()
    complexity = GROUP.figures["hierarchical_complexity"].table(tables)
    assert set(complexity["panel"]) == {"total", "per_agent", "compared", "estimated"}
    shown = GROUP.figures["hierarchical_convergence"].table(tables)
    assert {"plain", "least_squares", "least_squares:large", "gtd"} <= set(shown["series"])
    assert (shown["low"] <= shown["middle"]).all()
    assert (shown["middle"] <= shown["high"]).all()
    ratios = shown[(shown["panel"] == "gap") & (shown["series"] == "least_squares")]
    frame = tables[LEARNING.name].set_index(["cell", "seed", "iteration"])["gap"]
    assert ratios["middle"].iloc[0] == frame["least_squares:10", 0, 1] / frame["exact:10", 0, 1]


def test_quartiles_are_values_that_occur_and_infinity_stays() -> None:
    frame = pd.DataFrame({"k": ["a"] * 4 + ["b"] * 3, "y": [1.0, 2.0, 4.0, np.inf, 1.0, np.inf, np.inf]})
    found = quartiles(frame, ["k"], "y").set_index("k")
    assert found.loc["a", ["low", "middle", "high", "runs"]].tolist() == [1.0, 2.0, 4.0, 4]
    assert found.loc["b", ["low", "middle", "high", "runs"]].tolist() == [1.0, np.inf, np.inf, 3]


@pytest.mark.parametrize("name", sorted(GROUP.figures))
def test_figures_are_legible_in_a_column(tables: Tables, name: str, tmp_path: Path) -> None:
    """Type of at least 7 points in a figure of at most 8.7 cm, and log axes for counts."""
    figure, drawn = GROUP.figures[name], []

    def draw(numbers: pd.DataFrame) -> Figure:
        drawn.append(figure.draw(numbers))
        return drawn[0]

    save(figure.table(tables), draw, tmp_path / name)
    assert drawn[0].get_figwidth() * 2.54 <= 8.7
    texts = [text for text in drawn[0].findobj(Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 7
    assert {axes.get_yscale() for axes in drawn[0].axes} == {"log"}


@pytest.mark.parametrize(
    ("study", "wrong"),
    [
        (GAINS, {"colour": 1}),
        (GAINS, {"draws": 0}),
        (GAINS, {"draws": True}),
        (DESCENT, {"start": -1.0}),
        (SYSTEMS, {"draws": 1}),
        (COMPLEXITY, {"sizes": [50]}),
        (COMPLEXITY, {"sizes": [50, 50]}),
        (LEARNING, {"sizes": [1, 50]}),
        (CRITIC, {"alpha": float("inf")}),
        (ACTORS, {"steps": [1000]}),
    ],
)
def test_wrong_options_are_named(study: Study, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"evidence\.{study.name}\.options.*{next(iter(wrong))}"):
        cells_of(study, wrong)
