"""Draw random systems, and count the iterations that exact critics need on them.

The instances of section 6 are drawn as docs/hierarchical.md reads them; general systems have blocks without structure.
Iterations are counted for one instance at many sizes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import block_diag

from pcpo.arrays import FloatArray
from pcpo.evidence.hierarchical.model.regulator import (
    Regulator,
    RegulatorStack,
    allowed_error,
    operator_norm,
    smallest,
    stacked,
)
from pcpo.evidence.hierarchical.model.system import Blocks, ExchangeableSystem, Gains

__all__ = [
    "LARGEST",
    "Counted",
    "Family",
    "Instance",
    "allowed_errors",
    "counted",
    "drawn_regulators",
    "general_system",
    "perturbed",
    "section6_instance",
    "slowest",
    "theorem_2",
    "undecomposed_step",
]

#: Section 6: ranges of the means m_l of the two subpopulations, largest off-diagonal entry, variance of the entries.
_MEANS = ((0.06, 0.08), (0.12, 0.14))
_ACROSS = 1.6e-4
_VARIANCE = 0.01
_STATES = 2
#: Size at which off-diagonal terms that shrink like 1/|N^l| are those of section 6.
_REFERENCE = 50
#: Largest size of section 6.
LARGEST = 500

Family = Literal["general", "section6"]


@dataclass(frozen=True, eq=False)
class Instance:
    """Hold one draw of section 6, from which a system of any size is made.

    Args:
        own: own[M][l] = M_l ``(2, 2)`` for M in A, B, Q, R.
        across: across[M] = ă, b̆, q̆, ř, multiples of the identity.
        start: start[l] = K_{l,0} ``(2, 2)``.
    """

    own: dict[str, list[FloatArray]]
    across: dict[str, float]
    start: list[FloatArray]

    def system(self, size: int, *, shrinking: bool = False, exploration: float = 1.0) -> ExchangeableSystem:
        """Make the system of two subpopulations of `size` agents each, with Φ = I.

        Args:
            size: |N^l|, the same for both.
            shrinking: whether off-diagonal terms are proportional to 1/size.
            exploration: σ.
        """
        scale = _REFERENCE / size if shrinking else 1.0
        blocks = {}
        for letter, own in self.own.items():
            common = scale * self.across[letter] * np.eye(_STATES)
            blocks[letter] = Blocks([matrix + common for matrix in own], [[common] * len(own)] * len(own))
        noise = [np.eye(_STATES)] * len(_MEANS)
        return ExchangeableSystem((size,) * len(_MEANS), **blocks, noise=noise, exploration=exploration)

    def gains(self) -> Gains:
        """Return the initial gains of u^i = −K_{l,0} x^i: K_l = K_{l,0} and K̄ = diag(K_{1,0}, …, K_{L,0})."""
        return Gains(self.start, np.asarray(block_diag(*self.start)))


def section6_instance(rng: np.random.Generator, largest: int = LARGEST) -> Instance:
    """Draw an instance of section 6.

    M_l = diag(N(m_l 1, 0.01 I)) for M in A, B, Q, R, redrawn until Q_l, R_l ≻ 0; entries of K_{l,0} ~ N(0, 1), redrawn
    until K_{l,0} stabilises every auxiliary system at 2, 50 and `largest` agents.
    """
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
    """Draw a diagonal matrix around a mean from the given range, redrawn until its entries are positive if asked."""
    mean = rng.uniform(*means)
    while True:
        entries = rng.normal(mean, np.sqrt(_VARIANCE), _STATES)
        if not positive or entries.min() > 0:
            return np.diag(entries)


def general_system(
    rng: np.random.Generator, sizes: Sequence[int], states: Sequence[int], inputs: Sequence[int]
) -> ExchangeableSystem:
    """Draw a system whose blocks have no structure, with exploration 0.5.

    A_l has ρ = 0.8, off-diagonal blocks are of order 1/N, and Q, R and Φ have eigenvalues of order 1.

    Args:
        rng: the generator.
        sizes: |N^l| of each subpopulation.
        states: d_l of each subpopulation.
        inputs: k_l of each subpopulation.
    """
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
    """Draw a positive definite matrix with eigenvalues of at least 0.7."""
    factor = rng.standard_normal((width, width))
    return np.asarray(0.7 * np.eye(width) + 0.3 * factor @ factor.T / width)


def drawn_regulators(family: Family, rng: np.random.Generator) -> list[Regulator]:
    """Draw a random system and return its S_1, S_2 and S̄ (in the coordinates √|N^l| x̄^l).

    Args:
        family: "general", or "section6" with 50 agents in each subpopulation.
        rng: the generator.
    """
    system = general_system(rng, (4, 6), (2, 2), (1, 1)) if family == "general" else section6_instance(rng).system(50)
    return [*system.auxiliary, system.balanced]


def perturbed(S: Regulator, rng: np.random.Generator, gap: float) -> FloatArray:
    """Draw a gain K* + sV whose cost is above the optimum by at most `gap`.

    V is uniform on the unit sphere of Frobenius norm, s the largest value of a geometric grid up to which
    C(K) − C(K*) ≤ gap.
    """
    V = rng.standard_normal((S.k, S.d))
    V /= np.linalg.norm(V)
    gains = S.K_star + np.geomspace(1e-6, 1e2, 400)[:, None, None] * V
    within = S.gap(gains) <= gap
    return np.asarray(gains[max(0, int(np.argmin(within)) - 1)])


@dataclass(frozen=True)
class Counted:
    """Hold the iterations that several systems need, −1 where the precision was not reached.

    Args:
        total: iterations until C(K) − C(K*) ≤ ε, an entry for each system.
        per_agent: iterations until C(K) − C(K*) ≤ ε|N|.
    """

    total: list[int]
    per_agent: list[int]


def counted(
    systems: Sequence[ExchangeableSystem],
    start: Gains,
    precision: float,
    most: int,
    decomposed: bool = True,
    summed: bool = False,
    factor: float = 1.0,
) -> Counted:
    """Count the iterations of Algorithm 2 with exact E_K.

    Args:
        systems: of the same shape, each with subpopulations of one size.
        start: initial gains, the same for all systems.
        precision: ε, in units of cost.
        most: largest number of iterations.
        decomposed: False for natural gradient on (5) itself.  In the orthogonal coordinates of `undecomposed_step` its
            E_K is diag(E_K1, …, E_K̄), so the same recursion runs with one common step.
        summed: whether Assumption 3 has the cost of a whole subpopulation in place of that of one agent.
        factor: multiple of the step of Assumption 3.
    """
    own = stacked([S for system in systems for S in system.auxiliary])
    mean = stacked([system.balanced for system in systems])
    K, K_bar = np.stack(list(start.own) * len(systems)), np.stack([start.mean_field] * len(systems))
    if decomposed:
        parts = [zip(system.auxiliary, start.own, system.sizes, strict=True) for system in systems]
        steps = np.array([[S.step(gain, size if summed else 1) for S, gain, size in part] for part in parts])
        bar = np.array([system.balanced.step(start.mean_field) for system in systems])
    else:
        bar = np.array([undecomposed_step(system, start) for system in systems])
        steps = np.repeat(bar[:, None], len(start.own), axis=1)
    move, move_bar = factor * steps.reshape(-1, 1, 1), factor * bar[:, None, None]
    sizes, N = (np.array([f(system.sizes) for system in systems]) for f in (lambda s: s[0], sum))
    found = np.full((2, len(systems)), -1)
    targets = precision * np.stack([np.ones(len(systems)), N])
    for n in range(most + 1):
        gap = _gap(own, K, sizes) + mean.gap(K_bar)
        found[(found < 0) & (gap <= targets)] = n
        if (found >= 0).all():
            break
        K, K_bar = K - move * own.E(K), K_bar - move_bar * mean.E(K_bar)
    return Counted(found[0].tolist(), found[1].tolist())


def _gap(own: RegulatorStack, K: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return Σ_l |N^l|(C̃_l − C̃_l*) of every system."""
    return np.asarray(sizes * own.gap(K).reshape(len(sizes), -1).sum(axis=1))


