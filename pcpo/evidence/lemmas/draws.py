"""Listen to the oracle of a run of PCPO, one rollout a question: are its rollouts independent ones of (5)?

With M = 1 an answer shows its rollout whole: g = (D/r)·C(K + rU; Z)·U has the cost r‖g‖/D and the direction g/‖g‖.
Given the direction, the cost has a known mean and variance, so z, the standardised cost, has mean 0 and variance 1
exactly and depends on the noise Z alone.  (A moment oracle draws g from a normal law; there z is the first standardised
component.)  The clusters differ in the level of their costs only and all agents start at one gain, so that agents which
share their noise have the same z.  The step size is so small that gains stay where they are, and Δ_0 so large that no
set changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.arrays import FloatArray, IntArray
from pcpo.claims.contract import Study
from pcpo.evidence.lemmas.constants import LAW
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import draw_system
from pcpo.oracles.protocol import Estimates, Question
from pcpo.oracles.rollout import LedgerOracle
from pcpo.simulation.noise import Purpose, stream, unit_directions

__all__ = ["DRAWS", "KINDS", "STUDIES"]

_LABELS = np.array([0, 0, 0, 1, 1, 2])
_LEVELS = (1.0, 1.25, 1.5)  # of the costs of the clusters
_GAMMA, _HORIZON, _RADIUS = 0.7, 25, 0.05
_EPOCHS, _ITERATIONS = 2, 3  # of a run; of a sequence in epoch 1
_RUNS = 10  # on a fleet
_CELLS = 4  # that are no controls
_SHAPES = {"1x1": (1, 1), "2x1": (2, 1), "3x2": (3, 2)}

#: How a control falsifies the answers of the oracle.
_Wrong = Literal["", "all", "cluster", "pair", "cost", "gradients", "one_gradient", "longer", "half"]


@dataclass(frozen=True)
class DrawsCell:
    """Describe a condition of `lemmas_draws`.

    Args:
        number: of the cell, so that rows of different cells have other random numbers.
        states: n.
        inputs: m.
        oracle: of the run.
        wrong: what a control does to the answers.
    """

    number: int
    states: int
    inputs: int
    oracle: Literal["rollouts", "moments"] = "rollouts"
    wrong: _Wrong = ""


def _draws_cells(options: Mapping[str, Any]) -> dict[str, DrawsCell]:
    """Make a cell for each shape, one for the moment oracle, and the controls."""
    cells = {name: DrawsCell(k, *shape) for k, (name, shape) in enumerate(_SHAPES.items())}
    cells["moments"] = replace(cells["2x1"], number=len(cells), oracle="moments")
    wrong: tuple[_Wrong, ...] = ("all", "cluster", "pair", "cost", "gradients", "one_gradient", "longer", "half")
    return cells | {f"control:{kind}": replace(cells["2x1"], wrong=kind) for kind in wrong}


@lru_cache(maxsize=16)
def _fleet(states: int, inputs: int, number: int) -> Fleet:
    """Draw a system, and make a fleet whose clusters are this system at three levels of cost."""
    rng = stream(number, Purpose.FLEET, states, inputs)
    system = draw_system(states, inputs, _GAMMA, (0.6, 1.0), rng)
    systems = tuple(replace(system, Q=level * system.Q, R=level * system.R) for level in _LEVELS)
    start = lqr.riccati(system).K + 0.1 * unit_directions(system, 1, rng)[0]
    return Fleet("draws", systems, _LABELS, np.repeat(start[None], len(_LABELS), axis=0))


def _schedule(fleet: Fleet) -> Schedule:
    """Plan 3 and 4 iterations of one rollout and almost no step, with sets that no estimate changes."""
    Delta0 = 1e6
    c3 = math.exp(_ITERATIONS - 0.5) * (Delta0 / 2) ** 2 / fleet.N
    constants = Constants("calibrated", c1=1e-12, c2=1.0, c3=c3, c4=1e-9, c5=1.0, c6=_RADIUS)
    return Schedule(constants, Delta0, 0.05, fleet.N, fleet.D)


class _Falsified:
    """Change answers as a control says.

    Agents that share an answer get it in units of their own cost; "cost" makes the estimate of the cost from the last
    local rollout, and "gradients" the global gradients from the local ones ("one_gradient": the first one of an epoch);
    "longer" makes every gradient 5 % longer, and "half" turns all into one half-space.
    """

    def __init__(self, wrong: _Wrong, fleet: Fleet) -> None:
        self._wrong, levels = wrong, np.array(_LEVELS)[fleet.labels]
        whose = {"all": [0] * 6, "cluster": [0, 0, 0, 3, 3, 5], "pair": [0, 0, 2, 3, 4, 5]}.get(wrong, list(range(6)))
        self._whose, self._scale, self._D = np.array(whose), levels / levels[whose], fleet.D
        self._local: dict[int, list[FloatArray]] = {}
        self._asked: dict[int, int] = {}

    def gradients(self, question: Question, values: FloatArray) -> FloatArray:
        """Return the gradients that the control gives."""
        values = values[self._whose] * self._scale[:, None, None]
        if self._wrong == "longer":
            values = 1.05 * values
        if self._wrong == "half":
            values = values * np.sign(values[:, :1, :1])
        if question.purpose == Purpose.LOCAL:
            self._local.setdefault(question.epoch, []).append(values)
            return values
        place = self._asked[question.epoch] = self._asked.get(question.epoch, -1) + 1
        again = self._wrong == "gradients" or (self._wrong == "one_gradient" and place == 0)
        return self._local[question.epoch][place] if again else values

    def costs(self, values: FloatArray, epoch: int) -> FloatArray:
        """Return the costs that the control gives."""
        if self._wrong == "cost":
            return np.asarray(_RADIUS * np.linalg.norm(self._local[epoch][-1], axis=(1, 2)) / self._D)
        return np.asarray(values[self._whose] * self._scale)


class _Listening(LedgerOracle):
    """Pass questions on to an oracle and keep gains and answers by (epoch, purpose)."""

    def __init__(self, fleet: Fleet, oracle: LedgerOracle, falsified: _Falsified) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self._oracle, self._falsified = oracle, falsified
        self.heard: dict[tuple[int, int], list[tuple[FloatArray, FloatArray]]] = {}

    def _gradients(self, question: Question) -> Estimates:
        found = self._oracle.gradients(
            question.gains, question.minibatch, question.radii, purpose=question.purpose, epoch=question.epoch
        )
        values = self._falsified.gradients(question, found.values)
        self.heard.setdefault((question.epoch, question.purpose), []).append((question.gains, values))
        return Estimates(values, found.nonfinite)

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        found = self._oracle.costs(gains, minibatch, purpose=purpose, epoch=epoch)
        values = self._falsified.costs(found.values, epoch)
        self.heard.setdefault((epoch, Purpose.COST), []).append((gains, values))
        return Estimates(values, found.nonfinite)


@dataclass(frozen=True)
class _Read:
    """Hold what answers show, by question and agent: standardised costs z ``(q, N)`` and directions ``(q, N, D)``."""

    z: FloatArray
    directions: FloatArray


def _standardised(fleet: Fleet, gains: FloatArray, values: FloatArray, oracle: str) -> FloatArray:
    """Standardise the costs of single rollouts at gains ``(q, N, m, n)``: ``(q, N)``."""
    system, levels = fleet.systems[0], np.array(_LEVELS)[fleet.labels]
    if oracle == "moments":
        mean, variance = lqr.cost_array(system, gains), lqr.variance_array(system, gains, LAW)
    else:
        mean = lqr.truncated_cost_array(system, gains, _HORIZON)
        variance = lqr.truncated_variance_array(system, gains, _HORIZON, LAW)
    return np.asarray((values / levels - mean) / np.sqrt(variance))


def _of_rollouts(fleet: Fleet, gains: FloatArray, g: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return z ``(q, N)`` and directions ``(q, N, D)`` of single rollouts from the gradients g ``(q, N, m, n)``."""
    length = np.linalg.norm(g, axis=(2, 3))
    U = g / length[..., None, None]
    z = _standardised(fleet, gains + _RADIUS * U, _RADIUS * length / fleet.D, "rollouts")
    return z, U.reshape(*length.shape, fleet.D)


