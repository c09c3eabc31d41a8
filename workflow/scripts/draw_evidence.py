"""One figure of a group of claims, from the tables of its studies."""

from collections.abc import Sequence
from pathlib import Path

from pcpo.claims.tables import tables_by_study
from pcpo.evidence import group_drawing, load_group
from pcpo.figures.style import save
from pcpo.pipeline.jobs import job


def draw_evidence(figure: str, paths: Sequence[Path], stem: Path) -> None:
    """CSV, PDF and PNG."""
    group = load_group(group_drawing(figure))
    chosen = group.figures[figure]
    save(chosen.table(tables_by_study(group, paths)), chosen.draw, stem)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        draw_evidence(
            snakemake.wildcards.figure,
            [Path(p) for p in snakemake.input.tables],
            Path(snakemake.output.pdf).with_suffix(""),
        )
