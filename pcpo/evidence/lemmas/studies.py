"""Small systems, their restricted sets (12) and the constants λ, φ, ρ, μ, G∞ that the lemmas speak of.

The restricted set is G⁰ = {C(K) − C* ≤ 10 Δ̃_0}, Δ̃_0 a fraction of C*.  λ = max ‖∇C‖, φ = max ‖∇²C‖ and G∞ are
searched on the larger set E = {C(K) − C* ≤ 15 Δ̃_0}, with a stream that no study uses; ρ = 5 Δ̃_0/λ.  A path of length
ρ from G⁰ cannot leave E, along which C rises by at most λ per unit of length, so (λ, φ, ρ) serve all pairs of
Lemmas 4 and 5 if the searches found the maxima.  μ is proved, not searched (`lqr.pl_constant`).

Exact studies of the cost: random pairs of gains (Lemmas 4 to 6) and the bias of smoothing (17).

Simulated zeroth-order estimates (5) at a fixed gain: their mean (16), and their deviations (19), (20).

In `lemmas_mean` a run is one estimate of the package's engine.  In `lemmas_estimates` a run has many averaged estimates
of M = 64 rollouts per agent, made here from single rollouts, so that the controls can break one rule at a time:
directions that are not normalised, or agents that share their random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pcpo import lqr
from pcpo.algorithms.schedule import ProblemConstants
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.fleets.fleet import LinearSystem
from pcpo.lqr.cost import hessian_matrix
from pcpo.simulation.estimators import gradient_estimate, rollout_costs
from pcpo.simulation.kernels import BLOCK
from pcpo.simulation.noise import NoiseLaw, Purpose, draw_directions, noise_law, stream
from pcpo.theory.predictions import estimator_error
from pcpo.theory.restricted_set import Value, at_gap, curvature, largest_on_boundary, steepness, unit_directions

__all__ = [
    "BIAS",
    "EDGE",
    "EDGE_START",
    "ESTIMATES",
    "LAW",
    "MEAN",
    "MINIBATCH",
    "PAIRS",
    "STUDIES",
    "SYSTEMS",
    "at_gap",
    "constants",
    "curvature",
    "number_of",
    "restricted_gap",
    "unit_directions",
]


def _system(A: ArrayLike, B: ArrayLike, Q: ArrayLike, R: ArrayLike, gamma: float) -> LinearSystem:
    A, B, Q, R = (np.asarray(X, dtype=np.float64) for X in (A, B, Q, R))
    return LinearSystem(A, B, Q, R, gamma)


#: The systems of the checks, from one unknown to six.
SYSTEMS: dict[str, LinearSystem] = {
    "scalar": _system([[0.9]], [[1.0]], [[1.0]], [[1.0]], 0.9),
    "two": _system([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.8),
    "three": _system(
        [[0.9, 0.3, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]],
        [[0.0, 1.0], [1.0, 0.0], [0.5, 0.2]],
        np.diag([1.0, 2.0, 0.5]),
        [[1.0, 0.2], [0.2, 2.0]],
        0.8,
    ),
    # A = 0: at K* = 0 with signs as noise every rollout costs C* exactly, so (18) is attained and Lemma 7 is tight.
    "edge": _system([[0.0]], [[1.0]], [[1.0]], [[1.0]], 0.9),
}
EDGE = "edge"
EDGE_START = 1e-6
LAW: NoiseLaw = noise_law("signs")

_RESTRICTED = 10.0  # (12)
_ENLARGED = 15.0


def number_of(system: str) -> int:
    """A stable integer for the streams of a system."""
    return list(SYSTEMS).index(system)


def restricted_gap(system: LinearSystem, start: float) -> float:
    """10 Δ̃_0 (units of cost), the largest gap of G⁰ (12), for Δ̃_0 = start·C*."""
    return _RESTRICTED * start * lqr.riccati(system).cost


def _rollout_bounds(system: LinearSystem, gains: FloatArray) -> FloatArray:
    return np.array([lqr.rollout_bound(system, K, LAW) for K in gains])


def _largest(system: LinearSystem, gap: float, value: Value, purpose: int, **size: int) -> float:
    """`largest_on_boundary` with a stream that no study uses."""
    rng = stream(0, Purpose.CALIBRATION, _number_of_system(system), purpose)
    return largest_on_boundary(system, gap, value, rng, **size)


def _number_of_system(system: LinearSystem) -> int:
    """`number_of` for a system of `SYSTEMS`; one more than the last for others."""
    known = list(SYSTEMS.values())
    return known.index(system) if system in known else len(known)


@lru_cache(maxsize=64)
def constants(system: LinearSystem, start: float) -> ProblemConstants:
    """λ, φ, ρ, μ, G∞ of G⁰ for Δ̃_0 = start·C* (see the module), in units of cost and of the gain.

    G∞ is the largest of `lqr.rollout_bound` in 16 directions: a smaller one makes (19) and (20) harder to meet.
    """
    star = lqr.riccati(system).cost
    gap = _ENLARGED * start * star
    lipschitz = _largest(system, gap, steepness, 0)
    return ProblemConstants(
        lipschitz=lipschitz,
        smoothness=_largest(system, gap, curvature, 1),
        radius=(_ENLARGED - _RESTRICTED) * start * star / lipschitz,
        pl=lqr.pl_constant(system),
        rollout_bound=_largest(system, gap, _rollout_bounds, 2, starts=16, rounds=0),
    )


_KINDS = 3
_HALVINGS = (0, 1, 2)
_ORDERS = {6: 4}  # of the quadrature on the sphere; exact to degree 7, and its error is written to the table


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: {"system": name, **options} for name in SYSTEMS if name != EDGE}


def _moves(system: LinearSystem, gains: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Unit directions: random, against the gradient, and of largest curvature, in turn; ``(k, m, n)``."""
    V, kind = unit_directions(system, len(gains), rng), np.arange(len(gains)) % _KINDS
    steepest = -lqr.gradient(system, gains)
    steepest /= np.linalg.norm(steepest, axis=(1, 2), keepdims=True)
    H = hessian_matrix(system, gains)
    bent = np.linalg.eigh((H + np.swapaxes(H, -1, -2)) / 2)[1][..., -1].reshape(V.shape)
    return np.where((kind == 1)[:, None, None], steepest, np.where((kind == 2)[:, None, None], bent, V))