def undecomposed_step(system: ExchangeableSystem, start: Gains) -> float:
    """Return the step (15) of the undecomposed problem, from its parts.

    The map x ↦ (x̃, √|N^l| x̄^l) is orthogonal and so preserves every norm.
    """
    parts = (*system.auxiliary, system.balanced)
    R, B = (max(float(operator_norm(getattr(S, name))) for S in parts) for name in "RB")
    Phi = min(smallest(noise) for noise in system.noise)
    return 1 / (R + B**2 * system.cost(start) / Phi)


def theorem_2(system: ExchangeableSystem, start: Gains, precision: float) -> float:
    """Return 2M log{[C(K_0) − C(K*)](L + 1)/ε}, above which the iterations of Theorem 2 suffice."""
    M = max(1 / S.decrease(S.step(K)) for S, K in system.pairs(start))
    return 2 * M * float(np.log(system.gap(start) * (len(system.sizes) + 1) / precision))


def allowed_errors(system: ExchangeableSystem, start: Gains, precision: float) -> tuple[float, float]:
    """Return the smallest δ_{l,0} of Assumption 4 over S_1, …, S_L, as printed and as ε on the total cost needs it.

    As printed, S_l reaches ε/(L + 1) in the cost of one agent, so that the subpopulation reaches |N^l| times as much.
    """
    share = precision / (len(system.sizes) + 1)
    parts = list(zip(system.auxiliary, start.own, system.sizes, strict=True))
    printed = min(allowed_error(S, K, K, share) for S, K, _ in parts)
    return printed, min(allowed_error(S, K, K, share / size) for S, K, size in parts)


def slowest(system: ExchangeableSystem, start: Gains) -> float:
    """Return the factor by which the slowest part of the gap falls near the optimum.

    That is the largest (1 − ηλ)² over the eigenvalues λ of R + BᵀP*B of the auxiliary systems, since to first order
    K − K* ↦ (I − η(R + BᵀP*B))(K − K*).
    """
    pairs = zip((*system.auxiliary, system.balanced), (*start.own, start.mean_field), strict=True)
    return max(float(np.max((1 - S.step(K) * np.linalg.eigvalsh(S.G_star)) ** 2)) for S, K in pairs)
