"""Renew the numbers with which tests draw every figure: `python -m tools.figure_numbers figures build/quick/figures`.

Each figure's CSV is taken from the first folder that has it, with four digits; those that stay larger than 60 kB, and
all but one of the figures `elimination_<scenario>`, are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from pcpo.evidence.registry import GROUPS
from pcpo.figures.registry import entries

__all__ = ["FOLDER", "LARGEST", "figure_ids", "main"]

FOLDER = Path(__file__).parents[1] / "tests/figures/numbers"
LARGEST = 60_000  # bytes


def figure_ids() -> list[str]:
    """List the ids of all figures of runs and of evidence."""
    return [*entries(), *(name for group in GROUPS.values() for name in group.figures)]


def renew(folders: Iterable[Path]) -> list[str]:
    """Write the numbers of every figure that a folder has; returns the ids of the others."""
    missing = []
    for name in figure_ids():
        found = [folder / f"{name}.csv" for folder in folders if (folder / f"{name}.csv").is_file()]
        text = pd.read_csv(found[0]).to_csv(index=False, float_format="%.4g") if found else ""
        if not 0 < len(text) <= LARGEST:
            missing.append(name)
            continue
        (FOLDER / f"{name}.csv").write_text(text, encoding="utf-8")
    return missing


def main(arguments: Sequence[str] | None = None) -> int:
    """Renew the numbers, and name the figures that have none."""
    parser = argparse.ArgumentParser(prog="python -m tools.figure_numbers", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of figures of finished runs")
    FOLDER.mkdir(exist_ok=True)
    print("without numbers:", ", ".join(renew(parser.parse_args(arguments).folders)) or "none")
    return 0


if __name__ == "__main__":
    sys.exit(main())
