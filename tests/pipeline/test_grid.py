"""Check what is said of a grid before anything runs, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pcpo.errors import BudgetError, ConfigError
from pcpo.pipeline.config import check_jobs, check_seeds, read_configuration, studies_of
from pcpo.pipeline.grid import check_grid, core_seconds, in_sentences
from pcpo.schema import load_schema, validated


@pytest.fixture
def configured(repository: Path) -> Mapping[str, Any]:
    """Return a function that validates the quick configuration with another grid."""
    schema = load_schema(repository / "workflow/schemas/config.schema.yaml")
    quick = read_configuration([repository / "config/quick.yaml"])

    def make(**changed: Any) -> dict[str, Any]:
        config: dict[str, Any] = validated({**quick, "grid": {**quick["grid"], **changed}}, schema)
        return config

    return make  # type: ignore[return-value]


def test_the_key_makes_four_studies_with_shared_axes(configured: Any) -> None:
    studies = studies_of(configured())
    assert [name for name in studies if name.startswith("grid")] == [
        "grid",
        "grid_controls",
        "grid_methods",
        "grid_audit",
    ]
    axes = studies["grid"]["options"]
    assert axes["agents"] == [8, 4]
    assert studies["grid_methods"]["options"].keys() - axes.keys() == {"methods"}
    assert (studies["grid"]["first"], studies["grid"]["count"], studies["grid"]["per_job"]) == (300, 2, 10)


def test_entries_under_evidence_are_refused(configured: Any) -> None:
    config = configured()
    config["evidence"]["grid"] = {"first": 0, "count": 1, "options": {}}
    with pytest.raises(ConfigError, match=r"evidence\.grid: found an entry, expected the key grid at the top level"):
        studies_of(config)


def test_a_line_says_cells_fleets_and_core_hours(configured: Any) -> None:
    (line,) = in_sentences(configured())
    found = core_seconds(configured())
    # base, agents_4, separation_0.4; seven controls; one cell of methods and one of the audit
    assert len(found) == 3 + 7 + 1 + 1
    assert line.startswith("The grid has 12 cells with 24 fleets in all: about ")
    assert in_sentences({k: v for k, v in configured().items() if k != "grid"}) == []


def test_methods_that_answer_round_by_round_and_tuning_are_counted(configured: Any) -> None:
    def seconds(algorithms: list[str], step_scales: list[float]) -> float:
        methods = {"count": 1, "cells": ["base"], "algorithms": algorithms, "step_scales": step_scales}
        return core_seconds(configured(methods=methods))["grid_methods, cell base"][1]

    few, tuned, slow = (
        seconds(["pcpo", "local"], [1]),
        seconds(["pcpo", "local"], [1, 0.5]),
        seconds(["pcpo", "ifca"], [1]),
    )
    assert tuned == pytest.approx(3 * few)  # a run with each step, and one with the chosen step
    assert slow > 10 * few
    ((_, of_grid),) = [value for name, value in core_seconds(configured()).items() if name == "grid, cell base"]
    assert few == pytest.approx(of_grid)  # two methods, and one-shot told two wrong Δ, of a quarter each


def test_cells_and_grids_beyond_the_limits_are_refused_with_their_hours(configured: Any) -> None:
    check_grid(configured())
    per_run = {"core_hours_per_run": 0.001, "core_hours": 500, "memory_gib": 4}
    with pytest.raises(BudgetError, match=r"grid, cell agents_10000: found about [\d.]+ core hours for one fleet"):
        check_grid(configured(agents=[8, 4, 10_000]) | {"limits": per_run})
    in_all = {"core_hours_per_run": 1, "core_hours": 0.001, "memory_gib": 4}
    with pytest.raises(BudgetError, match=r"grid: found about [\d.e-]+ core hours, of which .* in grid_\w+, cell"):
        check_grid(configured() | {"limits": in_all})


def test_seeds_and_jobs_of_the_grid_are_checked(configured: Any) -> None:
    with pytest.raises(ConfigError, match=r"grid\.fleets: found 3 seeds from 9223372036854775806"):
        check_seeds(configured(fleets={"first": 2**63 - 2, "count": 3}))
    with pytest.raises(ConfigError, match=r"grid\.fleets: found 200000 jobs"):
        check_jobs(configured(fleets={"count": 200_000, "per_job": 1}))


@pytest.mark.parametrize("wrong", [{"fleets": {"count": 0}}, {"fleets": {}}, {"fleets": {"count": 1, "seed": 3}}])
def test_fleets_are_counted(configured: Any, wrong: Mapping[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"grid\.fleets"):
        configured(**wrong)
