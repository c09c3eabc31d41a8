"""Find the files that a person provides, by the names in a configuration, and hash their contents.

The hash is a parameter of the job that reads the file, so the content decides what is rerun, whatever its date.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pcpo.errors import ConfigError

__all__ = ["MISSING", "Places", "content_of"]

#: What `content_of` returns where a file is missing.
MISSING = "missing"


@dataclass(frozen=True)
class Places:
    """Find files of the checkout and of the working directory.

    Args:
        checkout: the folder of the Snakefile, with docs, notebooks and config.
        here: the working directory.
    """

    checkout: Path
    here: Path

    def of_checkout(self, name: str) -> str:
        """Return the path of a file of the checkout, relative to the working directory if that is the checkout."""
        return name if self.checkout == self.here else str(self.checkout / name)

    def named(self, name: str) -> str:
        """Return the path of a file that a configuration names: in the working directory, else in the checkout.

        A file that is in neither is looked for in the working directory.
        """
        if (self.here / name).is_file() or not (self.checkout / name).is_file():
            return name
        return self.of_checkout(name)

    def check(self, files: Iterable[tuple[str, str]]) -> None:
        """Check that files exist.

        Args:
            files: what names each file (a key of the configuration, or "the report"), and its path.

        Raises:
            ConfigError: naming the first that is missing, and who names it.
        """
        for source, path in files:
            if not (self.here / path).is_file():
                kind = "a folder" if (self.here / path).is_dir() else f"no such file in {self.here}"
                raise ConfigError(f"{source}: {path}: found {kind}, expected a file")


def content_of(*paths: str | Path) -> str:
    """Return the SHA-256 of the contents of files in their order; "missing" if any cannot be read."""
    whole = hashlib.sha256()
    for path in paths:
        try:
            with Path(path).open("rb") as stream:
                whole.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError:
            return MISSING
    return whole.hexdigest()