def _pairs(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    system, start, count = SYSTEMS[cell["system"]], float(cell["start"]), int(cell["pairs"])
    known, gap = constants(system, start), restricted_gap(system, start)
    best, h_min = lqr.riccati(system), float(lqr.hessian_eigenvalues(system)[0])
    frames = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, number_of(cell["system"]), 0)
        K = at_gap(system, unit_directions(system, count, rng), gap * rng.random(count))
        distance = known.radius * (1 - rng.random(count))
        other = K + distance[:, None, None] * _moves(system, K, rng)
        costs, others = lqr.cost_array(system, K), lqr.cost_array(system, other)
        slopes = lqr.gradient(system, K)
        turn = np.linalg.norm(lqr.gradient(system, other) - slopes, axis=(1, 2))
        # Lemma 6 is about every gain of finite cost: gaps from C*/1000 to 10 C*.
        far = at_gap(system, unit_directions(system, count, rng), best.cost * 10 ** rng.uniform(-3, 1, count))
        ratio = (lqr.cost_array(system, far) - best.cost) / np.sum(lqr.gradient(system, far) ** 2, axis=(1, 2))
        columns = {
            "seed": seed,
            "pair": np.arange(count),
            "kind": np.arange(count) % _KINDS,
            "inside": (others - best.cost <= gap).astype(np.int64),
            "distance": distance / known.radius,
            "lipschitz": np.abs(others - costs) / (known.lipschitz * distance),
            "smoothness": turn / (known.smoothness * distance),
            "domination": known.pl * ratio,
            "local_domination": 2 * h_min * ratio,
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


PAIRS = Study(
    name="lemmas_pairs",
    title="Random pairs of gains in the restricted set",
    cells=_cells,
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


def _bias(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    system, start = SYSTEMS[cell["system"]], float(cell["start"])
    known, gap, D = constants(system, start), restricted_gap(system, start), system.D
    order = _ORDERS.get(D)
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, number_of(cell["system"]), 1)
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
    cells=_cells,
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


MINIBATCH = BLOCK  # M of `lemmas_estimates`: one block of the engine
_TRUNCATION = 1e-4  # of C*: what the horizon may cut off, far below the standard error of a second moment
_INSIDE = 0.9  # r/ρ and, of the gap, half of the restricted set's: "K in G⁰, r in (0, ρ)"


def _number_of_cell(cell: str) -> int:
    """A stable integer for the streams of a cell."""
    return sum(256**k * byte for k, byte in enumerate(cell.encode()))


# --- the mean -------------------------------------------------------------------------------------------------------


def _mean_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    cells = {name: {"system": name, "length": 1, "name": name, **options} for name in SYSTEMS if name != EDGE}
    return {**cells, "control:length": {**cells["two"], "length": 0, "name": "control:length"}}


def _mean(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    """A row per run and component: at K* + offset·V with the engine's own estimator, wide r so that the bias shows."""
    system, r, h = SYSTEMS[cell["system"]], float(cell["radius"]), int(cell["horizon"])
    fixed = unit_directions(system, 1, stream(0, Purpose.CALIBRATION, number_of(cell["system"]), 9))[0]
    K = lqr.riccati(system).K + float(cell["offset"]) * fixed
    expected = lqr.smoothed_gradient(system, K, r, horizon=h).value.ravel()
    slope = lqr.gradient(system, K).ravel()
    frames = []
    for seed in seeds:
        streams = [stream(seed, Purpose.EVALUATION, _number_of_cell(cell["name"]), kind) for kind in (2, 3)]
        if cell["length"]:
            g = gradient_estimate(
                system, K, r, int(cell["minibatch"]), horizon=h, law=LAW, directions=streams[0], noise=streams[1]
            ).value.ravel()
        else:
            count = -(-int(cell["minibatch"]) // BLOCK)
            g = _blocks(system, K, r, h, count, streams, normalised=False).mean(axis=0)
        columns = {"seed": seed, "component": np.arange(system.D), "estimate": g}
        frames.append(pd.DataFrame({**columns, "smoothed": expected, "gradient": slope}))
    return pd.concat(frames, ignore_index=True)


MEAN = Study(
    name="lemmas_mean",
    title="Mean of the zeroth-order estimate",
    cells=_mean_cells,
    simulate=_mean,
    columns={
        "seed": "run",
        "component": "component of the gradient, row-major",
        "estimate": "g, one minibatch (units of the gradient)",
        "smoothed": "∇C_r at the same horizon, by quadrature (units of the gradient)",
        "gradient": "∇C (units of the gradient)",
    },
    key=("seed", "component"),
    options={"minibatch": whole(100_000), "radius": number(0.2), "offset": number(0.1), "horizon": whole(40, least=2)},
)

# --- deviations -----------------------------------------------------------------------------------------------------


def _estimate_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    rare = {"start": EDGE_START, "samples": options["edge_samples"]}
    typical = {"start": options["start"], "samples": options["samples"]}
    cells: dict[str, dict[str, Any]] = {}

    def add(name: str, system: str, agents: int, **more: Any) -> None:
        own = rare if system == EDGE else typical
        cells[name] = {"name": name, "system": system, "agents": agents, "shared": 0, "length": 1, **own, **more}

    for system in SYSTEMS:
        for agents in (1, 4) if system == EDGE else (1, 4, 16):
            add(f"{system}:{agents}", system, agents)
    add("control:length", "two", 1, length=0)
    add("control:shared:4", "two", 4, shared=1)
    add("control:shared:16", "two", 16, shared=1)
    add("control:shared:edge", EDGE, 4, shared=1)
    return cells


def _blocks(
    system: LinearSystem,
    K: FloatArray,
    r: float,
    horizon: int,
    count: int,
    streams: Sequence[np.random.Generator],
    *,
    normalised: bool = True,
) -> FloatArray:
    """Estimates (5) of M = 64 rollouts each, ``(count, D)``; streams: of directions, of noise.

    normalised=False: directions of length √D, that of vectors with entries of unit variance.
    """
    U = np.empty((count, system.D, BLOCK))
    draw_directions(streams[0], U)
    if not normalised:
        U *= np.sqrt(system.D)
    costs, _ = rollout_costs(system, K, LAW.draw(streams[1], count, horizon - 1, system.n), directions=U, radius=r)
    return np.asarray(system.D / (r * BLOCK) * np.einsum("bl,bdl->bd", costs, U))


def _estimates(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    system, start, agents = SYSTEMS[cell["system"]], float(cell["start"]), int(cell["agents"])
    known, gap = constants(system, start), restricted_gap(system, start)
    fixed = unit_directions(system, 1, stream(0, Purpose.CALIBRATION, number_of(cell["system"]), 9))
    K, r, D = at_gap(system, fixed, 0.5 * gap)[0], _INSIDE * known.radius, system.D
    horizon = lqr.truncation_horizon(system, K, _TRUNCATION * lqr.riccati(system).cost)
    centre = lqr.smoothed_gradient(system, K, r, horizon=horizon).value.ravel()
    exact = estimator_error(system, K, r, MINIBATCH, LAW)
    c8 = known.rollout_bound + known.lipschitz * known.radius / D + known.smoothness * known.radius**2 / D
    frames = []
    for seed in seeds:
        total = np.zeros((int(cell["samples"]), D))
        for agent in range(agents):
            own = 0 if cell["shared"] else agent
            streams = [stream(seed, Purpose.EVALUATION, _number_of_cell(cell["name"]), kind, own) for kind in (0, 1)]
            total += _blocks(system, K, r, horizon, len(total), streams, normalised=bool(cell["length"]))
        square = np.sum((total / agents - centre) ** 2, axis=1)
        columns = {
            "seed": seed,
            "sample": np.arange(len(total)),
            "agents": agents,
            "unknowns": D,
            "square": square / exact,
            "deviation": np.sqrt(square * MINIBATCH * agents) * r / (D * c8),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


ESTIMATES = Study(
    name="lemmas_estimates",
    title="Deviations of averaged zeroth-order estimates",
    cells=_estimate_cells,
    simulate=_estimates,
    columns={
        "seed": "run",
        "sample": "number of the estimate",
        "agents": "|M|, agents averaged",
        "unknowns": "D = mn",
        "square": "‖G − ∇C_r‖² over its exact mean for one agent, (D²V_r/r² − ‖∇C_r‖²)/M",
        "deviation": "‖G − ∇C_r‖·r·√(M|M|)/(c8·D)",
    },
    key=("seed", "sample"),
    options={"start": number(0.01), "samples": whole(50, least=2), "edge_samples": whole(500, least=2)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_pairs": PAIRS,
    "lemmas_bias": BIAS,
    "lemmas_mean": MEAN,
    "lemmas_estimates": ESTIMATES,
}
