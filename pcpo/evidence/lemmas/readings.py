"""Study the readings of δ_l, without a run: the study `lemmas_readings`.

The copy that was read has δ_l in three ways; their sums and products are computed in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import whole
from pcpo.simulation.noise import Purpose, stream

__all__ = ["READINGS", "STUDIES", "ReadingCell", "Surd"]


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


#: Name of the study.
READINGS = "lemmas_readings"
#: δ_l/δ as a function of l, by place in the paper.
_READINGS: Mapping[str, Callable[[int], Surd]] = {
    "appendix": lambda epoch: Surd(Fraction(1, 2 * epoch**2)),
    "algorithm": _half_powers,
    "table": lambda epoch: Surd(Fraction(1, 2 ** (epoch**2))),
}


@dataclass(frozen=True)
class ReadingCell:
    """Describe a condition of `lemmas_readings`: a reading of δ_l, by a name of `_READINGS`, and the last epoch."""

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


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_readings": Study(
        name=READINGS,
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
}
