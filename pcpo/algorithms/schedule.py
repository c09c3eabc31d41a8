"""Compute Table 2 of the paper: the hyperparameters of every epoch, from constants c_(p,1) … c_(p,6).

Two modes provide the constants and are named in every result.  *Literal*: eq. (21) as printed, from the problem
constants (λ, φ, ρ, μ, G∞) of the restricted set (12).  *Calibrated*: the same dependence on (N, Δ_l, δ_l, D, |N_i|)
with constants measured on the true model (`pcpo.theory.calibration`); a calibration, not a model-free recipe.
Neither is invariant to a rescaling of the cost: Δ_0, V, h, λ, φ, μ, G∞ are in the units of the fleet's cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import ConfigError

__all__ = [
    "BalancedPlan",
    "Constants",
    "EpochPlan",
    "ModelFree",
    "ProblemConstants",
    "Schedule",
    "literal_constants",
    "proof_constants",
]


@dataclass(frozen=True)
class ProblemConstants:
    """Hold λ, φ, ρ, μ, G∞ of the restricted set (12): Lipschitz, smoothness, radius, PL, rollout bound (Appendix A)."""

    lipschitz: float
    smoothness: float
    radius: float
    pl: float
    rollout_bound: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"problem constant {name}: found {value}, expected a positive finite number")


@dataclass(frozen=True)
class Constants:
    """Hold c_(p,1) = η, c_(p,2), …, c_(p,6) of Table 2, and the mode they come from."""

    mode: str
    c1: float
    c2: float
    c3: float
    c4: float
    c5: float
    c6: float

    def __post_init__(self) -> None:
        for name in ("c1", "c2", "c3", "c4", "c5", "c6"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"schedule constant {name}: found {value}, expected a positive finite number")


def proof_constants(problem: ProblemConstants, *, D: int, Delta0: float) -> tuple[float, float, float]:
    """Return c_(p,8), c_(p,9), c_(p,10) of eq. (21), as printed."""
    lam, phi, rho, G = problem.lipschitz, problem.smoothness, problem.radius, problem.rollout_bound
    c8 = G + lam * rho / D + phi * rho**2 / D
    c9 = 12 * c8 / problem.pl * max(math.sqrt(phi), 1 / rho) ** 2
    return c8, c9, max(Delta0**2, 256 * c9**2 * D**2, c8**2 * D**2 * Delta0**2, 36 * G**2)


def literal_constants(problem: ProblemConstants, *, D: int, Delta0: float, Delta0_tilde: float) -> Constants:
    """Return eq. (21) as printed (with 4/μ for the inactive 8/μ in c_(p,1)).

    Δ̃_0 = max(max_i C(K_i⁰) − C*, Δ_0), eq. (12).
    """
    lam, phi, rho, mu = problem.lipschitz, problem.smoothness, problem.radius, problem.pl
    c8, _, c10 = proof_constants(problem, D=D, Delta0=Delta0)
    eta = min(4 / mu, 1 / (4 * phi), rho / (lam + 2 * max(math.sqrt(phi), 1 / rho)))
    return Constants(
        mode="literal",
        c1=eta,
        c2=4 / (eta * mu),
        c3=Delta0_tilde * max(16.0, 10 * c10),
        c4=c10,
        c5=c8 * D / phi,
        c6=rho,
    )


@dataclass(frozen=True)
class EpochPlan:
    """Hold the hyperparameters of one epoch, a row of Table 2.

    Attributes:
        epoch: l, from 1.
        Delta: Δ_l, in units of cost.
        failure_probability: δ_l.
        log_term: L_l = log(8DNR_l/δ_l).
        iterations: R_l.
        minibatch: M_l.
        radius_uncapped: r̃_l.
        radius_cap: c_(p,6).
        step_size: η.
        radius_exponent: of |N_i| in the radius of line 6, and of M_l in r̃_l but for the logarithm; the same for all
            plans of a kind, so no field.
    """

    radius_exponent: ClassVar[float] = 0.25

    epoch: int
    Delta: float
    failure_probability: float
    log_term: float
    iterations: int
    minibatch: int
    radius_uncapped: float
    radius_cap: float
    step_size: float

    @property
    def radius_local(self) -> float:
        """Return r_l^(loc) = min{c_(p,6), r̃_l}."""
        return min(self.radius_cap, self.radius_uncapped)

    @property
    def local_cap_active(self) -> bool:
        """Return whether the cap c_(p,6) cuts r_l^(loc)."""
        return self.radius_uncapped > self.radius_cap

    @property
    def rollouts(self) -> int:
        """Return T_l = (2 R_l + 1) M_l, rollouts per agent of this epoch."""
        return (2 * self.iterations + 1) * self.minibatch

    def radius_global(self, set_sizes: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return r_(i,l)^(global) = min{c_(p,6), r̃_l / |N_i^(l−1)|^(1/4)} and whether the cap is active.

        Both have shape ``(N,)``.  1/4 stands for `radius_exponent`.
        """
        wanted = self.radius_uncapped / np.asarray(set_sizes, dtype=np.float64) ** self.radius_exponent
        return np.minimum(self.radius_cap, wanted), wanted > self.radius_cap

    def balanced(self, balance: float) -> BalancedPlan:
        """Return the plan with r̃_l = (η·balance/M_l)^(1/6) in place of Table 2's; all else stays the same.

        Args:
            balance: b = D²v/(8β), units of cost, where v/M is the variance of a mean cost and βr⁴ the gap that
                smoothing leaves (`pcpo.theory.rates`).
        """
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        kept["radius_uncapped"] = (self.step_size * balance / self.minibatch) ** (1 / 6)
        return BalancedPlan(**kept)


