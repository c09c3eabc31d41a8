"""Run PCPO on random fleets and compare all that it asks and does with Algorithm 1 worked out by hand.

An oracle with known answers, exact ones and some noise, keeps the questions.  From these and from its answers
`by_hand` says what Table 2 asks for, where the steps of lines 4 and 11 lead, and what (7) and (8) make of the
estimates.  The noise is such that sets are no partition for a while and that the cheapest of a set changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import EpochReport, Setting
from pcpo.arrays import BoolArray, FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.lemmas import by_hand
from pcpo.evidence.lemmas.by_hand import Row
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.oracles.protocol import Estimates, Question
from pcpo.oracles.rollout import ExactOracle
from pcpo.simulation.noise import Purpose, stream

__all__ = ["RULES", "SHAPES", "STUDIES"]

#: States, inputs and sizes of the clusters of the fleets that are drawn.
SHAPES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "1x1": (1, 1, (3, 2, 1)),
    "2x1": (2, 1, (3, 2)),
    "3x2": (3, 2, (2, 4)),
}
_COST_NOISE = 0.3  # standard deviation of an estimated cost, over Δ_l
_GRADIENT_NOISE = 0.1  # of an entry of a gradient, over its norm


@dataclass(frozen=True)
class Cell:
    """Describe a condition of `lemmas_rules`.

    Args:
        name: of the cell; "control:…" if the algorithm is not the paper's.
        shape: of the fleets, a key of `SHAPES`.
        Delta0: Δ_0 (units of cost; C*_1 is 20 and the separation 4).
        scale: κ_M.
        epochs: of a run.
        algorithm: PCPO, or a variant of it.
    """

    name: str
    shape: str
    Delta0: float
    scale: float
    epochs: int
    algorithm: PCPO


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell for each shape, and the controls."""
    settings = float(options["Delta0"]), float(options["scale"]), int(options["epochs"])
    cells = {shape: Cell(shape, shape, *settings, PCPO()) for shape in SHAPES}
    wrong = {
        "control:threshold": PCPO(threshold=0.45),
        "control:no_radius_scaling": PCPO(scale_radius=False),
        "control:no_reinit": PCPO(reinitialise=False),
    }
    return {**cells, **{name: replace(cells["2x1"], name=name, algorithm=pcpo) for name, pcpo in wrong.items()}}


class _Listening(ExactOracle):
    """Answer ∇C and C with some noise, and keep questions and answers by (purpose, epoch)."""

    def __init__(self, fleet: Fleet, seed: int, Delta0: float) -> None:
        super().__init__(fleet)
        self._rng, self._Delta0 = stream(seed, Purpose.EVALUATION), Delta0
        self.gradients_asked: dict[tuple[int, int], list[tuple[Question, FloatArray]]] = {}
        self.costs_asked: dict[int, tuple[FloatArray, int, FloatArray]] = {}

    def _gradients(self, question: Question) -> Estimates:
        exact = super()._gradients(question)
        size = np.linalg.norm(exact.values, axis=(1, 2), keepdims=True)
        g = exact.values + _GRADIENT_NOISE * size * self._rng.standard_normal(exact.values.shape)
        self.gradients_asked.setdefault((question.purpose, question.epoch), []).append((question, g))
        return Estimates(g, exact.nonfinite)

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        exact = super()._costs(gains, minibatch, purpose, epoch)
        noise = _COST_NOISE * self._Delta0 / 2**epoch * self._rng.standard_normal(len(gains))
        self.costs_asked[epoch] = gains, minibatch, exact.values + noise
        return Estimates(exact.values + noise, exact.nonfinite)


def _off(found: FloatArray, expected: FloatArray, scale: FloatArray | float) -> float:
    """Return the largest distance of two arrays of gains, over a scale for each agent."""
    distance = np.linalg.norm(found - expected, axis=(-1, -2))
    return float(np.max(distance / np.maximum(scale, 1e-300)))


