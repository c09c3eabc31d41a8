"""Find gains of finite cost without a model, where the zero gain has none: discount annealing.

With discount γ the cost of a gain is finite if √γ ρ(A − BK) < 1, so for every plant there is a γ′ at which the zero
gain has finite cost.  From there on policy gradient steps at γ′, which lower the cost, and a larger γ′, under which it
rises by a bounded factor, take turns until γ′ is γ (Perdomo, Umenberger, Simchowitz 2021; Zhao, Fu, You 2024).  Every
agent has a γ′ of its own, and all are asked equally many rollouts.  Nothing here reads a system: the discount is a
parameter of the question, and only costs and gradients are asked.

Costs of two discounts are compared as (1 − γ′)C, the weighted mean of the stage costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pcpo.algorithms.model_free.probing import design, measured
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.server import Server
from pcpo.arrays import BoolArray, FloatArray
from pcpo.errors import BudgetError, ConfigError, PcpoError
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["Annealed", "Annealing", "Stage", "anneal"]

_BATCHES, _ERRORS, _EPOCH = 8, 2.0, 1
#: Points of the grid of discounts, and how often the radius is changed before the first step.
_POINTS, _FIRST_RADII = 25, 8
#: Relative rise of the mean cost between which a smoothing radius stays as it is, and directions that show it.
_LOW, _HIGH, _DIRECTIONS = 0.03, 0.3, 4
#: Lengths that are tried along a gradient, in smoothing radii.
_LENGTHS = (0.25, 1.0, 4.0)
_GRADIENT = 100  # rollouts of a gradient, times D + 2
#: Most rollouts per agent where neither the options nor a run say, and the share of a run's.
_BUDGET, _SHARE = 100_000, 0.75


@dataclass(frozen=True)
class Stage:
    """Hold what was known when a stage ended: discounts and estimated costs of all agents ``(N,)``, rollouts so far."""

    discounts: FloatArray
    costs: FloatArray
    rollouts: int


@dataclass(frozen=True)
class Annealed:
    """Hold the outcome.

    Attributes:
        gains: K_i, ``(N, m, n)``.
        discounts: at which their costs are finite, ``(N,)``.
        costs: estimated at these, ``(N,)``.
        errors: their standard errors, ``(N,)``.
        reached: whose discount is γ, ``(N,)``.
        rollouts: per agent.
        stages: how it went.
    """

    gains: FloatArray
    discounts: FloatArray
    costs: FloatArray
    errors: FloatArray
    reached: BoolArray
    rollouts: int
    stages: tuple[Stage, ...]

    @property
    def shortfall(self) -> str | None:
        """Return a sentence that says who did not reach γ and where they stand; None if all did."""
        behind = np.flatnonzero(~self.reached)
        if not behind.size:
            return None
        stand = ", ".join(f"agent {i} at {self.discounts[i]:.3g}" for i in behind)
        return (
            f"annealing: found {stand} after {self.rollouts:,} rollouts per agent, expected all at the fleet's "
            "discount; more rollouts may lead there"
        )


@dataclass(frozen=True)
class Annealing:
    """Say how to anneal; the defaults are for fleets of up to 8 unknowns.

    Attributes:
        budget: most rollouts per agent; None: three quarters of those of the run, or 100,000 outside a run.
        costs: rollouts behind a cost.
        steps: policy gradient steps of a stage.
        growth: a larger discount may raise the weighted mean of the stage costs by this factor.
        margin: a larger discount may have this multiple of that mean at the next point of the grid, `grid` times it.
        bound: the first discount is the largest of the grid at which that mean is at most this multiple of the one at
            the next point.
        grid: ratio of neighbouring points of the grid.
        searches: discounts that are tried at the end of a stage.
        start: "zero", or the "initial" gains of the setting.
        discounted: False makes all steps at γ until the budget is spent, and says that all have arrived; for controls.
    """

    budget: int | None = None
    costs: int = 256
    steps: int = 3
    growth: float = 4.0
    margin: float = 15.0
    bound: float = 2.5
    grid: float = 0.7
    searches: int = 6
    start: Literal["zero", "initial"] = "zero"
    discounted: bool = True

    def __post_init__(self) -> None:
        for key, low, high in (
            ("growth", 1, math.inf),
            ("margin", 1, math.inf),
            ("bound", 1, math.inf),
            ("grid", 0, 1),
        ):
            if not low < getattr(self, key) < high:
                raise ConfigError(f"{key}: found {getattr(self, key)}, expected a number between {low} and {high}")
        for key, least in (("costs", 2 * _BATCHES), ("steps", 1), ("searches", 1), ("budget", 1)):
            if (found := getattr(self, key)) is not None and found < least:
                raise ConfigError(f"{key}: found {found}, expected {least} or more")
        if self.start not in ("zero", "initial"):
            raise ConfigError(f"start: found {self.start!r}, expected 'zero' or 'initial'")

    @property
    def name(self) -> str:
        """Return what is added to the name of an algorithm that begins with this phase."""
        return "annealed"

    def rollouts(self, setting: Setting) -> int:
        """Return the most rollouts per agent that `gains` spends."""
        if self.budget is not None:
            return self.budget
        least = 2 * self.costs + self.first_stage(int(setting.initial_gains[0].size))
        return _BUDGET if setting.budget is None else max(int(_SHARE * setting.budget), least)

    def stage(self, D: int) -> int:
        """Return the most rollouts of a larger discount, the stage that follows and the last costs, D unknowns."""
        step = _GRADIENT * (D + 2) + (1 + len(_LENGTHS)) * self.costs
        return (1 + 2 * self.searches) * self.costs + 3 * self.costs + self.steps * step + self.costs

    def first_stage(self, D: int) -> int:
        """Return the most rollouts from the first discount to the end of its stage."""
        return 3 * _FIRST_RADII * self.costs + self.stage(D)

    def gains(self, setting: Setting, oracle: Oracle, server: Server) -> FloatArray:
        """Return gains ``(N, m, n)`` of finite cost at γ; BudgetError with a sentence if an agent has none."""
        first = setting.initial_gains if self.start == "initial" else np.zeros_like(setting.initial_gains)
        found = anneal(first, oracle, server, replace(self, budget=self.rollouts(setting)))
        if found.shortfall is not None:
            raise BudgetError(found.shortfall)
        return found.gains


def anneal(gains: FloatArray, oracle: Oracle, server: Server | None = None, how: Annealing | None = None) -> Annealed:
    """Lead every agent from a gain of infinite cost to one of finite cost at γ, or as far as the budget allows.

    Args:
        gains: K_i to start from, such as zeros.
        oracle: one whose questions may carry discounts.
        server: counts the two messages of a stage by which agents learn whether all are done; None for no count.
        how: options.

    Raises:
        PcpoError: for an oracle of one discount.
        ConfigError: naming the agent, for costs that are negative, not a number, or not finite at any discount.
        BudgetError: if the budget ends before the first stage does.
    """
    return _Annealer(gains, oracle, server, how or Annealing()).run()


class _Annealer:
    """Hold gains K, discounts and smoothing radii of all agents while they change."""

    def __init__(self, gains: FloatArray, oracle: Oracle, server: Server | None, how: Annealing) -> None:
        if oracle.discount is None:
            found = type(oracle).__name__
            raise PcpoError(f"annealing: found a {found}, expected an oracle whose questions may carry a discount")
        self.oracle, self.server, self.how = oracle, server, how
        self.gamma, self.before = oracle.discount, int(oracle.rollouts)
        self.budget = self.how.budget if self.how.budget is not None else _BUDGET
        self.K = gains.copy()
        norms = np.linalg.norm(gains, axis=(1, 2))
        self.radii = 0.1 * np.where(norms > 0, norms, 1.0)
        self.discounts = np.full(len(gains), self.gamma)
        self.D, self.trials = int(gains[0].size), 0
        self.minibatch = _GRADIENT * (self.D + 2)

    @property
    def spent(self) -> int:
        """Return the rollouts so far."""
        return self.oracle.rollouts - self.before

    def run(self) -> Annealed:
        """Anneal until all agents have made the steps of a stage at γ, or the budget is spent."""
        if self.how.discounted:
            self._begin()
        for _ in range(_FIRST_RADII):
            self._fit_radii()
        stages: list[Stage] = []
        while True:
            last = self.how.discounted and bool((self.discounts == self.gamma).all())
            self._fit_radii()
            for _ in range(self.how.steps):
                self._step()
            stages.append(self._told())
            if last or self.spent + self.how.stage(self.D) > self.budget:
                break
            if self.how.discounted:
                self._raise_discounts()
        costs = self._costs(self.K, self.discounts)
        reached = np.asarray(self.discounts == self.gamma)
        return Annealed(self.K, self.discounts, *costs, reached, self.spent, tuple(stages))

    def _costs(self, gains: FloatArray, discounts: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return estimated costs and their standard errors ``(N,)``; infinite for an agent with a saturated rollout."""
        before = self.oracle.nonfinite.copy()
        found = measured(
            self.oracle, gains, self.how.costs, purpose=Purpose.ANNEALING, epoch=_EPOCH, batches=_BATCHES,
            discounts=discounts,
        )  # fmt: skip
        for i in np.flatnonzero(found.mean < 0)[:1]:
            raise ConfigError(
                f"costs of agent {i}: found {found.mean[i]:.3g}, expected none below zero, since annealing compares "
                "costs by their ratio; add a constant to the stage cost"
            )
        lost = self.oracle.nonfinite > before
        with np.errstate(over="ignore"):
            return np.where(lost, np.inf, found.mean), np.where(lost, 0.0, found.errors)

    def _begin(self) -> None:
        """Set each agent's first discount: the largest γ·qᵏ with (1 − γ′)C at most `bound` times that for γ·qᵏ⁺¹.

        A cost that is not finite at γ′ rises by 1/q per stage and point of the grid, so by far more.
        """
        how, free = self.how, np.ones(len(self.K), dtype=np.bool_)
        point = self.discounts.copy()
        above, error = self._costs(self.K, point)
        for _ in range(_POINTS):
            lower = point * how.grid
            below, its_error = self._costs(self.K, lower)
            self._check_budget()
            with np.errstate(over="ignore", invalid="ignore"):
                most = how.bound * np.maximum(below - _ERRORS * its_error, 0.5 * below) * (1 - lower)
                serves = free & np.isfinite(above) & ((above + _ERRORS * error) * (1 - point) <= most)
            self.discounts[serves], free = point[serves], free & ~serves
            if not free.any():
                return
            above, error, point = below, its_error, lower
        i = int(np.flatnonzero(free)[0])
        raise ConfigError(
            f"first gain of agent {i}: found costs that grow more than {how.bound:g}-fold from every discount of the "
            f"grid to the next, down to {point[i]:.2g}, expected a discount at which the cost is finite"
        )

    def _check_budget(self) -> None:
        """Raise BudgetError if the first stage would exceed the budget."""
        first = self.spent + self.how.first_stage(self.D)
        if first > self.budget:
            raise BudgetError(
                f"budget of annealing: found {self.budget:,} rollouts per agent, expected at least {first:,}, "
                "which the first discount and the first stage need"
            )

    def _fit_radii(self) -> None:
        """Triple the radii at which the mean cost of moved gains rises by less than 3 %, halve those with over 30 %."""
        self.trials += 1
        count = max(1, min(_DIRECTIONS, self.how.costs // (2 * _BATCHES)))
        directions = design(self.D, self.trials * count, _EPOCH, every_entry=False)[-count:]
        centre, _ = self._costs(self.K, self.discounts)
        size, total = self.how.costs // count, np.zeros(len(self.K))
        for u in directions:
            for sign in (1.0, -1.0):
                moved = self.K + sign * self.radii[:, None, None] * u.reshape(self.K.shape[1:])
                total += self.oracle.costs(
                    moved, size, purpose=Purpose.ANNEALING, epoch=_EPOCH, discounts=self.discounts
                ).values
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            rise = total / (2 * count) / centre - 1
        self.radii = np.where(rise > _HIGH, 0.5, np.where(rise < _LOW, 3.0, 1.0)) * self.radii

    def _step(self) -> None:
        """Make the best of three steps along a gradient, or none."""
        g = self.oracle.gradients(
            self.K, self.minibatch, self.radii, purpose=Purpose.ANNEALING, epoch=_EPOCH, estimator="two_point",
            discounts=self.discounts,
        ).values  # fmt: skip
        norms = np.linalg.norm(g, axis=(1, 2))
        along = g / np.where(norms > 0, norms, 1.0)[:, None, None]
        lengths = np.outer((0.0, *_LENGTHS), self.radii)
        tried = self.K - lengths[:, :, None, None] * along
        costs = np.stack([self._costs(gains, self.discounts)[0] for gains in tried])
        self.K = tried[np.argmin(costs, axis=0), np.arange(len(g))]

    def _raise_discounts(self) -> None:
        """Raise each discount as far as (1 − γ′)C with two standard errors is at most `growth` times the present one.

        Nor may it be more than `margin` times that at q·γ′: a ratio that is large for a gain at the edge of finite
        cost, and larger for rollouts of h steps under a gain beyond it.  γ is tried first, then bisection of log γ′.
        """
        present, _ = self._costs(self.K, self.discounts)
        with np.errstate(over="ignore"):
            most = self.how.growth * present * (1 - self.discounts)
        low, high = self.discounts.copy(), np.full(len(self.K), self.gamma)
        tried = high.copy()
        for _ in range(self.how.searches):
            costs, errors = self._costs(self.K, tried)
            lower = self.how.grid * tried
            below, _ = self._costs(self.K, lower)
            with np.errstate(over="ignore", invalid="ignore"):
                limit = np.minimum(most, self.how.margin * below * (1 - lower))
                serves = np.isfinite(costs) & ((costs + _ERRORS * errors) * (1 - tried) <= limit)
            low, high = np.where(serves, tried, low), np.where(serves, high, tried)
            tried = np.where(low == self.gamma, self.gamma, np.sqrt(low * high))
        self.discounts = low

    def _told(self) -> Stage:
        """Return where the agents are; in a round each sends whether its discount is γ and hears whether all are."""
        if self.server is not None:
            self.server.open_round()
            done = (self.discounts == self.gamma).astype(np.int64)
            self.server.up(done)
            self.server.down(np.full_like(done, int(done.all())))
        return Stage(self.discounts.copy(), self._costs(self.K, self.discounts)[0], self.spent)
