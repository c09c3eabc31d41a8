"""Compute beforehand how probably the claims of a group are settled with some numbers of seeds.

The tables are those of a *pilot*: the same studies, run with seeds that no configuration uses.  A repetition draws
whole seeds from the pilot, so rows of a run stay together, and judges the group on what it drew.  The shares over
repetitions are estimates of the probabilities of the verdicts.

Seeds are drawn without replacement where the pilot has at least twice as many: what is drawn has the law of fresh
seeds.  Otherwise they are drawn with replacement, and then tests of equalities and of distributions refute more often
than with fresh seeds: the pilot is off itself, and a seed that occurs twice is no independent sample.

What a pilot cannot show, no repetition shows: if no run of the pilot failed, none of a repetition does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray, IntArray
from pcpo.claims.contract import Claim, Tables, Verdict
from pcpo.claims.judging import judge
from pcpo.errors import ConfigError, ResultsError

__all__ = ["ENOUGH", "OUTLOOK_COLUMNS", "Pilot", "falls_short", "outlook"]

#: Probability of a verdict, and power, that a size should reach.
ENOUGH = 0.9
OUTLOOK_COLUMNS = ["claim", "primary", "settled", "supported", "refuted", "power", "controls", "weakest", "pilot"]


@dataclass(frozen=True)
class _Runs:
    """Hold the rows of a study by seed, prepared for drawing.

    Args:
        frame: the table.
        seeds: of the pilot, sorted.
        rows: positions of the rows of each seed, in the order of the seeds.
        cells: number of the cell of each row, in the order of the table.
    """

    frame: pd.DataFrame
    seeds: tuple[int, ...]
    rows: Sequence[IntArray]
    cells: IntArray

    def drawn(self, chosen: IntArray) -> pd.DataFrame:
        """Return the rows of the chosen seeds, one after another in each cell, as seeds 0, 1, …."""
        parts = [self.rows[k] for k in chosen]
        rows = np.concatenate(parts)
        seeds = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        order = np.lexsort((rows, seeds, self.cells[rows]))
        return self.frame.take(rows[order]).assign(seed=seeds[order]).reset_index(drop=True)


def _by_seed(study: str, frame: pd.DataFrame) -> _Runs:
    """Prepare a table; raises ResultsError if it is empty."""
    if frame.empty:
        raise ResultsError(f"study {study}: found no run in the pilot, expected at least one seed")
    seeds = frame["seed"].to_numpy(dtype=np.int64)
    order = np.argsort(seeds, kind="stable")
    ends = np.flatnonzero(np.diff(seeds[order])) + 1
    return _Runs(frame, tuple(np.unique(seeds).tolist()), np.split(order, ends), pd.factorize(frame["cell"])[0])


class Pilot:
    """Draw tables of any size from those of a pilot."""

    def __init__(self, tables: Tables) -> None:
        self._runs = {study: _by_seed(study, frame) for study, frame in tables.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of seeds of each study."""
        return {study: len(runs.seeds) for study, runs in self._runs.items()}

    def drawn(self, sizes: Mapping[str, int], rng: np.random.Generator) -> dict[str, pd.DataFrame]:
        """Draw whole seeds and number them anew, without replacement where the pilot has at least twice as many.

        Studies of the same seeds get the same draws, so that runs which a measure pairs stay pairs.

        Args:
            sizes: number of seeds of each study.
            rng: of the draws.

        Raises:
            ConfigError: for a study without a size, or with a size below 1.
        """
        for study in self._runs:
            if not sizes.get(study, 0) >= 1:
                raise ConfigError(f"size of study {study}: found {sizes.get(study)}, expected a number of seeds from 1")
        places = rng.random(max(max(sizes[study], len(runs.seeds)) for study, runs in self._runs.items()))
        found = {}
        for study, runs in self._runs.items():
            alike = [sizes[other] for other, its in self._runs.items() if its.seeds == runs.seeds]
            found[study] = runs.drawn(_draws(places, len(runs.seeds), max(alike))[: sizes[study]])
        return found


def _draws(places: FloatArray, seeds: int, most: int) -> IntArray:
    """Return `most` or more draws of numbers below `seeds`, from uniform numbers, without replacement if 2·most fit."""
    if 2 * most <= seeds:
        return np.argsort(places[:seeds])
    return (places[:most] * seeds).astype(np.int64)


def outlook(
    name: str,
    claims: Sequence[Claim],
    tables: Tables,
    sizes: Mapping[str, int],
    *,
    repetitions: int = 40,
    seed: int = 0,
    families: int = 1,
) -> pd.DataFrame:
    """Estimate the probabilities of the verdicts of a group with some number of seeds.

    Args:
        name: of the group.
        claims: of the group.
        tables: of the pilot, by study.
        sizes: number of seeds of each study.
        repetitions: how often seeds are drawn and the group is judged.
        seed: of the draws.
        families: how many families share the level, as for `judge`.

    Returns:
        A row per claim, with the columns `OUTLOOK_COLUMNS`: share of repetitions in which the claim is settled,
        supported, refuted; mean over repetitions of the power against the claim's own alternative, where none counts as
        0; share in which its least refuted control is refuted, and the name of that control; verdict on the whole
        pilot.
    """
    pilot = Pilot(tables)
    judged = []
    for repetition in range(repetitions):
        rng = np.random.default_rng(np.random.SeedSequence([seed, repetition]))
        judged.append(judge(name, claims, pilot.drawn(sizes, rng), families=families))
    whole = judge(name, claims, tables, families=families)
    rows = pd.concat(judged, ignore_index=True)
    found = [_summary(claim, rows[rows["claim"] == claim.id]) for claim in claims]
    own = whole[whole["role"] == "claim"].set_index("claim")["verdict"]
    return pd.DataFrame([{**row, "pilot": own[str(row["claim"])]} for row in found], columns=OUTLOOK_COLUMNS)


def _summary(claim: Claim, rows: pd.DataFrame) -> dict[str, object]:
    """Summarise the rows of one claim in all repetitions."""
    verdicts = rows.loc[rows["role"] == "claim", "verdict"]
    supported, refuted = (float((verdicts == v.value).mean()) for v in (Verdict.SUPPORTED, Verdict.REFUTED))
    controls = rows[rows["role"] == "negative_control"]
    seen = (controls["verdict"] == Verdict.REFUTED.value).groupby(controls["control"], sort=False).mean()
    return {
        "claim": claim.id,
        "primary": claim.primary,
        "settled": float((verdicts != Verdict.INCONCLUSIVE.value).mean()),
        "supported": supported,
        "refuted": refuted,
        "power": float(rows.loc[rows["role"] == "power", "estimate"].fillna(0.0).mean()),
        "controls": float(seen.min()),
        "weakest": str(seen.idxmin()),
    }


def falls_short(found: pd.DataFrame) -> pd.DataFrame:
    """Select the claims of an outlook for which the size is too small.

    These are claims that are settled with a probability below `ENOUGH`, whose power is below it although the pilot does
    not refute them, or one of whose negative controls is refuted with a probability below it.
    """
    weak = (found["power"] < ENOUGH) & (found["pilot"] != Verdict.REFUTED.value)
    return found[(found["settled"] < ENOUGH) | weak | (found["controls"] < ENOUGH)]
