"""Execute a notebook on the results of this configuration and write it as one page."""

from pathlib import Path

from pcpo.pipeline.jobs import job
from pcpo.report.notebooks import run_notebook

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        run_notebook(
            Path(snakemake.input.notebook),
            Path(snakemake.output.page),
            Path(snakemake.params.root),
            figures=snakemake.params.get("figures"),
        )
