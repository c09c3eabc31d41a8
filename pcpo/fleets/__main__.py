"""List the fleets that come with the package: `pcpo fleets`."""

from __future__ import annotations

import argparse
import sys

from pcpo.errors import command
from pcpo.fleets.files import example_fleet, example_names

__all__ = ["main"]


@command
def main(arguments: list[str] | None = None) -> int:
    """Print a line for each fleet: agents, clusters, states, inputs, and Δ, how far apart optimal costs are."""
    argparse.ArgumentParser(prog="pcpo fleets", description=__doc__).parse_args(arguments)
    names = example_names()
    width = max(map(len, names))
    print(f"{'fleet':{width}s}  agents  clusters  states  inputs         Δ")
    for name in names:
        fleet = example_fleet(name)
        print(f"{name:{width}s}  {fleet.N:6d}  {fleet.H:8d}  {fleet.n:6d}  {fleet.m:6d}  {fleet.separation:8.3g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
