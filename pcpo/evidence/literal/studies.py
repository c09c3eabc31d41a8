"""Study `literal_ladder`: from the constants of Table 2 as printed to the calibrated ones, for random fleets.

Study `literal_table`: Table 2 in numbers for whole fleets.  Nothing is drawn: all seeds have the same rows.

Study `literal_speed`: rollouts per second of one core, from a measurement kept beside the code.

Time is no result: it differs from run to run.  So nothing is timed in a job, and tables and figures have the same bytes
on every machine.  `python -m pcpo.evidence.literal.studies` measures and writes `literal_measured.py`, which names the
processor; the rest is arithmetic.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
    Literal,
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
from pcpo.theory.looseness import Ingredients, ladder

__all__ = ["FLEETS", "LADDER", "SPEED", "STUDIES", "TABLE", "ingredients", "measured", "seconds_per_rollout"]


def ingredients(literal: Literal, kappa: float) -> Ingredients:
    """Both ends of the ladder of a fleet."""
    return Ingredients(
        literal=literal.problem,
        searched=searched(literal),
        local=literal.local,
        kappa=kappa,
        D=literal.fleet.D,
        Delta0=literal.schedule.Delta0,
        Delta0_tilde=literal.found.Delta0_tilde,
    )


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kappa, epochs = float(options["kappa"]), options["epochs"]
    return {kind: {"kind": kind, "kappa": kappa, "epochs": epochs} for kind in options["kinds"]}


def _ladder_rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    frames = []
    for seed in seeds:
        literal = literal_fleet(*small_fleet(cell["kind"], seed))
        schedule, epochs = literal.schedule, cell["epochs"]
        rungs = ladder(
            ingredients(literal, cell["kappa"]), delta=schedule.delta, n_agents=literal.fleet.N, epochs=epochs
        )
        rows = pd.DataFrame([vars(rung) for rung in rungs])
        frames.append(rows.assign(seed=seed, rung=np.arange(len(rows)), Delta_L=schedule.plan(epochs).Delta))
    return pd.concat(frames, ignore_index=True).assign(kind=cell["kind"], epochs=cell["epochs"], mode="exact")


LADDER = Study(
    name="literal_ladder",
    title="From literal to calibrated constants",
    cells=_cells,
    simulate=_ladder_rows,
    columns={
        "seed": "draws the fleet; 0 is the fleet of the runs",
        "kind": "kind of fleet",
        "mode": "exact: closed forms",
        "rung": "place on the ladder; 0 is literal",
        "name": "what is replaced at this rung",
        "rollouts": "T to the end of the last epoch (rollouts per agent), this replacement and those above made",
        "minibatch": "M_L̄ there (rollouts)",
        "iterations": "R_L̄ there",
        "saved": "decades of T saved at this rung",
        "alone": "decades saved by this replacement alone, from the literal end",
        "shapley": "decades saved, mean over all orders of replacement",
        "Delta_L": "Δ_L̄ (cost units), the same on all rungs",
        "epochs": "L̄",
    },
    key=("seed", "rung"),
    options={"kinds": names(list(KINDS)), "kappa": number(0.05, most=1), "epochs": whole(4)},
)


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


def _constants(literal: Literal) -> dict[str, Any]:
    found, problem, c = literal.found, literal.problem, literal.schedule.constants
    values: dict[str, Any] = {}
    for letter, name in _LETTERS.items():
        values |= {letter: getattr(problem, name), f"{letter}_guarantee": found.guarantees[name].value}
    fixed = {f"c{k}": getattr(c, f"c{k}") for k in range(1, 7)}
    return values | fixed | {"Delta0_tilde": found.Delta0_tilde, "enlargement": found.enlargement}


_LETTERS = {
    "lambda": "lipschitz",
    "phi": "smoothness",
    "rho": "radius",
    "mu": "pl",
    "G": "rollout_bound",
}


def _table_rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    literal = described(cell["name"], cell["fleet"], cell["Delta0"])
    fleet, schedule, rows, total = literal.fleet, literal.schedule, [], 0
    sizes = np.array([1, *np.bincount(fleet.labels), fleet.N])
    for plan in map(schedule.plan, range(1, cell["epochs"] + 1)):
        total += plan.rollouts
        radii, capped = plan.radius_global(sizes)
        rows.append(
            {
                "fleet": cell["name"],
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
        "seed": "of no consequence: nothing is drawn",
        "fleet": "name",
        "mode": "of the schedule",
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
        "cap_active": "1 if c_(p,6) cuts the radius of a set of any size, else 0",
        "rollouts": "T_l (rollouts per agent)",
        "total": "T up to the end of the epoch (rollouts per agent)",
        **{name: f"{letter}" for name, letter in zip(_LETTERS, ("λ", "φ", "ρ", "μ", "G∞"), strict=True)},
        **{f"{name}_guarantee": f"what is known of {name}" for name in _LETTERS},
        **{f"c{k}": f"c_(p,{k})" for k in range(1, 7)},
        "Delta0_tilde": "Δ̃_0 (cost units)",
        "enlargement": "β: λ, φ, G∞ hold on {C − C* ≤ βΔ̃_0}",
    },
    key=("seed", "epoch"),
    options={"fleets": fleet_option(FLEETS)},
)


_SHAPES = ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3))
_HORIZONS = (64, 256)
_ROLLOUTS, _REPETITIONS = 32768, 5


def seconds_per_rollout(n: int, m: int, horizon: int) -> float:
    """a + b·h with the measured a and b of this shape; ConfigError for a shape that was not measured."""
    if (n, m) not in SECONDS:
        known = ", ".join(map(str, SECONDS))
        raise ConfigError(
            f"evidence.literal_speed.options.fleets: found n = {n}, m = {m}, whose speed was not measured, expected "
            f"one of {known}, or a measurement by python -m pcpo.evidence.literal.studies"
        )
    fixed, per_stage = SECONDS[n, m]
    return fixed + per_stage * horizon


def _speed_rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    literal = described(cell["name"], cell["fleet"], cell["Delta0"])
    horizon = horizon_for(literal.fleet, literal.schedule, cell["epochs"])
    seconds = seconds_per_rollout(literal.fleet.n, literal.fleet.m, horizon)
    rows = {"fleet": cell["name"], "processor": PROCESSOR, "horizon": horizon, "seconds": seconds, "speed": 1 / seconds}
    return pd.DataFrame([{"seed": seed, **rows} for seed in seeds])


SPEED = Study(
    name="literal_speed",
    title="Rollouts per second of the engine, by a measurement kept with the code",
    cells=fleet_cells,
    simulate=_speed_rows,
    columns={
        "seed": "of no consequence: nothing is drawn or timed",
        "fleet": "name",
        "processor": "where the times were measured (python -m pcpo.evidence.literal.studies): one core, not this job",
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
        '"""Measured times, not a result: written by `python -m pcpo.evidence.literal.studies`, never by a job."""',
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


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "literal_table": TABLE,
    "literal_speed": SPEED,
    "literal_ladder": LADDER,
}
