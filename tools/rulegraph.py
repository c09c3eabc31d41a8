"""Draw the graph of rules in README.md: `python -m tools.rulegraph`.

It is `snakemake --rulegraph mermaid-js --configfile config/full.yaml` made plain: without colours, without the rule
`all`, and without arrows that follow from others.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pcpo.report import marks
from pcpo.storage.files import write_text

__all__ = ["COMMAND", "drawn", "edges_of", "main", "renewed"]

COMMAND = ("-m", "snakemake", "--rulegraph", "mermaid-js", "--configfile", "config/full.yaml")
_NAME = re.compile(r"^\s*(id\d+)\[(\w+)\]$", re.MULTILINE)
_EDGE = re.compile(r"^\s*(id\d+) --> (id\d+)$", re.MULTILINE)


def edges_of(mermaid: str) -> set[tuple[str, str]]:
    """Read the arrows between rules from Snakemake's text."""
    names = dict(_NAME.findall(mermaid))
    return {(names[source], names[target]) for source, target in _EDGE.findall(mermaid)}


def drawn(edges: set[tuple[str, str]]) -> str:
    """Write the sorted arrows as Mermaid text, without those into `all` and those that a longer path implies."""
    kept = {(source, target) for source, target in edges if target != "all"}
    direct = {edge for edge in kept if not _reaches(edge[0], edge[1], kept - {edge})}
    return "\n".join(["```mermaid", "flowchart LR", *(f"  {a} --> {b}" for a, b in sorted(direct)), "```", ""])


def _reaches(source: str, target: str, edges: set[tuple[str, str]]) -> bool:
    """Say whether a path leads from one rule to another."""
    nexts = {b for a, b in edges if a == source}
    return target in nexts or any(_reaches(middle, target, edges) for middle in nexts)


def renewed(page: str, graph: str) -> str:
    """Return README.md with a graph between its marks; raises ResultsError if it has no marks."""
    return marks.renewed(page, "rulegraph", graph)


def main() -> None:
    """Ask Snakemake for the graph and renew README.md of the working directory."""
    done = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True, check=True)
    path = Path("README.md")
    write_text(path, renewed(path.read_text(encoding="utf-8"), drawn(edges_of(done.stdout))))


if __name__ == "__main__":
    main()
