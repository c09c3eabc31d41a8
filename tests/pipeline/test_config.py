"""Configurations: several files and settings override each other as in Snakemake; seeds fit into tables."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from snakemake.utils import update_config

from pcpo.errors import ConfigError
from pcpo.pipeline.config import (
    check_gains,
    check_oracles,
    check_schedules,
    check_seeds,
    check_separation,
    check_tuning,
    read_configuration,
)

FIRST = "name: a\nscenarios:\n  motors: {title: two, seeds: {first: 0, count: 010}, list: [1, 2]}\nreport: true\n"
SECOND = "scenarios:\n  motors: {seeds: {count: 2e1}, list: [3]}\n  other: {}\nreport: {a: 1}\n"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for path, text in zip(paths, (FIRST, SECOND), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def test_several_files_override_each_other_key_by_key_as_in_snakemake(files: list[Path]) -> None:
    seeds = {"first": 0, "count": 20.0}
    assert read_configuration(files) == {
        "name": "a",
        "scenarios": {"motors": {"title": "two", "seeds": seeds, "list": [3]}, "other": {}},
        "report": {"a": 1},
    }
    for order in (files, files[::-1], [*files, files[0]]):
        expected: dict[str, Any] = {}
        for path in order:
            update_config(expected, copy.deepcopy(read_configuration([path])))
        assert read_configuration(order) == expected


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("report=false", {"report": False}),
        ("report=False", {"report": False}),
        ("report=", {"report": None}),
        ("featured=motors", {"featured": "motors"}),
        ("scenarios={motors: {seeds: {count: 4}}}", {"scenarios": {"motors": {"seeds": {"count": 4}}}}),
        ("scenarios={'motors': {'seeds': {'count': 4}}}", {"scenarios": {"motors": {"seeds": {"count": 4}}}}),
        ('scenarios={"motors":{"schedule":{"Delta0":1e1}}}', {"scenarios": {"motors": {"schedule": {"Delta0": 10.0}}}}),
        ("extensions=[a.py, b=c.py]", {"extensions": ["a.py", "b=c.py"]}),
    ],
)
def test_settings_of_the_command_line_are_yaml(setting: str, value: dict[str, Any]) -> None:
    assert read_configuration([], [setting]) == value


def test_settings_override_files(files: list[Path]) -> None:
    config = read_configuration(files, ["scenarios={motors: {seeds: {count: 4}}}", "report=false"])
    assert config["scenarios"]["motors"] == {"title": "two", "seeds": {"first": 0, "count": 4}, "list": [3]}
    assert config["report"] is False


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "scenarios={motors: {seeds",
            "--config scenarios: line 1, column 16: not valid YAML: expected ',' or '}', but",
        ),
        (
            "scenarios={a: {count:4}}",
            "--config scenarios: line 1, column 6: found 'count:4' without a value, expected a ",
        ),
        ("scenarios={a: 1, a: 2}", "--config scenarios: line 1, column 8: found the key 'a' twice"),
    ],
)
def test_settings_that_cannot_be_read_are_named_with_a_form_that_works(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_configuration([], [setting])
    assert str(refusal.value).startswith(message)
    assert str(refusal.value).endswith(
        "expected a value in YAML, as in --config report=false 'scenarios={motors: {seeds: {count: 4}}}'"
    )


LAST = 2**63 - 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"seeds": {"first": LAST, "count": 2}}, "scenarios.a.seeds"),
        (
            {"seeds": {"first": 0, "count": 1}, "tuning": {"seeds": {"first": LAST - 1, "count": 3}}},
            "scenarios.a.tuning",
        ),
    ],
)
def test_a_last_seed_beyond_64_bits_is_refused(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_seeds({"scenarios": {"a": change}})
    assert str(refusal.value).startswith(f"{where}")
    assert f"whose last is {LAST + 1}, expected at most {LAST} (2^63 - 1)" in str(refusal.value)


def test_seeds_of_studies_and_of_fedlqr_count_as_well() -> None:
    check_seeds({"scenarios": {"a": {"seeds": {"first": LAST, "count": 1}}}, "evidence": {}})
    with pytest.raises(ConfigError, match=rf"evidence\.x: found 2 seeds from {LAST}, whose last is"):
        check_seeds({"scenarios": {}, "evidence": {"x": {"first": LAST, "count": 2}}})
    with pytest.raises(ConfigError, match=rf"fedlqr: found 2 seeds from {LAST}, whose last is"):
        check_seeds({"scenarios": {}, "fedlqr": {"seed": LAST, "realisations": 2}})


@pytest.mark.parametrize(("first", "count", "shared"), [(0, 5, None), (5, 1, 5), (3, 4, 5), (9, 9, 9), (10, 9, None)])
def test_seeds_of_tuning_and_comparison_differ(first: int, count: int, shared: int | None) -> None:
    seeds = {"first": 5, "count": 5}
    scenarios = {"a": {"seeds": seeds, "tuning": {"seeds": {"first": first, "count": count}}}}
    if shared is None:
        check_tuning(scenarios)
    else:
        with pytest.raises(ConfigError, match=rf"scenarios\.a\.tuning\.seeds: found {shared}, which is also"):
            check_tuning(scenarios)


#: A scenario without a schedule, and one with.
FREE: dict[str, Any] = {"algorithms": ["pcpo_auto"], "budget": {"rollouts": 10_000}, "oracle": "rollouts"}
PLANNED: dict[str, Any] = {"algorithms": ["pcpo"], "schedule": {}, "budget": {"epochs": 2}, "oracle": "auto"}


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (FREE, None),
        (PLANNED, None),
        ({**PLANNED, "algorithms": ["local"]}, r"algorithms: found local, expected 'pcpo' among them"),
        ({**FREE, "algorithms": ["pcpo_auto", "local"]}, r"schedule: missing, expected one for local; or, .*pcpo_auto"),
        ({**FREE, "budget": {"epochs": 2}}, r"budget: found epochs without a schedule, expected rollouts per agent"),
        ({**FREE, "oracle": "auto"}, r"oracle: found 'auto' without a schedule"),
        ({**FREE, "tuning": {}}, r"tuning: found it without a schedule"),
    ],
)
def test_a_schedule_is_there_where_a_method_needs_one(scenario: dict[str, Any], message: str | None) -> None:
    if message is None:
        check_schedules({"a": scenario})
    else:
        with pytest.raises(ConfigError, match=rf"^scenarios\.a\.{message}"):
            check_schedules({"a": scenario})


UNKNOWN = """
name: nobody has a controller
gamma: 0.9
clusters:
  - {size: 2, A: [[1.4]], B: [[1]], Q: 1, R: 1}
