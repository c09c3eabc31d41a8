"""Read verdicts, figures and tables from disk, check them, and list what is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast, get_args

import pandas as pd
import pyarrow.parquet as pq

from pcpo.claims.contract import Claim, Group, Mode, Study, Verdict
from pcpo.claims.judging import VERDICT_COLUMNS
from pcpo.claims.tables import provenance_of, read_tables
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.registry import GROUPS, load_group
from pcpo.experiments.records import read_runs
from pcpo.report.origin import Source, read_sources

__all__ = [
    "NUMBERS",
    "ROLES",
    "ROOT_VARIABLE",
    "Store",
    "check_joined",
    "declared",
    "declared_groups",
    "find_root",
    "open_store",
    "read_verdicts",
]

#: Columns that hold numbers; NaN only where nothing is defined.
NUMBERS = (*("estimate", "ci_low", "ci_high", "predicted", "p_value", "p_adjusted", "n_runs", "trials", "p_support"),)
#: Columns that tables of earlier versions do not have; they are empty there.
_LATER = ("trials", "interval", "p_support", "minibatch_scale", "population", "kind")
ROLES = ("claim", "negative_control", "sharp_control", "power")
_KEY = ["group", "claim", "role", "control"]
_MODES = get_args(Mode)


def read_verdicts(path: Path | str) -> pd.DataFrame:
    """Read rows with `VERDICT_COLUMNS`, texts as texts and numbers as numbers; an older table lacks `_LATER`.

    Raises:
        ResultsError: naming the file, if it is missing, empty or unreadable, has other columns, an unknown verdict,
            role or mode, a text in place of a number, or a row that occurs twice.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such results file; run the workflow first") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise ResultsError(f"{path}: not a readable table of verdicts ({error})") from None
    if list(frame.columns) == [column for column in VERDICT_COLUMNS if column not in _LATER]:
        frame = frame.reindex(columns=VERDICT_COLUMNS, fill_value="")
    if list(frame.columns) != VERDICT_COLUMNS:
        extra = sorted(set(frame.columns) ^ set(VERDICT_COLUMNS))
        raise ResultsError(
            f"{path}: found other columns, expected {VERDICT_COLUMNS}; differing: {extra or 'the order'}"
        )
    if frame.empty:
        raise ResultsError(f"{path}: found no row, expected at least one claim")
    for column, allowed in {"verdict": tuple(map(str, Verdict)), "role": ROLES, "mode": _MODES}.items():
        wrong = frame[~frame[column].isin(allowed)]
        if len(wrong):
            found, claim = wrong.iloc[0][column], wrong.iloc[0]["claim"]
            found = found or "nothing (NaN)"
            raise ResultsError(f"{path}: claim {claim}, {column}: found {found}, expected one of {', '.join(allowed)}")
    for column in NUMBERS:
        frame[column] = _numbers(frame, column, path)
    if (twice := frame.duplicated(_KEY)).any():
        raise ResultsError(f"{path}: found twice {frame[twice].iloc[0][_KEY].to_dict()}, expected each row once")
    judged = frame[frame["role"] == "claim"]
    if judged["n_runs"].isna().any():
        raise ResultsError(f"{path}: found NaN in column n_runs, expected a number of runs")
    return frame


def _numbers(frame: pd.DataFrame, column: str, path: Path | str) -> pd.Series:
    try:
        return pd.to_numeric(frame[column].mask(frame[column] == ""))
    except ValueError as error:
        raise ResultsError(f"{path}: column {column}: expected numbers ({error})") from None


def declared(frame: pd.DataFrame, group: Group, path: Path | str) -> list[str]:
    """Find what the rows of a group lack: claims without a row, without control or without power.

    Raises:
        ResultsError: for rows of another group, or of a claim that the group does not declare.
    """
    if wrong := sorted(set(frame["group"]) - {group.name}):
        raise ResultsError(f"{path}: found verdicts of group {wrong[0]!r}, expected {group.name!r} only")
    ids = [claim.id for claim in group.claims]
    if unknown := sorted(set(frame["claim"]) - set(ids)):
        raise ResultsError(
            f"{path}: found claim {unknown[0]!r}, expected one of {', '.join(ids)}; judge the group again"
        )
    notes = []
    for role, words in {"claim": "verdict", "negative_control": "negative control", "power": "power"}.items():
        have = set(frame.loc[frame["role"] == role, "claim"])
        notes += [f"{words} of claim {group.name}/{claim}" for claim in ids if claim not in have]
    return notes


