"""Write the results kept in docs/reference to the pages that show them: `python -m tools.head`.

To take new results from a finished run: `python -m pcpo.report.reference`, which renews docs/reference and the pages.
"""

from __future__ import annotations

from pathlib import Path

from pcpo.report.reference import with_results
from pcpo.storage.files import write_text

__all__ = ["main"]


def main() -> None:
    """Renew the pages of the working directory."""
    for path, text in with_results(Path()).items():
        write_text(path, text)


if __name__ == "__main__":
    main()
