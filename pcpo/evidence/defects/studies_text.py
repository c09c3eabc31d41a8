"""Study two places of the text that need no run of an algorithm: the readings of δ_l, and the noise of assumption (2).

The paper prints δ_l in three ways; their sums and products are computed in exact arithmetic.  Assumption (2) asks for a
bounded disturbance; the largest of many Gaussian disturbances is compared with those of bounded laws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import whole
from pcpo.simulation.noise import NOISE_LAWS, Purpose, stream

__all__ = ["STUDIES", "NoiseCell", "ReadingCell", "Surd"]


class Surd:
    """Represent p + q√2 with rational p and q; sums, products and comparisons are exact."""

    def __init__(self, p: Fraction | int, q: Fraction | int = 0) -> None:
        self.p, self.q = Fraction(p), Fraction(q)

    def __add__(self, other: Surd) -> Surd:
        return Surd(self.p + other.p, self.q + other.q)

    def __sub__(self, other: Surd) -> Surd:
        return Surd(self.p - other.p, self.q - other.q)

    def __mul__(self, other: Surd) -> Surd:
        return Surd(self.p * other.p + 2 * self.q * other.q, self.p * other.q + self.q * other.p)

    def positive(self) -> bool:
        """Say whether p + q√2 > 0, exactly."""
        p, q = self.p, self.q
        if p >= 0 and q >= 0:
            return p > 0 or q > 0
        if p <= 0 and q <= 0:
            return False
        return p**2 > 2 * q**2 if p > 0 else 2 * q**2 > p**2

    def __float__(self) -> float:
        return float(self.p) + float(self.q) * 2**0.5


def _half_powers(epoch: int) -> Surd:
    """Return 2^(−l/2)."""
    half, odd = divmod(epoch, 2)
    return Surd(0, Fraction(1, 2 ** (half + 1))) if odd else Surd(Fraction(1, 2**half))


#: δ_l/δ as a function of l, by place in the paper.
_READINGS: Mapping[str, Callable[[int], Surd]] = {
    "appendix": lambda epoch: Surd(Fraction(1, 2 * epoch**2)),
    "algorithm": _half_powers,
    "table": lambda epoch: Surd(Fraction(1, 2 ** (epoch**2))),
}


@dataclass(frozen=True)
class ReadingCell:
    """Describe a condition of `defects_readings`: a reading of δ_l, by a name of `_READINGS`, and the last epoch."""

    reading: str
    epochs: int


def _reading_cells(options: Mapping[str, Any]) -> dict[str, ReadingCell]:
    """Return a condition for every reading."""
    return {name: ReadingCell(name, options["epochs"]) for name in _READINGS}


def _reading_rows(cell: ReadingCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Compute exact sums and products of δ_l/2 for a δ drawn from {1/1000, …, 999/1000} with every seed."""
    rows = []
    share_of = _READINGS[cell.reading]
    for seed in seeds:
        delta = Fraction(int(stream(seed, Purpose.EVALUATION).integers(1, 1000)), 1000)
        total, kept = Surd(0), Surd(1)
        for epoch in range(1, cell.epochs + 1):
            half = Surd(delta / 2) * share_of(epoch)
            total, kept = total + half, kept * (Surd(1) - half)
            rows.append(
                {
                    "seed": seed,
                    "reading": cell.reading,
                    "delta": float(delta),
                    "epoch": epoch,
                    "share": float(share_of(epoch)),
                    "union": float(total) / float(delta),
                    "union_exceeds": int((total - Surd(delta / 2)).positive()),
                    "product_exceeds": int((Surd(1 - delta / 2) - kept).positive()),
                }
            )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class NoiseCell:
    """Describe a condition of `defects_noise`: "gaussian" or a law of `NOISE_LAWS`, and log10 of the most draws."""

    law: str
    log10_draws: int


def _noise_cells(options: Mapping[str, Any]) -> dict[str, NoiseCell]:
    """Return a condition for every law."""
    return {law: NoiseCell(law, options["log10_draws"]) for law in ("gaussian", *NOISE_LAWS)}


def _noise_rows(cell: NoiseCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Find the largest ‖z‖² among the first 10², 10³, … disturbances of a stream in R²."""
    rows = []
    for seed in seeds:
        rng, most = stream(seed, Purpose.EVALUATION, 1), 10**cell.log10_draws
        z = rng.standard_normal((most, 2)) if cell.law == "gaussian" else NOISE_LAWS[cell.law].sample(rng, (most,), 2)
        largest = np.maximum.accumulate(np.sum(z**2, axis=1))
        for power in range(2, cell.log10_draws + 1):
            rows.append({"seed": seed, "law": cell.law, "draws": 10**power, "largest": float(largest[10**power - 1])})
    return pd.DataFrame(rows)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "defects_readings": Study(
        name="defects_readings",
        title="The readings of δ_l",
        cells=_reading_cells,
        simulate=_reading_rows,
        columns={
            "seed": "run: draws δ",
            "reading": "appendix: δ/(2l²); algorithm: δ/2^(l/2); table: δ/2^(l²)",
            "delta": "δ",
            "epoch": "l",
            "share": "δ_l/δ",
            "union": "Σ_(k ≤ l) δ_k/2, divided by δ; Theorem 1 allows 1/2",
            "union_exceeds": "1 if that sum exceeds δ/2, exactly",
            "product_exceeds": "1 if Π_(k ≤ l) (1 − δ_k/2) is below 1 − δ/2, exactly",
        },
        key=("seed", "epoch"),
        options={"epochs": whole(12, least=2, most=40)},
    ),
    "defects_noise": Study(
        name="defects_noise",
        title="The largest disturbance",
        cells=_noise_cells,
        simulate=_noise_rows,
        columns={
            "seed": "run: draws the disturbances",
            "law": "law of z in R²",
            "draws": "how many disturbances",
            "largest": "largest ‖z‖² among them",
        },
        key=("seed", "draws"),
        options={"log10_draws": whole(5, least=3, most=7)},
    ),
}
