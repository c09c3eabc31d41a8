"""Figure fedlqr_replication and the table of FedLQR's claims, from the runs of all conditions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pcpo.evidence.fedlqr import figures as fedlqr_replication
from pcpo.evidence.fedlqr.claims import claims_table
from pcpo.evidence.fedlqr.records import read
from pcpo.evidence.fedlqr.studies import floors
from pcpo.figures.style import save
from pcpo.pipeline.jobs import job
from pcpo.storage.files import replacing


def exact_floors(settings: Mapping[str, Any]) -> pd.DataFrame:
    """Gaps of the best common gains of the configured fleets."""
    return floors(fleet_seed=settings["seed"])


def draw_replication(runs: Sequence[Path], settings: Mapping[str, Any], stem: Path) -> None:
    """Figure fedlqr_replication."""
    save(fedlqr_replication.table(read(runs), exact_floors(settings)), fedlqr_replication.draw, stem)


def write_claims(runs: Sequence[Path], settings: Mapping[str, Any], path: Path) -> None:
    """The claims with statistics, intervals and verdicts, as CSV."""
    with replacing(path) as temporary:
        claims_table(read(runs), exact_floors(settings)).to_csv(temporary, index=False)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        files, settings = [Path(p) for p in snakemake.input.runs], snakemake.params.settings
        if snakemake.params.task == "judge":
            write_claims(files, settings, Path(snakemake.output.claims))
        else:
            draw_replication(files, settings, Path(snakemake.output.pdf).with_suffix(""))
