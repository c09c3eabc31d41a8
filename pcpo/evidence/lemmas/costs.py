"""Study the cost by exact formulas: random pairs of gains (Lemmas 4 to 6), and the bias of smoothing (17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.lemmas.constants import constants, restricted_gap
from pcpo.fleets.examples import SYSTEMS, TYPICAL, number_of
from pcpo.lqr.cost import hessian_matrix
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, stream, unit_directions
from pcpo.theory.printed.restricted_set import at_gap

__all__ = ["BIAS", "PAIRS", "STUDIES"]

_KINDS = 3  # of directions from K to K'
_HALVINGS = (0, 1, 2)  # of the smoothing radius, from ρ
_ORDERS = {6: 4}  # D → order of the quadrature on the sphere: exact to degree 7, and its error is part of the table


# --- pairs of gains -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairsCell:
    """Describe a condition of `lemmas_pairs`.

    Args:
        system: name of the example system.
        start: Δ̃_0/C*.
        pairs: pairs of gains in each run.
    """

    system: str
    start: float
    pairs: int


def _pairs_cells(options: Mapping[str, Any]) -> dict[str, PairsCell]:
    """Make a cell for each typical system."""
    return {name: PairsCell(name, float(options["start"]), int(options["pairs"])) for name in TYPICAL}


def _moves(system: LinearSystem, gains: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw unit directions ``(k, m, n)``: random, against the gradient, and of largest curvature, in turn."""
    V, kind = unit_directions(system, len(gains), rng), np.arange(len(gains)) % _KINDS
    steepest = -lqr.gradient(system, gains)
    steepest /= np.linalg.norm(steepest, axis=(1, 2), keepdims=True)
    H = hessian_matrix(system, gains)
    bent = np.linalg.eigh((H + np.swapaxes(H, -1, -2)) / 2)[1][..., -1].reshape(V.shape)
    return np.where((kind == 1)[:, None, None], steepest, np.where((kind == 2)[:, None, None], bent, V))


def _pairs(cell: PairsCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Compute both sides of (13), (14) and (15) at random gains of the restricted set."""
    system, count = SYSTEMS[cell.system], cell.pairs
    known, gap = constants(system, cell.start), restricted_gap(system, cell.start)
    best, h_min = lqr.riccati(system), float(lqr.hessian_eigenvalues(system)[0])
    frames = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, number_of(cell.system), 0)
        K = at_gap(system, unit_directions(system, count, rng), gap * rng.random(count))
        distance = known.radius * (1 - rng.random(count))
        moved = K + distance[:, None, None] * _moves(system, K, rng)
        cost, cost_moved = lqr.cost_array(system, K), lqr.cost_array(system, moved)
        slope = lqr.gradient(system, K)
        turn = np.linalg.norm(lqr.gradient(system, moved) - slope, axis=(1, 2))
        # Lemma 6 is about every gain of finite cost: gaps from C*/1000 to 10 C*.
        far = at_gap(system, unit_directions(system, count, rng), best.cost * 10 ** rng.uniform(-3, 1, count))
        ratio = (lqr.cost_array(system, far) - best.cost) / np.sum(lqr.gradient(system, far) ** 2, axis=(1, 2))
        columns = {
            "seed": seed,
            "pair": np.arange(count),
            "kind": np.arange(count) % _KINDS,
            "inside": (cost_moved - best.cost <= gap).astype(np.int64),
            "distance": distance / known.radius,
            "lipschitz": np.abs(cost_moved - cost) / (known.lipschitz * distance),
            "smoothness": turn / (known.smoothness * distance),
            "domination": known.pl * ratio,
            "local_domination": 2 * h_min * ratio,
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


PAIRS = Study(
    name="lemmas_pairs",
    title="Random pairs of gains in the restricted set",
    cells=_pairs_cells,
    simulate=_pairs,
    columns={
        "seed": "run",
        "pair": "number of the pair",
        "kind": "direction of K' − K: 0 random, 1 against the gradient, 2 of largest curvature",
        "inside": "1 if K' is in the restricted set, as K is",
        "distance": "‖K' − K‖/ρ",
        "lipschitz": "|C(K') − C(K)|/(λ‖K' − K‖)",
        "smoothness": "‖∇C(K') − ∇C(K)‖/(φ‖K' − K‖)",
        "domination": "μ(C − C*)/‖∇C‖² at another gain of finite cost, μ = 4c·σ_min(G*)/‖S*‖",
        "local_domination": "2h_min(C − C*)/‖∇C‖² at the same gain",
    },
    key=("seed", "pair"),
    options={"start": number(0.01), "pairs": whole(50)},
)


# --- bias of smoothing ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BiasCell:
    """Describe a condition of `lemmas_bias`.

    Args:
        system: name of the example system.
        start: Δ̃_0/C*.
    """

    system: str
    start: float


def _bias_cells(options: Mapping[str, Any]) -> dict[str, BiasCell]:
    """Make a cell for each typical system."""
    return {name: BiasCell(name, float(options["start"])) for name in TYPICAL}


def _bias(cell: BiasCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Compute ‖∇C_r − ∇C‖ by quadrature, at a random gain of the restricted set in each run."""
    system = SYSTEMS[cell.system]
    known, gap, D = constants(system, cell.start), restricted_gap(system, cell.start), system.D
    order = _ORDERS.get(D)
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, number_of(cell.system), 1)
        K = at_gap(system, unit_directions(system, 1, rng), gap * rng.random())[0]
        aside = unit_directions(system, 1, rng)[0]
        slope = lqr.gradient(system, K)
        for half in _HALVINGS:
            r = known.radius / 2**half
            smooth = lqr.smoothed_gradient(system, K, r, order=order)
            long = D * lqr.smoothed_gradient(system, K, r * np.sqrt(D), order=order).value
            rows.append(
                {
                    "seed": seed,
                    "halvings": half,
                    "radius": r,
                    "bound": known.smoothness * r,
                    "bias": float(np.linalg.norm(smooth.value - slope)),
                    "error": smooth.error,
                    "bias_long": float(np.linalg.norm(long - slope)),
                    "bias_aside": float(np.linalg.norm(lqr.gradient(system, K + r * aside) - slope)),
                }
            )
    return pd.DataFrame(rows)


BIAS = Study(
    name="lemmas_bias",
    title="Bias of the smoothed gradient, by quadrature",
    cells=_bias_cells,
    simulate=_bias,
    columns={
        "seed": "run",
        "halvings": "r = ρ/2^halvings",
        "radius": "smoothing radius r (units of the gain)",
        "bound": "φr (units of the gradient)",
        "bias": "‖∇C_r − ∇C‖ (units of the gradient)",
        "error": "error of the quadrature of ∇C_r (units of the gradient)",
        "bias_long": "‖(D/r) E[C(K + r√D·U) √D·U] − ∇C‖: directions of length √D, as normals would be",
        "bias_aside": "‖∇C(K + rV) − ∇C(K)‖ for one fixed unit direction V: smoothing on one side",
    },
    key=("seed", "halvings"),
    options={"start": number(0.01)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_pairs": PAIRS,
    "lemmas_bias": BIAS,
}
