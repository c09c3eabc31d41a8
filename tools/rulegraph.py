"""Draw the graph of rules in docs/running.md: `python -m tools.rulegraph`.

It is `snakemake --rulegraph mermaid-js --configfile config/full.yaml` made plain: without colours, without the rule
`all`, and without arrows that follow from others.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pcpo.report.marks import renew

__all__ = ["COMMAND", "PART", "PATH", "drawn", "edges_of", "main"]

PATH = Path("docs/running.md")
#: Name of the marks on the page.
PART = "rulegraph"
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


def main() -> None:
    """Ask Snakemake for the graph and renew the page of the working directory."""
    done = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True, check=True)
    renew(PATH, PART, drawn(edges_of(done.stdout)))


if __name__ == "__main__":
    main()
