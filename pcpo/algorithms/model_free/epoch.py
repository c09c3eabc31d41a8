"""Run one epoch of `pcpo_auto`: local iterations, costs, groups, global iterations, costs of the output.

1. curvature and radius of every agent at its own local gain, by second differences of costs;
2. local iterations from X_i, and a return to the gain before if the new one is dearer;
3. costs of X_i;
4. groups, from tests of gains or from (7), and (8) after a test; every set is a partition;
5. global iterations over the groups, from the cheapest local gain of a group that is new, and a return to the gains
   before if they have become dearer for any member;
6. costs of the output.

Sets found in an epoch serve in it, and nothing of an earlier epoch decides who belongs together now: a wrong set does
not last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pcpo.algorithms.estimators import baseline_rollouts
from pcpo.algorithms.model_free.probing import Curvature, Measured, Point, curvature, measured
from pcpo.algorithms.model_free.rules import Grouping, adopted, closed, dearer, grouped, radii, settled
from pcpo.algorithms.model_free.state import AutoState
from pcpo.algorithms.protocol import EpochReport
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

if TYPE_CHECKING:
    from pcpo.algorithms.model_free.auto import PCPOAuto

__all__ = ["EPOCHS_IN_PARTS", "Epoch"]

_FEWEST_MINIBATCH, _WINDOW, _BATCHES, _FEW_BATCHES = 8, 16, 16, 4
#: Parts of the local iterations in the first two epochs, between which curvatures are measured again.
EPOCHS_IN_PARTS, _PARTS = 2, 4
_PART_COSTS = 0.08


class Epoch:
    """Run one epoch; the attributes are the working copies of the state's.

    Args:
        algorithm: whose fields say what is done.
        state: of the epoch before.
        oracle: answers.
        server: carries messages.
        rollouts: per agent, of this epoch.
    """

    def __init__(self, algorithm: PCPOAuto, state: AutoState, oracle: Oracle, server: Server, rollouts: int) -> None:
        self.algorithm, self.state, self.oracle, self.server = algorithm, state, oracle, server
        self.epoch, self.total, self.begun = state.epoch + 1, rollouts, oracle.rollouts
        self.X, self.Y, self.known = state.local_gains, state.global_gains, state.known
        self.spent, self.shares = dict(state.spent), algorithm.shares_in(self.epoch)
        self.worst = self.known.worst
        D, local = self.X[0].size, self.shares.local * rollouts
        self.iterations = max(1, min(algorithm.iterations, int(local / max(_FEWEST_MINIBATCH, D))))

    @staticmethod
    def told(constants: tuple[float, float, float], oracle: Oracle, gains: FloatArray) -> tuple[Point, Curvature]:
        """Return given constants as if they had been measured, with costs from one rollout."""
        N = len(gains)
        radius, largest, variance = (np.full(N, value) for value in constants)
        costs = oracle.costs(gains, 1, purpose=Purpose.PROBING, epoch=1).values
        return Point(gains, costs, np.sqrt(variance), variance), Curvature(largest, largest, radius)

    def run(self, nonfinite: IntArray) -> tuple[AutoState, EpochReport]:
        """Run all steps; return the new state and the report."""
        algorithm, known = self.algorithm, self.known
        self.local()
        if algorithm.collaborate:
            grouping, sets = self.groups()
            changed = self.begin_together(grouping, sets)
            used, capped = self.together()
        else:
            N, changed = len(self.X), False
            sets, self.Y = Neighbourhoods.partition(np.arange(N)), self.X
            self.server.neighbourhoods = sets
            self.known = replace(
                self.known, labels=np.arange(N), labels_before=known.labels, distances=np.zeros(N),
                nearest=np.full(N, np.inf), output_costs=self.known.costs, output_errors=self.known.errors,
            )  # fmt: skip
            used, capped = self.radii_local, np.zeros(N, dtype=np.bool_)
        self.known = replace(self.known, worst=self.worst)
        state = AutoState(
            self.state.setting, self.epoch, self.state.epochs_planned, self.X, self.Y, self.known, self.spent
        )
        report = EpochReport(
            plan=self.plan(),
            local_gains=self.X,
            global_gains=self.Y,
            cost_estimates=self.known.costs,
            neighbourhoods=self.server.neighbourhoods,
            radii_global=used,
            global_cap_active=capped,
            reinitialised=bool(changed),
            nonfinite=self.oracle.nonfinite - nonfinite,
            rollouts=self.oracle.rollouts,
            traffic=self.server.traffic,
        )
        return state, report

    # --- local sequence -----------------------------------------------------------------------------------------------

    def local(self) -> None:
        """Run the local iterations, in parts while gains are far from optimal, and end with costs of X_i."""
        parts = _PARTS if self.epoch <= EPOCHS_IN_PARTS and self.iterations >= 2 * _PARTS else 1
        of_probing = self.shares.curvature * self.total * (2 if parts > 1 else 1) / parts
        minibatch = max(2, int(self.shares.local * self.total / self.iterations))
        for part in range(parts):
            if (self.epoch > 1 or part) and self.shares.curvature:
                at = Point(self.X, self.known.costs, self.known.errors, self.known.variance)
                bent = self.counted("probing", curvature, self.oracle, at, self.known.curvature.radius,
                                    int(of_probing), epoch=self.epoch, rule=self.algorithm.curvature)  # fmt: skip
                self.known = replace(self.known, curvature=bent)
            last = part == parts - 1
            costs = self.shares.costs * self.total if last else _PART_COSTS * self.total / parts
            self.local_part(max(1, self.iterations // parts), minibatch, int(costs), last)

    def local_part(self, iterations: int, minibatch: int, of_costs: int, last: bool) -> None:
        """Run local iterations, estimate costs, and return to the gain before where they are dearer."""
        known = self.known
        steps = self.algorithm.step_scale / known.curvature.largest * known.slower
        at = Point(self.X, known.costs, known.errors, known.variance)
        count = np.full(len(steps), float(minibatch))
        self.radii_local = radii(known.curvature, at, count, steps, self.algorithm.radius_exponent)
        self.minibatch, self.steps = minibatch, steps
        cooling = not self.algorithm.collaborate and self.algorithm.cooling and last
        X = self.counted("local", self.descend, self.X, iterations, minibatch, self.radii_local, steps, cooling=cooling)
        found = self.costs_of(X, of_costs, _BATCHES if last else _FEW_BATCHES)
        worse = np.zeros(len(steps), dtype=np.bool_)
        if self.algorithm.safe:
            worse = dearer(found.mean, found.errors, known.costs, known.errors, self.algorithm.errors)
        X, slower = np.where(worse[:, None, None], self.X, X), np.where(worse, known.slower / 2, known.slower)
        slower = np.where(worse, slower, np.minimum(1.0, 2 * slower))
        means, errors = np.where(worse, known.costs, found.mean), np.where(worse, known.errors, found.errors)
        if last and worse.any():  # an old estimate was the smaller one, perhaps by chance: only new ones are compared
            again = self.costs_of(X, of_costs, _BATCHES)
            means, errors = np.where(worse, again.mean, (found.mean + again.mean) / 2), again.errors
            errors = np.where(worse, errors, errors / math.sqrt(2))
        variance = known.variance
        if last:
            variance = np.where(worse, variance, 0.5 * (variance + found.variance))
        self.X = X
        self.known = replace(known, costs=means, errors=errors, variance=variance, slower=slower)

    # --- groups -------------------------------------------------------------------------------------------------------

    def groups(self) -> tuple[Grouping, Neighbourhoods]:
        """Send X_i and Ĉ_i up, group the agents, and let local sequences adopt a gain that is cheaper for them."""
        algorithm, known, server = self.algorithm, self.known, self.server
        at = Point(self.X, known.costs, known.errors, known.variance)
        tests: dict[str, Any] = {
            "rollouts": max(1, int(self.shares.tests * self.total)), "epoch": self.epoch, "k": algorithm.errors
        }  # fmt: skip
        server.open_round()
        server.up(self.X, known.costs, known.errors)
        if algorithm.sets == "tests":
            found = self.counted("tests", grouped, at, self.oracle, server, **tests)
            sets = found.sets
        elif algorithm.safe:
            labels = closed(known.costs, self.widths)
            found = self.counted("tests", adopted, at, labels, self.oracle, server, **tests)
            sets = found.sets
        else:
            sets = Neighbourhoods.everyone(len(self.X)).pruned(known.costs, self.Delta)
            nothing, far = np.zeros(len(self.X)), np.full(len(self.X), np.inf)
            lead = sets.cheapest(known.costs)
            found = Grouping(sets.classes, lead, nothing, far, known.costs[lead], known.errors[lead])
        server.neighbourhoods = sets
        server.down(sets.sizes, self.X[found.leaders])
        if algorithm.safe:
            self.adopt(found)
        return found, sets

    def adopt(self, found: Grouping) -> None:
        """Continue a local sequence from the leader's gain, where that was cheaper in the agent's test."""
        known, leaders = self.known, found.leaders
        cheaper = dearer(known.costs, known.errors, found.costs, found.cost_errors, self.algorithm.errors)

        def taken(own: FloatArray) -> FloatArray:
            return np.where(cheaper, own[leaders], own)

        bent = known.curvature
        self.X = np.where(cheaper[:, None, None], self.X[leaders], self.X)
        self.known = replace(
            known,
            costs=np.where(cheaper, found.costs, known.costs),
            errors=np.where(cheaper, found.cost_errors, known.errors),
            slower=np.where(cheaper, 1.0, known.slower),
            curvature=Curvature(taken(bent.mean), taken(bent.largest), taken(bent.radius)),
        )

    @property
    def widths(self) -> FloatArray:
        """Return w_i of (7): k standard errors, or Δ_0/2^(l+1) if that is more, divided by √2 for each of a pair."""
        guess = 0.0 if self.algorithm.Delta0 is None else self.algorithm.Delta0 / 2 ** (self.epoch + 1)
        return np.maximum(self.algorithm.errors * self.known.errors, guess / math.sqrt(2))

    @property
    def Delta(self) -> float:
        """Return Δ_l, with which (7) reads |Ĉ_j − Ĉ_i| ≤ Δ_l/2, of the least certain agents."""
        return float(2 * math.sqrt(2) * self.widths.max())

    # --- global sequence ----------------------------------------------------------------------------------------------

    def begin_together(self, found: Grouping, sets: Neighbourhoods) -> bool:
        """Start groups that are new, or that have a cheaper local gain, from their leader's gain by (8)."""
        known, leaders, k = self.known, found.leaders, self.algorithm.errors
        changed = _changed(known.labels, found.labels)
        if self.algorithm.safe:
            changed |= dearer(known.output_costs, known.output_errors, found.costs, found.cost_errors, k)
            changed = sets.average(changed.astype(np.float64)) > 0
        else:  # as printed: all agents, if any set has changed
            changed = np.full(len(changed), changed.any())
        self.Y = np.where(changed[:, None, None], self.X[leaders], self.Y)
        self.known = replace(
            known, labels=found.labels, labels_before=known.labels, distances=found.distances, nearest=found.nearest,
            output_costs=np.where(changed, found.costs, known.output_costs),
            output_errors=np.where(changed, found.cost_errors, known.output_errors),
            slower_output=np.where(changed, 1.0, known.slower_output),
        )  # fmt: skip
        self.leaders = leaders
        return bool(changed.any())

    def together(self) -> tuple[FloatArray, BoolArray]:
        """Run the global iterations over the groups; return the radii, and whether they are the largest."""
        known, server, sets = self.known, self.server, self.server.neighbourhoods
        at = Point(self.Y, known.output_costs, known.output_errors, known.variance)
        bent = known.curvature
        if self.shares.curvature and self.algorithm.safe:
            bent = self.counted(
                "probing", curvature, self.oracle, at, bent.radius[self.leaders],
                int(self.shares.curvature * self.total), epoch=self.epoch, rule=self.algorithm.curvature,
                together=server.average, sizes=sets.sizes,
            )  # fmt: skip
        steps = self.algorithm.step_scale / bent.largest * known.slower_output
        server.open_round()
        server.up(steps, bent.radius)
        steps = steps[sets.cheapest(steps)]  # the smallest of a set: its members make the same steps
        server.down(steps)
        of_output = int(self.shares.output * self.total)
        left = self.total - (self.oracle.rollouts - self.begun) - of_output
        minibatch = max(2, left // self.iterations)
        used = radii(bent, at, (minibatch * sets.sizes).astype(np.float64), steps, self.algorithm.radius_exponent)
        Y = self.counted("global", self.descend, self.Y, min(self.iterations, max(1, left // minibatch)), minibatch,
                         used, steps, server=server, cooling=self.algorithm.cooling)  # fmt: skip
        self.check_output(Y, max(_BATCHES, of_output))
        return used, used >= bent.radius

    def check_output(self, Y: FloatArray, rollouts: int) -> None:
        """Estimate the costs of the output, and return to the gains before where a member's are dearer."""
        known, sets = self.known, self.server.neighbourhoods
        found = self.costs_of(Y, rollouts, _BATCHES)
        worse = np.zeros(len(Y), dtype=np.bool_)
        if self.algorithm.safe:
            worse = dearer(found.mean, found.errors, known.output_costs, known.output_errors, self.algorithm.errors)
            self.server.open_round()
            self.server.up(worse.astype(np.int64))
            worse = sets.average(worse.astype(np.float64)) > 0
            self.server.down(worse.astype(np.int64))
        self.Y = np.where(worse[:, None, None], self.Y, Y)
        slower = np.where(worse, known.slower_output / 2, np.minimum(1.0, 2 * known.slower_output))
        self.known = replace(
            known, slower_output=slower,
            output_costs=np.where(worse, known.output_costs, found.mean),
            output_errors=np.where(worse, known.output_errors, found.errors),
        )  # fmt: skip

    # --- shared -------------------------------------------------------------------------------------------------------

    def descend(
        self,
        gains: FloatArray,
        iterations: int,
        minibatch: int,
        radius: FloatArray,
        steps: FloatArray,
        *,
        server: Server | None = None,
        cooling: bool,
    ) -> FloatArray:
        """Repeat K_i ← K_i − η_i g_i, with a server the mean of g over the set, with step sizes that may fall to zero.

        With `stopping`, iterations end when all agents' last gradients are indistinguishable from zero.
        """
        window: list[FloatArray] = []
        for t in range(iterations):
            g = self.gradients(gains, minibatch, radius, Purpose.LOCAL if server is None else Purpose.GLOBAL)
            g = g if server is None else server.average(g)
            gains = gains - ((1 - t / iterations if cooling else 1.0) * steps)[:, None, None] * g
            window.append(g)
            if self.algorithm.stopping and len(window) == _WINDOW:
                done = settled(np.array(window))
                self.server.open_round()
                self.server.up(done.astype(np.int64))
                self.server.down(done.astype(np.int64))
                if done.all():
                    break
                window = []
        return gains

    def gradients(self, gains: FloatArray, minibatch: int, radius: FloatArray, purpose: int) -> FloatArray:
        """Return gradient estimates ``(N, m, n)`` from a minibatch."""
        where: dict[str, Any] = {"purpose": purpose, "epoch": self.epoch}
        if self.algorithm.estimator == "centred":
            aside = baseline_rollouts(minibatch)
            base = self.oracle.costs(gains, aside, purpose=Purpose.BASELINE, epoch=self.epoch).values
            return self.oracle.gradients(gains, minibatch - aside, radius, baseline=base, **where).values
        if self.algorithm.estimator == "two_point":
            where["estimator"] = "two_point"
        return self.oracle.gradients(gains, minibatch, radius, **where).values

    def costs_of(self, gains: FloatArray, rollouts: int, batches: int) -> Measured:
        """Estimate costs, counted as such; with few batches the variance known before gives the standard errors."""
        found: Measured = self.counted(
            "costs", measured, self.oracle, gains, max(rollouts, batches), purpose=Purpose.COST, epoch=self.epoch,
            batches=batches,
        )  # fmt: skip
        variance = self.known.variance
        if batches == _BATCHES:
            variance = 0.5 * (variance + found.variance)
            self.worst = np.maximum(self.worst, found.worst)
        return replace(found, variance=variance)

    def counted(self, what: str, function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        """Call what asks the oracle, and enter its rollouts under a purpose."""
        before = self.oracle.rollouts
        found = function(*args, **named)
        self.spent[what] += self.oracle.rollouts - before
        return found

    def plan(self) -> EpochPlan:
        """Describe the epoch as a row of Table 2: the largest radius of all agents, and the smallest step size."""
        k, N = self.algorithm.errors, len(self.X)
        failure = min(1.0, N * math.erfc(k / math.sqrt(2)))
        return EpochPlan(
            epoch=self.epoch,
            Delta=self.Delta,
            failure_probability=failure,
            log_term=-math.log(max(failure, 1e-300)),
            iterations=self.iterations,
            minibatch=self.minibatch,
            radius_uncapped=float(self.radii_local.max()),
            radius_cap=float(self.known.curvature.radius.max()),
            step_size=float(self.steps.min()),
        )


def _changed(before: IntArray, after: IntArray) -> BoolArray:
    """Return which agents' groups are not those of the epoch before; all, if there were none, ``(N,)``."""
    if (before < 0).any():
        return np.ones(len(after), dtype=np.bool_)
    pairs = np.stack([before, after], axis=1)
    both, old, new = (np.unique(x, axis=0, return_inverse=True, return_counts=True)[1:] for x in (pairs, before, after))
    sizes = [counts[which.reshape(-1)] for which, counts in (both, old, new)]
    return np.asarray((sizes[0] != sizes[1]) | (sizes[0] != sizes[2]))