def _steps(asked: Sequence[tuple[Question, FloatArray]], end: FloatArray, eta: float, sets: BoolArray | None) -> float:
    """Return how far the iterates of a sequence are from K − η·(mean of g over the sets), over the step that is due."""
    places = [question.gains for question, _ in asked[1:]] + [end]
    worst = 0.0
    for (question, g), after in zip(asked, places, strict=True):
        step = eta * (g if sets is None else by_hand.average(sets, g))
        lengths = np.linalg.norm(step, axis=(1, 2)) + 1e-9 * np.linalg.norm(question.gains, axis=(1, 2))
        worst = max(worst, _off(after, question.gains - step, lengths))
    return worst


def _ratio(found: FloatArray | float, expected: FloatArray | float) -> float:
    """Return the largest |found/expected − 1|."""
    return float(np.max(np.abs(np.asarray(found) / expected - 1)))


def _table_2(row: Row, cap: float, sizes: FloatArray, oracle: _Listening, report: EpochReport) -> dict[str, float]:
    """Compare what was asked in an epoch with a row of Table 2: relative deviations."""
    epoch = report.plan.epoch
    own, shared = (oracle.gradients_asked[purpose, epoch] for purpose in (Purpose.LOCAL, Purpose.GLOBAL))
    asked = [q.minibatch for q, _ in own + shared] + [oracle.costs_asked[epoch][1]]
    # A number that is rounded up may be off by the rounding, and by what central differences leave.
    iterations = max(
        max(R - row.iterations - 1, row.iterations - R, 0) / row.iterations for R in map(len, (own, shared))
    )
    return {
        "step_size": _ratio(report.plan.step_size, row.step_size),
        "iterations": iterations,
        "minibatch": max(0.0, _ratio(np.array(asked), row.minibatch) - 1 / row.minibatch),
        "radius_local": _ratio(own[0][0].radii, min(cap, row.radius)),
        "radius_global": _ratio(shared[0][0].radii, np.minimum(cap, row.radius / sizes**0.25)),
        "radius_everyone": _ratio(shared[0][0].radii, np.minimum(cap, row.radius / len(sizes) ** 0.25)),
    }


def _epoch(
    row: Row, sets: BoolArray, starts: tuple[FloatArray, FloatArray], oracle: _Listening, report: EpochReport
) -> tuple[dict[str, float], BoolArray]:
    """Compare an epoch with the rules; return deviations and the sets that (7) leaves.

    Args:
        row: of Table 2.
        sets: N_i of the epoch before, ``(N, N)``.
        starts: local and global gains at the start of the epoch.
        oracle: whose answers the run got.
        report: what PCPO says of the epoch.
    """
    epoch, N = report.plan.epoch, len(sets)
    own, shared = (oracle.gradients_asked[purpose, epoch] for purpose in (Purpose.LOCAL, Purpose.GLOBAL))
    at, _, estimates = oracle.costs_asked[epoch]
    after = by_hand.pruned(sets, estimates, row.Delta)
    changed = bool((after != sets).any())
    # Without (8) the last step ends in the gains reported; with it, the gains before it do not show.
    known = shared if not changed else shared[:-1]
    end = report.global_gains if not changed else shared[-1][0].gains
    eta, everyone = report.plan.step_size, np.ones((N, N), dtype=bool)
    lengths = np.linalg.norm(at, axis=(1, 2))

    def adopted(place: int) -> float:
        """Return how far the gains are from those of the member at a place of the order of costs."""
        return _off(report.global_gains, at[by_hand.ranked(after, estimates, place)], lengths) if changed else 0.0

    first = max(
        _off(question[0][0].gains, start, lengths) for question, start in zip((own, shared), starts, strict=True)
    )
    return {
        **_table_2(row, report.plan.radius_cap, sets.sum(axis=1).astype(float), oracle, report),
        "moved": max(_steps(own, at, eta, None), _steps(known, end, eta, sets), first),
        "moved_new": _steps(known, end, eta, after),
        "moved_everyone": _steps(known, end, eta, everyone),
        "moved_alone": _steps(known, end, eta, None),
        "sets": int((report.neighbourhoods.dense() != after).any(axis=1).sum()),
        "partial": int((after.sum() < N * N) and not _partition(after)),
        "changed": int(changed),
        "adopted": adopted(0) if changed else float(report.reinitialised),
        "adopted_second": adopted(1),
        "adopted_dearest": adopted(-1),
    }, after


