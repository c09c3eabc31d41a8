"""Claims as data: rules, verdict rows, tables on disk, the registry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pcpo.claims.contract import (  # fmt: skip
    ALPHA,
    Claim,
    Control,
    Finding,
    Power,
    Rule,
    Study,
    Tables,
    Verdict,
)
from pcpo.claims.findings import failures, mean, violations
from pcpo.claims.judging import VERDICT_COLUMNS, Agrees, AtMost, Never, check_claims, judge, require_controls
from pcpo.claims.options import cells_of, number, several, whole, with_defaults
from pcpo.claims.power import probability, share, shift
from pcpo.claims.tables import provenance_of, read_tables, simulated, tables_by_study, write_table
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.registry import GROUPS, check_evidence, group_drawing, group_of, load_claims, load_group


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {"claim": {"mean": options["mean"]}, "control": {"mean": options["mean"] + 1.0}}


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    draws = [np.random.default_rng(seed).normal(cell["mean"], 0.1) for seed in seeds]
    return pd.DataFrame({"seed": list(seeds), "value": draws})


STUDY = Study(
    "toy",
    "A toy",
    _cells,
    _simulate,
    {"seed": "run", "value": "a number (units of cost)"},
    options={"mean": number(2.0, most=9.0), "runs": whole(4, most=9), "sizes": several([1, 2], whole(), fewest=2)},
)


def _measure(tables: Tables) -> Finding:
    table = tables["toy"]
    return mean(table.loc[table["cell"] == "claim", "value"].to_numpy(), 2.0)


def _swapped(tables: Tables) -> Tables:
    other = {"claim": "control", "control": "claim"}
    return {"toy": tables["toy"].assign(cell=tables["toy"]["cell"].map(other))}


CLAIM = Claim(
    id="toy_mean", title="The mean", source="nobody", statement="$x = 2$", quantity="mean of x (units of cost)",
    measure=_measure, rule=Agrees(0.1), controls=[Control("shifted", "the mean is 3", _swapped)],
    power=Power("a mean of 2.1", lambda tables, level: 0.9), figure="toy", primary=True,
)  # fmt: skip
TABLES = {"toy": simulated(STUDY, {}, range(40))}


def found(estimate: float, low: float, high: float, p: float, n: int = 100) -> Finding:
    return Finding("s", estimate, low, high, 1.0, p, n)


def test_rules_say_supported_refuted_or_inconclusive() -> None:
    assert AtMost().verdict(found(0.5, 0.3, 0.9, 1.0), 1.0) is Verdict.SUPPORTED
    assert AtMost().verdict(found(0.5, 0.3, 1.1, 1.0), 1.0) is Verdict.INCONCLUSIVE
    assert AtMost().verdict(found(1.5, 1.2, 1.9, 0.01), 0.01) is Verdict.REFUTED
    assert AtMost().verdict(found(1.5, 1.2, 1.9, 0.01), 0.2) is Verdict.INCONCLUSIVE
    assert AtMost().verdict(found(0.5, 0.3, 0.9, 0.01), 0.01) is Verdict.SUPPORTED
    assert Agrees(0.3).verdict(found(1.1, 0.95, 1.25, 0.3), 0.3) is Verdict.SUPPORTED
    assert Agrees(0.2).verdict(found(1.1, 0.95, 1.25, 0.3), 0.3) is Verdict.INCONCLUSIVE, "not all within the margin"
    assert Agrees(0.3).verdict(found(1.1, 1.05, 1.15, 0.01), 0.06) is Verdict.INCONCLUSIVE, (
        "missed before the correction"
    )
    assert Agrees(0.13, relative=True).verdict(found(1.1, 0.95, 1.12, 0.3), 0.3) is Verdict.SUPPORTED
    assert Agrees(0.2).verdict(found(1.5, 1.2, 1.7, 0.01), 0.01) is Verdict.REFUTED
    assert Agrees(0.2).verdict(found(np.nan, np.nan, np.nan, 1.0), 1.0) is Verdict.INCONCLUSIVE
    assert Never(100).verdict(found(0, 0, 0, 1.0), 1.0) is Verdict.SUPPORTED
    assert Never(101).verdict(found(0, 0, 0, 1.0), 1.0) is Verdict.INCONCLUSIVE
    assert Never(100).verdict(found(1, 0, 0, 0.0), 0.0) is Verdict.REFUTED
    assert all(rule.refuted_if for rule in (AtMost(), Agrees(0.1), Agrees(0.1, relative=True), Never(3)))


@pytest.mark.parametrize("rule", [AtMost(), Agrees(0.25), Agrees(0.25, relative=True), Never(40)])
def test_a_rule_supports_exactly_if_its_p_value_of_falsity_is_small(rule: Rule) -> None:
    """One error of support, 2.5 % on one side, for all rules; what is refuted is never supported."""
    rng, seen = np.random.default_rng(3), set()
    for n in (10, 39, 40, 200):
        for _ in range(20):
            if isinstance(rule, Never):
                one = violations(int(rng.random() < 0.2), n)
            else:
                one = mean(rng.gamma(1.0, rng.uniform(0.6, 1.6), n), 1.0)
            verdict = rule.verdict(one, rule.against(one))
            seen.add(verdict)
            assert verdict is not Verdict.SUPPORTED or rule.support(one) <= ALPHA / 2
            if verdict is Verdict.INCONCLUSIVE:
                assert rule.support(one) > ALPHA / 2
    assert seen >= {Verdict.SUPPORTED, Verdict.REFUTED}


def test_a_group_is_judged_with_its_controls_and_power() -> None:
    rows = judge("toy", [CLAIM], TABLES)
    assert list(rows.columns) == VERDICT_COLUMNS
    assert rows["role"].tolist() == ["claim", "negative_control", "power"]
    assert rows["verdict"].tolist() == ["supported", "refuted", "supported"]
    assert rows["expected"].tolist() == ["", "refuted", ""]
    assert rows["p_support"].iloc[0] < ALPHA / 2
    require_controls(rows)


def test_a_control_is_judged_with_the_correction_of_its_claim() -> None:
    """Refuted at 5 %, not at 5 % over the family: with four secondary claims the same control is no proof."""
    cells = TABLES["toy"]["cell"].eq("claim")

    def nearly(tables: Tables) -> Tables:
        shift = 2.35 * 0.1 / np.sqrt(cells.sum()) + 2.0 - TABLES["toy"].loc[cells, "value"].mean()
        return {"toy": tables["toy"].assign(value=tables["toy"]["value"] + shift)}

    claim = replace(CLAIM, controls=[Control("nearly", "the mean is 2.04", nearly)])
    others = [replace(claim, id=f"other{k}", primary=False) for k in range(4)]
    rows = judge("toy", [claim, *others], TABLES).set_index(["role", "claim"])
    raw = rows.loc["negative_control", "p_value"].iloc[0]
    assert ALPHA / 4 < raw < ALPHA
    assert rows.loc[("negative_control", "toy_mean"), "verdict"] == "refuted"
    assert rows.loc[("negative_control", "other0"), "verdict"] == "inconclusive"
    assert rows.loc[("claim", "toy_mean"), "verdict"] == "supported"
    assert rows.loc[("claim", "other0"), "verdict"] == "inconclusive"


def test_all_families_of_the_table_share_the_level() -> None:
    """Claim, control, sharp control and power have the same level, 24 times smaller with 24 families."""
    levels: list[float] = []

    def noted(tables: Tables, level: float) -> float:
        levels.append(level)
        return 0.9

    claim = replace(CLAIM, power=Power("noted", noted, lambda tables: mean(tables["toy"]["value"].to_numpy(), 2.0)))
    single = judge("toy", [claim], TABLES).set_index("role")
    rows = judge("toy", [claim], TABLES, families=24).set_index("role")
    assert levels == [ALPHA, ALPHA / 24]
    for role in ("claim", "negative_control", "sharp_control"):
        assert rows.loc[role, "p_adjusted"] == min(1.0, 24 * single.loc[role, "p_adjusted"])


def test_the_sharp_control_is_at_the_alternative_of_the_power() -> None:
    for by, verdict in ((0.2, "refuted"), (0.01, "supported")):
        rows = judge("toy", [replace(CLAIM, power=shift(_measure, by, "off"))], TABLES).set_index("role")
        sharp = rows.loc["sharp_control"]
        assert (sharp["estimate"], sharp["verdict"], sharp["expected"]) == (pytest.approx(2 + by), verdict, "refuted")
        assert rows.loc["claim", "verdict"] == "supported", "only the gross controls withhold a verdict"
        assert (rows.loc["power", "estimate"] > 0.5) == (verdict == "refuted")
    counted = probability(lambda tables: failures(0, 200, 0.05), 0.2, "one in five").departure
    assert counted is not None
    assert counted(TABLES).estimate == 0.2
    one = share(lambda tables: violations(0, 70), 0.1).departure
    assert one is not None
    assert (one(TABLES).estimate, one(TABLES).n_runs) == (1.0, 70)


def test_claims_without_a_sharp_control_are_listed(repository: Path) -> None:
    page = (repository / "docs/evidence.md").read_text(encoding="utf-8")
    bare = {claim.id for name in GROUPS for claim in load_claims(name) if claim.power.departure is None}
    (listed,) = re.findall(r"those whose power is about more than one number \((.*?)\)", page, re.DOTALL)
    assert set(re.findall(r"`([^`]+)`", listed)) == bare


def test_the_scale_of_minibatches_is_that_of_the_runs_read() -> None:
    """Of the cells of the grid: controls have others."""
    table = TABLES["toy"].assign(minibatch_scale=1.0, role="grid")
    table.loc[table["cell"] == "control", ["minibatch_scale", "role"]] = [0.001, "control"]
    assert judge("toy", [CLAIM], {"toy": table, "unread": table})["minibatch_scale"].unique().tolist() == ["1"]
    table.loc[::2, "minibatch_scale"] *= 0.5
    assert judge("toy", [CLAIM], {"toy": table})["minibatch_scale"].iloc[0] == "0.5 to 1"
    assert judge("toy", [CLAIM], TABLES)["minibatch_scale"].iloc[0] == ""


def test_a_control_that_is_not_refuted_withholds_the_verdict() -> None:
    blind = replace(CLAIM, controls=[Control("the same", "nothing is wrong", lambda tables: tables)])
    rows = judge("toy", [blind], TABLES)
    assert rows.set_index("role")["verdict"].to_dict()["claim"] == "inconclusive"


def test_power_is_computed_at_the_level_of_the_judge() -> None:
    levels: list[float] = []

    def noted(tables: Tables, level: float) -> float:
        levels.append(level)
        return 0.9

    claim = replace(CLAIM, power=Power("noted", noted))
    others = [replace(claim, id=f"other{k}", primary=False) for k in range(4)]
    rows = judge("toy", [claim, *others], TABLES)
    assert levels == [0.05, *[0.05 / 4] * 4]
    assert rows.loc[rows["role"] == "power", "statistic"].iloc[1] == "power at level 0.0125 against: noted"


def test_secondary_claims_share_the_level() -> None:
    others = [replace(CLAIM, id=f"other{k}", primary=False) for k in range(3)]
    rows = judge("toy", [CLAIM, *others], TABLES)
    claims = rows[rows["role"] == "claim"]
    assert (claims["p_adjusted"] >= claims["p_value"]).all()
    assert claims["p_adjusted"].iloc[0] == claims["p_value"].iloc[0]
    assert claims["p_adjusted"].iloc[1] == min(1.0, 3 * claims["p_value"].iloc[1])


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ([replace(CLAIM, controls=[])], "found no negative control"),
        ([CLAIM, CLAIM], "found it twice"),
        ([replace(CLAIM, primary=False)], "found 0 primary claims"),
    ],
)
def test_badly_declared_groups_are_refused(claims: list[Claim], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_claims("toy", claims)


def test_tables_come_back_as_they_were_written(tmp_path: Path) -> None:
    for first in (0, 20):
        seeds = list(range(first, first + 20))
        write_table(STUDY, seeds, simulated(STUDY, {}, seeds), tmp_path / f"{first}.parquet", {"version": "1"})
    back = tables_by_study([STUDY], [tmp_path / "20.parquet", tmp_path / "0.parquet"])["toy"]
    assert provenance_of(tmp_path / "0.parquet")["version"] == "1"
    key = ["cell", "seed"]
    left, right = (t.sort_values(key).reset_index(drop=True) for t in (back, TABLES["toy"][back.columns]))
    pd.testing.assert_frame_equal(left, right)


def test_a_cell_for_controls_alone_has_fewer_seeds(tmp_path: Path) -> None:
    thinned, seeds = replace(STUDY, controls_only="control".__eq__), range(100, 117)
    frame = simulated(thinned, {}, seeds)
    found = {cell: part["seed"].tolist() for cell, part in frame.groupby("cell")}
    assert found == {"claim": list(seeds), "control": [*range(100, 111), 115]}
    assert simulated(thinned, {}, [7, 5]).groupby("cell").size().to_dict() == {"claim": 2, "control": 2}
    path = tmp_path / "x.parquet"
    write_table(thinned, seeds, frame, path, {})
    assert read_tables(thinned, [path]).equals(frame[["cell", *STUDY.columns]])
    with pytest.raises(ResultsError, match="cell control: found seeds"):
        write_table(thinned, seeds, simulated(STUDY, {}, seeds), path, {})
    with pytest.raises(ResultsError, match="cell control: found seeds"):
        read_tables(STUDY, [path])


def test_seeds_do_not_depend_on_their_batch() -> None:
    together, alone = simulated(STUDY, {}, [1, 2]), simulated(STUDY, {}, [2])
    assert together[together["seed"] == 2]["value"].tolist() == alone["value"].tolist()


class TestBadTables:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "t.parquet"
        write_table(STUDY, [0, 1], simulated(STUDY, {}, [0, 1]), path, {})
        return path

    def altered(self, path: Path, frame: pd.DataFrame | None = None, **note: object) -> Path:
        import json

        import pyarrow as pa

        table = pq.read_table(path) if frame is None else pa.Table.from_pandas(frame, preserve_index=False)
        old = {**provenance_of(path), **note}
        pq.write_table(table.replace_schema_metadata({b"pcpo-study": json.dumps(old).encode()}), path)
        return path

    def test_another_schema_version(self, path: Path) -> None:
        with pytest.raises(ResultsError, match="found schema version 9, expected 1"):
            read_tables(STUDY, [self.altered(path, schema_version="9")])

    def test_another_study(self, path: Path) -> None:
        with pytest.raises(ResultsError, match="table of study 'other', expected 'toy'"):
            read_tables(STUDY, [self.altered(path, study="other")])
        with pytest.raises(ResultsError, match="table of study 'other', expected one of toy"):
            tables_by_study([STUDY], [path])

    def test_missing_and_extra(self, path: Path) -> None:
        frame = pq.read_table(path).to_pandas()
        with pytest.raises(ResultsError, match=r"found seeds \[0\], expected \[0, 1\]"):
            read_tables(STUDY, [self.altered(path, frame[(frame["seed"] == 0) | (frame["cell"] == "claim")])])
        with pytest.raises(ResultsError, match=r"found cells \['claim'\]"):
            read_tables(STUDY, [self.altered(path, frame[frame["cell"] == "claim"])])
        with pytest.raises(ResultsError, match="found columns"):
            read_tables(STUDY, [self.altered(path, frame.assign(more=1))])

    def test_nan_and_duplicates(self, path: Path) -> None:
        frame = pq.read_table(path).to_pandas()
        with pytest.raises(ResultsError, match="found NaN in column value"):
            read_tables(STUDY, [self.altered(path, frame.assign(value=np.nan))])
        with pytest.raises(ResultsError, match="more than once"):
            read_tables(STUDY, [self.altered(path, pd.concat([frame, frame[:1]]))])

    def test_the_same_file_twice(self, path: Path) -> None:
        with pytest.raises(ResultsError, match="occurs more than once"):
            read_tables(STUDY, [path, path])

    def test_damage_and_absence(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(ResultsError, match="not a readable results file"):
            read_tables(STUDY, [path])
        with pytest.raises(ResultsError, match="run the workflow first"):
            read_tables(STUDY, [path.with_name("none.parquet")])
        with pytest.raises(ResultsError, match="no results files were given"):
            read_tables(STUDY, [])

    def test_writing_what_was_not_declared(self, tmp_path: Path) -> None:
        with pytest.raises(ResultsError, match="found columns"):
            write_table(STUDY, [0], pd.DataFrame({"cell": ["claim"], "seed": [0]}), tmp_path / "x.parquet", {})
        assert not list(tmp_path.iterdir())


def test_options_have_defaults_and_an_order() -> None:
    assert with_defaults(STUDY, {}) == {"mean": 2.0, "runs": 4, "sizes": [1, 2]} == STUDY.defaults
    given = with_defaults(STUDY, {"sizes": [3, 2.0], "runs": 5.0})
    assert list(given.items()) == [("mean", 2.0), ("runs", 5), ("sizes", [3, 2])]
    assert [type(value) for value in (given["runs"], *given["sizes"])] == [int] * 3
    STUDY.defaults["sizes"].append(3)
    given["sizes"].append(3)
    assert STUDY.defaults["sizes"] == [1, 2], "what is returned is a copy"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": 0}, "mean: found 0, expected a number above 0"),
        ({"mean": 10}, "mean: found 10, expected a number of at most 9.0"),
        ({"mean": "2"}, "mean: found '2', expected a value of type number"),
        ({"mean": float("nan")}, "mean: found nan, expected a finite number"),
        ({"runs": 1.5}, "runs: found 1.5, expected a value of type integer"),
        ({"runs": True}, "runs: found True, expected a value of type integer"),
        ({"sizes": [1]}, r"sizes: found \[1\], expected at least 2 items"),
        ({"sizes": [1, 1]}, r"sizes: found \[1, 1\], expected items that differ"),
        ({"sizes": [1, 0]}, "sizes.1: found 0, expected a number of at least 1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^evidence\.toy\.options\.{message}$"):
        cells_of(STUDY, options)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"evidence.toy.options: found the unknown key 'nean', .* mean 'mean'"):
        simulated(STUDY, {"nean": 1}, [0])


def test_verdicts_without_control_are_refused() -> None:
    rows = judge("toy", [CLAIM], TABLES)
    with pytest.raises(ResultsError, match="no negative control for claim 'toy_mean'"):
        require_controls(rows[rows["role"] == "claim"])


@pytest.mark.parametrize("name", list(GROUPS))
def test_every_group_is_what_the_registry_says_and_well_declared(name: str) -> None:
    group = load_group(name)
    check_claims(name, group.claims)
    assert all(claim.id.startswith(f"{name}.") for claim in group.claims)
    assert all(claim.title and claim.source and claim.statement and claim.quantity for claim in group.claims)
    for study in group.studies:
        assert group_of(study.name) == name
        assert {"seed"} <= set(study.columns)
        assert set(study.key) <= set(study.columns)
        assert cells_of(study, {})
    for figure in group.figures:
        assert group_drawing(figure) == name


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="group: found 'x'"):
        load_group("x")
    with pytest.raises(ConfigError, match="found study 'x'"):
        check_evidence(["x"])
    with pytest.raises(ConfigError, match="figure: found 'x'"):
        group_drawing("x")