def _of_moments(fleet: Fleet, g: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the first of the standardised components of g as z, and their direction."""
    moments = lqr.estimator_moments(fleet.systems[0], fleet.initial_gains[0], _RADIUS, LAW)
    off = (g / np.array(_LEVELS)[fleet.labels][:, None, None] - moments.mean).reshape(-1, fleet.D)
    normals = np.linalg.solve(np.linalg.cholesky(moments.covariance), off.T).T.reshape(*g.shape[:2], fleet.D)
    return normals[..., 0], normals / np.linalg.norm(normals, axis=2, keepdims=True)


def _read(
    fleet: Fleet, heard: Mapping[tuple[int, int], Sequence[tuple[FloatArray, FloatArray]]], oracle: str
) -> dict[tuple[int, int], _Read]:
    """Read the rollouts behind all answers of a run, by (epoch, purpose)."""
    found: dict[tuple[int, int], _Read] = {}
    for costs in (True, False):
        keys = [key for key in heard if (key[1] == Purpose.COST) == costs]
        gains, values = (np.stack(side) for side in zip(*(one for key in keys for one in heard[key]), strict=True))
        if costs:
            z, U = _standardised(fleet, gains, values, oracle), np.zeros((*values.shape, 0))
        else:
            z, U = _of_moments(fleet, values) if oracle == "moments" else _of_rollouts(fleet, gains, values)
        ends = np.cumsum([len(heard[key]) for key in keys])
        found |= {
            key: _Read(z[end - len(heard[key]) : end], U[end - len(heard[key]) : end])
            for key, end in zip(keys, ends, strict=True)
        }
    return found


#: What is averaged over a run: products of z, or of directions, of two questions.
KINDS: dict[str, str] = {
    "cluster_noise": "mean z_i z_j of agents of a cluster, same question",
    "cluster_direction": "mean ⟨U_i, U_j⟩ of agents of a cluster, same question",
    "fleet_noise": "mean z_i z_j of agents of different clusters, same question",
    "fleet_direction": "mean ⟨U_i, U_j⟩ of agents of different clusters, same question",
    "sequences_noise": "mean of z of a local and the global rollout of the same number, an agent's",
    "sequences_direction": "mean of ⟨U, U'⟩ of these",
    "cost_local_noise": "mean of z of the cost's and a local rollout, an agent's",
    "cost_global_noise": "mean of z of the cost's and a global rollout, an agent's",
    "successive_noise": "mean of z of two rollouts one after the other, of a sequence of an agent",
    "successive_direction": "mean of ⟨U, U'⟩ of these",
    "epochs_noise": "mean of z of rollouts of the same place in two epochs, an agent's",
    "local_mean": "mean z of local rollouts",
    "global_mean": "mean z of global rollouts",
    "cost_mean": "mean z of rollouts of the cost",
    "square": "mean z² of all rollouts",
    "direction": "mean first entry of all directions",
}


def _products(read: Mapping[tuple[int, int], _Read], labels: IntArray) -> dict[str, float]:
    """Average the products of `KINDS` over a run, from what was read by (epoch, purpose)."""
    z = {key: one.z for key, one in read.items()}
    U = {key: one.directions for key, one in read.items() if key[1] != Purpose.COST}
    epochs = range(1, _EPOCHS + 1)
    noise, ways = np.concatenate(list(z.values())), np.concatenate(list(U.values()))
    pairs = list(combinations(range(len(labels)), 2))
    found: dict[str, float] = {}
    for name, chosen in (
        ("cluster", [(i, j) for i, j in pairs if labels[i] == labels[j]]),
        ("fleet", [(i, j) for i, j in pairs if labels[i] != labels[j]]),
    ):
        first, second = (np.array(side) for side in zip(*chosen, strict=True))
        found[f"{name}_noise"] = float((noise[:, first] * noise[:, second]).mean())
        found[f"{name}_direction"] = float((ways[:, first] * ways[:, second]).sum(axis=2).mean())
    alone, together = Purpose.LOCAL, Purpose.GLOBAL
    found["sequences_noise"] = _mean([z[e, alone] * z[e, together] for e in epochs])
    found["sequences_direction"] = _mean([(U[e, alone] * U[e, together]).sum(axis=2) for e in epochs])
    for name, purpose in (("local", alone), ("global", together)):
        found[f"cost_{name}_noise"] = _mean([z[e, Purpose.COST] * z[e, purpose] for e in epochs])
        found[f"{name}_mean"] = _mean([z[e, purpose] for e in epochs])
    found["successive_noise"] = _mean([z[e, p][1:] * z[e, p][:-1] for e in epochs for p in (alone, together)])
    found["successive_direction"] = _mean(
        [(U[e, p][1:] * U[e, p][:-1]).sum(axis=2) for e in epochs for p in (alone, together)]
    )
    found["epochs_noise"] = _mean([z[1, p] * z[2, p][: len(z[1, p])] for p in (alone, together, Purpose.COST)])
    found["cost_mean"] = _mean([z[e, Purpose.COST] for e in epochs])
    return {**found, "square": float((noise**2).mean()), "direction": float(ways[..., 0].mean())}


def _mean(arrays: Sequence[FloatArray]) -> float:
    """Return the mean of all entries."""
    return float(np.concatenate([array.ravel() for array in arrays]).mean())


def _draws(cell: DrawsCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run PCPO for two epochs, with ten seeds on a fleet; a row for each run."""
    rows = []
    for seed in seeds:
        fleet = _fleet(cell.states, cell.inputs, seed // _RUNS)
        schedule = _schedule(fleet)
        horizon = None if cell.oracle == "moments" else _HORIZON
        experiment = Experiment(fleet, schedule, LAW.name, horizon, schedule.rollouts_for(_EPOCHS), cell.oracle)
        oracle = _Listening(fleet, experiment.make_oracle(_CELLS * seed + cell.number), _Falsified(cell.wrong, fleet))
        run(PCPO(), oracle, Setting(fleet.initial_gains, schedule), experiment.budget)
        rows.append({"seed": seed, **_products(_read(fleet, oracle.heard, cell.oracle), fleet.labels)})
    return pd.DataFrame(rows)


DRAWS = Study(
    name="lemmas_draws",
    title="Rollouts of PCPO, one by one",
    cells=_draws_cells,
    simulate=_draws,
    columns={"seed": "run", **KINDS},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_draws": DRAWS,
}
