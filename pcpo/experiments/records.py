"""Evaluate a run against the true systems as a tidy table, and write and read that table.

Evaluation is outside the algorithm: it knows A, B, Q, R and turns iterates into exact gaps (Lyapunov, never rollouts).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pcpo import lqr
from pcpo.algorithms.protocol import EpochReport, RunResult, Status
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError, ResultsError
from pcpo.experiments.clusters import CLUSTER_SCHEMA, by_cluster, reduced, shares_of_sets
from pcpo.fleets.fleet import Fleet
from pcpo.storage.tables import read_note, read_table, write_table

__all__ = ["RUN_SCHEMA", "SCHEMA_VERSION", "evaluate", "read_provenance", "read_runs", "write_runs"]

SCHEMA_VERSION = "1"
_METADATA_KEY = b"pcpo"
_KEY = ["scenario", "algorithm", "seed", "epoch"]

# Counts that literal mode takes beyond 2^63 are doubles: exact up to 2^53.
RUN_SCHEMA = pa.schema(
    [
        ("scenario", pa.string()),
        ("algorithm", pa.string()),
        ("mode", pa.string()),
        ("seed", pa.int64()),
        ("epoch", pa.int32()),
        ("agent", pa.int32()),
        ("cluster", pa.int32()),
        ("Delta", pa.float64()),
        ("minibatch", pa.float64()),
        ("iterations", pa.int64()),
        ("step_size", pa.float64()),
        ("radius_local", pa.float64()),
        ("radius_global", pa.float64()),
        ("local_cap_active", pa.bool_()),
        ("global_cap_active", pa.bool_()),
        ("cost_estimate", pa.float64()),
        ("local_cost", pa.float64()),
        ("global_cost", pa.float64()),
        ("local_gap", pa.float64()),
        ("global_gap", pa.float64()),
        ("local_rho", pa.float64()),
        ("global_rho", pa.float64()),
        ("local_discounted_rho", pa.float64()),
        ("global_discounted_rho", pa.float64()),
        ("set_size", pa.int32()),
        ("set_correct", pa.bool_()),
        ("reinitialised", pa.bool_()),
        ("rollouts", pa.float64()),
        ("rounds", pa.int64()),
        ("messages_up", pa.int64()),
        ("messages_down", pa.int64()),
        ("bytes_up", pa.int64()),
        ("bytes_down", pa.int64()),
        ("nonfinite", pa.int64()),
        ("status", pa.string()),
        ("neighbours", pa.list_(pa.int32())),
        ("local_gain", pa.list_(pa.float64())),
        ("global_gain", pa.list_(pa.float64())),
    ]
)


def _statuses(local_gap: FloatArray, global_gap: FloatArray) -> list[str]:
    """Return the status of every agent with these gaps."""
    names = np.array([Status.OK, Status.LOCAL_INFINITE, Status.GLOBAL_INFINITE, Status.BOTH_INFINITE], dtype=object)
    found = names[~np.isfinite(local_gap) + 2 * ~np.isfinite(global_gap)]
    return [status.value for status in found]


def _policy_columns(fleet: Fleet, gains: FloatArray, prefix: str) -> dict[str, Any]:
    """Return the columns of one of the two policies of every agent, exact."""
    rho = lqr.spectral_radius(fleet.stacked, gains)
    return {
        f"{prefix}_cost": fleet.costs(gains),
        f"{prefix}_gap": fleet.gaps(gains),
        f"{prefix}_rho": rho,
        f"{prefix}_discounted_rho": np.sqrt(fleet.gamma) * rho,
    }


def _epoch_frame(fleet: Fleet, report: EpochReport) -> pd.DataFrame:
    """Return one row per agent; every gap is exact, and infinite where the policy has infinite cost."""
    plan, traffic = report.plan, report.traffic
    columns: dict[str, Any] = {
        "epoch": plan.epoch,
        "agent": np.arange(fleet.N),
        "cluster": fleet.labels,
        "Delta": plan.Delta,
        "minibatch": float(plan.minibatch),
        "iterations": plan.iterations,
        "step_size": plan.step_size,
        "radius_local": plan.radius_local,
        "radius_global": report.radii_global,
        "local_cap_active": plan.local_cap_active,
        "global_cap_active": report.global_cap_active,
        "cost_estimate": report.cost_estimates,
        **_policy_columns(fleet, report.local_gains, "local"),
        **_policy_columns(fleet, report.global_gains, "global"),
        "set_size": report.neighbourhoods.sizes,
        "set_correct": report.neighbourhoods.correct(fleet.labels),
        "reinitialised": report.reinitialised,
        "rollouts": float(report.rollouts),
        **vars(traffic),
        "nonfinite": report.nonfinite,
    }
    return pd.DataFrame(columns)


def _agent_rows(fleet: Fleet, report: EpochReport) -> pd.DataFrame:
    """Return one row per agent, with what is a list or a text."""
    frame = _epoch_frame(fleet, report)
    texts: dict[str, Any] = dict(
        status=_statuses(frame["local_gap"].to_numpy(), frame["global_gap"].to_numpy()),
        neighbours=report.neighbourhoods.lists(),
        local_gain=list(report.local_gains.reshape(fleet.N, -1)),
        global_gain=list(report.global_gains.reshape(fleet.N, -1)),
    )
    return frame.assign(**texts)


def _cluster_rows(fleet: Fleet, report: EpochReport) -> pd.DataFrame:
    """Return one row per cluster."""
    rows = reduced(_epoch_frame(fleet, report))
    return rows.assign(shares=list(shares_of_sets(report.neighbourhoods, fleet.labels)))


_KINDS: Mapping[str, tuple[Callable[[Fleet, EpochReport], pd.DataFrame], pa.Schema]] = {
    "agents": (_agent_rows, RUN_SCHEMA),
    "clusters": (_cluster_rows, CLUSTER_SCHEMA),
}


def evaluate(
    fleet: Fleet | Callable[[int], Fleet], result: RunResult, *, scenario: str, seed: int, rows: str = "agents"
) -> pd.DataFrame:
    """Return the run as a tidy table.

    Args:
        fleet: the true systems, or a function that returns those of an epoch.
        result: the run.
        scenario: label in the table.
        seed: of the run.
        rows: "agents" for a row per (epoch, agent) with the columns of `RUN_SCHEMA`, "clusters" for a row per (epoch,
            cluster) with those of `clusters.CLUSTER_SCHEMA`.
    """
    if rows not in _KINDS:
        raise ConfigError(f"rows: found {rows!r}, expected one of {', '.join(_KINDS)}")
    make, schema = _KINDS[rows]
    true = fleet if callable(fleet) else lambda epoch: fleet
    frame = pd.concat([make(true(report.plan.epoch), report) for report in result.epochs], ignore_index=True)
    named = frame.assign(scenario=scenario, algorithm=result.algorithm, mode=result.mode, seed=seed)
    table: pd.DataFrame = named[schema.names]
    return table


def write_runs(frame: pd.DataFrame, path: Path | str, provenance: Mapping[str, object]) -> None:
    """Write runs as parquet with `provenance` in the file's metadata, atomically."""
    schema = CLUSTER_SCHEMA if "agents" in frame else RUN_SCHEMA
    write_table(frame, path, _METADATA_KEY, {"schema_version": SCHEMA_VERSION, **provenance}, schema)


