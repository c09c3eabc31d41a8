"""Write and read the reference results: verdicts, main figures and provenance of a run, kept in the repository.

`python -m pcpo.report.reference --root build/full` takes them from a finished run of config/full.yaml, and writes
docs/reference/, the page docs/results.md and the results at the head of README.md.  All are regenerated as a whole; do
not edit them by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pcpo.claims.contract import Group
from pcpo.errors import ResultsError, command
from pcpo.evidence.registry import GROUPS, load_group
from pcpo.figures.registry import entries
from pcpo.report.marks import renewed_file
from pcpo.report.origin import Source, core_seconds, origin_of, rollouts_by_kind, time_spent
from pcpo.report.results import readme_block, results_page
from pcpo.report.standing import TABLE, read_standing
from pcpo.report.store import Store, open_store, read_verdicts
from pcpo.storage.files import replacing, write_text
from pcpo.storage.provenance import environment_versions, git_commit, machine

__all__ = ["PAGE", "PART", "checkout", "main", "pages_of", "read_reference", "write_reference"]

#: Name of the marks in README.md, and the page that is written as a whole.
PART, PAGE = "reference", Path("docs/results.md")


def write_reference(root: Path, repository: Path, groups: Mapping[str, Group] | None = None) -> Path:
    """Copy the reference of a finished run to docs/reference/, and renew docs/results.md and the head of README.md.

    Args:
        root: of the finished run.
        repository: the checkout to write to.
        groups: the groups that the run must have, all by default.

    Returns:
        The folder docs/reference.

    Raises:
        ResultsError: before anything is written, if a part of the report is missing, or if the tables come from several
            commits, or from a tree with uncommitted changes.
    """
    store = open_store(root, groups)
    missing = store.missing()
    if not (root / "results/verdicts.csv").is_file():
        missing.append("results/verdicts.csv")
    if missing:
        raise ResultsError(f"{root}: found no {missing[0]} ({len(missing)} missing in all), expected a whole run")
    figures = _figures(store)
    provenance = _provenance(store, figures)
    verdicts = store.verdicts()
    target = repository / "docs/reference"
    compared = figures["baselines"].parent
    pages = pages_of(repository, verdicts, provenance, read_standing(compared))
    copies = {path: path.name for path in figures.values()}
    copies |= {path: TABLE for path in [compared / TABLE] if path.is_file()}
    copies[root / "results/verdicts.csv"] = "verdicts.csv"
    for path, name in copies.items():
        with replacing(target / name) as temporary:
            shutil.copyfile(path, temporary)
    write_text(target / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
    for path in target.glob("*.*"):
        if path.suffix in (".png", ".csv") and path.name not in copies.values():
            path.unlink()  # of an earlier reference
    for page, text in pages.items():
        write_text(page, text)
    return target


def pages_of(
    repository: Path, verdicts: pd.DataFrame, provenance: Mapping[str, Any], methods: pd.DataFrame | None
) -> dict[Path, str]:
    """Return the pages of a checkout that show results, with their texts renewed; nothing is written.

    Args:
        repository: the checkout.
        verdicts: of the run.
        provenance: of the run.
        methods: the table behind figure `baselines`, if it is kept.

    Raises:
        ResultsError: if README.md has no marks for the results.
    """
    readme = repository / "README.md"
    return {
        readme: renewed_file(readme, PART, readme_block(verdicts, provenance, methods)),
        repository / PAGE: results_page(verdicts, provenance, methods),
    }


def _figures(store: Store) -> dict[str, Path]:
    """Find the image files by name; raises ResultsError for a missing one."""
    names = [*entries(), *(name for group in store.groups.values() for name in group.figures)]
    found = {name: store.figure_path(name) for name in names}
    for name, path in found.items():
        if not path.is_file():
            raise ResultsError(f"{path}: found no figure {name}, expected one of a whole run")
    return found


def _provenance(store: Store, figures: Mapping[str, Path]) -> dict[str, Any]:
    origin = origin_of(store.sources)
    simulated, spent = rollouts_by_kind(store.root, store.sources), time_spent(store.root)
    return {
        "configuration": store.root.name,
        "settings_sha256": origin.settings,
        "tables": origin.files,
        "commit": _one_commit(store),
        "judged_at": git_commit(),
        "versions": {"pcpo": next(iter(origin.versions)), **environment_versions()},
        "machine": machine(),
        "jobs": int(spent["jobs"].sum()),
        "job_hours": round(float(spent["seconds"].sum()) / 3600, 3),
        "core_seconds": core_seconds(store.root),
        "rollouts": {str(row["kind"]): float(row["rollouts"]) for row in simulated.to_dict("records")},
        "figures_sha256": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in figures.items()},
    }


def _one_commit(store: Store) -> str:
    """Return the commit of all studies and of the comparison of methods; ResultsError if they have several."""
    parts: dict[str, list[Source]] = {}
    for source in store.sources:
        parts.setdefault(_part(source), []).append(source)
    (first, commit), *others = ((part, _commit(part, parts[part], store.root)) for part in sorted(parts))
    for part, other in others:
        if other != commit:
            raise ResultsError(
                f"{store.root}: found {first} of commit {commit[:12]} and {part} of {other[:12]}, "
                "expected a run of one commit: run the whole configuration again in a clean clone"
            )
    return commit


def _part(source: Source) -> str:
    """Return the study that a table belongs to, or "comparison" for runs."""
    return str(source.note.get("study", "comparison"))


def _commit(part: str, sources: Sequence[Source], root: Path) -> str:
    commits = origin_of(sources).commits
    if len(commits) != 1:
        found = f"{len(commits)} commits ({', '.join(commits)})"
        raise ResultsError(f"{root}: {part}: found tables of {found}, expected of one")
    (commit,) = commits
    if commit.endswith("-dirty") or commit == "unknown":
        raise ResultsError(
            f"{root}: {part}: found tables made at {commit}, expected a commit without changes beside it"
        )
    return commit


def checkout(folder: Path, needed: str) -> Path:
    """Return the folder, if it is a checkout of the project, which has what an installed package has not.

    Args:
        folder: the checkout.
        needed: a file of the checkout, relative to the folder.

    Raises:
        ResultsError: if the file is missing.
    """
    if not (folder / needed).is_file():
        raise ResultsError(f"repository: found no {needed} in {folder.resolve()}, expected a checkout of pcpo")
    return folder


def read_reference(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read verdicts and provenance of docs/reference/."""
    provenance: dict[str, Any] = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return read_verdicts(folder / "verdicts.csv"), provenance


@command
def main(arguments: list[str] | None = None) -> int:
    """Write the reference and say where it is; exit code 1 and one sentence for a run that is not whole."""
    parser = argparse.ArgumentParser(
        prog="python -m pcpo.report.reference", description="Keep verdicts and figures of a run in the repository."
    )
    parser.add_argument("--root", required=True, type=Path, help="directory of the run, with results/ and figures/")
    parser.add_argument("--repository", type=Path, default=Path(), help="the checkout to write to (default: here)")
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="default: all")
    chosen = parser.parse_args(arguments)
    groups = {name: load_group(name) for name in chosen.groups}
    print(write_reference(chosen.root, checkout(chosen.repository, "README.md"), groups))
    return 0


if __name__ == "__main__":
    sys.exit(main())