def check_joined(joined: Path, parts: Mapping[str, pd.DataFrame]) -> None:
    """Check that results/verdicts.csv has exactly the rows of the groups' files.

    Args:
        joined: the joined file.
        parts: rows by group; groups without a file are not compared.

    Raises:
        ResultsError: if rows differ.
    """
    whole = read_verdicts(joined)
    for name, part in parts.items():
        own = whole[whole["group"] == name].reset_index(drop=True)
        if not own.equals(part.reset_index(drop=True)):
            raise ResultsError(f"{joined}: found other rows of group {name} than in its own file; join the files again")


#: Directory that has results/ and figures/, if it is neither the current one nor above it.
ROOT_VARIABLE = "PCPO_ROOT"
#: Where config/quick.yaml leaves its results, in the checkout.
QUICK = "build/quick"


def declared_groups() -> Mapping[str, Group]:
    """Load all groups of claims, by name."""
    return {name: load_group(name) for name in GROUPS}


def find_root(start: Path | None = None) -> Path:
    """Find the directory that has results/: $PCPO_ROOT if set, else `start` (here) or the nearest above it.

    If there is none, it is build/quick of the checkout, where `make quick` leaves its results.  A relative $PCPO_ROOT
    is tried against `start`, then against the directories above it, up to the checkout: a kernel that starts in
    notebooks/ finds build/mine as well.  A path with .. is tried against `start` only.

    Raises:
        ResultsError: saying where results were looked for and what to do, if there are none.
    """
    here = (start or Path.cwd()).resolve()
    places = (here, *here.parents)
    checkout = next((place for place in places if (place / "Snakefile").is_file()), None)
    advice = f"{ROOT_VARIABLE}={(checkout or Path('/path/to/the/checkout')) / QUICK}"
    if named := os.environ.get(ROOT_VARIABLE):
        upward = checkout is not None and ".." not in Path(named).parts
        tried = [place / named for place in places[: places.index(checkout) + 1 if checkout and upward else 1]]
        return _named_root(named, list(dict.fromkeys(path.resolve() for path in tried)), advice)
    for root in places:
        if (root / "results").is_dir():
            return root
    if checkout is not None and (checkout / QUICK / "results").is_dir():
        return checkout / QUICK
    raise ResultsError(
        f"no folder results in {here} or above it; run the workflow first (make, or make quick for a small run), "
        f"or name another tree: {advice}"
    )


def _named_root(named: str, tried: list[Path], advice: str) -> Path:
    """Return the first of the directories that has results/; ResultsError, which says what was tried, if none has."""
    for root in tried:
        if (root / "results").is_dir():
            return root
    for root in tried:
        if root.name == "results" and root.is_dir():
            raise ResultsError(f"{ROOT_VARIABLE}: found {named!r}, expected the folder that holds it, {root.parent}")
    places = " or ".join(map(str, tried))
    raise ResultsError(
        f"{ROOT_VARIABLE}: found {named!r}, but no folder results in {places}; run the workflow first, or name a tree "
        f"by its absolute path, as in {advice}"
    )


