"""Random systems: the instances of section 6, as docs/hierarchical.md reads them, and general ones with large gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from ...contracts import FloatArray
from .blocks import Blocks
from .regulator import Regulator
from .system import ExchangeableSystem, Gains

__all__ = ["Instance", "general_system", "perturbed", "section6_instance"]

_MEANS = ((0.06, 0.08), (0.12, 0.14))
_ACROSS = 1.6e-4
_VARIANCE = 0.01
_STATES = 2
#: Size at which off-diagonal terms that shrink like 1/|N^l| are those of section 6.
_REFERENCE = 50


@dataclass(frozen=True, eq=False)
class Instance:
    """One draw of section 6: own[M][l] = M_l for M in A, B, Q, R; across[M] = ă, b̆, q̆, ř; start[l] = K_{l,0}."""

    own: dict[str, list[FloatArray]]
    across: dict[str, float]
    start: list[FloatArray]

    def system(self, size: int, *, shrinking: bool = False, exploration: float = 1.0) -> ExchangeableSystem:
        """Two subpopulations of `size` agents, Φ = I; shrinking: off-diagonal terms in proportion to 1/size."""
        scale = _REFERENCE / size if shrinking else 1.0
        blocks = {}
        for letter, own in self.own.items():
            common = scale * self.across[letter] * np.eye(_STATES)
            blocks[letter] = Blocks([matrix + common for matrix in own], [[common] * len(own)] * len(own))
        noise = [np.eye(_STATES)] * len(_MEANS)
        return ExchangeableSystem((size,) * len(_MEANS), **blocks, noise=noise, exploration=exploration)

    def gains(self) -> Gains:
        """The start u^i = −K_{l,0} x^i: K_l = K_{l,0} and K̄ = diag(K_{1,0}, …, K_{L,0})."""
        return Gains(self.start, np.asarray(block_diag(*self.start)))


def section6_instance(rng: np.random.Generator, largest: int = 500) -> Instance:
    """M_l = diag(N(m_l 1, 0.01 I)) for M in A, B, Q, R, drawn again until Q_l, R_l ≻ 0; entries of K_{l,0} ~ N(0, 1),
    drawn again until it stabilises every auxiliary system at 2, 50 and `largest` agents."""
    own = {letter: [_diagonal(rng, means, letter in "QR") for means in _MEANS] for letter in "ABQR"}
    across = {letter: _ACROSS * float(rng.random()) for letter in "ABQR"}
    while True:
        start = [rng.standard_normal((_STATES, _STATES)) for _ in _MEANS]
        drawn = Instance(own, across, start)
        gains = drawn.gains()
        systems = [drawn.system(size) for size in (2, _REFERENCE, largest)]
        if all(S.mean_field.radius(gains.mean_field) < 1 for S in systems) and all(
            S.radius(K) < 1 for S, K in zip(systems[0].auxiliary, start, strict=True)
        ):
            return drawn


def _diagonal(rng: np.random.Generator, means: tuple[float, float], positive: bool) -> FloatArray:
    mean = rng.uniform(*means)
    while True:
        entries = rng.normal(mean, np.sqrt(_VARIANCE), _STATES)
        if not positive or entries.min() > 0:
            return np.diag(entries)


def general_system(
    rng: np.random.Generator, sizes: Sequence[int], states: Sequence[int], inputs: Sequence[int]
) -> ExchangeableSystem:
    """Blocks without structure, exploration 0.5: A_l with ρ = 0.8, off-diagonal blocks of order 1/N, and Q, R and Φ
    with eigenvalues of order 1."""
    L, N = range(len(sizes)), sum(sizes)
    A = []
    for d in states:
        M = rng.standard_normal((d, d))
        A.append(0.8 * M / np.abs(np.linalg.eigvals(M)).max())
    B = [rng.standard_normal((d, k)) / 2 for d, k in zip(states, inputs, strict=True)]

    def between(rows: Sequence[int], cols: Sequence[int]) -> list[list[FloatArray]]:
        return [[0.3 * rng.standard_normal((r, c)) / N for c in cols] for r in rows]

    def gram(widths: Sequence[int]) -> Blocks:
        factors = [rng.standard_normal((w, 2)) / np.sqrt(N) for w in widths]
        across = [[f @ g.T for g in factors] for f in factors]
        return Blocks([_definite(rng, w) + across[a][a] for a, w in enumerate(widths)], across)

    across = {"A": between(states, states), "B": between(states, inputs)}
    blocks = {
        letter: Blocks([own[a] + across[letter][a][a] for a in L], across[letter])
        for letter, own in (("A", A), ("B", B))
    }
    blocks |= {"Q": gram(states), "R": gram(inputs)}
    noise = [_definite(rng, d) for d in states]
    return ExchangeableSystem(tuple(sizes), **blocks, noise=noise, exploration=0.5)


def _definite(rng: np.random.Generator, width: int) -> FloatArray:
    factor = rng.standard_normal((width, width))
    return np.asarray(0.7 * np.eye(width) + 0.3 * factor @ factor.T / width)


def perturbed(S: Regulator, rng: np.random.Generator, gap: float) -> FloatArray:
    """K* + sV with V uniform on the sphere and the largest s of a geometric grid up to which C(K) − C(K*) ≤ gap."""
    V = rng.standard_normal((S.k, S.d))
    V /= np.linalg.norm(V)
    gains = S.K_star + np.geomspace(1e-6, 1e2, 400)[:, None, None] * V
    within = S.gap(gains) <= gap
    return np.asarray(gains[max(0, int(np.argmin(within)) - 1)])
