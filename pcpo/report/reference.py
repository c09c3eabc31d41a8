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
from pcpo.report.store import Store, open_store, read_verdicts
from pcpo.storage.files import replacing, write_text
from pcpo.storage.provenance import environment_versions, git_commit, machine

__all__ = ["BEGIN", "END", "HEADLINES", "block", "main", "read_reference", "write_reference"]

BEGIN, END = "<!-- reference: begin (python -m pcpo.report.reference) -->", "<!-- reference: end -->"

#: The figures at the head of README.md: file, and what it shows.
HEADLINES = {
    "clustering": "How often all neighbourhood sets are the true clusters, against Δ_l/Δ (Theorem 1)",
    "scaling": "The mean gap against minibatch and cluster size, beside a prediction with nothing fitted (Theorem 2)",
    "negative_transfer": "Averaging over everybody against PCPO, at the same rollouts",
}
#: The groups whose claims are the paper's theorems; of a run without the grid, those on chosen fleets.
_THEOREMS, _ON_CHOSEN_FLEETS = ("grid",), ("clustering", "scaling", "communication")


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
    missing += [name for name in ("results/verdicts.csv", "results/fedlqr/claims.csv") if not (root / name).is_file()]
    if missing:
        raise ResultsError(f"{root}: found no {missing[0]} ({len(missing)} missing in all), expected a whole run")
    figures = _figures(store)
    provenance = _provenance(store, figures)
    verdicts = store.verdicts()
    target = repository / "docs/reference"
    readme = repository / "README.md"
    head = _renewed(readme, block(verdicts, provenance))
    copies = {path: path.name for path in figures.values()}
    copies |= {store.root / f"results/{name}": name.replace("/", "_") for name in ("verdicts.csv", "fedlqr/claims.csv")}
    for path, name in copies.items():
        with replacing(target / name) as temporary:
            shutil.copyfile(path, temporary)
    write_text(target / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
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
        "commits": _commits(store),
        "judged_at": git_commit(),
        "versions": {"pcpo": next(iter(origin.versions)), **environment_versions()},
        "machine": machine(),
        "jobs": int(spent["jobs"].sum()),
        "job_hours": round(float(spent["seconds"].sum()) / 3600, 3),
        "core_seconds": core_seconds(store.root),
        "rollouts": {str(row["kind"]): float(row["rollouts"]) for row in simulated.to_dict("records")},
        "figures_sha256": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in figures.items()},
    }


def _commits(store: Store) -> dict[str, str]:
    """Return the commit of each study and of the comparison of methods, which is the same for all."""
    parts: dict[str, list[Source]] = {}
    for source in store.sources:
        parts.setdefault(_part(source), []).append(source)
    found = {part: _commit(part, sources, store.root) for part, sources in sorted(parts.items())}
    first, *others = found
    for part in others:
        if found[part] != found[first]:
            raise ResultsError(
                f"{store.root}: found {first} of commit {found[first][:12]} and {part} of {found[part][:12]}, "
                "expected a run of one commit: run the whole configuration again in a clean clone"
            )
    return found


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


def block(verdicts: pd.DataFrame, provenance: Mapping[str, Any]) -> str:
    """Write the head of README.md in Markdown: summary, a line per group, figures, the table of all claims."""
    return "\n".join(_lines(verdicts, provenance))


def _lines(verdicts: pd.DataFrame, provenance: Mapping[str, Any]) -> Iterator[str]:
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
    yield from ("", "<details>", f"<summary>All {len(claims)} claims</summary>", "")
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
    groups = _THEOREMS if claims["group"].isin(_THEOREMS).any() else _ON_CHOSEN_FLEETS
    stated = claims["source"].str.match(r"(Theorem [12]|Corollary 3)") & claims["group"].isin(groups)
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
    by_commit: dict[str, list[str]] = {}
    for part, commit in provenance["commits"].items():
        by_commit.setdefault(commit[:12], []).append(part)
    main, *others = sorted(by_commit, key=lambda commit: -len(by_commit[commit]))
    tables = "".join(f"; {', '.join(f'`{part}`' for part in by_commit[commit])} of `{commit}`" for commit in others)
    return (
        f"Tables of commit `{main}`{tables}; judged at `{provenance['judged_at'][:12]}`: "
        f"{provenance['jobs']:,} jobs of together {number(provenance['job_hours'])} hours ({place}). "
        "What the words mean: [docs/evidence.md](docs/evidence.md). "
        "All figures, the table with its negative controls, and the provenance: [docs/reference/](docs/reference/)."
    )


def _renewed(readme: Path, text: str) -> str:
    page = readme.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ResultsError(f"{readme}: found no pair of the marks {BEGIN!r} and {END!r}, expected each once, in order")
    return page[: page.index(BEGIN)] + text + page[page.index(END) + len(END) :]


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
    print(write_reference(chosen.root, chosen.repository, groups))
    return 0


if __name__ == "__main__":
    sys.exit(main())
