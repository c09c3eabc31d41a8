"""Run a command of the package: `pcpo COMMAND …`, or `python -m pcpo COMMAND …`.

A command is the `main` of a module, which is loaded only when the command is given.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from importlib import import_module

import pcpo
from pcpo.errors import command

__all__ = ["COMMANDS", "Command", "main"]


@dataclass(frozen=True)
class Command:
    """Describe a command: the module that has its `main`, what it does, and whether it needs the checkout."""

    module: str
    does: str
    checkout: bool = False


#: Commands by name.
COMMANDS: dict[str, Command] = {
    "fleets": Command("pcpo.fleets.__main__", "list the fleets that come with the package"),
    "run": Command("pcpo.pipeline.single", "run PCPO or another method once, on a fleet of the package or of a file"),
    "report": Command("pcpo.report.__main__", "write the report of a tree of results"),
    "status": Command("pcpo.pipeline.status", "show how far a workflow is"),
    "verify": Command("pcpo.storage.verify", "compare a tree of results with the reference"),
    "cost": Command("pcpo.report.cost", "estimate the core hours of a configuration", checkout=True),
    "reference": Command("pcpo.report.reference", "keep a run in docs/reference", checkout=True),
}
_MORE = """
`pcpo COMMAND --help` says more.  The workflow that makes all results and figures
runs in the checkout: `make`, or `snakemake --cores all`.
"""


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the first word, whose help lists the commands."""
    width = max(map(len, COMMANDS))
    lines = [
        f"  {name:{width}s}  {found.does}{' (only in the checkout)' if found.checkout else ''}\n"
        for name, found in COMMANDS.items()
    ]
    parser = argparse.ArgumentParser(
        prog="pcpo",
        usage="pcpo [--help] [--version] COMMAND …",
        description="Personalised and collaborative policy optimisation for LQR agents in unknown clusters.",
        epilog=f"commands:\n{''.join(lines)}{_MORE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pcpo {pcpo.__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=list(COMMANDS), help="one of those below")
    return parser


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command named first, with the arguments after it; exit code 2 and the usage for another name."""
    given = sys.argv[1:] if arguments is None else arguments
    chosen = _parser().parse_args(given[:1])
    found: int = import_module(COMMANDS[chosen.command].module).main(given[1:])
    return found


if __name__ == "__main__":
    sys.exit(main())
