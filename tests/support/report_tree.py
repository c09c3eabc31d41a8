"""Results as the workflow leaves them, in small: toy claims judged for real, or made-up rows for any claims."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from pcpo.claims.contract import (
    Claim,
    Control,
    EvidenceFigure,
    Finding,
    Group,
    Power,
    Rule,
    Study,
    Tables,
)
from pcpo.claims.findings import failures, mean, violations
from pcpo.claims.judging import VERDICT_COLUMNS, Agrees, AtMost, Never, judge
from pcpo.claims.tables import write_table
from pcpo.experiments import records
from pcpo.figures.registry import entries
from pcpo.figures.style import COLUMN, new_figure, save

PROVENANCE = {"config_hash": "c0ffee", "version": "0.0.toy", "commit": "feedbeef"}
RUNS = 150


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {"true": {"shift": 0.0}, "false": {"shift": 1.0}}


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    values = [float(np.random.default_rng(seed).normal(1.0 + cell["shift"], 0.1)) for seed in seeds]
    failed = [bool(cell["shift"]) and seed % 2 == 0 for seed in seeds]
    return pd.DataFrame({"seed": list(seeds), "ratio": values, "failed": failed, "rollouts": 10})


STUDY = Study(
    name="toy",
    title=r"Toy runs with $\Delta>0$",
    cells=_cells,
    simulate=_simulate,
    columns={"seed": "seed of the run", "ratio": r"$\hat C/C^*$, no unit", "failed": "whether", "rollouts": "number"},
)


def _part(tables: Tables, cell: str = "true") -> pd.DataFrame:
    frame = tables["toy"]
    return frame[frame["cell"] == cell]


def _wrong(tables: Tables) -> Tables:
    return {"toy": _part(tables, "false").assign(cell="true")}


CONTROL = Control("shifted", r"runs in which $\hat C$ is shifted by $1$", _wrong)
POWER = Power("the ratio is 1.1", lambda tables, level: 0.97)


def _failures(tables: Tables) -> Finding:
    return failures(int(_part(tables)["failed"].sum()), len(_part(tables)), 0.025)


def _ratio(tables: Tables) -> Finding:
    return mean(_part(tables)["ratio"].to_numpy(), 1.0, "mean ratio")


def _violations(tables: Tables) -> Finding:
    return violations(int((_part(tables)["ratio"] > 1.6).sum()), len(_part(tables)))


def _claim(name: str, title: str, measure: Any, rule: Rule, figure: str, *, primary: bool = False) -> Claim:
    return Claim(
        id=name,
        title=title,
        source="Theorem 1, eq. (10)",
        statement=r"With probability $\ge 1-\delta$, $|\hat C_i(X_i^{(l)})-C_i^*|\le\Delta_l/4$ for all $i$, $l$.",
        quantity=r"fraction of runs with $\max_{i,l}|\hat C_i-C_i^*|/(\Delta_l/4)>1$, no unit",
        measure=measure,
        rule=rule,
        controls=[CONTROL],
        power=POWER,
        figure=figure,
        primary=primary,
    )


def _draw(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(COLUMN, 2.0)
    axes = figure.subplots()
    axes.plot(numbers["x"], numbers["y"], "o-")
    axes.set_xlabel("rollouts per agent")
    axes.set_ylabel("gap (cost units)")
    return figure


def _spec(caption: str) -> EvidenceFigure:
    return EvidenceFigure("A toy", caption, lambda tables: pd.DataFrame({"x": [1, 2, 3], "y": [3.0, 2.0, 1.5]}), _draw)


CLUSTERING = Group(
    name="clustering",
    title=r"Clustering: $\mathcal{N}_i^{(l)}=\mathcal M_{\sigma(i)}$",
    introduction=r"Agents are told apart by $\hat C_i$ alone; a & b < c. See `docs/reading.md`.",
    studies=[STUDY],
    claims=[
        _claim(
            "clustering.toy_event",
            r"The good event: $\hat C_i$ near $C_i^*$",
            _failures,
            AtMost(),
            "toy_event",
            primary=True,
        ),
        _claim("clustering.toy_ratio", "The ratio is one", _ratio, Agrees(0.05), "toy_event"),
        _claim("clustering.toy_never", "Never above", _violations, Never(100), "toy_ratio"),
    ],
    figures={
        "toy_event": _spec(r"Estimated costs $\hat C_i$ with the band $\pm\Delta_l/4$ (cost units), 95 % intervals."),
        "toy_ratio": _spec(r"Ratios $\hat C/C^*$."),
        "toy_extra": _spec("A figure of no claim."),
    },
)
DEFECTS = Group(
    name="defects",
    title="Defects",
    introduction=r"What the paper overlooks when $H=1$.",
    studies=[STUDY],
    claims=[
        _claim(
            "defects.toy_defect",
            r"Offsets stay: $Y_i-Y_j$ is conserved",
            _ratio,
            Agrees(1e-6),
            "toy_defect",
            primary=True,
        )
    ],
    figures={"toy_defect": _spec(r"Offsets $\|Y_i-Y_j\|$.")},
)
TOY = {"clustering": CLUSTERING, "defects": DEFECTS}

FINAL = {"scenario": "s", "algorithm": "pcpo", "gap": 0.1, "ci_low": 0.08, "ci_high": 0.12, "failed": 0, "runs": 20}
FINAL |= {
    "rollouts": 1e5,
    "rounds": 40.0,
    "kilobytes": 12.5,
    "mode": "calibrated",
    "title": "toy fleet",
    "method": "PCPO",
}
CURVE = FINAL | {"kind": "curve", "cluster": 0, "epoch": 3, "plateau": 0.5, "diverged": 0}
RATIO = FINAL | {"algorithm": "pcpo_centred", "epoch": 3, "ratio": 0.2, "ratio_low": 0.1, "ratio_high": 0.3}
RATIO |= {"predicted_ratio": 0.25}
#: Numbers beside the figures of the comparison that have a table.
DRAWN = {"baselines": FINAL, "ablations": FINAL, "negative_transfer": CURVE, "variance_reduction": RATIO}


def picture(stem: Path, rows: pd.DataFrame) -> None:
    """A small figure with the given rows beside it."""
    save(pd.DataFrame({"x": [1, 2], "y": [1.0, 2.0]}), _draw, stem)
    rows.to_csv(stem.with_suffix(".csv"), index=False)


def made_up(group: Group) -> pd.DataFrame:
    """Rows as a group's verdicts have them, whatever its claims measure: numbers are made up."""
    rows = []
    for claim in group.claims:
        common = {"group": group.name, "claim": claim.id, "title": claim.title, "source": claim.source}
        common |= {"quantity": claim.quantity, "statistic": "made up", "mode": claim.mode, "figure": claim.figure}
        common |= {"refuted_if": claim.rule.refuted_if, "n_runs": 40, "p_value": 0.5, "p_adjusted": 0.5, "control": ""}
        common |= {"estimate": 1.0, "ci_low": 0.5, "ci_high": 1.5, "predicted": 1.0, "expected": ""}
        common |= {"trials": 40, "interval": "jackknife-t", "p_support": 0.01, "kind": claim.kind}
        common |= {"minibatch_scale": "1", "population": claim.population}
        rows.append({**common, "role": "claim", "verdict": "inconclusive"})
        controls = [{"role": "negative_control", "control": one.what, "expected": "refuted"} for one in claim.controls]
        rows += [{**common, **control, "verdict": "refuted"} for control in controls]
        nothing = dict.fromkeys(("ci_low", "ci_high", "p_value", "p_adjusted"), math.nan)
        rows.append({**common, **nothing, "role": "power", "estimate": 0.9, "predicted": 0.8, "verdict": "supported"})
    return pd.DataFrame(rows, columns=VERDICT_COLUMNS)


