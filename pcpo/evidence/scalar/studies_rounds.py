"""Simulate line 6 with exact gradients, whole and projected: in how many rounds a set reaches a hundredth of its gap.

The noise of rollouts is left out, so the projection alone makes the difference.  A seed draws one system; many sets of
one size run on it at once, from one gain near K*, and their mean gap is compared with the closed form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.baselines.base import iterate
from pcpo.algorithms.projection import SharedDirections, spread, step_factor
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study, named_control
from pcpo.claims.options import several, whole
from pcpo.evidence.scalar.faults import CommonDirections, FaultyServer
from pcpo.evidence.scalar.fleets import draw_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.optimum import gap_array
from pcpo.lqr.system import LinearSystem
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Estimates, Question
from pcpo.oracles.rollout import ExactOracle
from pcpo.simulation.noise import Purpose, stream, unit_directions
from pcpo.theory.projected import ProjectedLaw, projected_law

__all__ = ["LARGEST", "STUDY", "TABLE", "RoundsCell"]

#: Steps: the one of Table 2, 1/(4h_max), shortened as `pcpo_scalar` does; and the largest with guaranteed descent.
TABLE, LARGEST = "table", "largest"
Wrong = Literal["", "unscaled", "unshared", "common"]

_FIRST_GAP = 2e-3  # cost units, C* = 20: near enough for the quadratic form of C
_REACHED = 0.01  # of the first gap
_BEYOND, _EXTRA = 1.5, 20  # rounds run: so many times those of the closed form, and some more
_MOST = 20_000
_START = 1  # key of the stream of the start, after that of the fleet


@dataclass(frozen=True)
class RoundsCell:
    """Describe one condition.

    Args:
        size: |N|, agents of a set.
        step: `TABLE` or `LARGEST`.
        sets: how many sets run on the system of a seed.
        multiple: of that step.
        reduced: whether the step is divided by q, as projected gradients need.
        wrong: what is wrong with the projection, for controls.
    """

    size: int
    step: str
    sets: int
    multiple: float = 1.0
    reduced: bool = True
    wrong: Wrong = ""


def _cells(options: Mapping[str, Any]) -> dict[str, RoundsCell]:
    """Make a cell for every size and both steps, and the controls."""
    sizes = sorted(options["sizes"])
    sets = {size: max(2, options["agents"] // size) for size in sizes}
    cells = {f"{step}, {size}": RoundsCell(size, step, sets[size]) for step in (TABLE, LARGEST) for size in sizes}
    least, most = sizes[0], sizes[-1]
    for wrong, tried in (("common", sizes[1:]), ("unscaled", sizes), ("unshared", [most])):
        for size in tried:
            cells[f"control:{wrong}, {size}"] = RoundsCell(size, LARGEST, sets[size], wrong=wrong)  # type: ignore[arg-type]
    cells[f"control:beyond, {most}"] = RoundsCell(most, LARGEST, sets[most], multiple=2.5)
    cells[f"control:unreduced, {least}"] = RoundsCell(least, LARGEST, sets[least], reduced=False)
    return cells


def _simulate(cell: RoundsCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Simulate a cell: a row per seed."""
    return pd.DataFrame([_of_seed(cell, int(seed)) for seed in seeds])[list(_COLUMNS)]


def _of_seed(cell: RoundsCell, seed: int) -> dict[str, Any]:
    """Run whole and projected gradients on the system of a seed."""
    system = draw_fleet(seed, (1,), None, fewest=2).systems[0]
    law, error = projected_law(system), _error(system, seed)
    h_max = float(np.linalg.eigvalsh(law.hessian)[-1])
    q = float(spread(system.D, np.array([cell.size]))[0])
    whole_step = (1 if cell.step == LARGEST else 0.25) / h_max
    shorter = float(step_factor(system.D, np.array([cell.size]))[0]) if cell.step == TABLE else 1 / q
    step = whole_step * (shorter if cell.reduced else 1.0)
    rounds_law, most = _until(law, error, step, cell.size)
    gaps = _run(system, error, cell, cell.multiple * step, most, seed)
    whole_law, whole_most = _until(law, error, whole_step, None)
    whole_gaps = _run(system, error, None, whole_step, whole_most, seed)
    return {
        "seed": seed,
        "mode": "exact",
        "n": system.n,
        "m": system.m,
        "unknowns": system.D,
        "size": cell.size,
        "step": cell.step,
        "spread": q,
        "rounds_whole": _crossing(whole_gaps),
        "rounds": _crossing(gaps),
        "whole_law": whole_law,
        "rounds_law": rounds_law,
        "rounds_run": float(most),
        "last": float(min(gaps[-1] / gaps[0], 1e12)),
    }


