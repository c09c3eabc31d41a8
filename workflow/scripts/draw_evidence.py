"""Draw one figure of a group of claims from the tables of its studies."""

from collections.abc import Sequence
from pathlib import Path

from pcpo.claims.tables import tables_by_study
from pcpo.evidence.registry import GROUPS, group_drawing, load_figure, study_named
from pcpo.figures.style import save
from pcpo.pipeline.jobs import job


def draw_evidence(figure: str, paths: Sequence[Path], stem: Path) -> None:
    """Write CSV, PDF and PNG."""
    chosen = load_figure(figure)
    names = chosen.inputs or list(GROUPS[group_drawing(figure)].studies)
    save(chosen.table(tables_by_study([study_named(name) for name in names], paths)), chosen.draw, stem)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        draw_evidence(
            snakemake.wildcards.figure,
            [Path(p) for p in snakemake.input.tables],
            Path(snakemake.output.pdf).with_suffix(""),
        )
