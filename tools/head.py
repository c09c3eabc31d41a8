"""Write the results kept in docs/reference to README.md and docs/results.md: `python -m tools.head`.

To take new results from a finished run: `python -m pcpo.report.reference`, which renews docs/reference and both pages.
"""

from __future__ import annotations

from pathlib import Path

from pcpo.report.reference import pages_of, read_reference
from pcpo.report.standing import read_standing
from pcpo.storage.files import write_text

__all__ = ["main", "with_results"]


def with_results(repository: Path) -> dict[Path, str]:
    """Return the texts of the pages of a checkout with the results of its folder docs/reference."""
    folder = repository / "docs/reference"
    return pages_of(repository, *read_reference(folder), read_standing(folder))


def main() -> None:
    """Renew the pages of the working directory."""
    for path, text in with_results(Path()).items():
        write_text(path, text)


if __name__ == "__main__":
    main()