def _error(system: LinearSystem, seed: int) -> FloatArray:
    """Draw K − K* of the start, row by row: its direction is uniform, and its gap is `_FIRST_GAP` to second order."""
    U = unit_directions(system, 1, stream(seed, Purpose.FLEET, _START))[0].ravel()
    H = projected_law(system).hessian
    return np.asarray(U * np.sqrt(2 * _FIRST_GAP / (U @ H @ U)))


def _until(law: ProjectedLaw, error: FloatArray, step: float, agents: int | None) -> tuple[float, int]:
    """Return in how many rounds the closed form reaches the gap, and how many are run; at most `_MOST`."""
    rounds = 64
    while rounds < _MOST:
        gaps = law.gaps(error, step, rounds, agents=agents)
        if gaps[-1] <= _REACHED * gaps[0]:
            found = _crossing(gaps)
            return found, int(_BEYOND * found) + _EXTRA
        if not gaps[-1] < gaps[0]:
            break
        rounds *= 4
    return float(_MOST), 64  # grows: a control


def _crossing(gaps: FloatArray) -> float:
    """Return the round at which the gap reaches `_REACHED` of the first, between rounds on a log scale.

    If none does, the number of rounds that there are.
    """
    below = np.flatnonzero(gaps <= _REACHED * gaps[0])
    if not len(below):
        return float(len(gaps) - 1)
    k = int(below[0])
    high, low = np.log(gaps[k - 1]), np.log(np.maximum(gaps[k], 1e-300))
    return float(k - 1 + (high - np.log(_REACHED * gaps[0])) / (high - low))


class _Tracing(ExactOracle):
    """Answer exactly and remember the gain of the first agent of every set."""

    def __init__(self, fleet: Fleet, size: int) -> None:
        super().__init__(fleet)
        self.size, self.gains = size, list[FloatArray]()

    def _gradients(self, question: Question) -> Estimates:
        """Return exact gradients."""
        self.gains.append(question.gains[:: self.size])
        return super()._gradients(question)


def _run(
    system: LinearSystem, error: FloatArray, cell: RoundsCell | None, step: float, rounds: int, seed: int
) -> FloatArray:
    """Run line 6 from K* + e with step η; return the mean gap over sets before every round and at the end.

    Args:
        system: of all agents.
        error: e, ``(D,)``.
        cell: None for whole gradients, of one agent.
        step: η, of the step that is really taken.
        rounds: how many.
        seed: that agents and server share.
    """
    size, sets = (1, 1) if cell is None else (cell.size, cell.sets)
    N, best, shape = size * sets, lqr.riccati(system), (system.m, system.n)
    start = np.broadcast_to(best.K + error.reshape(shape), (N, *shape)).copy()
    fleet = Fleet("one system", (system,), np.zeros(N, dtype=np.int64), start)
    oracle, server = _Tracing(fleet, size), Server(N)
    server.neighbourhoods = Neighbourhoods.partition(np.arange(N) // size)
    factor = 1.0 if cell is None else float(step_factor(system.D, np.array([size]))[0])
    plan = EpochPlan(1, 1.0, 0.5, 1.0, rounds, 1, 1.0, 1.0, step / factor)
    directions: SharedDirections | None = None
    used: Any = server
    if cell is not None:
        directions = SharedDirections(seed, 1, N, shape)
        if cell.wrong == "common":
            directions = CommonDirections(seed, 1, N, shape, size)
        elif cell.wrong:
            used = FaultyServer(server, cell.wrong, seed)
    last = iterate(start, rounds, plan, oracle, np.ones(N), server=used, directions=directions)
    traced = np.stack([*oracle.gains, last[::size]])
    gaps = gap_array(system, best.G, best.K, traced)
    return np.asarray(np.minimum(gaps, 1e6).mean(axis=1))


_COLUMNS = {
    "seed": "seed of the system, the start and the directions",
    "mode": "closed forms and exact gradients: no schedule",
    "n": "states",
    "m": "inputs",
    "unknowns": "D",
    "size": "|N|, agents of a set",
    "step": "step of whole gradients: that of Table 2, 1/(4h_max), or the largest, 1/h_max",
    "spread": "q = 1 + (D − 1)/|N|",
    "rounds_whole": "rounds to a hundredth of the first gap with whole gradients",
    "rounds": "the same with projected ones, of the mean gap of the sets; that of `rounds_run` if it is not reached",
    "whole_law": "the same of the closed form with whole gradients",
    "rounds_law": "the same of the closed form with projected gradients",
    "rounds_run": "rounds that were run",
    "last": "mean gap after these rounds over the first, at most 1e12",
}

STUDY = Study(
    name="scalar_rounds",
    title="Rounds with whole and with projected gradients, without noise",
    cells=_cells,
    simulate=_simulate,
    columns=_COLUMNS,
    options={"sizes": several([1, 4, 16], whole(most=64)), "agents": whole(64, least=2, most=10_000)},
    controls_only=named_control,
)
