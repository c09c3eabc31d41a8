"""Check that config/README.md documents every key of the schema, with its default, and no other key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from pcpo.claims.options import cells_of
from pcpo.evidence.registry import GROUPS, load_group
from pcpo.fleets.files import read_fleet
from pcpo.fleets.random import FleetSpec
from pcpo.pipeline.config import studies_of
from pcpo.schema import load_schema, validated

ROW = re.compile(r"^\| `([\w.<>]+)` \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)


def keys(node: Mapping[str, Any], root: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, bool, Any]]:
    """Yield (path, whether it is required, default) of every property below a node of the schema."""
    while "$ref" in node:
        target = root
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    for alternative in node.get("oneOf", []):
        yield from keys(alternative, root, prefix)
    for name, child in node.get("properties", {}).items():
        yield f"{prefix}{name}", name in node.get("required", []), child.get("default")
        yield from keys(child, root, f"{prefix}{name}.")
    if isinstance(node.get("additionalProperties"), Mapping):
        yield from keys(node["additionalProperties"], root, f"{prefix}<name>.")


@pytest.fixture(scope="module")
def schema(repository: Path) -> dict[str, Any]:
    return load_schema(repository / "workflow/schemas/config.schema.yaml")


@pytest.fixture(scope="module")
def documented(repository: Path) -> dict[str, tuple[str, str, str]]:
    """Map each key to (value, default, meaning), from the tables of the page after the table of files."""
    page = (repository / "config/README.md").read_text(encoding="utf-8")
    rows = ROW.findall(page[page.index("## Top level") :])
    assert len({row[0] for row in rows}) == len(rows), "a key is documented twice"
    return {key: (value, default, meaning) for key, value, default, meaning in rows}


def test_every_key_is_documented_and_no_other(
    schema: dict[str, Any], documented: dict[str, tuple[str, str, str]]
) -> None:
    known = {path for path, _, _ in keys(schema, schema)}
    assert {"name", "scenarios.<name>.fleet.random.gamma", "scenarios.<name>.seeds.per_job"} <= known
    assert known - documented.keys() == set()
    assert documented.keys() - known == set()


def test_required_keys_and_defaults_agree(schema: dict[str, Any], documented: dict[str, tuple[str, str, str]]) -> None:
    for path, required, default in keys(schema, schema):
        stated = documented[path][1]
        assert (stated == "required") == required, path
        if default is not None:
            assert yaml.safe_load(stated.strip("`")) == default, path


def test_defaults_of_the_generator_agree(documented: dict[str, tuple[str, str, str]]) -> None:
    """Compare the defaults that the schema leaves to FleetSpec."""
    given = {field.name: field.default for field in fields(FleetSpec)}
    for name in ("condition_limit", "distance", "gain_distance"):
        assert float(documented[f"scenarios.<name>.fleet.random.{name}"][1]) == given[name]
    low, high = documented["scenarios.<name>.fleet.random.spectral_radius"][1].split(" to ")
    assert (float(low), float(high)) == given["spectral_radius"]


def test_fleet_file_of_the_page_is_read(repository: Path, tmp_path: Path) -> None:
    page = (repository / "config/README.md").read_text(encoding="utf-8")
    text = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(text) == 1
    path = tmp_path / "fleet.yaml"
    path.write_text(text[0], encoding="utf-8")
    assert [len(members) for members in read_fleet(path).clusters] == [2, 3]


@pytest.mark.parametrize("name", ["config.yaml", "quick.yaml", "full.yaml", "cluster.yaml"])
def test_shipped_configurations_are_valid(name: str, repository: Path, schema: dict[str, Any]) -> None:
    config = validated(yaml.safe_load((repository / "config" / name).read_text(encoding="utf-8")), schema)
    assert config["featured"] in config["scenarios"]
    for scenario in config["scenarios"].values():
        assert "random" in scenario["fleet"] or (repository / scenario["fleet"]["file"]).is_file()
        assert scenario["seeds"]["count"] >= 2
    studies = {study.name: study for group in GROUPS for study in load_group(group).studies}
    quick = [
        "grid",
        "clustering",
        "scaling",
        "rate",
        "communication",
        "model_free",
        "equal_costs",
        "scalar",
        "drift",
        "soft_clusters",
        "nonlinear",
    ]
    groups = quick if name == "quick.yaml" else GROUPS
    wanted = {study.name for group in groups for study in load_group(group).studies}
    configured = studies_of(config)
    assert set(configured) == wanted, "every study is configured, so every claim gets a verdict"
    for study, given in configured.items():
        assert cells_of(studies[study], given["options"])
