"""Compute what the constants of Table 2 cost, without runs: `literal_table`, `literal_speed` and `literal_ladder`.

`literal_table` evaluates Table 2 as printed for published fleets and random scenarios.  `literal_speed` gives the
rollouts per second of one core for the same fleets, so that rollouts can be converted to years.  `literal_ladder`
replaces the printed constants by the calibrated ones, one after another, for small random fleets.

No job measures time, because a time differs from run to run, and tables and figures must have the same bytes on every
machine.  `literal_speed` uses the times in `measured.py`, which names the processor;
`python -m pcpo.evidence.literal.studies` measures again and rewrites that file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import names, number, whole
from pcpo.errors import ConfigError
from pcpo.evidence.literal.fleets import (
    KINDS,
    LAW,
    FleetCell,
    LiteralFleet,
    described,
    fleet_cells,
    fleet_option,
    literal_fleet,
    searched,
    small_fleet,
)
from pcpo.evidence.literal.measured import PROCESSOR, SECONDS
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import Purpose, stream
from pcpo.storage.files import write_text
from pcpo.storage.provenance import machine
from pcpo.theory.calibration import horizon_for
from pcpo.theory.printed.looseness import Ingredients, ladder

__all__ = [
    "FLEETS",
    "LADDER",
    "SPEED",
    "STUDIES",
    "TABLE",
    "LadderCell",
    "measured",
    "measurement_source",
    "seconds_per_rollout",
]

# --------------------------------------------------------------------------------------------------- literal_ladder


@dataclass(frozen=True)
class LadderCell:
    """Describe one condition of the study `literal_ladder`.

    Args:
        kind: name of the kind of fleet.
        kappa: κ_M at the calibrated end.
        epochs: L̄.
    """

    kind: str
    kappa: float
    epochs: int


def _ladder_cells(options: Mapping[str, Any]) -> dict[str, LadderCell]:
    return {kind: LadderCell(kind, float(options["kappa"]), options["epochs"]) for kind in options["kinds"]}


def _ingredients(literal: LiteralFleet, kappa: float) -> Ingredients:
    """Collect the constants at both ends of the ladder of a fleet."""
    return Ingredients(
        literal=literal.problem,
        searched=searched(literal),
        local=literal.local,
        kappa=kappa,
        D=literal.fleet.D,
        Delta0=literal.schedule.Delta0,
        Delta0_tilde=literal.found.Delta0_tilde,
    )


def _ladder_rows(cell: LadderCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Climb the ladder of a fleet for each seed, a row per rung."""
    frames = []
    for seed in seeds:
        literal = literal_fleet(*small_fleet(cell.kind, seed))
        schedule, given = literal.schedule, _ingredients(literal, cell.kappa)
        rungs = ladder(given, delta=schedule.delta, n_agents=literal.fleet.N, epochs=cell.epochs)
        rows = pd.DataFrame([vars(rung) for rung in rungs])
        frames.append(rows.assign(seed=seed, rung=np.arange(len(rows)), Delta_L=schedule.plan(cell.epochs).Delta))
    return pd.concat(frames, ignore_index=True).assign(kind=cell.kind, epochs=cell.epochs, mode="exact")


LADDER = Study(
    name="literal_ladder",
    title="From literal to calibrated constants",
    cells=_ladder_cells,
    simulate=_ladder_rows,
    columns={
        "seed": "seed that draws the fleet; 0 is the fleet of the runs",
        "kind": "kind of fleet",
        "mode": "exact: closed forms",
        "rung": "place on the ladder; 0 is literal",
        "name": "what is replaced at this rung",
        "rollouts": "T to the end of the last epoch (rollouts per agent), with this replacement and those above it",
        "minibatch": "M_L̄ at this rung (rollouts)",
        "iterations": "R_L̄ at this rung",
        "saved": "decades of T saved at this rung",
        "alone": "decades saved by this replacement alone, starting from the literal constants",
        "shapley": "decades saved, mean over all orders of replacement",
        "Delta_L": "Δ_L̄ (cost units), the same on all rungs",
        "epochs": "L̄",
    },
    key=("seed", "rung"),
    options={"kinds": names(list(KINDS)), "kappa": number(0.05, most=1), "epochs": whole(4)},
)


