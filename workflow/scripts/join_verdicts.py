"""results/verdicts.csv: the verdicts of all groups; fails loudly if a negative control was not refuted."""

from collections.abc import Sequence
from pathlib import Path

from pcpo.claims.judging import read_verdicts, require_controls
from pcpo.files import replacing
from pcpo.jobs import job


def join_verdicts(parts: Sequence[Path], path: Path) -> None:
    """Join, check and write."""
    verdicts = read_verdicts(parts)
    require_controls(verdicts)
    with replacing(path) as temporary:
        verdicts.to_csv(temporary, index=False)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        join_verdicts([Path(p) for p in snakemake.input.parts], Path(snakemake.output.verdicts))
