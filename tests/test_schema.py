"""The configuration: one message that names the key, what was found, what was expected; and batches of seeds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pcpo.errors import ConfigError, FleetError
from pcpo.pipeline.config import seed_batches
from pcpo.schema import load_schema, validated

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = load_schema(ROOT / "workflow/schemas/config.schema.yaml")
GOOD: dict[str, Any] = {
    "name": "main",
    "featured": "a",
    "scenarios": {
        "a": {
            "title": "A",
            "fleet": {
                "random": {"seed": 1, "n": 2, "m": 1, "sizes": [2, 2], "gamma": 0.9, "separation": 1, "initial_gap": 1}
            },
            "schedule": {"mode": "calibrated", "Delta0": 2},
            "budget": {"epochs": 2},
            "seeds": {"first": 0, "count": 7},
        }
    },
}


@pytest.mark.parametrize(
    "path",
    [
        *("../mine.py", "../../mine.py", "/tmp/mine.py", "mine.py; rm -rf x", "my method.py", "$(x).py", "{x}.py"),
        *("mine.py\n", "-mine.py", "mine.txt", "mine", ".py", "a/../b.py", "a//b.py", "`x`.py", "é.py"),
        "x" * 200 + ".py",
    ],
)
def test_paths_of_extensions_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"^extensions\.0: found .*, expected a text ") as refusal:
        validated({**GOOD, "extensions": [path]}, SCHEMA)
    assert "\n" not in str(refusal.value)


def test_paths_of_extensions_are_taken() -> None:
    paths = ["mine.py", "my-work/method_2.py", "a/b/c.py"]
    assert validated({**GOOD, "extensions": paths}, SCHEMA)["extensions"] == paths
    assert validated(GOOD, SCHEMA)["extensions"] == []
    with pytest.raises(ConfigError, match=r"extensions: found .*, expected items that differ"):
        validated({**GOOD, "extensions": ["mine.py", "mine.py"]}, SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_configurations_are_valid(path: Path) -> None:
    assert validated(yaml.safe_load(path.read_text(encoding="utf-8")), SCHEMA)["scenarios"]


def test_defaults_are_filled_in_and_the_input_is_left_alone() -> None:
    before = copy.deepcopy(GOOD)
    scenario = validated(GOOD, SCHEMA)["scenarios"]["a"]
    assert scenario["noise"] == "signs"
    assert scenario["schedule"]["delta"] == 0.05
    assert scenario["seeds"]["per_job"] == 5
    assert before == GOOD


def scenario(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda config: change(config["scenarios"]["a"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(scenaros={}), r"unknown key 'scenaros'.*did you mean 'scenarios'"),
        (lambda c: c["scenarios"].update({"../../x": {}}), r"scenarios: found '../../x'"),
        (lambda c: c["scenarios"].update({"; rm -rf x": {}}), r"scenarios: found '; rm -rf x'"),
        (lambda c: c["scenarios"].update({"x\n": {}}), r"scenarios: found 'x\\n'"),
        (lambda c: c.update(name=""), r"name: found ''"),
        (scenario(lambda s: s.update(plant="; rm -rf x")), r"scenarios.a.plant: found '; rm -rf x'"),
        (scenario(lambda s: s.update(plant="../x")), r"scenarios.a.plant: found '../x'"),
        (scenario(lambda s: s.update(changes=[])), r"scenarios.a.changes: found "),
        (
            scenario(lambda s: s.update(changes=[{"agent": 0, "after_epoch": 0, "cluster": 1}])),
            r"scenarios.a.changes.0.after_epoch: found 0",
        ),
        (
            scenario(lambda s: s.update(changes=[{"agent": 0, "from_epoch": 1, "A": [[1]]}])),
            r"scenarios.a.changes.0: found no key 'until_epoch'",
        ),
        (
            scenario(lambda s: s.update(changes=[{"agent": 0, "after_epoch": 1, "claster": 1}])),
            r"scenarios.a.changes.0: found the unknown key 'claster', .*did you mean 'cluster'",
        ),
        (scenario(lambda s: s.update(plant="my plant")), r"scenarios.a.plant: found 'my plant'"),
        (lambda c: c.update(report="yes"), r"report: found 'yes', expected a value of type boolean"),
        (lambda c: c.update(scenarios=None), r"scenarios: found None, expected a value of type object"),
        (scenario(lambda s: s.pop("seeds")), r"scenarios.a: found no key 'seeds'"),
        (scenario(lambda s: s.update(noise="gauss")), r"scenarios.a.noise: found 'gauss', expected one of"),
        (scenario(lambda s: s.update(budget={"epochs": 1, "rollouts": 9})), r"scenarios.a.budget: .* at most 1"),
        (scenario(lambda s: s.update(fleet={"fil": "x.yaml"})), r"exactly one of 'file' or 'random'"),
        (scenario(lambda s: s.update(fleet={"file": "x.pickle"})), r"scenarios.a.fleet.file: found 'x.pickle'"),
        (
            scenario(lambda s: s["schedule"].update(Delta0="3")),
            r"schedule.Delta0: found '3', expected a value of type number",
        ),
        (scenario(lambda s: s["schedule"].update(Delta0=0)), r"schedule.Delta0: found 0, expected a number above 0"),
        (
            scenario(lambda s: s["fleet"]["random"].update(gamma=1.0)),
            r"fleet.random.gamma: found 1.0, expected a number below 1",
        ),
        (scenario(lambda s: s["fleet"]["random"].update(gama=0.5)), r"unknown key 'gama'.*did you mean 'gamma'"),
        (
            scenario(lambda s: s["fleet"]["random"].update(separation=0)),
            r"separation: found 0, expected a number above 0",
        ),
        (scenario(lambda s: s["seeds"].update(count=0)), r"seeds.count: found 0, expected a number of at least 1"),
        (scenario(lambda s: s.update(algorithms=[])), r"scenarios.a.algorithms"),
    ],
)
def test_a_wrong_key_is_named(change: Callable[[dict[str, Any]], object], message: str) -> None:
    config = copy.deepcopy(GOOD)
    change(config)
    with pytest.raises(ConfigError, match=message):
        validated(config, SCHEMA)


def test_every_property_is_described_or_obvious_by_its_parts() -> None:
    """Keys without a description are objects whose own keys are described."""

    def undescribed(node: dict[str, Any], path: str) -> list[str]:
        missing = []
        for key, child in node.get("properties", {}).items():
            if "description" not in child and "properties" not in child and "$ref" not in child:
                missing.append(f"{path}.{key}")
            missing += undescribed(child, f"{path}.{key}")
        return missing

    found = [m for node in (SCHEMA, *SCHEMA["$defs"].values()) for m in undescribed(node, "")]
    assert found == []


def test_batches_are_named_by_their_seeds_and_stay_when_seeds_are_added() -> None:
    seeds = {"first": 10, "count": 7, "per_job": 3}
    batches = seed_batches(seeds)
    assert batches == {"000010-000012": [10, 11, 12], "000013-000015": [13, 14, 15], "000016-000016": [16]}
    more = seed_batches({**seeds, "count": 9})
    assert [name for name in batches if name in more] == ["000010-000012", "000013-000015"]


SMALL: dict[str, Any] = {
    "type": "object",
    "x-expected": "a count",
    "required": ["count"],
    "additionalProperties": False,
    "properties": {"count": {"type": "integer"}, "unit": {"enum": ["a"], "x-expected": "the letter a"}},
}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([], "the file: found [], expected a count"),
        ({"count": 1, "unit": "b"}, "unit: found 'b', expected the letter a"),
        ({"count": 2.5}, "count: found 2.5, expected a value of type integer"),
        ({"count": "2"}, "count: found '2', expected a value of type integer"),
        ({"count": float("inf")}, "count: found inf, expected a finite number"),
        ({"count": float("nan")}, "count: found nan, expected a finite number"),
        ({"count": 1e18}, "count: found 1e+18, expected a whole number of this size to be written in digits alone"),
        ({"count": True}, "count: found True, expected a value of type integer"),
        ({"coun": 1}, "the file: found the unknown key 'coun', expected one of count, unit; did you mean 'count'?"),
        ({}, "the file: found no key 'count', which is required"),
        ({"count": [0] * 1000}, "count: found [0, 0, 0, 0, 0, 0, ...], expected a value of type integer"),
    ],
)
def test_sentences_are_short_and_may_be_the_schemas_own(found: Any, sentence: str) -> None:
    with pytest.raises(FleetError) as refusal:
        validated(found, SMALL, error=FleetError, whole="the file")
    assert str(refusal.value) == sentence


def test_whole_numbers_written_with_a_point_are_taken_at_every_depth() -> None:
    """R's yaml and jsonencode write 2.0 for 2."""
    config = copy.deepcopy(GOOD)
    config["scenarios"]["a"]["seeds"] = {"first": 3.0, "count": 7.0, "per_job": 2.0}
    config["scenarios"]["a"]["budget"] = {"epochs": 2.0}
    config["scenarios"]["a"]["fleet"]["random"].update(seed=1.0, n=2.0, sizes=[2.0, 1e1], separation=1.0)
    config["evidence"] = {"scaling": {"count": 1e3}}
    config["fedlqr"] = {"rounds": 10.0, "realisations": 2.0, "every": 5.0, "seed": 0.0, "first_stage": 1.0}
    filled = validated(config, SCHEMA)
    scenario = filled["scenarios"]["a"]
    random = scenario["fleet"]["random"]
    assert repr(scenario["seeds"]) == "{'first': 3, 'count': 7, 'per_job': 2}"
    assert repr([scenario["budget"]["epochs"], random["seed"], random["n"], random["sizes"]]) == "[2, 1, 2, [2, 10]]"
    assert repr(random["separation"]) == "1.0", "a number that need not be whole stays as it is"
    assert repr(filled["evidence"]["scaling"]) == "{'count': 1000, 'first': 0, 'per_job': 1000, 'options': {}}"
    assert repr(list(filled["fedlqr"].values())) == "[10, 2, 5, 0, 1]"
    assert list(seed_batches(scenario["seeds"])) == ["000003-000004", "000005-000006", "000007-000008", "000009-000009"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (scenario(lambda s: s["seeds"].update(count=2.5)), "scenarios.a.seeds.count: found 2.5, expected a value of "),
        (
            scenario(lambda s: s["seeds"].update(first=2**63)),
            f"scenarios.a.seeds.first: found {2**63}, expected a number",
        ),
        (
            scenario(lambda s: s["seeds"].update(first=122807528840384100672342137672332424406)),
            "scenarios.a.seeds.first: found 122807528840384100672342137672332424406, expected a number of at most 922",
        ),
        (scenario(lambda s: s["seeds"].update(count=2**63)), "scenarios.a.seeds.count: found 9223372036854775808, "),
        (
            scenario(lambda s: s["fleet"]["random"].update(seed=2**128)),
            f"scenarios.a.fleet.random.seed: found {2**128}, expected a number of at most 9223372036854775807",
        ),
        (
            scenario(lambda s: s["schedule"].update(Delta0=float("inf"))),
            "scenarios.a.schedule.Delta0: found inf, expected a finite number",
        ),
        (
            scenario(lambda s: s["fleet"]["random"].update(initial_gap=float("nan"))),
            "scenarios.a.fleet.random.initial_gap: found nan, expected a finite number",
        ),
        (
            scenario(lambda s: s["schedule"].update(Delta0=10**400)),
            "scenarios.a.schedule.Delta0: found 100000000000000000...0000000000000000000, expected a finite number",
        ),
        (
            lambda c: c.update(evidence={"x": {"count": 1, "options": {"a": {"b": float("nan")}}}}),
            "evidence.x.options.a.b: found nan, expected a finite number",
        ),
        (
            lambda c: c.update(report="no"),
            "report: found 'no', expected a value of type boolean, true or false",
        ),
    ],
)
def test_numbers_that_nothing_can_hold_are_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    config = copy.deepcopy(GOOD)
    change(config)
    with pytest.raises(ConfigError) as refusal:
        validated(config, SCHEMA)
    assert str(refusal.value).startswith(message)
