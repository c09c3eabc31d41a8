"""Choose how many seeds the studies of a group get, by a pilot: `python -m tools.sizes run` and `… judge`.

`run GROUP --config FILE --count 60 --out DIR` runs the studies of a group as the configuration has them, with seeds
that no configuration of the same folder uses, and keeps the processor time.  `judge GROUP DIR --config FILE` says with
what probability each claim is settled with the seeds of the configuration; `--counts 10 20` tries others for all
studies, `--counts lemmas_mean=10,20` for one; `--page` writes the tables of the configuration into docs/sizes.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pcpo.claims.sizing import ENOUGH, falls_short, outlook
from pcpo.claims.tables import provenance_of, simulated, tables_by_study, write_table
from pcpo.errors import ConfigError, ResultsError, command
from pcpo.evidence.registry import FAMILIES, GROUPS, load_claims, study_named
from pcpo.pipeline.config import read_configuration, studies_of
from pcpo.report.marks import renewed
from pcpo.schema import load_schema, validated
from pcpo.storage.files import write_text

__all__ = ["FIRST", "PAGE", "described", "judged", "main", "run_pilot", "with_part"]

PAGE = Path("docs/sizes.md")
#: First seed of a pilot, unless said otherwise; no configuration comes near it.
FIRST = 5_000_000
_SCHEMA = Path("workflow/schemas/config.schema.yaml")


def _configured(config: Path, schema: Path = _SCHEMA) -> dict[str, Any]:
    """Read a configuration with its defaults."""
    found: dict[str, Any] = validated(read_configuration([config]), load_schema(schema))
    return found


def _studies(group: str, config: Path) -> dict[str, dict[str, Any]]:
    """Return what a configuration says of the studies of a group; raises ConfigError if it does not have them."""
    if group not in GROUPS:
        raise ConfigError(f"group: found {group!r}, expected one of {', '.join(GROUPS)}")
    known = studies_of(_configured(config))
    if missing := [study for study in GROUPS[group].studies if study not in known]:
        raise ConfigError(f"{config}: found no study {missing[0]!r}, expected those of group {group!r}")
    return {study: known[study] for study in GROUPS[group].studies}


def _check_unused(studies: Mapping[str, range], folder: Path) -> None:
    """Raise ConfigError for a seed of a pilot that a configuration of the folder uses in the same study."""
    for path in sorted(folder.glob("*.yaml")):
        configured = studies_of(_configured(path))
        for study, seeds in studies.items():
            entry = configured.get(study)
            if entry and max(seeds.start, entry["first"]) < min(seeds.stop, entry["first"] + entry["count"]):
                raise ConfigError(
                    f"pilot of study {study}: found seeds from {seeds.start}, of which {path} uses some, expected "
                    "seeds that no configuration uses"
                )


def run_pilot(group: str, config: Path, counts: Mapping[str, int], folder: Path, first: int = FIRST) -> None:
    """Run the studies of a group and write one table each, `folder`/<study>.parquet; a finished table is kept.

    Args:
        group: its name.
        config: file that says the options.
        counts: seeds of each study; a study without a number is not run.
        folder: of the tables.
        first: the first seed.

    Raises:
        ConfigError: for an unknown study, and for seeds that a configuration uses.
    """
    studies = _studies(group, config)
    if unknown := sorted(set(counts) - set(studies)):
        raise ConfigError(f"--count: found study {unknown[0]!r}, expected one of {', '.join(studies)}")
    _check_unused({study: range(first, first + count) for study, count in counts.items()}, config.parent)
    for name, count in counts.items():
        path, seeds = folder / f"{name}.parquet", range(first, first + count)
        note = {"options": studies[name]["options"]}
        if path.is_file() and {**provenance_of(path), **note, "seeds": list(seeds)} == provenance_of(path):
            print(f"{path}: kept")
            continue
        start = time.process_time()
        frame = simulated(study_named(name), note["options"], seeds)
        spent = time.process_time() - start
        write_table(study_named(name), seeds, frame, path, {**note, "core_seconds": spent})
        print(f"{path}: {count} seeds, {spent:.1f} core seconds, {spent / count:.3g} a seed", flush=True)


def _read(group: str, config: Path, folder: Path) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, Any]]]:
    """Return the tables of a pilot and their notes; raises ResultsError if a study has other options than the pilot."""
    studies = _studies(group, config)
    paths = {study: folder / f"{study}.parquet" for study in studies}
    notes = {study: provenance_of(path) for study, path in paths.items()}
    for study, note in notes.items():
        if note["options"] != (wanted := studies[study]["options"]):
            raise ResultsError(f"{paths[study]}: found a pilot with options {note['options']}, expected {wanted}")
    return tables_by_study([study_named(study) for study in studies], paths.values()), notes


def judged(
    group: str, config: Path, folder: Path, sizes: Sequence[Mapping[str, int]], repetitions: int
) -> Iterator[tuple[dict[str, int], dict[str, dict[str, Any]], pd.DataFrame]]:
    """Yield for each size: seeds by study, the pilot's notes by study, and the outlook of the claims.

    Args:
        group: its name.
        config: whose seeds count for the studies that a size does not name.
        folder: of the pilot.
        sizes: number of seeds by study.
        repetitions: as of `outlook`.
    """
    tables, notes = _read(group, config, folder)
    claims, own = load_claims(group), {study: entry["count"] for study, entry in _studies(group, config).items()}
    for size in sizes:
        if unknown := sorted(set(size) - set(own)):
            raise ConfigError(f"--counts: found study {unknown[0]!r}, expected one of {', '.join(own)}")
        seeds = {**own, **size}
        yield seeds, notes, outlook(group, claims, tables, seeds, repetitions=repetitions, families=FAMILIES)


def described(
    seeds: Mapping[str, int], notes: Mapping[str, Mapping[str, Any]], found: pd.DataFrame, repetitions: int
) -> str:
    """Return the tables of one size in Markdown: studies with seeds and cost, claims with probabilities and power."""
    lines = ["| study | seeds | core seconds | pilot |", "|---|---|---|---|"]
    for study, note in notes.items():
        known = note["seeds"]
        cost = f"{note['core_seconds'] / len(known) * seeds[study]:.1f}"
        lines.append(f"| `{study}` | {seeds[study]} | {cost} | {len(known)} seeds from {known[0]} |")
    lines += ["", "| claim | settled | supported | power | controls | pilot |", "|---|---|---|---|---|---|"]
    short = set(falls_short(found)["claim"])
    for row in found.to_dict("records"):
        name = (
            f"`{row['claim']}`{' (primary)' if row['primary'] else ''}{' **short**' if row['claim'] in short else ''}"
        )
        shares = " | ".join(f"{row[column]:.2f}" for column in ("settled", "supported", "power", "controls"))
        lines.append(f"| {name} | {shares} | {row['pilot']} |")
    enough = len(found) - len(short)
    lines += ["", f"{repetitions} repetitions; {enough} of {len(found)} claims reach {ENOUGH} throughout.", ""]
    return "\n".join(lines)


def with_part(page: str, part: str, text: str) -> str:
    """Return a page with a part renewed; a page that does not have it gets it at the end, under a heading."""
    if f"<!-- {part}: begin" not in page:
        page += f"\n## {part}\n\n<!-- {part}: begin (python -m tools.sizes judge) -->\n<!-- {part}: end -->\n"
    return renewed(page, part, f"\n{text}\n")


def _sizes(given: Sequence[str], studies: Sequence[str]) -> list[dict[str, int]]:
    """Read the sizes of the command line: a number is of all studies, study=numbers of one; combined in order."""
    plain = [word for word in given if "=" not in word]
    of_one = {name: text.split(",") for name, _, text in (word.partition("=") for word in given if "=" in word)}
    try:
        columns = {name: [int(number) for number in numbers] for name, numbers in of_one.items()}
        if plain:
            columns |= {name: [int(number) for number in plain] for name in studies if name not in columns}
    except ValueError:
        raise ConfigError(f"counts: found {' '.join(given)!r}, expected numbers, or study=number,number") from None
    most = max((len(numbers) for numbers in columns.values()), default=1)
    if wrong := [name for name, numbers in columns.items() if len(numbers) not in (1, most)]:
        raise ConfigError(f"counts of {wrong[0]}: found {len(columns[wrong[0]])} numbers, expected 1 or {most}")
    return [{name: numbers[k % len(numbers)] for name, numbers in columns.items()} for k in range(most)]


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.sizes", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the pilot of a group")
    judging = commands.add_parser("judge", help="estimate the probabilities of the verdicts")
    for one in (run, judging):
        one.add_argument("group", help="name of the group")
        one.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="configuration")
    run.add_argument("--count", nargs="+", required=True, help="seeds: a number for all studies, study=number for one")
    run.add_argument("--first", type=int, default=FIRST, help="first seed (default: %(default)s)")
    run.add_argument("--out", type=Path, required=True, help="folder of the tables")
    judging.add_argument("folder", type=Path, help="folder of the pilot's tables")
    judging.add_argument("--counts", nargs="+", default=[], help="sizes to try, by default those of the configuration")
    judging.add_argument("--repetitions", type=int, default=40, help="judged draws of each size (default: %(default)s)")
    judging.add_argument("--page", action="store_true", help=f"write the configuration's own sizes into {PAGE}")
    return parser.parse_args(arguments)


@command
def main(arguments: list[str] | None = None) -> int:
    """Run a pilot, or judge one."""
    given = _parsed(arguments)
    studies = list(_studies(given.group, given.config))
    if given.command == "run":
        (size,) = _sizes(given.count, studies)
        run_pilot(given.group, given.config, size, given.out, given.first)
        return 0
    sizes = _sizes(given.counts, studies)
    if given.page and given.counts:
        raise ConfigError("--page: found it with --counts, expected the sizes of the configuration alone")
    for seeds, notes, found in judged(given.group, given.config, given.folder, sizes, given.repetitions):
        text = described(seeds, notes, found, given.repetitions)
        print(text, flush=True)
        for row in falls_short(found).to_dict("records"):
            print(f"short: {row['claim']}; weakest control: {row['weakest']} ({row['controls']:.2f})", flush=True)
        if given.page:
            part = f"{given.group}, {given.config.name}"
            write_text(PAGE, with_part(PAGE.read_text(encoding="utf-8"), part, text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