@dataclass(frozen=True)
class BalancedPlan(EpochPlan):
    """Hold the hyperparameters of an epoch whose radius balances noise and smoothing bias; not the paper's.

    The global radius is min{c_(p,6), r̃_l/|N_i|^(1/6)}.
    """

    radius_exponent: ClassVar[float] = 1 / 6


@dataclass(frozen=True)
class Schedule:
    """Plan the epochs of N agents with D = mn unknowns by Table 2.

    Delta0 Δ_0 (initial guess of the separation, units of cost); delta δ (failure probability of a whole run).
    """

    constants: Constants
    Delta0: float
    delta: float
    n_agents: int
    D: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.Delta0) and self.Delta0 > 0):
            raise ConfigError(f"Delta0: found {self.Delta0}, expected a positive finite number (units of cost)")
        if not 0 < self.delta < 1:
            raise ConfigError(f"delta: found {self.delta}, expected a failure probability in (0, 1)")

    @property
    def mode(self) -> str:
        """Return "literal" or "calibrated"."""
        return self.constants.mode

    def plan(self, epoch: int) -> EpochPlan:
        """Return the hyperparameters of epoch l ≥ 1 (Table 2), δ_l = δ/(2l²), the reading that Appendices B and C use.

        R_l = max(1, ⌈c2 log(c3 N/Δ_l²)⌉), M_l = ⌈(c4/Δ_l²) L_l⌉, r̃_l = (c5 √(L_l/M_l))^(1/2).
        """
        if epoch < 1:
            raise ValueError(f"epoch: found {epoch}, expected 1 or more")
        try:
            return self._plan(epoch)
        except (ArithmeticError, ValueError) as error:
            raise ConfigError(
                f"schedule: found an epoch {epoch} with Delta = {self.Delta0:g}/2^{epoch} whose plan is beyond the "
                f"range of floating-point numbers ({error}), expected another Delta0 or a smaller budget"
            ) from None

    def _plan(self, epoch: int) -> EpochPlan:
        """Compute the hyperparameters of an epoch."""
        c = self.constants
        Delta = self.Delta0 / 2.0**epoch
        delta = self.delta / (2 * epoch**2)
        iterations = max(1, math.ceil(c.c2 * math.log(c.c3 * self.n_agents / Delta**2)))
        log_term = math.log(8 * self.D * self.n_agents * iterations / delta)
        minibatch = math.ceil(c.c4 / Delta**2 * log_term)
        return EpochPlan(
            epoch=epoch,
            Delta=Delta,
            failure_probability=delta,
            log_term=log_term,
            iterations=iterations,
            minibatch=minibatch,
            radius_uncapped=math.sqrt(c.c5 * math.sqrt(log_term / minibatch)),
            radius_cap=c.c6,
            step_size=c.c1,
        )

    def rollouts_for(self, epochs: int) -> int:
        """Return Σ_{l ≤ epochs} T_l: the rollouts per agent that `epochs` epochs need."""
        return sum(self.plan(epoch).rollouts for epoch in range(1, epochs + 1))

    def epochs_within(self, rollouts: int) -> int:
        """Return L̄: how many epochs fit in a budget of rollouts per agent (0 if not even the first)."""
        epochs, spent = 0, 0
        while (spent := spent + self.plan(epochs + 1).rollouts) <= rollouts:
            epochs += 1
        return epochs


@dataclass(frozen=True)
class ModelFree:
    """Plan nothing: the place of a schedule in experiments whose methods measure what they need, as `pcpo_auto` does.

    Epochs of such methods get twice the rollouts of the one before, the first about `FIRST`, so their number is known
    although nothing else is.
    """

    FIRST: ClassVar[int] = 3_000

    @property
    def mode(self) -> str:
        """Return "model-free"."""
        return "model-free"

    def plan(self, epoch: int) -> EpochPlan:
        """Raise ConfigError: there is no plan."""
        raise ConfigError(
            f"schedule: found none for epoch {epoch}, expected one (mode: calibrated), which every method needs that "
            "does not measure its own"
        )

    def epochs_within(self, rollouts: int) -> int:
        """Return how many epochs fit in a budget of rollouts per agent: 2 at least."""
        return max(2, int(math.log2(max(rollouts, 1) / self.FIRST + 1)))
