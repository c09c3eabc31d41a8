"""Answer from exact moments: minibatches too large to simulate, by their mean and covariance and a normal law.

The mean of M independent one-point estimates tends to N(∇C_r(K), S(K)/M), S(K) = (D²/r²) E[C(K + rU; Z)² UUᵀ] −
∇C_r ∇C_rᵀ, and the mean of M rollout costs to N(C(K), Var C(K; Z)/M), by the central limit theorem; M has no limit.
Algorithms, server and schedule run on this oracle as on rollouts.  The evidence group `surrogate` measures from which M
on the two cannot be told apart.  Estimates with a baseline, given the baseline, and means of pairs are drawn in the
same way (`pcpo.oracles.moment_draws` has their covariances).

Moments are integrals over a sphere or its ball (`pcpo.oracles.moment_rules`).  From one iterate to the next they are
extrapolated, with ∇C, C and Var C(K; Z) exact at every iterate (`pcpo.oracles.moment_kernels`); `Errors` measures the
error of the extrapolation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcpo import lqr
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import PcpoError
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.moments import quartic_pairs
from pcpo.lqr.system import SystemStack
from pcpo.neighbourhoods import Cover, Neighbourhoods
from pcpo.oracles.moment_anchors import costs_kernel, renew_kernel
from pcpo.oracles.moment_draws import CENTRED, ONE_POINT, TWO_POINT, matrices_of
from pcpo.oracles.moment_kernels import descend_kernel
from pcpo.oracles.moment_rules import fine_rule, narrow_rule, wide_rule
from pcpo.oracles.moment_truncated import truncated_anchor
from pcpo.oracles.protocol import Estimates, Estimator, Question
from pcpo.oracles.rollout import LedgerOracle, OpenEpochs, PartOfEpochs
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.noise import NoiseLaw, Purpose, stream

__all__ = ["DRIFT", "Errors", "MomentOracle"]

#: Relative change of C from its anchor at which the moments are computed anew; where smoothing adds little to them, a
#: larger one serves (`pcpo.oracles.moment_anchors`).
DRIFT = 0.05
_NORMALS = 2  # last key of the streams; 0 and 1 are those of rollouts
_CHUNK = 1 << 18  # normals held at once
_NONE = np.zeros(0, dtype=np.int64)
_NO_SETS = Cover(0, _NONE, _NONE, _NONE, _NONE, _NONE)


@dataclass
class Errors:
    """Hold the largest errors of the extrapolated moments.

    They are measured wherever moments are computed anew, and for one agent at the end of every call of `iterate`: so
    just beyond where the old ones served.  Moments that served at no gain but their own are exact and not compared.

    Attributes:
        covariance: relative error, in the direction where it is largest.
        mean: in standard deviations of one estimate.
        anchors: how often moments were computed.
    """

    covariance: float = 0.0
    mean: float = 0.0
    anchors: int = 0


@dataclass(frozen=True)
class _Draw:
    """Describe one estimate of every agent.

    estimator: of `pcpo.oracles.moment_draws`; minibatch: rollouts spent in all; aside: those of them that estimate
    the baseline; baseline: a given one ``(N,)``.
    """

    estimator: int
    minibatch: int
    aside: int
    baseline: FloatArray

    @property
    def used(self) -> int:
        """Return the rollouts of the gradient estimate: an odd one is left of pairs."""
        return 2 * (self.minibatch // 2) if self.estimator == TWO_POINT else self.minibatch - self.aside

    @property
    def samples(self) -> float:
        """Return how many samples an estimate is the mean of."""
        return float(self.used // 2 if self.estimator == TWO_POINT else self.used)


class _Anchors:
    """Hold the moments of every agent at the gain where they were last computed; at first none has been."""

    def __init__(self, epoch: int, radii: FloatArray, estimator: int, shape: tuple[int, int, int]) -> None:
        N, m, n = shape
        self.key = epoch, estimator, radii.tobytes()
        self.gains, self.bias, self.matrices = np.full(shape, np.nan), np.zeros(shape), matrices_of(estimator)
        self.costs, self.squares, self.centres = np.full(N, np.nan), np.full(N, np.nan), np.zeros(N)
        self.reach2, self.drifts, self.saturated = np.zeros(N), np.zeros(N), np.zeros(N)
        self.shapes = np.zeros((N, self.matrices, m * n, m * n))
        self.steps, self.since = 0, np.zeros(N, dtype=np.int64)  # estimates so far; when each anchor was computed

    def extrapolated(self, agents: IntArray) -> BoolArray:
        """Return which agents' anchors have served at other gains than their own."""
        return np.asarray(self.steps - self.since[agents] > 1)

    def arrays(self) -> tuple[FloatArray, ...]:
        """Return the arrays that the kernels expect."""
        own = (self.gains, self.costs, self.squares, self.reach2, self.drifts, self.bias, self.shapes)
        return *own, self.saturated, self.centres


