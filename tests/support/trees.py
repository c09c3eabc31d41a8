"""Two runs of one configuration, compared byte by byte."""

from __future__ import annotations

import re
from pathlib import Path

#: Not compared: what tells of times and machines.  Logs, benchmarks and seals do nothing else; the report has a table
#: of the time spent, without which it can be built and compared.
UNCOMPARED = re.compile(r"^results/(logs|benchmarks|seals)/|^results/report\.html$")


def compared(root: Path) -> dict[str, Path]:
    """The files of a run by name that must not depend on who made them."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path for name, path in sorted(files.items()) if not UNCOMPARED.search(name)}


def differences(first: Path, second: Path) -> list[str]:
    """One line for every file that only one of the runs has, or that is not the same in both."""
    one, other = compared(first), compared(second)
    lines = [f"{name}: only in {first if name in one else second}" for name in sorted(one.keys() ^ other.keys())]
    both = sorted(one.keys() & other.keys())
    return lines + [f"{name}: differs" for name in both if one[name].read_bytes() != other[name].read_bytes()]