def read_provenance(path: Path | str) -> dict[str, object]:
    """Read the provenance that `write_runs` stored; ResultsError if the file was not written by it."""
    return read_note(path, _METADATA_KEY, SCHEMA_VERSION)


def read_runs(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Read and join results files.

    If a file has rows per cluster, all are reduced to those (`clusters.CLUSTER_SCHEMA`).  cost_estimate may be NaN for
    all agents of an epoch: the method then estimated no cost.

    Raises:
        ResultsError: naming the file, if it is missing, damaged, of another schema version, or has other columns, other
            types or NaN; and if a (scenario, algorithm, seed, epoch, agent) occurs twice or a run lacks an epoch or an
            agent.
    """
    frames = {Path(path): _read_one(Path(path)) for path in paths}
    if not frames:
        raise ResultsError("no results files were given")
    _check_once(frames)
    if any("agents" in frame for frame in frames.values()):
        frames = {path: by_cluster(frame) for path, frame in frames.items()}
    frame = pd.concat(frames.values(), ignore_index=True)
    _check_complete(frame)
    return frame


def _read_one(path: Path) -> pd.DataFrame:
    """Read one file and check its columns."""
    read_provenance(path)
    table = read_table(path)
    name, schema = ("CLUSTER_SCHEMA", CLUSTER_SCHEMA) if "agents" in table.schema.names else ("RUN_SCHEMA", RUN_SCHEMA)
    if table.schema.names != schema.names:
        raise ResultsError(f"{path}: found columns {table.schema.names}, expected {schema.names}")
    if not table.schema.equals(schema):
        wrong = next(a for a, b in zip(table.schema, schema, strict=True) if not a.equals(b))
        raise ResultsError(f"{path}: found column {wrong.name} of type {wrong.type}, expected another ({name})")
    frame: pd.DataFrame = table.to_pandas()
    prefix = "mean_" if schema is CLUSTER_SCHEMA else ""
    for column in ("Delta", f"{prefix}local_gap", f"{prefix}global_gap"):
        if frame[column].isna().any():
            raise ResultsError(f"{path}: found NaN in column {column}, expected numbers")
    missing, who = frame[f"{prefix}cost_estimate"].isna(), "clusters" if prefix else "agents"
    if missing.any() and (missing.groupby([frame[k] for k in _KEY]).nunique() > 1).any():
        raise ResultsError(
            f"{path}: found NaN in column {prefix}cost_estimate, expected numbers for all {who} or for none"
        )
    return frame


def _check_once(frames: Mapping[Path, pd.DataFrame]) -> None:
    """Raise ResultsError if two files hold the same run; batches of an earlier configuration can lie beside others."""
    seen: dict[tuple[object, ...], Path] = {}
    for path, frame in frames.items():
        for run in frame[_KEY[:3]].drop_duplicates().itertuples(index=False, name=None):
            if (other := seen.setdefault(run, path)) != path:
                key = [*_KEY, _member(frame)]
                found = next(dict(row) for row in frame[key].to_dict("records") if tuple(row.values())[:3] == run)
                raise ResultsError(
                    f"results: {found} occurs more than once, in {other} and in {path}, "
                    "expected each run in one file only"
                )


def _check_complete(frame: pd.DataFrame) -> None:
    """Raise ResultsError unless every run has each of its epochs and agents, or clusters, exactly once."""
    key = [*_KEY, _member(frame)]
    twice = frame.duplicated(key)
    if twice.any():
        found = frame[twice].iloc[0][key].to_dict()
        raise ResultsError(f"results: {found} occurs more than once, expected each run in one file only")
    sizes = frame.groupby(key[:4]).size().groupby(level=[0, 1, 2])
    uneven = sizes.max()[sizes.min() != sizes.max()]
    if len(uneven):
        raise ResultsError(f"results: {_run(uneven)} lacks {_ONE[key[4]]}, expected {uneven.iloc[0]} in every epoch")
    epochs = frame.groupby(key[:3])["epoch"].agg(["nunique", "max"])
    short = epochs[epochs["nunique"] != epochs["max"]]
    if len(short):
        raise ResultsError(f"results: {_run(short)} lacks an epoch, expected epochs 1 to {short['max'].iloc[0]}")


_ONE = {"agent": "an agent", "cluster": "a cluster"}


def _member(frame: pd.DataFrame) -> str:
    """Return what a row of an epoch is about, an agent or a cluster."""
    return "cluster" if "agents" in frame else "agent"


def _run(found: pd.Series | pd.DataFrame) -> str:
    """Name the first run of an index of (scenario, algorithm, seed)."""
    scenario, algorithm, seed = found.index[0]
    return f"scenario {scenario}, algorithm {algorithm}, seed {seed}"
