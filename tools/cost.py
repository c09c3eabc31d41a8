"""Write what the large configurations cost into docs/cluster.md: `python -m tools.cost`.

The cost of any other configuration: `python -m pcpo.report.cost`.
"""

from __future__ import annotations

from pathlib import Path

from pcpo.report.cost import sentence
from pcpo.report.marks import renew

__all__ = ["CONFIGURATIONS", "PART", "PATH", "costs", "main"]

PATH = Path("docs/cluster.md")
#: Name of the marks on the page.
PART = "cost"
CONFIGURATIONS = (Path("config/full.yaml"), Path("config/cluster.yaml"))


def costs(repository: Path) -> str:
    """Return a line of a list for each configuration."""
    return "".join(f"- {sentence(repository / path, repository)}\n" for path in CONFIGURATIONS)


def main() -> None:
    """Renew the page of the working directory."""
    renew(PATH, PART, costs(Path()))


if __name__ == "__main__":
    main()