class MomentOracle(LedgerOracle):
    """Answer with normal draws of the exact mean and covariance of gradient estimates and of mean costs.

    Where C is infinite, a rollout costs `SATURATION` without variance, as a saturated rollout does: such a gain gets an
    enormous estimate, finite, and M saturated rollouts in the ledger; if C(K + rU) is infinite for some U only, the
    moments are those of the clipped cost, and the ledger has that fraction of M.  Counts stop at 2^62 − 1.

    Args:
        fleet: the agents' systems.
        seed: the run's; (purpose, epoch, agent) has a separate stream, as with rollouts.
        law: law of the noise.
        horizon: None for C itself; an integer h for the C_h of `RolloutOracle`, with moments computed anew for every
            question, agent by agent.
        drift: relative change of C at which moments are computed anew.

    Raises:
        PcpoError: for more than D = 60 unknowns, and for two points of fewer than two rollouts.
    """

    def __init__(
        self, fleet: Fleet, *, seed: int, law: NoiseLaw, horizon: int | None = None, drift: float = DRIFT
    ) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self.discount = fleet.gamma
        if not 0 < drift < 1:
            raise PcpoError(f"drift: found {drift}, expected a relative change of cost between 0 and 1")
        if horizon is not None and (isinstance(horizon, bool) or not horizon >= 1):
            raise PcpoError(f"horizon: found {horizon!r}, expected 1 or more stages, or None for all")
        narrow, wide = narrow_rule(fleet.D), wide_rule(fleet.D)
        fine = fine_rule(fleet.D) if narrow.slopes else narrow
        # The kernels know no cross term of the stage cost: everything below is about gains less R⁻¹Nᵀ.
        crossed = fleet.stacked.crossed
        self._shift = np.stack([system.shift for system in fleet.systems])[fleet.labels] if crossed else None
        self._standard, self._labels = tuple(system.standard for system in fleet.systems), fleet.labels
        stack = SystemStack.of(self._standard, fleet.labels) if crossed else fleet.stacked
        self._matrices = tuple(np.ascontiguousarray(X) for X in (stack.A, stack.B, stack.Q, stack.R))
        self._gamma = float(fleet.gamma)
        self._pairs = quartic_pairs(law, fleet.n)
        self._seed, self._law, self._horizon, self.drift = seed, law, horizon, drift
        self._rules = tuple((rule.nodes, rule.weights, rule.slopes, rule.centre) for rule in (narrow, fine, wide))
        self._streams = OpenEpochs(self._fresh_streams)
        self._anchors: dict[int, _Anchors] = {}
        self.errors = Errors()

    def iterates(
        self, minibatch: int, *, purpose: int, epoch: int, estimator: Estimator = "one_point", aside: int = 0
    ) -> bool:
        """Return True: every iteration is drawn here."""
        return True

    def iterate(
        self,
        gains: FloatArray,
        iterations: int,
        step_size: float,
        minibatch: int,
        radii: FloatArray,
        *,
        purpose: int,
        epoch: int,
        sets: Neighbourhoods | BoolArray | None = None,
        estimator: Estimator = "one_point",
        aside: int = 0,
    ) -> FloatArray:
        """Run the steps of the plain loop compiled, with the same numbers (`pcpo.oracles.protocol.IteratingOracle`)."""
        self._check(gains, minibatch)
        self._check_radii(radii)
        if not 0 <= aside < minibatch:
            raise PcpoError(f"aside: found {aside}, expected some of the {minibatch} rollouts, but not all")
        draw = _drawn(estimator, minibatch, aside, None, self.n_agents)
        X, own = self._shifted(gains), None if sets is None else Neighbourhoods.of(sets)
        left = iterations
        while left > 0:
            count = max(1, min(left, _CHUNK // X.size))
            saturated = self._steps(X, count, step_size, draw, radii, purpose, epoch, own)[1]
            self._spend(minibatch * count, _count(saturated[0], draw.used) + _count(saturated[1], aside))
            left -= count
        self._audit(epoch % self.n_agents, self._anchors_for(purpose, epoch, radii, draw.estimator), X, radii, draw)
        return X if self._shift is None else X + self._shift

    def _alone(self, agent: int, discount: float) -> LedgerOracle:
        """Return an oracle of one agent; errors of its moments are entered in those of this one."""
        own = slice(agent, agent + 1)
        return self._copy(
            _matrices=tuple(X[own] for X in self._matrices),
            _gamma=discount,
            _shift=None if self._shift is None else self._shift[own],
            _standard=(replace(self._standard[self._labels[agent]], gamma=discount),),
            _labels=np.zeros(1, dtype=np.int64),
            _streams=PartOfEpochs(self._streams, lambda source: [source[agent]]),
            _anchors={},
        )

    def _shifted(self, gains: FloatArray) -> FloatArray:
        """Return a copy of the gains of all agents, less R⁻¹Nᵀ if a stage cost has a cross term."""
        X = np.array(gains, dtype=np.float64, order="C")
        return X if self._shift is None else X - self._shift

    def _gradients(self, question: Question) -> Estimates:
        """Draw normal gradient estimates."""
        draw = _drawn(question.estimator, question.minibatch, 0, question.baseline, self.n_agents)
        X = self._shifted(question.gains)
        g, saturated = self._steps(X, 1, 0.0, draw, question.radii, question.purpose, question.epoch, None)
        return Estimates(g, _count(saturated[0], draw.used))

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Draw normal cost estimates."""
        return self._costs_at(self._shifted(gains), minibatch, purpose, epoch)

    def _costs_at(self, X: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Draw normal cost estimates at shifted gains."""
        draws = np.array([rng.standard_normal() for rng in self._streams.at(purpose, epoch)])
        mean, variance = np.empty(self.n_agents), np.empty(self.n_agents)
        if self._horizon is None:
            costs_kernel()(self._matrices, self._gamma, self._pairs, X, mean, variance)
        else:
            for i, K in enumerate(X):
                system = self._standard[self._labels[i]]
                with np.errstate(over="ignore", invalid="ignore"):
                    mean[i] = lqr.truncated_cost(system, K, self._horizon)
                    variance[i] = lqr.truncated_variance_array(system, K, self._horizon, self._law)
        over = ~(mean <= SATURATION)
        spread = np.sqrt(np.where(over, 0.0, variance) / float(minibatch))
        return Estimates(np.where(over, SATURATION, mean) + spread * draws, _count(over.astype(float), minibatch))

    def _fresh_streams(self, purpose: int, epoch: int) -> list[np.random.Generator]:
        """Return the streams of all agents for one (purpose, epoch)."""
        return [stream(self._seed, purpose, epoch, agent, _NORMALS) for agent in range(self.n_agents)]

    def _steps(
        self,
        X: FloatArray,
        count: int,
        step_size: float,
        draw: _Draw,
        radii: FloatArray,
        purpose: int,
        epoch: int,
        sets: Neighbourhoods | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Make `count` steps in place; return the last estimates, and per agent what was saturated ``(2, N)``.

        That is the sum over steps of the fraction of the rollouts of a gradient estimate, and of those of a baseline.
        """
        N, D = self.n_agents, X[0].size
        normals = np.stack([rng.standard_normal((count, D)) for rng in self._streams.at(purpose, epoch)], axis=1)
        normals /= draw.samples**0.5
        anchors = self._anchors_for(purpose, epoch, radii, draw.estimator)
        cover = _NO_SETS if sets is None else sets.cover
        cover.check_occupied()
        G, saturated, stale = np.zeros_like(X), np.zeros((2, N)), np.ones(N, dtype=np.bool_)
        descend = descend_kernel(*X.shape[:0:-1], general=draw.estimator != ONE_POINT)
        compiled = self._horizon is None
        zetas = np.zeros((count, N))
        if draw.aside and compiled:
            zetas = np.stack([rng.standard_normal(count) for rng in self._streams.at(Purpose.BASELINE, epoch)], axis=1)
        done = 0
        while done < count:
            most, question = count, (draw.estimator, float(draw.aside), draw.baseline)
            if not compiled:
                most = done + 1
                self._renew_truncated(anchors, X, radii, draw.estimator)
                if draw.aside:
                    costs = self._costs_at(X, draw.aside, Purpose.BASELINE, epoch)
                    question = (draw.estimator, 0.0, costs.values)
            made = descend(
                self._matrices, self._gamma, self._pairs, anchors.arrays(), radii, question, not compiled,
                normals[done:most], zetas[done:most], step_size, cover.arrays, X, G, stale, saturated,
            )  # fmt: skip
            done, anchors.steps = done + made, anchors.steps + made
            if done < most:
                self._renew(anchors, np.flatnonzero(stale), X, radii, draw)
        return G, saturated

    def _anchors_for(self, purpose: int, epoch: int, radii: FloatArray, estimator: int) -> _Anchors:
        """Return the anchors of a purpose, which last for one epoch, as its streams do."""
        known = self._anchors.get(purpose)
        if known is None or known.key != (epoch, estimator, radii.tobytes()):
            known = self._anchors[purpose] = _Anchors(epoch, radii, estimator, (self.n_agents, *self.gain_shape))
        return known

    def _renew(self, anchors: _Anchors, agents: IntArray, X: FloatArray, radii: FloatArray, draw: _Draw) -> None:
        """Compute the exact moments of these agents at their gains X_i."""
        anchors.costs[agents[~anchors.extrapolated(agents)]] = np.nan  # which takes them from the comparison
        self.errors.anchors += self._renewed(self._matrices, agents, X, radii, draw, anchors.arrays())
        anchors.since[agents] = anchors.steps

    def _renewed(
        self,
        matrices: tuple[FloatArray, ...],
        agents: IntArray,
        X: FloatArray,
        radii: FloatArray,
        draw: _Draw,
        anchors: tuple[FloatArray, ...],
    ) -> int:
        """Renew anchors in place, record the errors that the old ones would have made, and return their number."""
        errors = np.array([self.errors.covariance, self.errors.mean, 0.0])
        renew_kernel()(
            matrices, self._gamma, self._pairs, agents, X, radii, *self._rules, SATURATION, self.drift, draw.samples,
            draw.estimator, anchors, errors,
        )  # fmt: skip
        self.errors.covariance, self.errors.mean = float(errors[0]), float(errors[1])
        return int(errors[2])

    def _renew_truncated(self, anchors: _Anchors, X: FloatArray, radii: FloatArray, estimator: int) -> None:
        """Compute the moments of rollouts of the horizon wherever the gain has changed."""
        assert self._horizon is not None
        for i in np.flatnonzero((anchors.gains != X).any(axis=(1, 2))).tolist():
            system = self._standard[self._labels[i]]
            found = truncated_anchor(system, X[i], float(radii[i]), self._horizon, self._law, estimator)
            anchors.gains[i], anchors.costs[i], anchors.bias[i], anchors.shapes[i] = X[i], np.inf, found[0], found[1]
            anchors.centres[i], anchors.saturated[i] = found[2], found[3]
            self.errors.anchors += 1

    def _audit(self, i: int, anchors: _Anchors, X: FloatArray, radii: FloatArray, draw: _Draw) -> None:
        """Record the error of agent i's moments at the last iterate, where they may never have been renewed."""
        if self._horizon is None:
            own = slice(i, i + 1)
            matrices, copies = (tuple(a[own].copy() for a in arrays) for arrays in (self._matrices, anchors.arrays()))
            if not anchors.extrapolated(np.array([i])).all():
                copies[1][:] = np.nan
            self._renewed(matrices, np.zeros(1, dtype=np.int64), X[own], radii[own], draw, copies)


def _drawn(estimator: Estimator, minibatch: int, aside: int, baseline: FloatArray | None, N: int) -> _Draw:
    """Return the description of an estimate; PcpoError for fewer than the two rollouts that a pair needs."""
    if estimator == "two_point":
        if minibatch < 2:
            raise PcpoError(f"minibatch: found {minibatch}, expected 2 or more rollouts, as a pair needs")
        return _Draw(TWO_POINT, minibatch, 0, np.zeros(N))
    if estimator != "one_point":
        raise PcpoError(f"estimator: found {estimator!r}, expected 'one_point' or 'two_point'")
    if aside or baseline is not None:
        given = np.zeros(N) if baseline is None else np.array(baseline, dtype=np.float64)
        return _Draw(CENTRED, minibatch, aside, given)
    return _Draw(ONE_POINT, minibatch, 0, np.zeros(N))


def _count(fractions: FloatArray, minibatch: int) -> IntArray:
    """Return fractions of M as counts of rollouts, up to 2^62 − 1."""
    counts = np.minimum(np.rint(fractions * float(minibatch)), float(2**62 - 1024))
    return counts.astype(np.int64)