# ---------------------------------------------------------------------------------------------------- literal_table

#: Published fleets, at the Δ_0 of their scenarios.
FLEETS: dict[str, Any] = {
    "example": {"fleet": {"file": "config/fleets/example.yaml"}, "Delta0": 24.0, "epochs": 4},
    "mirror": {"fleet": {"file": "config/fleets/mirror.yaml"}, "Delta0": 7.0, "epochs": 3},
    "toso2023": {"fleet": {"file": "config/fleets/toso2023.yaml"}, "Delta0": 4.0, "epochs": 3},
    "wang2023": {
        "fleet": {"file": "config/fleets/wang2023.yaml", "initial_gains": {"seed": 1, "rule": "per_agent", "gap": 2}},
        "Delta0": 12.0,
        "epochs": 3,
    },
}


#: Columns of λ, φ, ρ, μ, G∞ → their names in `ProblemConstants`.
_LETTERS = {
    "lambda": "lipschitz",
    "phi": "smoothness",
    "rho": "radius",
    "mu": "pl",
    "G": "rollout_bound",
}


def _constants(literal: LiteralFleet) -> dict[str, Any]:
    """Return the constants of a fleet by column, with the guarantee of each problem constant."""
    found, problem, c = literal.found, literal.problem, literal.schedule.constants
    values: dict[str, Any] = {}
    for letter, name in _LETTERS.items():
        values |= {letter: getattr(problem, name), f"{letter}_guarantee": found.guarantees[name].value}
    fixed = {f"c{k}": getattr(c, f"c{k}") for k in range(1, 7)}
    return values | fixed | {"Delta0_tilde": found.Delta0_tilde, "enlargement": found.enlargement}


