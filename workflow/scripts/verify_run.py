"""Compare a finished run with the one that the repository knows; fails, and says what differs, if it is another."""

import logging
from pathlib import Path

from pcpo.errors import ResultsError
from pcpo.pipeline.jobs import job
from pcpo.storage.verify import AGREEING, compared, fingerprints, read_known, summary


def verify_run(root: Path, known: Path, log: logging.Logger) -> None:
    """Log every file that has other bits; raises ResultsError if any differs by more than its last bits."""
    rows = compared(read_known(known), fingerprints(root))
    for line in summary(rows):
        log.warning(line)
    if not rows["status"].isin(AGREEING).all():
        raise ResultsError(f"{root}: found other results than those of {known}, listed above")


if __name__ == "__main__":
    with job(snakemake.log[0]) as logger:
        logger.handlers[1].setLevel(logging.WARNING)
        verify_run(Path(snakemake.params.root), Path(snakemake.input.known), logger)
