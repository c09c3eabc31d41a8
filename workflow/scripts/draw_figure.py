"""Draw one figure of runs: read what its entry wants, make the table of the numbers drawn, write CSV, PDF and PNG."""

from pathlib import Path

from pcpo.algorithms.extensions import load_extensions
from pcpo.figures.registry import Results, load_figure
from pcpo.figures.style import save
from pcpo.pipeline.jobs import job


def draw_figure(figure: str, results: Results, stem: Path) -> None:
    """Write the three files of a figure beside each other."""
    entry = load_figure(figure)
    save(entry.table(results), entry.draw, stem)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        load_extensions(snakemake.params.extensions)
        titles = snakemake.params.titles
        found = Results(
            titles,
            run_files=[Path(path) for path in snakemake.input.runs],
            fleet_files=dict(zip(titles, map(Path, snakemake.input.fleets), strict=bool(snakemake.input.fleets))),
            plan_files=dict(zip(titles, map(Path, snakemake.input.plans), strict=bool(snakemake.input.plans))),
        )
        draw_figure(snakemake.wildcards.picture, found, Path(snakemake.output.pdf).with_suffix(""))
