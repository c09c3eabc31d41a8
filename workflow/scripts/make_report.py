"""Write the report: verdicts, runs, figures, comparison, deviations, provenance, in one page."""

from pathlib import Path
from typing import Any

from pcpo.pipeline.jobs import job
from pcpo.report import build_report
from pcpo.report.comparison import pictured


def make_report(root: Path, path: Path, *, evidence: bool, figures: list[str], **shown: Any) -> None:
    """Write the report of the results under `root`; figures: all that the configuration draws."""
    build_report(root, path, groups=None if evidence else {}, figures=pictured(figures), **shown)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        make_report(
            Path(snakemake.params.root),
            Path(snakemake.output.report),
            evidence=snakemake.params.evidence,
            figures=snakemake.params.figures,
            fedlqr=snakemake.params.fedlqr,
            reading=Path(snakemake.input.reading),
            runs=[Path(p) for p in snakemake.input.runs],
            titles=snakemake.params.titles,
        )
