"""Draw a figure that compares methods: baselines, ablations, negative_transfer, variance_reduction."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pcpo.algorithms.extensions import load_extensions
from pcpo.algorithms.registry import ALGORITHMS
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.records import read_runs
from pcpo.figures import methods, negative_transfer, variance_reduction
from pcpo.figures.style import save
from pcpo.fleets.files import read_fleet
from pcpo.pipeline.jobs import job
from pcpo.theory.transfer import common_gain

TRANSFER = ("naive_average", "pcpo", "local")


def draw_methods(runs: Sequence[Path], titles: Mapping[str, str], stem: Path) -> None:
    """Figure baselines or ablations: all methods of the runs, in the order of the registry."""
    frame = read_runs(runs)
    present = set(frame["algorithm"])
    shown = {name: (entry.title, entry.sees) for name, entry in ALGORITHMS.items() if name in present}
    save(methods.table(frame, shown, titles), methods.draw, stem)


def draw_negative_transfer(
    runs: Sequence[Path], fleets: Mapping[str, Path], titles: Mapping[str, str], stem: Path
) -> None:
    """Figure negative_transfer, with the plateau that averaging over everybody must reach."""
    rows = []
    for scenario, path in fleets.items():
        found = common_gain(read_fleet(path))
        finite = found.status == "ok"
        rows += [
            {"scenario": scenario, "cluster": j, "plateau": gap if finite else None}
            for j, gap in enumerate(found.plateaus)
        ]
    shown = {name: ALGORITHMS[name].title for name in TRANSFER}
    frame = read_runs(runs)
    save(negative_transfer.table(frame, pd.DataFrame(rows), shown, titles), negative_transfer.draw, stem)


def draw_variance_reduction(runs: Sequence[Path], fleet: Path, plan: Path, stem: Path) -> None:
    """Figure variance_reduction of one scenario, all methods on PCPO's own schedule."""
    experiment = Experiment.from_dict(read_fleet(fleet), json.loads(plan.read_text(encoding="utf-8")))
    shown = {name: ALGORITHMS[name].title for name in variance_reduction.ESTIMATORS}
    predicted = variance_reduction.predicted_gaps(experiment)
    save(variance_reduction.table(read_runs(runs), predicted, shown), variance_reduction.draw, stem)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        stem = Path(snakemake.output.pdf).with_suffix("")
        paths, titles = [Path(p) for p in snakemake.input.runs], snakemake.params.titles
        if snakemake.params.figure == "methods":
            load_extensions(snakemake.params.extensions)
            draw_methods(paths, titles, stem)
        elif snakemake.params.figure == "negative_transfer":
            fleets = dict(zip(titles, map(Path, snakemake.input.fleets), strict=True))
            draw_negative_transfer(paths, fleets, titles, stem)
        else:
            draw_variance_reduction(paths, Path(snakemake.input.fleets[0]), Path(snakemake.input.plans[0]), stem)
