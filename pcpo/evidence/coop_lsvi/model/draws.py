"""Draw random finite linear MDPs, one for the agents of each kind of study.

Random features lie on the simplex, so that any probabilities μ and any θ in [0, 1] give a valid MDP.
"""

from __future__ import annotations

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.evidence.coop_lsvi.model.mdp import LinearMDP, MultiAgentMDP

__all__ = ["random_contexts", "random_mdp", "random_multi_agent", "random_twins"]


def random_mdp(rng: np.random.Generator, S: int, A: int, H: int, d: int, *, phi: FloatArray | None = None) -> LinearMDP:
    """Draw an MDP of Definition 1 with φ(x, a) on the simplex of R^d, μ_h near single states, θ_h in [0, 1]^d.

    Args:
        rng: the generator.
        S: states.
        A: actions.
        H: steps.
        d: features.
        phi: features ``(S, A, d)`` to use in place of random ones.
    """
    if phi is None:
        phi = rng.dirichlet(np.full(d, 0.3), (S, A))
    return LinearMDP(phi, rng.dirichlet(np.full(S, 0.3), (H, d)), rng.random((H, d)))


def random_twins(rng: np.random.Generator, base: LinearMDP, M: int) -> list[LinearMDP]:
    """Draw M MDPs with the features of `base` and random μ and θ."""
    S, A, d = base.phi.shape
    return [random_mdp(rng, S, A, len(base.theta), d, phi=base.phi) for _ in range(M)]


def random_contexts(rng: np.random.Generator, M: int, k: int, chi: int) -> FloatArray:
    """Draw contexts κ(m) ``(M, k)``: probability vectors that span χ dimensions.

    They are mixtures of χ corners, at which the first χ agents are.  The corners are uniform over disjoint sets of
    coordinates, so that no coordinate of κ is always 0.
    """
    corners = np.zeros((chi, k))
    for j, part in enumerate(np.array_split(np.arange(k), chi)):
        corners[j, part] = 1 / len(part)
    mixture = rng.dirichlet(np.full(chi, 0.3), M)
    mixture[: min(chi, M)] = np.eye(chi)[: min(chi, M)]
    return np.asarray(mixture @ corners)


def random_multi_agent(
    rng: np.random.Generator, S: int, actions: tuple[int, ...], H: int, d1: int, d2: int
) -> MultiAgentMDP:
    """Draw an MDP of Definition 5 with φ_m and φ_c on their simplices, moved inwards until ‖[φ_m; φ_c]‖ ≤ 1.

    Args:
        rng: the generator.
        S: states.
        actions: A_m of every agent.
        H: steps.
        d1: entries of φ_m.
        d2: entries of φ_c.
    """
    M, A = len(actions), int(np.prod(actions))
    phi = _short(rng.dirichlet(np.full(d1, 0.3), (M, S, A)))
    common = _short(rng.dirichlet(np.full(d2, 0.3), (S, A)))
    return MultiAgentMDP(phi, common, rng.random((H, d1)), rng.dirichlet(np.full(S, 0.3), (H, d2)), actions)


def _short(points: FloatArray) -> FloatArray:
    """Move points of a simplex in R^d, d ≥ 2, towards the middle until their norm is at most √½."""
    d = points.shape[-1]
    square = np.sum(points**2, axis=-1, keepdims=True) - 1 / d
    keep = np.sqrt(np.minimum(1.0, (0.5 - 1 / d) / np.maximum(square, 1e-300)))
    return np.asarray(1 / d + keep * (points - 1 / d))
