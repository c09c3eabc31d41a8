"""Write the report of the results on disk, without the workflow: `python -m pcpo.report [--root build/quick]`."""

from __future__ import annotations

import argparse
import sys

from pcpo.errors import command
from pcpo.report.page import build_report


@command
def main(arguments: list[str] | None = None) -> int:
    """Write the report and say where it is; exit code 1 and one sentence for results that are not what they must be."""
    parser = argparse.ArgumentParser(
        prog="python -m pcpo.report", description="Write the report of the results there are."
    )
    parser.add_argument("--root", help="directory that has results/ and figures/ (default: found from here upwards)")
    parser.add_argument("--output", help="file to write (default: results/report.html under the root)")
    parser.add_argument("--without-machine", action="store_true", help="leave out time and machine")
    chosen = parser.parse_args(arguments)
    print(build_report(chosen.root, chosen.output, spent=not chosen.without_machine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
