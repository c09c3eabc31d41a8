"""Write and read the reference results: verdicts, main figures and provenance of a run, kept in the repository.

`python -m pcpo.report.reference --root build/full` takes them from a finished run of config/full.yaml, and writes
docs/reference/ and the table of verdicts at the head of README.md.  Both are regenerated as a whole; do not edit them
by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pcpo.claims.contract import Group
from pcpo.errors import ResultsError, command
from pcpo.evidence.registry import GROUPS, load_group
from pcpo.figures.registry import entries
from pcpo.report.origin import Source, core_seconds, origin_of, rollouts_by_kind, time_spent
from pcpo.report.sentences import (
    alone,
    context,
    estimated,
    expected,
    kinds_sentence,
    number,
    replicates,
    summary_sentence,
)
from pcpo.report.standing import TABLE, read_standing, standing
from pcpo.report.store import Store, open_store, read_verdicts
from pcpo.storage.files import replacing, write_text
from pcpo.storage.provenance import environment_versions, git_commit, machine

__all__ = ["BEGIN", "END", "HEADLINES", "block", "checkout", "main", "read_reference", "write_reference"]

BEGIN, END = "<!-- reference: begin (python -m pcpo.report.reference) -->", "<!-- reference: end -->"

#: The figures at the head of README.md: file, and what it shows.
HEADLINES = {
    "phase_diagram": "How often all neighbourhood sets are the true clusters, over rollouts and separation (Theorem 1)",
    "population_scaling": "The gap of every fleet against cluster size and rollouts, beside a prediction with nothing "
    "fitted (Theorem 2)",
    "who_wins": "The gap of every method over that of PCPO, at the same rollouts, by cell",
}
#: The groups whose claims are the paper's theorems.
_THEOREMS = ("grid",)


def write_reference(root: Path, repository: Path, groups: Mapping[str, Group] | None = None) -> Path:
    """Copy the reference of a finished run to docs/reference/, and renew the head of README.md.

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
    readme = repository / "README.md"
    compared = figures["baselines"].parent
    head = _renewed(readme, block(verdicts, provenance, read_standing(compared)))
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
    write_text(readme, head)
    return target


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


def block(verdicts: pd.DataFrame, provenance: Mapping[str, Any], methods: pd.DataFrame | None = None) -> str:
    """Write the head of README.md in Markdown: summary, how PCPO stands, the table of all claims, figures.

    Args:
        verdicts: of the run.
        provenance: of the run.
        methods: the table behind figure `baselines`, if it is kept.
    """
    return "\n".join(_lines(verdicts, provenance, methods))


def _lines(verdicts: pd.DataFrame, provenance: Mapping[str, Any], methods: pd.DataFrame | None) -> Iterator[str]:
    claims = verdicts[verdicts["role"] == "claim"]
    yield from (BEGIN, "")
    yield f"**Results of `config/{provenance['configuration']}.yaml`**, by the theorems. {summary_sentence(verdicts)}"
    drawn = set(provenance["figures_sha256"])
    judged = {name for name, entry in GROUPS.items() if drawn & set(entry.figures)} | set(verdicts["group"])
    if later := [name for name in GROUPS if name not in judged]:
        yield f"Not in them: {', '.join(f'group `{name}`' for name in later)}, declared since."
    if by_kind := kinds_sentence(verdicts):
        yield by_kind
    yield ""
    weak = alone(verdicts)
    yield from _table(_HEAD, _headline(claims, weak))
    yield from ("", _NOTE if verdicts["p_support"].notna().any() else "")
    yield ""
    yield from standing(methods)
    yield from ("<details>", f"<summary>All {len(claims)} claims</summary>", "")
    yield from _table(_HEAD, [_cells(row, weak) for row in claims.to_dict("records")])
    yield from ("", "</details>", "")
    for name, words in HEADLINES.items():
        yield from (f"![{words}](docs/reference/{name}.png)", "", f"*{words}.*", "")
    yield from (_origin(provenance), "", END)


_HEAD = ("claim", "kind", "source", "verdict", "estimate [limits]", "limits", "expected", "n", "runs")
_NOTE = (
    "*Limits* says how they were made: 95 % intervals, or bounds without chance; *n* counts what is independent. "
    "*Runs* says of what: mode, factor κ_M of the minibatches, population, origin of the constants. The probability "
    "that any true claim of the table is refuted is at most 5 %. A false claim is supported with a probability of at "
    "most 2.5 %; without the mark *, also the probability that any of the supports is false is at most 5 % "
    "([how](docs/evidence.md))."
)


def _headline(claims: pd.DataFrame, weak: Collection[str]) -> list[tuple[str, ...]]:
    """Select the claims that stand for a theorem or a corollary as a whole, in their order."""
    stated = claims["source"].str.match(r"(Theorem [12]|Corollary 3)") & claims["group"].isin(_THEOREMS)
    return [_cells(row, weak) for row in claims[stated].to_dict("records")]


def _cells(row: Mapping[Any, Any], weak: Collection[str]) -> tuple[str, ...]:
    verdict = f"**{row['verdict']}**" + (r" \*" if row["claim"] in weak else "")
    kinds = (row["title"], str(row["kind"]), row["source"], verdict)
    return (*kinds, estimated(row), str(row["interval"]), expected(row), replicates(row), context(row))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _origin(provenance: Mapping[str, Any]) -> str:
    place = f"{provenance['machine']['cores']} cores of {provenance['machine']['cpu']}"
    return (
        f"Tables of commit `{provenance['commit'][:12]}`, judged at `{provenance['judged_at'][:12]}`: "
        f"{provenance['jobs']:,} jobs of together {number(provenance['job_hours'])} hours ({place}). "
        "What the words mean: [docs/evidence.md](docs/evidence.md). "
        "All figures, the table with its negative controls, and the provenance: [docs/reference/](docs/reference/)."
    )


def _renewed(readme: Path, text: str) -> str:
    page = readme.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ResultsError(f"{readme}: found no pair of the marks {BEGIN!r} and {END!r}, expected each once, in order")
    return page[: page.index(BEGIN)] + text + page[page.index(END) + len(END) :]


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
