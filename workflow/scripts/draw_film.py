"""Make the film of one run: read the runs and the fleet of a scenario, write CSV, PDF, PNG and GIF."""

from collections.abc import Sequence
from pathlib import Path

from pcpo.experiments.records import read_runs
from pcpo.figures.film import save_film, table
from pcpo.fleets.files import read_fleet
from pcpo.pipeline.jobs import job


def draw_film(runs: Sequence[Path], fleet: Path, title: str, stem: Path) -> None:
    """Write the four files of a film beside each other."""
    save_film(table(read_runs(runs), read_fleet(fleet).optimal_costs, title), stem)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        draw_film(
            [Path(path) for path in snakemake.input.runs],
            Path(snakemake.input.fleet),
            snakemake.params.title,
            Path(snakemake.output.gif).with_suffix(""),
        )
