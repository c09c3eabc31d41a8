"""The workflow through executors other than the local one: the cluster-generic executor, and the profile for Slurm."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.workspace import Outcome, Workspace

FLEETS = {name: f"build/tiny/results/fleets/{name}.yaml" for name in ("pair", "single")}


@pytest.mark.slow
def test_a_cluster_of_background_processes(
    finished: tuple[Workspace, Outcome], fresh: Workspace, repository: Path
) -> None:
    """The job that succeeds makes the same bytes as locally; the one that fails is known to have failed."""
    fresh.write("fleets/single.yaml", "name: single\n")
    scripts = repository / "tests/support"
    generic = {"submit-cmd": scripts / "nohup_submit.sh", "status-cmd": scripts / "nohup_status.sh"}
    options = [f"--cluster-generic-{option}={path}" for option, path in generic.items()]
    outcome = fresh.snakemake(
        *("--executor", "cluster-generic", "--jobs", "2", "--seconds-between-status-checks", "1"),
        *(*options, *FLEETS.values()),
    )
    assert len(re.findall(r"with external jobid '", outcome.text)) == 2
    assert (fresh.root / FLEETS["pair"]).read_bytes() == (finished[0].root / FLEETS["pair"]).read_bytes()
    assert outcome.code != 0
    assert "Error in rule fleet" in outcome.text
    assert "FleetError: fleets/single.yaml" in outcome.text
    assert not (fresh.root / FLEETS["single"]).exists()


@pytest.fixture(scope="module")
def profile(repository: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((repository / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.skipif(find_spec("snakemake_executor_plugin_slurm") is None, reason="the extra `slurm` is not installed")
def test_slurm_profile_names_options_of_snakemake_and_of_the_plugin(profile: dict[str, Any]) -> None:
    from snakemake.cli import get_argument_parser

    options = set(get_argument_parser()._option_string_actions)
    assert {"--slurm-qos", "--cluster-generic-submit-cmd"} <= options
    assert {f"--{name}" for name in profile} <= options


def test_slurm_profile_keeps_what_the_default_one_says(profile: dict[str, Any], repository: Path) -> None:
    default = yaml.safe_load((repository / "profiles/default/config.yaml").read_text(encoding="utf-8"))
    assert default.items() <= profile.items()


def test_slurm_profile_has_every_rule_in_a_group(profile: dict[str, Any], repository: Path) -> None:
    """A rule without a group would be a Slurm job of seconds."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((repository / "workflow/rules").glob("*.smk")))
    rules = set(re.findall(r"^ *rule (\w+):$", text, re.MULTILINE))
    assert {"fleet", "study", "report"} <= rules
    assert profile["groups"].keys() == rules
    assert profile["group-components"].keys() <= set(profile["groups"].values())
    assert profile["set-resources"].keys() <= rules
