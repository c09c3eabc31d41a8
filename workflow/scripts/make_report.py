"""Write the report: verdicts, figures, comparison, deviations, provenance, in one page."""

from collections.abc import Sequence
from pathlib import Path

from pcpo.jobs import job
from pcpo.report import build_report
from pcpo.report.comparison import PICTURES


def make_report(root: Path, figures: Sequence[str], reading: Path, path: Path, *, fedlqr: bool) -> None:
    """Write the report of the results under `root`; figures: all that the configuration draws."""
    chosen = [name for name in PICTURES if name in figures]
    build_report(root, path, figures=chosen, fedlqr=fedlqr, reading=reading)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        make_report(
            Path(snakemake.params.root),
            snakemake.params.figures,
            Path(snakemake.input.reading),
            Path(snakemake.output.report),
            fedlqr=snakemake.params.fedlqr,
        )
