"""Study the noise of assumption (2), which asks for a bounded disturbance.

The largest of many Gaussian disturbances is compared with those of bounded laws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import whole
from pcpo.simulation.noise import NOISE_LAWS, Purpose, stream

__all__ = ["STUDIES", "NoiseCell"]


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
