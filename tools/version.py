"""Write the version of the package into CITATION.cff: `python -m tools.version`.

The version is typed in one place, `pcpo/__init__.py`; the wheel and the provenance of results take it from there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pcpo
from pcpo.errors import ConfigError
from pcpo.storage.files import write_text

__all__ = ["PATH", "main", "with_version"]

PATH = Path("CITATION.cff")


def with_version(citation: str, version: str) -> str:
    """Return the text of a citation file with another version; ConfigError unless it has one line for it."""
    text, count = re.subn(r"^version: .*$", f"version: {version}", citation, flags=re.MULTILINE)
    if count != 1:
        raise ConfigError(f"{PATH}: found {count} lines that begin with 'version: ', expected one")
    return text


def main() -> None:
    """Renew CITATION.cff of the working directory."""
    write_text(PATH, with_version(PATH.read_text(encoding="utf-8"), pcpo.__version__))


if __name__ == "__main__":
    main()
