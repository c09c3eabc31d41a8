"""Write the results at the head of README.md from those kept in docs/reference: `python -m tools.head`.

To take new results from a finished run: `python -m pcpo.report.reference`, which renews docs/reference and the head.
"""

from __future__ import annotations

from pathlib import Path

from pcpo.report.marks import renewed
from pcpo.report.reference import BEGIN, END, block, read_reference
from pcpo.report.standing import read_standing
from pcpo.storage.files import write_text

__all__ = ["main", "with_head"]


def with_head(readme: str, reference: Path) -> str:
    """Return the text of README.md with the results of the folder docs/reference at its head."""
    text = block(*read_reference(reference), read_standing(reference))
    return renewed(readme, "reference", text.removeprefix(f"{BEGIN}\n").removesuffix(END))


def main() -> None:
    """Renew README.md of the working directory."""
    path = Path("README.md")
    write_text(path, with_head(path.read_text(encoding="utf-8"), Path("docs/reference")))


if __name__ == "__main__":
    main()
