"""Study `literal_speed`: rollouts per second of one core, from a measurement kept beside the code.

Time is no result: it differs from run to run.  So nothing is timed in a job, and tables and figures have the same bytes
on every machine.  `python -m pcpo.claims.literal_speed` measures and writes `literal_measured.py`, which names the
processor; the rest is arithmetic.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..calibration import horizon_for
from ..engine import gradient_estimate
from ..errors import ConfigError
from ..files import write_text
from ..provenance import machine
from ..randomness import Purpose, stream
from ..systems import LinearSystem
from .contract import Study
from .literal_fleets import LAW, described, fleet_cells, fleet_option
from .literal_measured import PROCESSOR, SECONDS
from .literal_table import FLEETS

__all__ = ["SPEED", "measured", "seconds_per_rollout"]

_SHAPES = ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3))
_HORIZONS = (64, 256)
_ROLLOUTS, _REPETITIONS = 32768, 5


def seconds_per_rollout(n: int, m: int, horizon: int) -> float:
    """a + b·h with the measured a and b of this shape; ConfigError for a shape that was not measured."""
    if (n, m) not in SECONDS:
        known = ", ".join(map(str, SECONDS))
        raise ConfigError(
            f"evidence.literal_speed.options.fleets: found n = {n}, m = {m}, whose speed was not measured, expected "
            f"one of {known}, or a measurement by python -m pcpo.claims.literal_speed"
        )
    fixed, per_stage = SECONDS[n, m]
    return fixed + per_stage * horizon


def _rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    literal = described(cell["name"], cell["fleet"], cell["Delta0"])
    horizon = horizon_for(literal.fleet, literal.schedule, cell["epochs"])
    seconds = seconds_per_rollout(literal.fleet.n, literal.fleet.m, horizon)
    rows = {"fleet": cell["name"], "processor": PROCESSOR, "horizon": horizon, "seconds": seconds, "speed": 1 / seconds}
    return pd.DataFrame([{"seed": seed, **rows} for seed in seeds])


SPEED = Study(
    name="literal_speed",
    title="Rollouts per second of the engine, by a measurement kept with the code",
    cells=fleet_cells,
    simulate=_rows,
    columns={
        "seed": "of no consequence: nothing is drawn or timed",
        "fleet": "name",
        "processor": "where the times were measured, by python -m pcpo.claims.literal_speed: one core, not in this job",
        "horizon": "h (stages of a rollout), for a bias below 1 % of Δ_L̄/8",
        "seconds": "processor time of one rollout (s): a + b·h with the a and b measured for this n and m",
        "speed": "rollouts per second of one core (1/s)",
    },
    options={"fleets": fleet_option(FLEETS)},
)


def measured(n: int, m: int) -> tuple[float, float]:
    """a and b (s) of this shape: the fastest of some estimates at two horizons, after one that is not timed."""
    rng = stream(0, Purpose.CALIBRATION, n, m)
    A = rng.standard_normal((n, n))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    system, gain = LinearSystem(A, rng.standard_normal((n, m)), np.eye(n), np.eye(m), 0.9), np.zeros((m, n))

    def seconds(horizon: int) -> float:
        directions, noise = (stream(0, Purpose.EVALUATION, kind) for kind in (0, 1))
        start = time.thread_time()
        gradient_estimate(system, gain, 1e-3, _ROLLOUTS, horizon=horizon, law=LAW, directions=directions, noise=noise)
        return (time.thread_time() - start) / _ROLLOUTS

    short, long = (min([seconds(h) for _ in range(1 + _REPETITIONS)][1:]) for h in _HORIZONS)
    slope = max(0.0, (long - short) / (_HORIZONS[1] - _HORIZONS[0]))
    return max(0.0, short - slope * _HORIZONS[0]), slope


def _main() -> None:
    found = {shape: measured(*shape) for shape in _SHAPES}
    lines = [
        '"""A measurement of time, not a result: written by `python -m pcpo.claims.literal_speed`, never by a job."""',
        "",
        f"PROCESSOR = {machine()['cpu']!r}".replace("'", '"'),
        "#: (n, m) → a and b (s): processor time of one rollout of h stages is a + b·h.",
        "SECONDS: dict[tuple[int, int], tuple[float, float]] = {",
        *(f"    {shape}: ({a:.3g}, {b:.3g})," for shape, (a, b) in found.items()),
        "}",
    ]
    write_text(Path(__file__).with_name("literal_measured.py"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    _main()
