"""Reduce the records of a run to a row per (epoch, cluster), where a row per agent is too much.

Names of columns say what was done, so that no mean of means passes for a mean over agents: `mean_global_gap` has to be
weighted by `agents` (`pcpo.experiments.comparison.run_means`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pcpo.arrays import FloatArray, IntArray
from pcpo.neighbourhoods import Neighbourhoods

__all__ = ["CLUSTER_SCHEMA", "by_cluster", "reduced", "shares_of_lists", "shares_of_sets"]

_MEANS = ("radius_global", "cost_estimate", "local_cost", "global_cost", "local_gap", "global_gap", "set_size")
_RHOS = ("local_rho", "global_rho", "local_discounted_rho", "global_discounted_rho")
_OF_RUN = ("scenario", "algorithm", "mode", "seed")
_OF_EPOCH = ("Delta", "minibatch", "iterations", "step_size", "radius_local", "local_cap_active", "reinitialised")
_SPENT = ("rollouts", "rounds", "messages_up", "messages_down", "bytes_up", "bytes_down")

#: Columns: what the run, the epoch or the server has, as in `records.RUN_SCHEMA`; over the agents of the cluster,
#: means, extremes and numbers of agents: `capped` whose cap was active, `correct` whose set is the true cluster,
#: `local_infinite` and `global_infinite` whose policy has infinite cost, and the sum `nonfinite`; and `shares`, for
#: every cluster the fraction of pairs (i in this cluster, j in that one) with j ∈ N_i.
CLUSTER_SCHEMA = pa.schema(
    [
        ("scenario", pa.string()),
        ("algorithm", pa.string()),
        ("mode", pa.string()),
        ("seed", pa.int64()),
        ("epoch", pa.int32()),
        ("cluster", pa.int32()),
        ("agents", pa.int32()),
        ("Delta", pa.float64()),
        ("minibatch", pa.float64()),
        ("iterations", pa.int64()),
        ("step_size", pa.float64()),
        ("radius_local", pa.float64()),
        ("local_cap_active", pa.bool_()),
        ("capped", pa.int32()),
        *((f"mean_{name}", pa.float64()) for name in _MEANS),
        *((f"{end}_cost_estimate", pa.float64()) for end in ("least", "largest")),
        *((f"worst_{name}", pa.float64()) for name in ("local_gap", "global_gap", *_RHOS)),
        *((f"{end}_set_size", pa.int32()) for end in ("least", "largest")),
        ("correct", pa.int32()),
        ("local_infinite", pa.int32()),
        ("global_infinite", pa.int32()),
        ("reinitialised", pa.bool_()),
        ("rollouts", pa.float64()),
        *((name, pa.int64()) for name in _SPENT[1:]),
        ("nonfinite", pa.int64()),
        ("shares", pa.list_(pa.float64())),
    ]
)


def reduced(frame: pd.DataFrame) -> pd.DataFrame:
    """Reduce the rows of the agents of one epoch to a row per cluster, ascending; all columns but those of the run.

    Args:
        frame: the columns of `records.RUN_SCHEMA` that are not lists or texts.
    """
    groups = frame.groupby("cluster")
    first = groups[[*_OF_EPOCH, *_SPENT, "epoch"]].first()
    means = groups[list(_MEANS)].mean().add_prefix("mean_")
    worst = groups[["local_gap", "global_gap", *_RHOS]].max().add_prefix("worst_")
    ends = [getattr(groups[["cost_estimate", "set_size"]], end)() for end in ("min", "max")]
    infinite = ~np.isfinite(frame[["local_gap", "global_gap"]].to_numpy())
    counts = frame[["cluster", "nonfinite"]].assign(
        agents=1,
        capped=frame["global_cap_active"].astype(np.int64),
        correct=frame["set_correct"].astype(np.int64),
        local_infinite=infinite[:, 0].astype(np.int64),
        global_infinite=infinite[:, 1].astype(np.int64),
    )
    parts = [first, means, worst, ends[0].add_prefix("least_"), ends[1].add_prefix("largest_")]
    table: pd.DataFrame = pd.concat([*parts, counts.groupby("cluster").sum()], axis=1).reset_index()
    return table


def shares_of_sets(sets: Neighbourhoods, labels: IntArray) -> FloatArray:
    """Return the fraction of pairs (i in cluster a, j in cluster b) with j ∈ N_i, ``(H, H)``."""
    sizes = np.bincount(labels)
    return sets.pairs(labels) / (sizes[:, None] * sizes[None, :])


def shares_of_lists(lists: list[IntArray], labels: IntArray) -> FloatArray:
    """Return what `shares_of_sets` does, for the members of every N_i."""
    sizes = np.bincount(labels)
    H, owner = len(sizes), np.repeat(labels, [len(members) for members in lists])
    pairs = np.bincount(owner * H + labels[np.concatenate(lists)], minlength=H * H).reshape(H, H)
    found: FloatArray = pairs / (sizes[:, None] * sizes[None, :])
    return found


def by_cluster(runs: pd.DataFrame) -> pd.DataFrame:
    """Reduce rows per agent to the columns of `CLUSTER_SCHEMA`; rows per cluster are returned as they are."""
    if "agents" in runs:
        return runs
    found = []
    for key, part in runs.groupby([*_OF_RUN, "epoch"], sort=False):
        part = part.sort_values("agent")
        labels = part["cluster"].to_numpy().astype(np.int64)
        rows = reduced(part.drop(columns="neighbours"))
        shares = shares_of_lists(part["neighbours"].to_list(), labels)
        named: dict[str, Any] = dict(zip(_OF_RUN, key, strict=False))
        found.append(rows.assign(shares=list(shares), **named))
    table: pd.DataFrame = pd.concat(found, ignore_index=True)[CLUSTER_SCHEMA.names]
    return table