@dataclass(frozen=True)
class Store:
    """Hold the results under `root` and the groups of claims that they are about."""

    root: Path
    groups: Mapping[str, Group]

    def group(self, name: str) -> Group:
        """Return a group by name."""
        if name not in self.groups:
            raise ConfigError(f"group: found {name!r}, expected one of {', '.join(self.groups)}")
        return self.groups[name]

    def find(self, claim: str) -> tuple[Group, Claim]:
        """Return a claim and its group by the claim's id, "scaling.overlay"; raises ConfigError for an unknown one."""
        known = {c.id: (g, c) for g in self.groups.values() for c in g.claims}
        if claim not in known:
            raise ConfigError(f"claim: found {claim!r}, expected one of {', '.join(known)}")
        return known[claim]

    @cached_property
    def _verdicts(self) -> dict[str, pd.DataFrame]:
        """Read rows by group: from the group's own file, or from the joined file."""
        joined = self.root / "results/verdicts.csv"
        found: dict[str, pd.DataFrame] = {}
        for name, group in self.groups.items():
            own = self.root / f"results/verdicts/{name}.csv"
            if own.is_file():
                found[name] = read_verdicts(own)
                declared(found[name], group, own)
            elif joined.is_file():
                rows = read_verdicts(joined)
                rows = rows[rows["group"] == name].reset_index(drop=True)
                if len(rows):
                    declared(rows, group, joined)
                    found[name] = rows
        return found

    def verdicts(self, group: str | None = None) -> pd.DataFrame:
        """Return the rows of a group, or of all groups; empty if the file is missing."""
        wanted = [group] if group else list(self.groups)
        parts = [self._verdicts[name] for name in wanted if name in self._verdicts]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=VERDICT_COLUMNS)

    @cached_property
    def _records(self) -> dict[str, list[dict[str, object]]]:
        return {
            name: [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
            for name, frame in self._verdicts.items()
        }

    def rows(self, group: str, claim: str, role: str) -> list[dict[str, object]]:
        """Return the rows of a claim in a role, as mappings."""
        return [row for row in self._records.get(group, []) if row["claim"] == claim and row["role"] == role]

    def figure_path(self, name: str) -> Path:
        """Return the path of the image of a figure, whether it exists or not."""
        return self.root / f"figures/{name}.png"

    def numbers(self, figure: str) -> pd.DataFrame:
        """Read the numbers drawn in a figure; raises ResultsError, naming the file, if they are missing."""
        path = self.root / f"figures/{figure}.csv"
        try:
            return pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path}: not a readable table of numbers drawn ({error})") from None

    @cached_property
    def sources(self) -> list[Source]:
        """Read the metadata of the parquet files under results/."""
        return read_sources(self.root)

    def study_files(self, study: Study) -> list[Path]:
        """Find the parquet files of a study, wherever they lie under results/."""
        return [self.root / source.path for source in self.sources if source.note.get("study") == study.name]

    def study_size(self, study: Study) -> tuple[int, int, int] | None:
        """Count conditions, seeds and rows of a study on disk; None if there are none."""
        files = self.study_files(study)
        if not files:
            return None
        notes = [provenance_of(path) for path in files]
        seeds = {seed for note in notes for seed in cast("list[int]", note["seeds"])}
        rows = sum(pq.read_metadata(path).num_rows for path in files)
        return len({cell for note in notes for cell in cast("list[str]", note["cells"])}), len(seeds), rows

    def table(self, study: str) -> pd.DataFrame:
        """Read all rows of a study, by its name."""
        studies = {one.name: one for group in self.groups.values() for one in group.studies}
        if study not in studies:
            raise ConfigError(f"study: found {study!r}, expected one of {', '.join(studies)}")
        if not (files := self.study_files(studies[study])):
            raise ResultsError(
                f"study {study}: found no table under {self.root / 'results'}, expected one; `make` runs every study, "
                "`make quick` only those of config/quick.yaml"
            )
        return read_tables(studies[study], files)

    def runs(self) -> pd.DataFrame:
        """Read the runs of all scenarios and methods, as `records.read_runs` does; raises ResultsError for none."""
        if not (files := sorted((self.root / "results/runs").glob("*/*/*.parquet"))):
            raise ResultsError(f"{self.root / 'results/runs'}: found no run, expected some; run `make` or `make quick`")
        return read_runs(files)

    def missing(self) -> list[str]:
        """List what the declared groups need and what is missing on disk."""
        notes = []
        for name, group in self.groups.items():
            if name in self._verdicts:
                notes += declared(self._verdicts[name], group, name)
            else:
                notes.append(f"verdicts of group {name} (results/verdicts/{name}.csv)")
            notes += [
                f"figure {one} (figures/{one}.png)" for one in group.figures if not self.figure_path(one).is_file()
            ]
        return notes


def open_store(root: Path | str | None = None, groups: Mapping[str, Group] | None = None) -> Store:
    """Open the results under `root` (found by `find_root` if not given) of `groups` (all if not given)."""
    place = find_root() if root is None else Path(root).resolve()
    if not (place / "results").is_dir():
        raise ResultsError(f"{place}: found no folder results in it; run the workflow first")
    return Store(place, declared_groups() if groups is None else groups)
