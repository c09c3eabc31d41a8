"""Replace the generated parts of pages, which stand between two marks: comments that name the part and its command."""

from __future__ import annotations

import re
from pathlib import Path

from pcpo.errors import ResultsError
from pcpo.storage.files import write_text

__all__ = ["renew", "renewed", "renewed_file"]


def renewed(page: str, part: str, text: str) -> str:
    """Return a page with `text`, whole lines, between ``<!-- part: begin … -->`` and ``<!-- part: end -->``.

    Raises:
        ResultsError: unless the page has these marks exactly once.
    """
    begin, end = rf"<!-- {re.escape(part)}: begin[^\n]*-->\n", rf"<!-- {re.escape(part)}: end -->"
    if len(found := list(re.finditer(f"({begin}).*?({end})", page, re.DOTALL))) != 1:
        raise ResultsError(
            f"{part}: found {len(found)} pairs of marks, expected one <!-- {part}: begin … --> with its end"
        )
    [match] = found
    return page[: match.start()] + match[1] + text + match[2] + page[match.end() :]


def renewed_file(path: Path, part: str, text: str) -> str:
    """Return the text of a file with `text` between the marks of a part, and leave the file as it is.

    Raises:
        ResultsError: naming the file, unless it has these marks exactly once.
    """
    try:
        return renewed(path.read_text(encoding="utf-8"), part, text)
    except ResultsError as error:
        raise ResultsError(f"{path}: {error}") from None


def renew(path: Path, part: str, text: str) -> None:
    """Write `text` between the marks of a part in a file; raises ResultsError as `renewed_file` does."""
    write_text(path, renewed_file(path, part, text))