initial_gains: unknown
"""


class TestFleetsWithoutGains:
    """A fleet file whose initial gains are unknown is for pcpo_auto without a schedule."""

    @staticmethod
    def checked(tmp_path: Path, text: str = UNKNOWN, **changes: Any) -> None:
        (tmp_path / "fleet.yaml").write_text(text, encoding="utf-8")
        scenario = {"fleet": {"file": "fleet.yaml"}, "algorithms": ["pcpo_auto"], **changes}
        check_gains({"motors": scenario}, lambda name: str(tmp_path / name))

    def test_pcpo_auto_without_a_schedule_may_have_it(self, tmp_path: Path) -> None:
        self.checked(tmp_path)
        drawn = {"file": "fleet.yaml", "initial_gains": {"seed": 1, "rule": "common", "gap": 1.0}}
        self.checked(tmp_path, fleet=drawn, schedule={}, algorithms=["pcpo"])
        self.checked(tmp_path, UNKNOWN.replace("unknown", "[[1.0]]"), schedule={}, algorithms=["pcpo"])

    @pytest.mark.parametrize(
        ("changes", "needing"),
        [
            ({"schedule": {}, "algorithms": ["pcpo", "pcpo_auto"]}, "a schedule"),
            ({"algorithms": ["pcpo_auto", "local"]}, "local"),
        ],
    )
    def test_what_needs_gains_is_named(self, tmp_path: Path, changes: dict[str, Any], needing: str) -> None:
        found = rf"scenarios\.motors\.fleet\.file: found initial_gains unknown in fleet\.yaml with {needing}, expected"
        with pytest.raises(ConfigError, match=found):
            self.checked(tmp_path, **changes)

    def test_a_file_that_is_no_fleet_is_left_to_its_job(self, tmp_path: Path) -> None:
        self.checked(tmp_path, UNKNOWN.replace("1.4", ".nan"), schedule={}, algorithms=["pcpo"])


class TestEqualCosts:
    """A fleet file with clusters of equal cost is for a method that can tell them apart."""

    TEXT = (
        "name: mirrored\ngamma: 0.5\nclusters:\n"
        "  - {size: 2, A: [[0.9]], B: [[1.0]], Q: identity, R: identity}\n"
        "  - {size: 1, A: [[0.9]], B: [[-1.0]], Q: identity, R: identity}\ninitial_gains: zero\n"
    )

    def checked(self, tmp_path: Path, text: str = TEXT, **changes: Any) -> None:
        (tmp_path / "fleet.yaml").write_text(text, encoding="utf-8")
        scenario = {"fleet": {"file": "fleet.yaml"}, "schedule": {}, "algorithms": ["pcpo"], **changes}
        check_separation({"motors": scenario}, lambda name: str(tmp_path / name))

    @pytest.mark.parametrize(
        ("algorithms", "needing"),
        [(["pcpo"], "pcpo"), (["pcpo", "local"], "pcpo"), (["pcpo", "pcpo_gains", "one_shot"], "one_shot")],
    )
    def test_what_cannot_is_named(self, tmp_path: Path, algorithms: list[str], needing: str) -> None:
        found = (
            r"scenarios\.motors\.fleet\.file: fleet\.yaml: clusters 0 and 1: found equal optimal costs \S+ and \S+, "
            rf"expected a relative difference above 1e-10 for {needing}, which tells clusters by their costs alone"
        )
        with pytest.raises(ConfigError, match=found):
            self.checked(tmp_path, algorithms=algorithms)

    def test_what_can_may_have_it(self, tmp_path: Path) -> None:
        self.checked(tmp_path, algorithms=["pcpo", "pcpo_gains", "local"])
        self.checked(tmp_path, algorithms=["pcpo", "pcpo_soft"])
        free = {"fleet": {"file": "fleet.yaml"}, "algorithms": ["pcpo_auto"]}
        check_separation({"motors": free}, lambda name: str(tmp_path / name))
        self.checked(tmp_path, self.TEXT.replace("-1.0", "-1.1"))
        self.checked(tmp_path, self.TEXT.replace("0.9", ".nan"))


@pytest.mark.parametrize(("oracle", "rows", "key"), [("auto", "agents", "oracle"), ("rollouts", "clusters", "rows")])
def test_changes_of_systems_exclude_some_keys(oracle: str, rows: str, key: str) -> None:
    scenario = {"oracle": oracle, "rows": rows}
    check_oracles({"a": scenario})
    with pytest.raises(ConfigError, match=rf"^scenarios\.a\.{key}: found '{scenario[key]}' with changes, expected "):
        check_oracles({"a": {**scenario, "changes": [{"agent": 0, "after_epoch": 1, "cluster": 1}]}})
