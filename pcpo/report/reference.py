"""Write and read the reference results: verdicts, main figures and provenance of a run, kept in the repository.

`python -m pcpo.report.reference --root build/full` takes them from a finished run of config/full.yaml, and writes
docs/reference/, the page docs/results.md, the results at the head of README.md and the table of docs/beyond.md.  All
are regenerated as a whole; do not edit them by hand.

Groups of claims that are younger than that run are kept from runs of their own: `--part NAME --groups …` writes the
folder docs/reference/NAME/, with a provenance of its own.  The next whole run takes its place.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pcpo.claims.contract import Group
from pcpo.errors import ResultsError, command
from pcpo.evidence.registry import GROUPS, load_group
from pcpo.figures.registry import entries
from pcpo.report.kept.choice import choice_table
from pcpo.report.kept.results import readme_block, results_page
from pcpo.report.kept.standing import TABLE, read_standing
from pcpo.report.marks import renewed_file
from pcpo.report.origin import Source, core_seconds, origin_of, rollouts_by_kind, time_spent
from pcpo.report.store import Store, open_store, read_verdicts
from pcpo.storage.files import replacing, write_text
from pcpo.storage.provenance import environment_versions, git_commit, machine

__all__ = [
    "CHOICE",
    "CHOICE_PAGE",
    "PAGE",
    "PART",
    "Kept",
    "checkout",
    "kept_parts",
    "main",
    "pages_of",
    "read_reference",
    "with_results",
    "write_part",
    "write_reference",
]

#: Name of the marks in README.md, and the page that is written as a whole.
PART, PAGE = "reference", Path("docs/results.md")
#: Name of the marks of the table of methods, and its page.
CHOICE, CHOICE_PAGE = "choice", Path("docs/beyond.md")
_FOLDER = Path("docs/reference")
#: The folder in it that has no results of its own, and the names that parts may have.
_FINGERPRINTS, _NAME = "known", re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Kept:
    """Hold the results of a run that are kept in the repository: name of the folder, verdicts and provenance."""

    name: str
    verdicts: pd.DataFrame
    provenance: Mapping[str, Any]

    @property
    def groups(self) -> list[str]:
        """Return the groups of claims that the run has, in its order."""
        return list(self.verdicts["group"].unique())


def write_reference(root: Path, repository: Path, groups: Mapping[str, Group] | None = None) -> Path:
    """Copy the reference of a finished run to docs/reference/, and renew the pages that show it.

    Parts whose groups the run has are deleted.

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
    store = _whole(root, groups)
    figures = _figures(store, [*entries(), *_drawn(store)])
    compared = figures["baselines"].parent
    whole = Kept("", store.verdicts(), _provenance(store, figures))
    parts = kept_parts(repository)
    left = [part for part in parts if not set(part.groups) <= set(whole.groups)]
    pages = pages_of(repository, whole.verdicts, whole.provenance, read_standing(compared), left)
    target = repository / _FOLDER
    tables = [path for path in [compared / TABLE] if path.is_file()]
    _copy(target, whole.provenance, (root / "results/verdicts.csv").read_bytes(), [*figures.values(), *tables])
    for part in parts:
        if part not in left:
            shutil.rmtree(target / part.name)
    for page, text in pages.items():
        write_text(page, text)
    return target


def write_part(root: Path, repository: Path, name: str, groups: Mapping[str, Group]) -> Path:
    """Keep some groups of a finished run in docs/reference/NAME/, beside the whole run, and renew the pages.

    Args:
        root: of the finished run, of those groups alone or of more.
        repository: the checkout to write to, with a whole run in docs/reference.
        name: of the folder: lower-case letters, digits and _.
        groups: the groups to keep.

    Returns:
        The folder of the part.

    Raises:
        ResultsError: before anything is written, for the reasons of `write_reference`, for a name of other characters,
            and for a group that is kept already, in the whole run or in another part.
    """
    if not _NAME.fullmatch(name) or name == _FINGERPRINTS:
        raise ResultsError(f"part: found the name {name!r}, expected lower-case letters, digits and _, and not 'known'")
    folder = repository / _FOLDER
    verdicts, provenance = read_reference(folder)
    others = [part for part in kept_parts(repository) if part.name != name]
    for kept in [Kept("the whole run", verdicts, provenance), *others]:
        if twice := [group for group in groups if group in kept.groups]:
            raise ResultsError(f"part {name!r}: found group {twice[0]!r} in {kept.name} too, expected it in one place")
    store = _whole(root, groups)
    figures = _figures(store, _drawn(store))
    part = Kept(name, store.verdicts(), _provenance(store, figures))
    parts = sorted([*others, part], key=lambda one: one.name)
    pages = pages_of(repository, verdicts, provenance, read_standing(folder), parts)
    _copy(folder / name, part.provenance, _joined(store), list(figures.values()))
    for page, text in pages.items():
        write_text(page, text)
    return folder / name


