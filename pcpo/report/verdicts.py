"""Verdict tables on disk, checked when read: a wrong file ends with its name, never with a wrong page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pandas as pd

from ..claims.contract import Group, Mode, Verdict
from ..claims.judging import VERDICT_COLUMNS
from ..errors import ResultsError

__all__ = ["NUMBERS", "ROLES", "check_joined", "declared", "read_verdicts"]

#: Columns that hold numbers; NaN only where nothing is defined.
NUMBERS = ("estimate", "ci_low", "ci_high", "predicted", "p_value", "p_adjusted", "n_runs")
ROLES = ("claim", "negative_control", "power")
_KEY = ["group", "claim", "role", "control"]
_MODES = get_args(Mode)


def read_verdicts(path: Path | str) -> pd.DataFrame:
    """Rows with `VERDICT_COLUMNS`, texts as texts and numbers as numbers.

    Raises ResultsError, naming the file, if it is missing, empty or unreadable, has other columns, a word that is no
    verdict, role or mode, a number that is none, or a row that occurs twice.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such results file; run the workflow first") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise ResultsError(f"{path}: not a readable table of verdicts ({error})") from None
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
    """What the rows of a group lack: claims without a row, and claims without control or power.

    Raises ResultsError for rows of another group, or of a claim that the group does not declare.
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
    """Raises ResultsError unless `joined` (results/verdicts.csv) has the rows of `parts` (group → rows) and no others.

    Groups without a part of their own are not compared.
    """
    whole = read_verdicts(joined)
    for name, part in parts.items():
        own = whole[whole["group"] == name].reset_index(drop=True)
        if not own.equals(part.reset_index(drop=True)):
            raise ResultsError(f"{joined}: found other rows of group {name} than in its own file; join the files again")