def _table_rows(cell: FleetCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Evaluate Table 2 for a fleet, a row per epoch; all seeds have the same rows."""
    literal = described(cell)
    fleet, schedule, rows, total = literal.fleet, literal.schedule, [], 0
    sizes = np.array([1, *np.bincount(fleet.labels), fleet.N])
    for plan in map(schedule.plan, range(1, cell.epochs + 1)):
        total += plan.rollouts
        radii, capped = plan.radius_global(sizes)
        rows.append(
            {
                "fleet": cell.name,
                "mode": schedule.mode,
                "states": fleet.n,
                "inputs": fleet.m,
                "agents": fleet.N,
                "epoch": plan.epoch,
                "Delta_l": plan.Delta,
                "delta_l": plan.failure_probability,
                "log_term": plan.log_term,
                "step_size": plan.step_size,
                "iterations": float(plan.iterations),
                "minibatch": float(plan.minibatch),
                "radius_uncapped": plan.radius_uncapped,
                "radius_local": plan.radius_local,
                "radius_global": float(radii[-1]),
                "cap_active": int(plan.local_cap_active or capped.any()),
                "rollouts": float(plan.rollouts),
                "total": float(total),
                **_constants(literal),
            }
        )
    return pd.concat([pd.DataFrame(rows).assign(seed=seed) for seed in seeds], ignore_index=True)


TABLE = Study(
    name="literal_table",
    title="Table 2 as printed, in numbers",
    cells=fleet_cells,
    simulate=_table_rows,
    columns={
        "seed": "without effect: nothing is drawn",
        "fleet": "name of the fleet",
        "mode": "mode of the schedule's constants",
        "states": "n",
        "inputs": "m",
        "agents": "N",
        "epoch": "l",
        "Delta_l": "Δ_l (cost units)",
        "delta_l": "δ_l",
        "log_term": "L_l = log(8DNR_l/δ_l)",
        "step_size": "η (gain units squared per cost unit)",
        "iterations": "R_l",
        "minibatch": "M_l (rollouts)",
        "radius_uncapped": "r̃_l (gain units)",
        "radius_local": "r_l^(loc) (gain units)",
        "radius_global": "r_l^(global) of an agent whose set is [N] (gain units)",
        "cap_active": "1 if c_(p,6) caps the radius of a set of any size, else 0",
        "rollouts": "T_l (rollouts per agent)",
        "total": "T up to the end of the epoch (rollouts per agent)",
        **{name: f"{letter}" for name, letter in zip(_LETTERS, ("λ", "φ", "ρ", "μ", "G∞"), strict=True)},
        **{f"{name}_guarantee": f"how {name} is guaranteed" for name in _LETTERS},
        **{f"c{k}": f"c_(p,{k})" for k in range(1, 7)},
        "Delta0_tilde": "Δ̃_0 (cost units)",
        "enlargement": "β: λ, φ, G∞ hold on {C − C* ≤ βΔ̃_0}",
    },
    key=("seed", "epoch"),
    options={"fleets": fleet_option(FLEETS)},
)


# ---------------------------------------------------------------------------------------------------- literal_speed


def seconds_per_rollout(n: int, m: int, horizon: int) -> float:
    """Return the processor time of one rollout (s), a + b·h with the measured a and b of this shape.

    Args:
        n: number of states.
        m: number of inputs.
        horizon: h (stages).

    Raises:
        ConfigError: for a shape (n, m) that was not measured.
    """
    if (n, m) not in SECONDS:
        known = ", ".join(map(str, SECONDS))
        raise ConfigError(
            f"evidence.literal_speed.options.fleets: found n = {n}, m = {m}, whose speed was not measured, expected "
            f"one of {known}, or a measurement by python -m pcpo.evidence.literal.studies"
        )
    fixed, per_stage = SECONDS[n, m]
    return fixed + per_stage * horizon


def _speed_rows(cell: FleetCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Compute the speed for a fleet at the horizon of its last epoch; all seeds have the same row."""
    literal = described(cell)
    horizon = horizon_for(literal.fleet, literal.schedule, cell.epochs)
    seconds = seconds_per_rollout(literal.fleet.n, literal.fleet.m, horizon)
    rows = {"fleet": cell.name, "processor": PROCESSOR, "horizon": horizon, "seconds": seconds, "speed": 1 / seconds}
    return pd.DataFrame([{"seed": seed, **rows} for seed in seeds])


SPEED = Study(
    name="literal_speed",
    title="Rollouts per second of the engine, from a measurement stored with the code",
    cells=fleet_cells,
    simulate=_speed_rows,
    columns={
        "seed": "without effect: nothing is drawn or timed",
        "fleet": "name of the fleet",
        "processor": "processor on which the times were measured, one core (python -m pcpo.evidence.literal.studies)",
        "horizon": "h (stages of a rollout), for a bias below 1 % of Δ_L̄/8",
        "seconds": "processor time of one rollout (s): a + b·h, with a and b measured for this n and m",
        "speed": "rollouts per second of one core (1/s)",
    },
    options={"fleets": fleet_option(FLEETS)},
)


# ------------------------------------------------------------------------------------------------------ measurement

_SHAPES = ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3))
_HORIZONS = (64, 256)
_ROLLOUTS, _REPETITIONS = 32768, 5


def measured(n: int, m: int) -> tuple[float, float]:
    """Measure a and b (s) of a shape, from the fastest of some estimates at each of two horizons.

    The first estimate, which includes the compilation, is not counted.

    Args:
        n: number of states.
        m: number of inputs.
    """
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


def measurement_source(processor: str, found: Mapping[tuple[int, int], tuple[float, float]]) -> str:
    """Return the source of `measured.py`.

    Args:
        processor: model name of the processor.
        found: (n, m) → a and b (s), as `measured` returns them.
    """
    lines = [
        '"""Hold measured times, which no job writes: `python -m pcpo.evidence.literal.studies` rewrites this file."""',
        "",
        f"PROCESSOR = {json.dumps(processor)}",
        "#: (n, m) → a and b (s): processor time of one rollout of h stages is a + b·h.",
        "SECONDS: dict[tuple[int, int], tuple[float, float]] = {",
        *(f"    {shape}: ({a:.3g}, {b:.3g})," for shape, (a, b) in found.items()),
        "}",
    ]
    return "\n".join(lines) + "\n"


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "literal_table": TABLE,
    "literal_speed": SPEED,
    "literal_ladder": LADDER,
}

if __name__ == "__main__":
    write_text(
        Path(__file__).with_name("measured.py"),
        measurement_source(str(machine()["cpu"]), {shape: measured(*shape) for shape in _SHAPES}),
    )
