"""Write the report: verdicts, runs, figures, comparison, deviations, provenance, in one page."""

from pathlib import Path
from typing import Any

from pcpo.evidence.registry import load_group
from pcpo.pipeline.jobs import job
from pcpo.report import build_report
from pcpo.report.comparison import pictured


def make_report(root: Path, path: Path, *, groups: list[str], figures: list[str], **shown: Any) -> None:
    """Write the report of the results under `root`; groups, figures: all that the configuration asks for."""
    chosen = {name: load_group(name) for name in groups}
    build_report(root, path, groups=chosen, figures=pictured(figures), **shown)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        make_report(
            Path(snakemake.params.root),
            Path(snakemake.output.report),
            groups=snakemake.params.groups,
            figures=snakemake.params.figures,
            reading=Path(snakemake.input.reading),
            runs=[Path(p) for p in snakemake.input.runs],
            titles=snakemake.params.titles,
        )
