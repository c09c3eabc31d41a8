"""Results for the notebooks, made up in the form of the studies: random numbers, with the rows that do not count.

A notebook has to find the estimate of its claims in any table, so nothing is simulated; rows of controls, of other
methods and of epochs that are left out lie among the others, so that a forgotten condition changes the estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from support.report_tree import PROVENANCE, made_up, write_verdicts

from pcpo.claims.contract import Study
from pcpo.claims.tables import read_tables, write_table
from pcpo.evidence.registry import load_group
from pcpo.experiments import records
from pcpo.experiments.comparison import final_table
from pcpo.storage import tables as storage

__all__ = ["CLAIMS", "comparison_tree", "group_tree"]

#: The claims whose estimates a notebook computes, by group.
CLAIMS: Mapping[str, Sequence[str]] = {
    "clustering": ("event_22", "heterogeneity_slope"),
    "scaling": ("overlay", "size_exponent"),
    "communication": ("rounds", "no_power_of_t"),
    "grid": ("theorem_1_2", "prediction"),
    "lemmas": ("unbiased_for_smoothed", "averaging"),
    "defects": ("offsets", "plateau"),
    "surrogate": ("covariance",),
    "literal": ("event_22", "prediction"),
    "practice": ("size_slope",),
    "fedlqr": ("linear_10",),
    "hierarchical": ("complexity",),
    "coop_lsvi": ("alone", "together"),
    "rate": ("paper_rate", "best_rate"),
    "equal_costs": ("exact", "known"),
    "model_free": ("failures", "gap", "below_alone", "probing"),
    "scalar": ("price", "rounds"),
    "drift": ("false_alarms", "again_on_event", "recovered"),
    "soft_clusters": ("near_best", "together"),
    "nonlinear": ("sets", "level", "below_linearised"),
}
SEEDS = range(6)


def rows(rng: np.random.Generator, **levels: Sequence[Any]) -> pd.DataFrame:
    """Make a row for each combination of cell, seed and the given levels, with a random column `any` in (0.5, 2)."""
    index = pd.MultiIndex.from_product([levels.pop("cell"), SEEDS, *levels.values()], names=["cell", "seed", *levels])
    return pd.DataFrame({"any": rng.uniform(0.5, 2.0, len(index))}, index=index).reset_index()


def often(rng: np.random.Generator, frame: pd.DataFrame, share: float = 0.8) -> Any:
    """Return true for most of the rows, at random."""
    return rng.random(len(frame)) < share


def by(rng: np.random.Generator, frame: pd.DataFrame, *columns: str) -> pd.Series:
    """Return a random number in (0.5, 2) for each combination of values of some columns."""
    number = frame.groupby(list(columns)).ngroup()
    return number.map(pd.Series(rng.uniform(0.5, 2.0, number.max() + 1)))


def clustering(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["base", "agents_8", "noisy"], epoch=[1, 2, 3])
    role = frame["cell"].map({"noisy": "control:noisy"}).fillna("grid")
    return frame.assign(role=role, margin=frame["any"] * 0.55 + (role != "grid"), L=2, delta=0.05, exact=1, lost=0)


def heterogeneity(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["halvings_1", "halvings_2", "halvings_3"])
    Delta = frame["cell"].str[-1].astype(float)
    return frame.assign(Delta=Delta, rollouts=1e5 * frame["any"] / Delta**2, predicted_rollouts=1e5 / Delta**2)


def scaling(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["size_01", "size_04", "size_16", "control_naive_04"], epoch=[1, 2, 3, 4], cluster=[0, 1])
    frame = frame.assign(
        algorithm=np.where(frame["cell"].str.startswith("control"), "naive_average", "pcpo"),
        size=frame["cell"].str[-2:].astype(int),
        minibatch=frame["epoch"].map(lambda epoch: 4.0**epoch),
        rollouts=frame["epoch"].map(lambda epoch: 1000 * 4.0**epoch),
        clean=often(rng, frame) & (frame["epoch"] > 1),
        local_cap_active=~often(rng, frame, 0.9),
        global_cap_active=~often(rng, frame, 0.9),
        global_gap=frame["any"],
        local_gap=by(rng, frame, "cell", "seed", "epoch", "cluster"),
    )
    return frame.assign(global_overlay=by(rng, frame, "size", "epoch"), local_overlay=by(rng, frame, "epoch"))


def communication(rng: np.random.Generator) -> pd.DataFrame:
    cells = {"agents_2": "agents", "agents_4": "agents", "gap_1": "gap", "rollouts": "rollouts", "fedlqr": "time"}
    frame = rows(rng, cell=list(cells), epoch=[1, 2, 3, 4, 5])
    frame = frame.assign(sweep=frame["cell"].map(cells), algorithm="pcpo", Delta0=8.0, c2=3.0, c3=50.0, separated=1)
    frame["agents"] = frame["cell"].map({"agents_2": 2}).fillna(4).astype(int)
    Delta = frame["Delta0"] / 2.0 ** frame["epoch"]
    R = np.ceil(3.0 * np.log(50.0 * frame["agents"] / Delta**2)).clip(lower=1)
    rounds = (R + 1).groupby([frame["cell"], frame["seed"]]).cumsum()
    rounds += 1.0 * ((frame["seed"] == 3) & (frame["epoch"] == 4)) + 7.0 * (frame["sweep"] == "time")
    return frame.assign(rounds=rounds, rollouts=1000 * 4.0 ** frame["epoch"] * frame["any"])


def grid(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(
        rng, cell=["base", "agents_16", "noisy"], algorithm=["pcpo", "pcpo, without strangers"], epoch=[1, 2, 3]
    )
    frame = frame.assign(role=frame["cell"].map({"noisy": "sweep"}).fillna("grid"), L=2, early=1, delta=0.1)
    exact = often(rng, frame, 0.85).astype(int)
    return frame.assign(exact=exact, clean=often(rng, frame) * 1, capped=1 - often(rng, frame) * 1, gap=frame["any"])


def lemmas_mean(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["scalar", "two", "control:length"], component=[0, 1])
    smoothed = by(rng, frame, "cell", "component")
    return frame.assign(estimate=frame["any"], smoothed=smoothed, gradient=by(rng, frame, "component"))


def lemmas_estimates(rng: np.random.Generator) -> pd.DataFrame:
    cells = ["scalar:1", "scalar:4", "two:1", "two:16", "edge:1", "control:shared:4"]
    frame = rows(rng, cell=cells, sample=[0, 1, 2])
    return frame.assign(agents=frame["cell"].str.split(":").str[-1].astype(int), square=frame["any"], unknowns=1)


def defects_runs(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(
        rng, cell=["single", "single_rollouts", "single_sync", "single_sync_rollouts", "pair"], epoch=[1, 2, 3]
    )
    change = np.where((frame["seed"] == 2) & (frame["cell"] == "single_rollouts"), 1e-3, 1e-15)
    off = np.where((frame["seed"] < 2) & (frame["cell"] == "single"), 1.1, 1.0)
    wild = frame["cell"].str.contains("sync|pair")
    return frame.assign(offset_change=np.where(wild, 1.0, change), plateau=frame["any"], gap=frame["any"] * off)


def surrogate(rng: np.random.Generator) -> pd.DataFrame:
    cells = [f"{kind}:{M}" for kind in ("scalar", "two") for M in (10, 100, 1000)]
    frame = rows(rng, cell=cells, sample=range(5), source=["rollouts", "moments"])
    kind = frame["cell"].str.split(":").str[0]
    z = {f"z{d}": np.where((d > 0) & (kind == "scalar"), np.nan, rng.normal(0, 1.2, len(frame))) for d in range(6)}
    z |= {f"z{d}": np.full(len(frame), np.nan) for d in range(2, 6)}
    minibatch = frame["cell"].str.split(":").str[1].astype(int)
    return frame.assign(kind=kind, minibatch=minibatch, unknowns=kind.map({"scalar": 1, "two": 2}), skewness=0.5, **z)


def literal_runs(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["two", "three", "few_rollouts"], epoch=[1, 2, 3])
    role = frame["cell"].map({"few_rollouts": "control:few_rollouts"}).fillna("grid")
    margin = 0.55 * frame["any"] + (role != "grid")
    return frame.assign(role=role, kind=frame["cell"], margin=margin, L=2, delta=0.05, exact=1, lost=0)


def literal_sizes(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["sizes", "control:no_reinit"], epoch=[1, 2, 3], cluster=[0, 1, 2])
    return frame.assign(size=frame["cluster"].map({0: 1, 1: 4, 2: 16}), L=1, global_gap=frame["any"], correct=1)


def first_runs(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["homogeneous", "forced"], value=[2, 4, 8], epoch=[1, 2])
    gaps = {name: by(rng, frame, "value") for name in ("predicted_local", "predicted_global")}
    return frame.assign(global_gap=frame["any"], local_gap=by(rng, frame, "seed", "value", "epoch"), **gaps)


def sensitivity(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["step_factor", "radius_factor"], value=[0.5, 1, 2], epoch=[1, 2])
    return frame.assign(exact=often(rng, frame) * 1, infinite_global=0)


def fedlqr(rng: np.random.Generator) -> pd.DataFrame:
    cells = {"number_1": 1, "number_10": 10, "number_50": 50, "copies_10": 10, "copies_50": 50, "level_0": 10}
    frame = rows(rng, cell=list(cells), round=range(0, 60, 5))
    agents = frame["cell"].map(cells)
    own = np.where(frame["round"] == 0, 3.0, 3.0 * np.exp(-0.02 * frame["round"] * np.sqrt(agents)) * frame["any"])
    return frame.assign(agents=agents, group=frame["cell"].str.split("_").str[0], own=own)


def hierarchical_complexity(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["printed", "shrinking", "control:undecomposed"], size=[50, 100, 200])
    count = (20 * frame["any"]).astype(int).where(often(rng, frame, 0.9), -1)
    return frame.assign(per_agent=count, total=2 * count, tried=300)


def coop_lsvi_regret(rng: np.random.Generator) -> pd.DataFrame:
    names = [f"{algorithm}_{agents}_{c}" for algorithm in ("shared", "alone") for agents in (1, 4, 8) for c in (0.5, 1)]
    frame = rows(rng, cell=names, episode=[16, 32])
    parts = frame["cell"].str.split("_", expand=True)
    frame = frame.assign(algorithm=parts[0], agents=parts[1].astype(int), contrast=parts[2].astype(float))
    return frame.assign(regret=frame["any"] * frame["agents"], beta=0.3 * np.sqrt(frame["agents"]), threshold=1.0)


def rate(rng: np.random.Generator) -> pd.DataFrame:
    names = ["pcpo", "pcpo_radius_1_6", "pcpo_two_point", "pcpo_two_point_radius_1_6"]
    frame = rows(rng, cell=names, epoch=[1, 2, 3], cluster=[0, 1, 2])
    size = 4 ** ((frame["cluster"] + frame["seed"]) % 3)
    relative = size * 4.0 ** frame["epoch"] * by(rng, frame, "seed", "epoch", "cluster")
    gap = frame["any"] / np.sqrt(relative)
    return frame.assign(algorithm=frame["cell"], size=size, relative=relative, gap=gap, clean=often(rng, frame))


def rate_closed(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["10000", "1000000"])
    return frame.assign(rollouts=frame["cell"].astype(float), gap_paper=frame["any"] + 2.0)


def model_free_fleets(rng: np.random.Generator) -> pd.DataFrame:
    methods = ["auto", "alone", "pcpo", "pcpo_two_point", "local_two_point", "known"]
    frame = rows(rng, cell=["condition_3", "condition_10", "condition_30"], method=methods)
    frame = frame[(frame["method"] == "auto") | (frame["seed"] % 2 == 0)].reset_index(drop=True)
    large = by(rng, frame, "cell", "seed", "method")
    frame = frame.assign(condition=frame["cell"], failed=1 - often(rng, frame, 0.6), kept_gap=frame["any"])
    return frame.assign(large_gap=large, budget=1e5, spent=9e4, probing=1e4 * frame["any"])


def model_free_parts(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["condition_3"], method=["auto", "probing_once", "little_probing", "centred"])
    return frame.assign(condition=frame["cell"], spent=9e4, probing=1e4 * frame["any"])


def equal_costs(rng: np.random.Generator) -> pd.DataFrame:
    methods = ["pcpo_gains", "pcpo", "oracle_clusters", "local", "shuffled", "narrow"]
    frame = rows(rng, cell=["equal"], method=methods)
    even = frame["seed"] % 2 == 0
    found = frame["method"].isin(["pcpo_gains", "oracle_clusters"])
    return frame.assign(
        kind=even.map({True: "mirrored", False: "matched"}),
        promised=3,
        parted=1 + frame["seed"] % 2,
        by_costs=1000,
        epochs=4,
        exact_from=np.where(found, 1.0 + frame["seed"] % 2, np.inf),
        gap=frame["any"] * np.where(found, 1.0, 100.0),
    )


def equal_costs_near(rng: np.random.Generator) -> pd.DataFrame:
    methods = {"close": ["pcpo_gains", "pcpo"], "reflected": ["pcpo_gains_sync", "oracle_clusters", "local"]}
    return pd.concat([_near(rows(rng, cell=[cell], method=own)) for cell, own in methods.items()], ignore_index=True)


def equal_costs_toso(rng: np.random.Generator) -> pd.DataFrame:
    return _near(rows(rng, cell=["toso"], method=["pcpo_gains", "pcpo"]))


def _near(frame: pd.DataFrame) -> pd.DataFrame:
    epochs = np.where(frame["method"] == "pcpo", np.inf, 1.0)
    return frame.assign(
        kind=frame["cell"], promised=2, parted=1, by_costs=5, epochs=4, exact_from=epochs, gap=frame["any"]
    )


def scalar(rng: np.random.Generator) -> pd.DataFrame:
    cells = ["pcpo", "pcpo_scalar", "pcpo_scalar_more", "control:one_sequence"]
    frame = rows(rng, cell=cells, epoch=[1, 2, 3], cluster=[0, 1])
    fleet = {"n": 1 + frame["seed"] % 3, "m": 1 + frame["seed"] % 2, "agents": 5, "size": 1 + 3 * frame["cluster"]}
    return frame.assign(**fleet, gap=frame["any"] * (1 + frame["seed"]), clean=often(rng, frame))


def scalar_rounds(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["table, 1", "table, 4", "largest, 1", "largest, 4", "control:common, 4"])
    step = frame["cell"].str.startswith("table").map({True: "table", False: "largest"})
    return frame.assign(step=step, size=frame["cell"].str[-1].astype(int), rounds=20 * frame["any"])


def drift(rng: np.random.Generator) -> pd.DataFrame:
    frame = rows(rng, cell=["undisturbed", "switch", "drift", "control:plain", "control:blunt"], epoch=range(1, 8))
    wrong = (frame["cell"] == "control:plain") & (frame["epoch"] > 3)
    late = (frame["cell"] == "switch") & (frame["seed"] == 0) & (frame["epoch"] == 5)
    frame = frame.assign(exact=1 - (wrong | late | (frame["epoch"] < 3)), Delta=16 / 2.0 ** frame["epoch"])
    frame["step"] = by(rng, frame, "seed", "epoch") * (frame["cell"] == "drift") * (frame["epoch"] > 3)
    return frame.assign(largest=0.6 * frame["any"], worst=0.55 * frame["any"], alarm=1 * (frame["step"] > 1.2))


def soft_clusters(rng: np.random.Generator) -> pd.DataFrame:
    names = ["soft", "hard", "alone", "known", "everyone", "bias_tenth", "local"]
    frame = rows(rng, cell=["distances"], distance=["0", "1", "far"], method=names)
    return frame.assign(gap=frame["any"], everyone=often(rng, frame) * 1, exact=often(rng, frame) * 1)


def nonlinear(rng: np.random.Generator) -> pd.DataFrame:
    cells = {"linear": 0.0, "level_5": 0.05, "level_20": 0.2, "control:equal": 0.2}
    frame = rows(rng, cell=list(cells), size=[1, 2, 4])
    control = frame["cell"] == "control:equal"
    frame = frame.assign(level=frame["cell"].map(cells), role=np.where(control, "control", "grid"), gap=frame["any"])
    exact = by(rng, frame, "cell", "seed") > 0.9
    change = -frame["level"] * rng.uniform(0.9, 1.3, len(frame))
    return frame.assign(
        exact=1 * exact, change=change, gap_error=1e-3, cluster=frame.groupby(["cell", "seed"]).cumcount()
    )


MADE: Mapping[str, Callable[[np.random.Generator], pd.DataFrame]] = {
    make.__name__: make
    for group in (
        (clustering, heterogeneity, scaling, communication, grid, lemmas_mean, lemmas_estimates, defects_runs),
        (surrogate, literal_runs, literal_sizes, first_runs, sensitivity, fedlqr, hierarchical_complexity),
        (coop_lsvi_regret, rate, rate_closed, model_free_fleets, model_free_parts, scalar, scalar_rounds),
        (equal_costs, equal_costs_near, equal_costs_toso, drift, soft_clusters, nonlinear),
    )
    for make in group
}


def table_of(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    """Make the table of a study; columns that matter nowhere are random numbers or the text "calibrated"."""
    frame = MADE[study.name](rng)
    rest = [column for column in study.columns if column not in frame]
    filled = {name: "calibrated" if name == "mode" else rng.uniform(0.5, 2.0, len(frame)) for name in rest}
    frame = frame.assign(**filled)
    kept = [
        frame[(frame["cell"] == cell) & frame["seed"].isin(study.seeds_in(cell, SEEDS))]
        for cell in frame["cell"].unique()
    ]
    return pd.concat(kept, ignore_index=True)[["cell", *study.columns]]


def group_tree(root: Path, name: str, *, off: float = 0.0) -> Path:
    """Write the tables that the notebook of a group reads, and verdicts with the estimates of `CLAIMS`.

    Args:
        root: an empty folder.
        name: of the group.
        off: what is added to every estimate, to see whether the notebook notices.
    """
    group, rng = load_group(name), np.random.default_rng(5)
    tables = {}
    for study in group.studies:
        if study.name in MADE:
            path = root / f"results/evidence/{study.name}/000000-000005.parquet"
            write_table(study, SEEDS, table_of(study, rng), path, PROVENANCE)
            tables[study.name] = read_tables(study, [path])
    verdicts = made_up(group)
    for claim in group.claims:
        if claim.id.split(".")[1] in CLAIMS[name]:
            found = claim.measure(tables)
            assert math.isfinite(found.estimate), claim.id
            chosen = (verdicts["claim"] == claim.id) & (verdicts["role"] == "claim")
            verdicts.loc[chosen, ["estimate", "predicted"]] = [found.estimate + off, found.predicted]
    write_verdicts(root, {name: verdicts})
    return root


def comparison_tree(root: Path, *, off: float = 0.0) -> Path:
    """Write runs of two methods with the numbers of the figures; `off` is added to the gaps of `baselines`."""
    rng = np.random.default_rng(6)
    frame = rows(rng, cell=["pcpo", "local"], epoch=[1, 2], agent=[0, 1, 2]).rename(columns={"cell": "algorithm"})
    frame = frame.assign(
        scenario="toys", mode="calibrated", cluster=(frame["agent"] > 0) * 1, status="ok", set_correct=True
    )
    frame = frame.assign(
        global_gap=frame["any"], rollouts=1000 * 4.0 ** frame["epoch"], Delta=8 / 2.0 ** frame["epoch"]
    )
    lists = {name: [[0.5]] * len(frame) for name in ("local_gain", "global_gain")} | {"neighbours": [[0]] * len(frame)}
    other = {name: 1 for name in records.RUN_SCHEMA.names if name not in frame and name not in lists}
    flags = {name: False for name in ("local_cap_active", "global_cap_active", "reinitialised")}
    frame = frame.assign(**{**other, **flags}, **lists)[records.RUN_SCHEMA.names]
    note = {"schema_version": records.SCHEMA_VERSION, **PROVENANCE}
    (root / "figures").mkdir(parents=True)
    for name, part in frame.groupby("algorithm"):
        path = root / f"results/runs/toys/{name}/000000-000005.parquet"
        path.parent.mkdir(parents=True)
        storage.write_table(part, path, b"pcpo", note, records.RUN_SCHEMA)
    final = final_table(frame).assign(method=lambda found: found["algorithm"], sees="rollout costs")
    curve = pd.DataFrame(
        {"scenario": "toys", "rollouts": [1e3, 1e4], "gap": [1.0, 0.5], "cluster": 0, "algorithm": "pcpo"}
    )
    pairs = [
        {"kind": "pair", "epoch": 1, "row": i, "column": float(j), "fraction": 1.0} for i in range(2) for j in range(2)
    ]
    drawn = {
        "baselines": final.assign(gap=final["gap"] + off),
        "ablations": final,
        "elimination": pd.DataFrame(pairs),
        "learning_curves": curve.assign(series="local", predicted=[0.9, 0.6]),
        "negative_transfer": curve.assign(kind="curve", plateau=0.4),
        "variance_reduction": curve.assign(ratio=0.5, predicted_ratio=0.4),
    }
    for name, numbers in drawn.items():
        numbers.to_csv(root / f"figures/{name}.csv", index=False)
    return root