def pages_of(
    repository: Path,
    verdicts: pd.DataFrame,
    provenance: Mapping[str, Any],
    methods: pd.DataFrame | None,
    parts: Sequence[Kept] = (),
) -> dict[Path, str]:
    """Return the pages of a checkout that show results, with their texts renewed; nothing is written.

    Args:
        repository: the checkout.
        verdicts: of the run.
        provenance: of the run.
        methods: the table behind figure `baselines`, if it is kept.
        parts: kept from runs of their own.

    Raises:
        ResultsError: if README.md has no marks for the results, or docs/beyond.md none for the table of methods.
    """
    readme, beyond = repository / "README.md", repository / CHOICE_PAGE
    later = [(part.name, part.verdicts, part.provenance) for part in parts]
    pages = {
        readme: renewed_file(readme, PART, readme_block(verdicts, provenance, methods, later)),
        repository / PAGE: results_page(verdicts, provenance, methods, later),
    }
    if beyond.is_file():
        pages[beyond] = renewed_file(
            beyond, CHOICE, choice_table([("", verdicts), *[one[:2] for one in later]], methods)
        )
    return pages


def with_results(repository: Path) -> dict[Path, str]:
    """Return the texts of the pages of a checkout with the results of its folder docs/reference."""
    folder = repository / _FOLDER
    return pages_of(repository, *read_reference(folder), read_standing(folder), kept_parts(repository))


def kept_parts(repository: Path) -> list[Kept]:
    """Read the parts of docs/reference that come from runs of their own, by name."""
    folders = sorted(path.parent for path in (repository / _FOLDER).glob("*/provenance.json"))
    return [Kept(folder.name, *read_reference(folder)) for folder in folders]


def _whole(root: Path, groups: Mapping[str, Group] | None) -> Store:
    """Open a finished run; ResultsError if anything of the groups, or the table of verdicts, is missing."""
    store = open_store(root, groups)
    missing = store.missing()
    if not (root / "results/verdicts.csv").is_file():
        missing.append("results/verdicts.csv")
    if missing:
        raise ResultsError(f"{root}: found no {missing[0]} ({len(missing)} missing in all), expected a whole run")
    return store


def _copy(target: Path, provenance: Mapping[str, Any], verdicts: bytes, copies: Sequence[Path]) -> None:
    """Write the folder of a kept run, and delete the pictures and tables of an earlier one there."""
    for path in copies:
        with replacing(target / path.name) as temporary:
            shutil.copyfile(path, temporary)
    with replacing(target / "verdicts.csv") as temporary:
        temporary.write_bytes(verdicts)
    write_text(target / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
    own = {"verdicts.csv", *(path.name for path in copies)}
    for path in target.glob("*.*"):
        if path.suffix in (".png", ".csv") and path.name not in own:
            path.unlink()  # of an earlier reference


def _joined(store: Store) -> bytes:
    """Join the tables of verdicts of the groups as they are."""
    tables = [(store.root / f"results/verdicts/{name}.csv").read_bytes() for name in store.groups]
    return tables[0] + b"".join(table.partition(b"\n")[2] for table in tables[1:])


def _drawn(store: Store) -> list[str]:
    """Return the figures of the groups."""
    return [name for group in store.groups.values() for name in group.figures]


def _figures(store: Store, names: Sequence[str]) -> dict[str, Path]:
    """Find the image files by name; raises ResultsError for a missing one."""
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
    parser.add_argument("--part", help="keep the groups in a folder of this name, beside the whole run kept before")
    chosen = parser.parse_args(arguments)
    groups = {name: load_group(name) for name in chosen.groups}
    repository = checkout(chosen.repository, "README.md")
    if chosen.part is None:
        print(write_reference(chosen.root, repository, groups))
    else:
        print(write_part(chosen.root, repository, chosen.part, groups))
    return 0


if __name__ == "__main__":
    sys.exit(main())