def _partition(sets: BoolArray) -> bool:
    """Return whether agents of a set have the same set."""
    return all((sets[j] == row).all() for row in sets for j in np.flatnonzero(row))


def _fleet(cell: Cell, seed: int) -> Fleet:
    """Draw a fleet whose agents all start elsewhere."""
    n, m, sizes = SHAPES[cell.shape]
    spec = FleetSpec(
        n=n, m=m, sizes=sizes, gamma=0.7, initial_gap=1.0, separation=4.0, optimal_cost=20.0, condition_limit=20.0
    )
    return random_fleet(spec, stream(seed, Purpose.FLEET, n), f"rules {cell.shape}")


def _rules(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run PCPO once on a fleet for each seed; a row for each epoch."""
    rows = []
    for seed in seeds:
        fleet, oracle = _fleet(cell, seed), None
        experiment = Experiment.calibrated(
            fleet, Delta0=cell.Delta0, minibatch_scale=cell.scale, epochs=cell.epochs, oracle="moments"
        )
        oracle = _Listening(fleet, seed, cell.Delta0)
        result = run(cell.algorithm, oracle, Setting(fleet.initial_gains, experiment.schedule), experiment.budget)
        table = by_hand.calibrated_rows(fleet, cell.Delta0, experiment.planned.delta, cell.scale, cell.epochs)
        sets, starts = np.ones((fleet.N, fleet.N), dtype=bool), (fleet.initial_gains, fleet.initial_gains)
        for row, report in zip(table, result.epochs, strict=True):
            found, sets = _epoch(row, sets, starts, oracle, report)
            starts = oracle.costs_asked[report.plan.epoch][0], report.global_gains
            rows.append({"seed": seed, "epoch": report.plan.epoch, **found})
    return pd.DataFrame(rows)


RULES = Study(
    name="lemmas_rules",
    title="Algorithm 1 against a calculation by hand, on random fleets",
    cells=_cells,
    simulate=_rules,
    columns={
        "seed": "run, and fleet",
        "epoch": "epoch l",
        "step_size": "relative deviation of η from Table 2 by hand",
        "iterations": "deviation of R_l beyond its rounding, relative",
        "minibatch": "largest relative deviation of a minibatch from M_l, beyond its rounding",
        "radius_local": "largest relative deviation of a radius from r_l^(loc)",
        "radius_global": "largest relative deviation of a radius from r_(i,l)^(global)",
        "radius_everyone": "the same with N in place of |N_i|",
        "moved": "largest deviation of an iterate from lines 4 and 11, over the step that is due",
        "moved_new": "the same of global iterates, with the sets after (7)",
        "moved_everyone": "the same with [N] for the sets",
        "moved_alone": "the same with each agent's own gradient",
        "sets": "agents whose set is not that of (7)",
        "partial": "1 if the sets by hand are no partition, else 0",
        "changed": "1 if (7) changed a set, else 0",
        "adopted": "largest deviation of a gain from (8), relative; if no set changed, 1 if (8) was applied",
        "adopted_second": "deviation from the second cheapest of the set",
        "adopted_dearest": "deviation from the dearest of the set",
    },
    key=("seed", "epoch"),
    options={"Delta0": number(12.0), "scale": number(0.05), "epochs": whole(3)},
)

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_rules": RULES,
}
