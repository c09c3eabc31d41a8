"""Join the verdicts of groups into one table; a claim without a negative control is an error."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pcpo.claims.judging import require_controls
from pcpo.pipeline.jobs import job
from pcpo.report.store import read_verdicts
from pcpo.storage.files import replacing


def join_verdicts(parts: Sequence[Path], path: Path) -> None:
    """Join, check and write."""
    verdicts = pd.concat([read_verdicts(part) for part in parts], ignore_index=True)
    require_controls(verdicts)
    with replacing(path) as temporary:
        verdicts.to_csv(temporary, index=False)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        join_verdicts([Path(p) for p in snakemake.input.parts], Path(snakemake.output.verdicts))
