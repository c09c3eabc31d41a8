"""Answer from exact moments: minibatches too large to simulate, by their mean and covariance and a normal law.

The mean of M independent one-point estimates tends to N(∇C_r(K), S(K)/M), S(K) = (D²/r²) E[C(K + rU; Z)² UUᵀ] −
∇C_r ∇C_rᵀ, and the mean of M rollout costs to N(C(K), Var C(K; Z)/M), by the central limit theorem; M has no limit.
Algorithms, server and schedule run on this oracle as on rollouts.  The evidence group `surrogate` measures from which M
on the two cannot be told apart.

Moments are integrals over the sphere by quadrature (`lqr.estimator_moments`).  From one iterate to the next they are
extrapolated, with ∇C and E C(K; Z)² exact at every iterate (`pcpo.oracles.moment_kernels`); `Errors` measures the error
of the extrapolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo import lqr
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import PcpoError
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.moments import quartic_form
from pcpo.lqr.smoothing import EstimatorMoments
from pcpo.lqr.system import SystemStack
from pcpo.oracles.moment_kernels import WORK_ROWS, descend_kernel
from pcpo.oracles.protocol import Estimates, Question
from pcpo.oracles.rollout import LedgerOracle, OpenEpochs
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.noise import NoiseLaw, stream

__all__ = ["DRIFT", "Errors", "MomentOracle", "quadrature_order"]

#: Relative change of C from its anchor at which the moments are computed anew.
DRIFT = 0.05
_NORMALS = 2  # last key of the streams; 0 and 1 are those of rollouts
_CHUNK = 1 << 18  # normals held at once
_MOST_NODES = (
    2048  # of them order 4 for D = 6: with order 3, draws at a wide radius were seen to be off from M = 10^4 on
)


def quadrature_order(D: int) -> int:
    """Return the order q of the sphere rule for D unknowns: its error is of relative order r^(2q−2), q = 8 … 2.

    q is 8 up to D = 4, 4 for D = 6, 3 for D = 7, 2 for D = 8 to 11.

    Raises:
        PcpoError: beyond D = 11, which takes too many nodes.
    """
    for order in range(8, 1, -1):
        if D == 1 or 2 * order ** (D - 1) <= _MOST_NODES:
            return order
    raise PcpoError(f"gains: found m n = {D} unknowns, expected at most 11 for exact moments")


@dataclass
class Errors:
    """Hold the largest errors of the extrapolated moments.

    They are measured wherever moments are computed anew, and for one agent at the end of every call of `iterate`.

    Attributes:
        covariance: relative error, in the direction where it is largest.
        mean: in standard deviations of one estimate.
        anchors: how often moments were computed.
    """

    covariance: float = 0.0
    mean: float = 0.0
    anchors: int = 0


class _Anchors:
    """Hold the moments of every agent at the gain where they were last computed; at first none has been."""

    def __init__(self, epoch: int, radii: FloatArray, shape: tuple[int, int, int]) -> None:
        N, m, n = shape
        self.epoch, self.radii = epoch, radii.copy()
        self.gains, self.bias = np.full(shape, np.nan), np.zeros(shape)
        self.costs, self.squares = np.full(N, np.nan), np.full(N, np.nan)
        self.reach2, self.saturated = np.zeros(N), np.zeros(N)
        self.root = np.zeros((N, m * n, m * n))

    def arrays(self, minibatch: int) -> tuple[FloatArray, ...]:
        """Return the arrays that the kernels expect, for a minibatch of M."""
        root = self.root / float(minibatch) ** 0.5
        return self.gains, self.costs, self.squares, self.reach2, self.bias, root, self.saturated


class MomentOracle(LedgerOracle):
    """Answer with normal draws of the exact mean and covariance of one-point estimates and of mean costs.

    Where C is infinite, a rollout costs `SATURATION` without variance, as a saturated rollout does: such a gain gets an
    enormous estimate, finite, and M saturated rollouts in the ledger; if C(K + rU) is infinite for some U only, the
    moments are those of the clipped cost, and the ledger has that fraction of M.  Counts stop at 2^62 − 1.

    Args:
        fleet: the agents' systems.
        seed: the run's; (purpose, epoch, agent) has a separate stream, as with rollouts.
        law: law of the noise.
        horizon: None for C itself; an integer h for the C_h of `RolloutOracle`, with moments computed anew for every
            question.
        drift: relative change of C at which moments are computed anew.

    Raises:
        PcpoError: for an estimator other than "one_point", a baseline, or more than D = 11 unknowns.
    """

    def __init__(
        self, fleet: Fleet, *, seed: int, law: NoiseLaw, horizon: int | None = None, drift: float = DRIFT
    ) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        if not 0 < drift < 1:
            raise PcpoError(f"drift: found {drift}, expected a relative change of cost between 0 and 1")
        if horizon is not None and (isinstance(horizon, bool) or not horizon >= 1):
            raise PcpoError(f"horizon: found {horizon!r}, expected 1 or more stages, or None for all")
        own = [fleet.system_of(agent) for agent in range(fleet.N)]
        # The kernels know no cross term of the stage cost: everything below is about gains less R⁻¹Nᵀ.
        self._shift = np.stack([system.shift for system in own]) if fleet.stacked.crossed else None
        self._systems = [system.standard for system in own]
        stack = SystemStack.of(tuple(self._systems), np.arange(fleet.N)) if fleet.stacked.crossed else fleet.stacked
        self._matrices = tuple(np.ascontiguousarray(X) for X in (stack.A, stack.B, stack.Q, stack.R))
        self._gamma = float(fleet.gamma)
        self._quartic = quartic_form(law, fleet.n)
        self._seed, self._law, self._horizon, self._drift = seed, law, horizon, drift
        self._order = quadrature_order(fleet.D)
        self._descend = descend_kernel(fleet.n, fleet.m)
        self._streams = OpenEpochs(self._fresh_streams)
        self._anchors: dict[int, _Anchors] = {}
        self._costs_at: dict[int, tuple[FloatArray, tuple[float, float]]] = {}
        self.errors = Errors()

    def iterates(self, minibatch: int, *, purpose: int, epoch: int) -> bool:
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
        sets: BoolArray | None = None,
    ) -> FloatArray:
        """Run the steps of the plain loop compiled, with the same numbers (`pcpo.oracles.protocol.IteratingOracle`)."""
        self._check(gains, minibatch)
        self._check_radii(radii)
        X = self._shifted(gains)
        left = iterations
        while left > 0:
            count = max(1, min(left, _CHUNK // X.size))
            saturated = self._steps(X, count, step_size, minibatch, radii, purpose, epoch, sets)[1]
            self._spend(minibatch * count, _count(saturated, minibatch))
            left -= count
        self._audit(epoch % self.n_agents, self._anchors_for(purpose, epoch, radii), X, minibatch)
        return X if self._shift is None else X + self._shift

    def _shifted(self, gains: FloatArray) -> FloatArray:
        """Return a copy of the gains of all agents, less R⁻¹Nᵀ if a stage cost has a cross term."""
        X = np.array(gains, dtype=np.float64, order="C")
        return X if self._shift is None else X - self._shift

    def _gradients(self, question: Question) -> Estimates:
        """Draw normal gradient estimates."""
        if question.estimator != "one_point" or question.baseline is not None:
            found = repr(question.estimator) if question.baseline is None else "a baseline"
            raise PcpoError(f"estimator: found {found}, expected 'one_point' without a baseline from a moment oracle")
        X = self._shifted(question.gains)
        g, saturated = self._steps(
            X, 1, 0.0, question.minibatch, question.radii, question.purpose, question.epoch, None
        )
        return Estimates(g, _count(saturated, question.minibatch))

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Draw normal cost estimates."""
        draws = np.array([rng.standard_normal() for rng in self._streams.at(purpose, epoch)])
        pairs = [self._cost_moments(agent, K) for agent, K in enumerate(self._shifted(gains))]
        mean, variance = np.array(pairs).T
        over = ~(mean <= SATURATION)
        spread = np.sqrt(np.where(over, 0.0, variance) / float(minibatch))
        return Estimates(np.where(over, SATURATION, mean) + spread * draws, _count(over.astype(float), minibatch))

    def _cost_moments(self, agent: int, K: FloatArray) -> tuple[float, float]:
        """Return mean and variance of one rollout's cost; those of an agent's last question are remembered."""
        known = self._costs_at.get(agent)
        if known is None or not np.array_equal(known[0], K):
            system = self._systems[agent]
            with np.errstate(over="ignore", invalid="ignore"):
                if self._horizon is None:
                    found = lqr.cost(system, K), lqr.rollout_variance(system, K, self._law)
                else:
                    variance = lqr.truncated_variance_array(system, K, self._horizon, self._law)
                    found = lqr.truncated_cost(system, K, self._horizon), float(variance)
            known = self._costs_at[agent] = (K.copy(), found)
        return known[1]

    def _fresh_streams(self, purpose: int, epoch: int) -> list[np.random.Generator]:
        """Return the streams of all agents for one (purpose, epoch)."""
        return [stream(self._seed, purpose, epoch, agent, _NORMALS) for agent in range(self.n_agents)]

    def _steps(
        self,
        X: FloatArray,
        count: int,
        step_size: float,
        minibatch: int,
        radii: FloatArray,
        purpose: int,
        epoch: int,
        sets: BoolArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Make `count` steps in place; return the last estimates, and per agent the sum of saturated fractions."""
        N, D = self.n_agents, X[0].size
        normals = np.stack([rng.standard_normal((count, D)) for rng in self._streams.at(purpose, epoch)], axis=1)
        anchors = self._anchors_for(purpose, epoch, radii)
        if sets is None:
            members, member_of = np.zeros((0, N), dtype=np.bool_), np.zeros(N, dtype=np.int64)
        else:
            members, which = np.unique(sets, axis=0, return_inverse=True)
            member_of = which.reshape(-1).astype(np.int64)
        G, saturated, stale = np.zeros_like(X), np.zeros(N), np.ones(N, dtype=np.bool_)
        size = max(self.gain_shape)
        work = np.empty((WORK_ROWS, size, size))
        done = 0
        while done < count:
            most = count if self._horizon is None else done + 1
            if self._horizon is not None:
                self._renew(anchors, np.flatnonzero((anchors.gains != X).any(axis=(1, 2))), X, minibatch)
            done += self._descend(
                self._matrices, self._gamma, self._quartic, anchors.arrays(minibatch), self._drift,
                self._horizon is not None, normals[done:most], step_size, member_of, members, X, G, stale, saturated,
                work,
            )  # fmt: skip
            if done < most:
                self._renew(anchors, np.flatnonzero(stale), X, minibatch)
        return G, saturated

    def _anchors_for(self, purpose: int, epoch: int, radii: FloatArray) -> _Anchors:
        """Return the anchors of a purpose, which last for one epoch, as its streams do."""
        known = self._anchors.get(purpose)
        if known is None or known.epoch != epoch or not np.array_equal(known.radii, radii):
            known = self._anchors[purpose] = _Anchors(epoch, radii, (self.n_agents, *self.gain_shape))
        return known

    def _renew(self, anchors: _Anchors, agents: IntArray, X: FloatArray, minibatch: int) -> None:
        """Compute the exact moments of these agents at their gains X_i."""
        for i in agents.tolist():
            system, K = self._systems[i], X[i]
            found = self._exact(i, K, float(anchors.radii[i]))
            cost, square = lqr.cost(system, K), np.inf
            if self._horizon is not None or not np.isfinite(cost):
                cost, bias, reach2 = np.inf, found.mean, 0.0
            else:
                square, bias = self._carriable(i, K, cost, found)
                # Half a hessian times reach² is the drift: how far C stays within it, if C is quadratic around K.
                reach2 = 2 * self._drift * cost / float(np.linalg.norm(lqr.hessian_at(system, K), 2))
            root = _symmetric_root(found.covariance)
            if np.isfinite(cost) and np.isfinite(anchors.costs[i]) and found.saturated == anchors.saturated[i] == 0:
                self._note(anchors, i, square, bias, found.covariance, minibatch)
            anchors.gains[i], anchors.costs[i], anchors.bias[i], anchors.root[i] = K, cost, bias, root
            anchors.squares[i], anchors.reach2[i], anchors.saturated[i] = square, reach2, found.saturated
            self.errors.anchors += 1

    def _exact(self, i: int, K: FloatArray, radius: float) -> EstimatorMoments:
        """Return the moments of agent i's estimates at a gain, by quadrature."""
        with np.errstate(over="ignore", invalid="ignore"):
            return lqr.estimator_moments(
                self._systems[i], K, radius, self._law, horizon=self._horizon, ceiling=SATURATION, order=self._order
            )

    def _carriable(self, i: int, K: FloatArray, cost: float, found: EstimatorMoments) -> tuple[float, FloatArray]:
        """Return E C(K; Z)² and the bias of smoothing at a gain of finite cost: what is extrapolated from there."""
        system = self._systems[i]
        return cost**2 + lqr.rollout_variance(system, K, self._law), found.mean - lqr.gradient(system, K)

    def _audit(self, i: int, anchors: _Anchors, X: FloatArray, minibatch: int) -> None:
        """Record the error of agent i's moments at the last iterate, where they may never have been renewed."""
        K = X[i]
        cost = lqr.cost(self._systems[i], K)
        if self._horizon is not None or not np.isfinite([cost, anchors.costs[i]]).all() or anchors.saturated[i] > 0:
            return
        found = self._exact(i, K, float(anchors.radii[i]))
        if found.saturated == 0:
            self._note(anchors, i, *self._carriable(i, K, cost, found), found.covariance, minibatch)

    def _note(
        self, anchors: _Anchors, i: int, square: float, bias: FloatArray, covariance: FloatArray, minibatch: int
    ) -> None:
        """Record the error that agent i's old anchor would have made at the gain of the new one."""
        carried = square / anchors.squares[i] * (anchors.root[i] @ anchors.root[i].T)
        ratios = np.linalg.eigvals(np.linalg.solve(covariance, carried)).real
        off = (anchors.bias[i] - bias).ravel()
        sd = float(np.sqrt(off @ np.linalg.solve(covariance, off) * float(minibatch)))
        self.errors.covariance = max(self.errors.covariance, float(np.abs(ratios - 1).max()))
        self.errors.mean = max(self.errors.mean, sd)


def _count(fractions: FloatArray, minibatch: int) -> IntArray:
    """Return fractions of M as counts of rollouts, up to 2^62 − 1."""
    counts = np.minimum(np.rint(fractions * float(minibatch)), float(2**62 - 1024))
    return counts.astype(np.int64)


def _symmetric_root(covariance: FloatArray) -> FloatArray:
    """Return Σ^½; eigenvalues that rounding made negative count as zero."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
