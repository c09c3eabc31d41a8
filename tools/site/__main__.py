"""Build the site: `python -m tools.site`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from tools.site.staging import stage

__all__ = ["build", "main"]


def build(root: Path, site: Path, work: Path) -> int:
    """Build the site of a checkout; return 0 if Sphinx has no warning, which it prints otherwise.

    Args:
        root: the checkout.
        site: the folder of the built pages.
        work: a folder for staged pages and for what Sphinx remembers between builds.
    """
    stage(root, work / "pages")
    options = ["--builder", "html", "--fail-on-warning", "--conf-dir", str(root / "docs"), "--quiet"]
    return build_main([*options, "--doctree-dir", str(work / "doctrees"), str(work / "pages"), str(site)])


def main() -> None:
    """Build the site of the working directory in build/site, and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("--site", type=Path, default=Path("build/site"), help="folder of the built pages")
    parser.add_argument("--work", type=Path, default=Path("build/site-work"), help="folder of staged pages")
    options = parser.parse_args()
    if status := build(Path.cwd(), options.site, options.work):
        sys.exit(status)
    print(f"open {options.site / 'index.html'} in a browser; no server and no network is needed")


if __name__ == "__main__":
    main()