def toy_tables() -> dict[str, pd.DataFrame]:
    """The toy study, simulated."""
    cells = _cells({})
    return {
        "toy": pd.concat([_simulate(c, range(RUNS)).assign(cell=name) for name, c in cells.items()], ignore_index=True)
    }


def write_verdicts(root: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """results/verdicts/<group>.csv and all of them joined."""
    folder = root / "results/verdicts"
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    pd.concat(list(frames.values()), ignore_index=True).to_csv(root / "results/verdicts.csv", index=False)


def make_tree(root: Path, groups: Mapping[str, Group], frames: Mapping[str, pd.DataFrame]) -> None:
    """Verdicts, figures and a benchmark file under `root`."""
    write_verdicts(root, frames)
    (root / "figures").mkdir()
    first = root / "figures/first"
    picture(first, pd.DataFrame({"x": [1]}))
    names = {name for group in groups.values() for name in group.figures} | set(entries())
    for name in names:
        (root / f"figures/{name}.png").write_bytes(first.with_suffix(".png").read_bytes())
        rows = pd.DataFrame([DRAWN.get(name, {"epoch": 1, "gap": 0.5})])
        rows.to_csv(root / f"figures/{name}.csv", index=False)
    benchmark = root / "results/benchmarks/runs/toy.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\th:m:s\tmax_rss\tcpu_time\n12.5\t0:00:12\t300.5\t11.0\n", encoding="utf-8")


def _write_runs(path: Path) -> None:
    """Three agents of two runs: 9, 9 and 7 rollouts in the end."""
    frame = pd.DataFrame({"seed": [1, 1, 1, 1, 2], "agent": [0, 0, 1, 1, 0], "rollouts": [5.0, 9.0, 5.0, 9.0, 7.0]})
    note = json.dumps({"schema_version": records.SCHEMA_VERSION, **PROVENANCE}).encode()
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pandas(frame).replace_schema_metadata({b"pcpo": note}), path)


def toy_tree(root: Path) -> Path:
    """A complete tree of the toy groups, judged for real; notebooks are stand-ins."""
    tables = toy_tables()
    make_tree(root, TOY, {name: judge(name, group.claims, tables) for name, group in TOY.items()})
    write_table(STUDY, range(RUNS), tables["toy"], root / "results/evidence/toy/000000-000149.parquet", PROVENANCE)
    _write_runs(root / "results/runs/toy/pcpo/000000-000001.parquet")
    (root / "results/notebooks").mkdir()
    for name in (*TOY, "comparison"):
        (root / f"results/notebooks/{name}.html").write_text("<!DOCTYPE html><title>x</title>", encoding="utf-8")
    return root
