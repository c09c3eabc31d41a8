"""Evaluate steps of the proofs that have no lemma of their own: the study `lemmas_proof_steps`.

These are the almost-sure bound (18), the error of an averaged estimate (26) to (28) and (32), the budget (36) and (37),
and the rollouts from which on the last epoch is beyond L.  All is arithmetic on random fleets with the printed
constants, but for (18): there the noise is searched that makes a rollout dearest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.schedule import EpochPlan, proof_constants
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import whole
from pcpo.evidence.lemmas.constants import LAW
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, stream, unit_directions
from pcpo.theory.printed.literal_cases import SHAPES, LiteralCase, draw_case
from pcpo.theory.printed.restricted_set import RESTRICTED, at_gap

__all__ = ["PROOF_STEPS", "STUDIES", "StepsCell", "dearest_rollout"]

_SMALLEST, _LARGEST = 1e-3, 30.0  # of Δ_0/Δ
_INSIDE = 0.999  # radius over ρ, since r < ρ in (18)
_DIRECTIONS, _HORIZON, _SWEEPS = 4, 40, 30


@dataclass(frozen=True)
class StepsCell:
    """Describe a condition of the study: a kind of random fleet, by a key of `SHAPES`, and the last epoch."""

    shape: str
    epochs: int


def _cells(options: Mapping[str, Any]) -> dict[str, StepsCell]:
    """Make a cell for every shape."""
    return {shape: StepsCell(shape, options["epochs"]) for shape in SHAPES}


def dearest_rollout(system: LinearSystem, gain: FloatArray, horizon: int) -> float:
    """Search the noise of signs that makes a rollout of some stages dearest, and return its cost.

    The cost is a convex quadratic form zᵀHz of the signs z, so z ← sign(Hz) never lowers it; z starts from the signs of
    the leading eigenvector.

    Args:
        system: the system.
        gain: K ``(m, n)``.
        horizon: stages.
    """
    n, A_K = system.n, system.A - system.B @ gain
    values, vectors = np.linalg.eigh(lqr.stage_weight(system, gain))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    powers = [np.eye(n)]
    for _ in range(horizon - 1):
        powers.append(A_K @ powers[-1])
    response = np.zeros((horizon * n, horizon * n))  # from (z_0, …) to the weighted states of stages 1, 2, …
    for t in range(1, horizon + 1):
        for k in range(t):
            block = system.gamma ** (t / 2) * root @ powers[t - 1 - k]
            response[(t - 1) * n : t * n, k * n : (k + 1) * n] = block
    form = response.T @ response
    z = np.where(np.linalg.eigh(form)[1][:, -1] >= 0, 1.0, -1.0)
    for _ in range(_SWEEPS):
        moved = np.where(form @ z >= 0, 1.0, -1.0)
        if np.array_equal(moved, z):
            break
        z = moved
    return float(z @ form @ z)


def _rollout(case: LiteralCase, rng: np.random.Generator) -> float:
    """Return the dearest rollout found, over G_∞, at gains K + rU with K at the edge of G⁰ and r nearly ρ."""
    problem, gap = case.found.problem, RESTRICTED * case.found.Delta0_tilde
    worst = 0.0
    for system in case.fleet.systems:
        V = unit_directions(system, _DIRECTIONS, rng)
        V = np.concatenate([V, -V])
        for K in at_gap(system, V, gap):
            slope = lqr.gradient(system, K[None])[0]
            moved = K + _INSIDE * problem.radius * slope / np.linalg.norm(slope)
            worst = max(worst, dearest_rollout(system, moved, _HORIZON))
    return worst / problem.rollout_bound


def _errors(case: LiteralCase, plan: EpochPlan) -> dict[str, float]:
    """Compare c_p = Z/(r√|M|) + φr with its bound 2√Z max{√φ, 1/ρ}/|M|^¼, and η(λ + c_p) with ρ.

    Z = c_(p,8)D√(log(2D/δ')/M_l), with the logarithm L_l of Table 2.
    """
    p, D = case.found.problem, case.fleet.D
    c8, _, _ = proof_constants(p, D=D, Delta0=case.schedule.Delta0)
    Z = c8 * D * math.sqrt(plan.log_term / plan.minibatch)
    sizes = np.array([1, *np.bincount(case.fleet.labels)])
    radii = plan.radius_global(sizes)[0]
    bound = 2 * math.sqrt(Z) * max(math.sqrt(p.smoothness), 1 / p.radius) / sizes**0.25

    def error(r: FloatArray) -> FloatArray:
        return np.asarray(Z / (r * np.sqrt(sizes)) + p.smoothness * r)

    step = plan.step_size * (p.lipschitz + error(radii).max())
    return {
        "Z": Z,
        "error": float((error(radii) / bound).max()),
        "error_wide": float((error(2 * radii) / bound).max()),
        "step": float(step / p.radius),
    }


def _budget(case: LiteralCase, plan: EpochPlan) -> dict[str, float]:
    """Compare l and R_l with the bounds of (36), and M_l with that of (37) at the largest budget of l epochs."""
    c, schedule, epoch = case.constants, case.schedule, plan.epoch
    spent, most = schedule.rollouts_for(epoch), schedule.rollouts_for(epoch + 1) - 1
    least = c.least_minibatch(float(most), plan.iterations)
    return {
        "epochs": epoch / c.epochs(float(spent)),
        "iterations": plan.iterations / (c.c12 * c.epochs(float(spent))),
        "minibatch": least / plan.minibatch,
        "minibatch_without": least * c.epochs(float(most)) / plan.minibatch,
    }


def _rows(cell: StepsCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Draw a fleet and Δ_0/Δ with every seed, and evaluate the steps at every epoch."""
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.FLEET, list(SHAPES).index(cell.shape), 1)
        ratio = _SMALLEST * (_LARGEST / _SMALLEST) ** rng.random()
        case = draw_case(cell.shape, ratio, LAW, rng)
        enough = case.constants.rollouts_that_suffice(max(16.0, 64 * ratio**2))
        fixed = {"seed": seed, "ratio": ratio, "L": case.L, "rollout": _rollout(case, rng)}
        fixed |= {"needed": case.schedule.rollouts_for(case.L + 1) / enough}
        for epoch in range(1, cell.epochs + 1):
            plan = case.schedule.plan(epoch)
            rows.append({**fixed, "epoch": epoch, **_errors(case, plan), **_budget(case, plan)})
    return pd.DataFrame(rows)


PROOF_STEPS = Study(
    name="lemmas_proof_steps",
    title="Steps of the proofs without a lemma of their own",
    cells=_cells,
    simulate=_rows,
    columns={
        "seed": "draws the fleet and Δ_0/Δ",
        "epoch": "l",
        "ratio": "Δ_0/Δ, log-uniform on [1/1000, 30]",
        "L": "min{l : Δ_l ≤ Δ/2}",
        "rollout": "dearest rollout of 40 stages that a search finds at K + rU, K at the edge of G⁰, over G∞",
        "needed": "rollouts of L + 1 epochs over the T that the repaired condition for L̄ > L asks for",
        "Z": "c_(p,8)D√(L_l/M_l)",
        "error": "c_p over its bound (27), (32), largest over sets of one agent and of each cluster",
        "error_wide": "the same with the radius doubled",
        "step": "η(λ + c_p)/ρ, largest over these sets",
        "epochs": "l over log(c_(p,11)T), the bound (36), at T of l epochs",
        "iterations": "R_l over c_(p,12)log(c_(p,11)T), its bound after (36)",
        "minibatch": "the lower bound (37) on M_l over M_l, at the largest T that allows l epochs",
        "minibatch_without": "the same without the factor log(c_(p,11)T)",
    },
    key=("seed", "epoch"),
    options={"epochs": whole(5)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_proof_steps": PROOF_STEPS,
}
