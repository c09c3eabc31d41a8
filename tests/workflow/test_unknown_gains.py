"""A fleet file without a stabilising gain: the workflow runs pcpo_auto on it, and refuses a schedule beforehand."""

from __future__ import annotations

import numpy as np
from support.workspace import FLEET, Workspace, edited

from pcpo.experiments.records import read_runs

UNKNOWN = FLEET.replace("0.9", "1.9").replace("zero", "unknown")
RUNS = "build/tiny/results/runs/single/pcpo_auto/000005-000005.parquet"


def test_runs_without_a_schedule_and_no_schedule_without_gains(fresh: Workspace) -> None:
    fresh.write("fleets/single.yaml", UNKNOWN)
    before = fresh.files()
    refused = fresh.snakemake("--cores", "1")
    assert refused.code != 0
    assert (
        "ConfigError: scenarios.single.fleet.file: found initial_gains unknown in fleets/single.yaml with a schedule, "
        "expected gains of finite cost; "
    ) in refused.text
    assert "Traceback" not in refused.text
    assert fresh.files() == before

    config = edited(
        scenarios__single__algorithms=["pcpo_auto"],
        scenarios__single__budget={"rollouts": 40_000},
        scenarios__single__oracle="moments",
    )
    del config["scenarios"]["single"]["schedule"]
    fresh.configure(config)
    outcome = fresh.snakemake("--cores", "1", RUNS)
    assert outcome.code == 0, outcome.text
    runs = read_runs([fresh.root / RUNS])
    assert set(runs["algorithm"]) == {"pcpo_auto"}
    assert set(runs["mode"]) == {"model-free, annealed first, moment oracle"}
    assert np.isfinite(runs["global_cost"]).all()
    assert "initial_gains: unknown" in (fresh.root / "build/tiny/results/fleets/single.yaml").read_text(
        encoding="utf-8"
    )
