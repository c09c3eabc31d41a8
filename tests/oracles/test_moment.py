"""The moment oracle: moments against quadrature and rollouts, ledger, streams, saturation, many iterations at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.small_fleets import experiment, forked_fleet, one_cluster, three_clusters

from pcpo import lqr, neighbourhoods
from pcpo.algorithms.baselines.base import iterate
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.server import Server
from pcpo.errors import ConfigError, FleetError, PcpoError
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.lqr.moments import quartic_pairs
from pcpo.oracles import moment
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.moment_kernels import descend_kernel
from pcpo.oracles.moment_rules import narrow_rule, wide_rule
from pcpo.oracles.protocol import Estimates, IteratingOracle, Oracle
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.estimators import cost_estimate, gradient_estimate
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.noise import NOISE_LAWS, NoiseLaw, Purpose, noise_law, stream

SIGNS = noise_law("signs")
HUGE = 10**40  # rollouts: no noise is left


class Plain:
    """An oracle without `iterate`: algorithms ask it question by question."""

    def __init__(self, inner: MomentOracle) -> None:
        self.inner, self.n_agents, self.gain_shape = inner, inner.n_agents, inner.gain_shape

    @property
    def rollouts(self) -> int:
        return self.inner.rollouts

    @property
    def nonfinite(self) -> np.ndarray:
        return self.inner.nonfinite

    def gradients(self, *arguments: object, **keys: object) -> Estimates:
        return self.inner.gradients(*arguments, **keys)  # type: ignore[arg-type]

    def costs(self, *arguments: object, **keys: object) -> Estimates:
        return self.inner.costs(*arguments, **keys)  # type: ignore[arg-type]


def oracle(fleet: Fleet, *, seed: int = 1, law: NoiseLaw = SIGNS, **options: float) -> MomentOracle:
    return MomentOracle(fleet, seed=seed, law=law, **options)  # type: ignore[arg-type]


def ask(asked: Oracle, fleet: Fleet, *, M: int = 200, r: float = 0.1, purpose: int = 1, epoch: int = 1) -> Estimates:
    return asked.gradients(fleet.initial_gains, M, np.full(fleet.N, r), purpose=purpose, epoch=epoch)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


# --- moments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
def test_the_quartic_pairs_are_those_of_the_law(law: NoiseLaw) -> None:
    P = stream(3, 1).standard_normal((3, 3))
    P = P + P.T
    pairs, squares = quartic_pairs(law, 3)
    found = np.sum(pairs * P**2) + np.diag(P) @ squares @ np.diag(P)
    assert found == pytest.approx(float(law.quartic_term(P)), rel=1e-12)


def test_a_law_that_is_not_symmetric_is_refused() -> None:
    class Lopsided(type(SIGNS)):  # type: ignore[misc]
        def quartic_term(self, P: np.ndarray) -> np.ndarray:
            return np.asarray(super().quartic_term(P) + P[..., 0, 0] * P[..., 0, 1])

    with pytest.raises(FleetError, match="noise: found a law that changes with the sign of a coordinate"):
        quartic_pairs(Lopsided(), 2)


@pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
def test_variance_of_truncated_rollouts_against_rollouts(fleet: Fleet, law: NoiseLaw) -> None:
    """A horizon so short that the variance without truncation, the control, is far off."""
    system, K, h, M = fleet.system_of(0), fleet.initial_gains[0], 6, 40_000
    found = cost_estimate(system, K, M, horizon=h, law=law, noise=stream(5, 1))
    expected = float(lqr.truncated_variance_array(system, K, h, law))
    # Kurtosis of a cost is below 10 here: Var s² ≤ 9σ⁴/M.
    error = 3.0 / np.sqrt(M)
    assert abs(found.variance / expected - 1) < 4 * error
    assert abs(found.variance / lqr.rollout_variance(system, K, law) - 1) > 8 * error
    long = float(lqr.truncated_variance_array(system, K, 400, law))
    assert long == pytest.approx(lqr.rollout_variance(system, K, law), rel=1e-9)
    assert float(lqr.truncated_variance_array(system, K, 1, law)) == 0.0


def test_truncated_moments_against_rollouts_and_wrong_ones(fleet: Fleet) -> None:
    """χ² of many estimates' mean and of their mean square; controls: ∇C, and a covariance 10 % too large."""
    system, K, r, h, M, S = fleet.system_of(0), fleet.initial_gains[0], 0.25, 12, 256, 3000
    moments = lqr.estimator_moments(system, K, r, SIGNS, horizon=h)
    streams = [stream(6, kind) for kind in (0, 1)]
    keys = {"horizon": h, "law": SIGNS, "directions": streams[0], "noise": streams[1]}
    g = np.stack([gradient_estimate(system, K, r, M, **keys).value.ravel() for _ in range(S)])

    def p_values(mean: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
        z = np.linalg.solve(np.linalg.cholesky(covariance / M), (g - mean).T)
        centre = S * float(np.sum(z.mean(axis=1) ** 2))
        return float(stats.chi2.sf(centre, 2)), 2 * float(min(f(np.sum(z**2), 2 * S) for f in TAILS))

    assert min(p_values(moments.mean.ravel(), moments.covariance)) > 0.001
    assert p_values(moments.mean.ravel() + 0.2 * np.sqrt(np.diag(moments.covariance / M)), moments.covariance)[0] < 1e-6
    assert p_values(moments.mean.ravel(), 1.1 * moments.covariance)[1] < 1e-3


TAILS = (stats.chi2.cdf, stats.chi2.sf)


def random_system(n: int, m: int) -> LinearSystem:
    rng = np.random.default_rng(4)
    return LinearSystem(0.7 * np.eye(n) + 0.1 * rng.standard_normal((n, n)), rng.standard_normal((n, m)),
                        np.eye(n), np.eye(m), 0.8)  # fmt: skip


def alone(system: LinearSystem, K: np.ndarray) -> Fleet:
    return Fleet("alone", (system,), np.zeros(1, dtype=np.int64), K[None])


def used(
    system: LinearSystem, K: np.ndarray, r: float, M: int = 1, rules: tuple[int, int, int] = (0, 1, 2)
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the covariance of an anchor, without the kernel of the descent: that is compiled by size.

    rules: in place of the usual, the finer and the wide rule.
    """
    found, radii = oracle(alone(system, K)), np.array([r])
    found._rules = tuple(found._rules[k] for k in rules)
    draw = moment._drawn("one_point", M, 0, None, 1)
    anchors = found._anchors_for(1, 1, radii, draw.estimator)
    found._renew(anchors, np.zeros(1, dtype=np.int64), K[None], radii, draw)
    root = anchors.shapes[0, 0]
    return (lqr.gradient(system, K) + anchors.bias[0]).ravel(), root @ root.T


@pytest.mark.parametrize(
    ("n", "m", "order", "power"), [(1, 1, 8, 14), (3, 1, 12, 14), (2, 2, 7, 6), (3, 2, 5, 6), (3, 3, 4, 4)]
)
def test_the_rules_leave_out_what_they_say(n: int, m: int, order: int, power: int) -> None:
    """Against products of higher degree at r and r/2: errors fall by 2^power, or are rounding; control: ∇C."""
    system = random_system(n, m)
    K, errors, controls = lqr.riccati(system).K + 0.02, [], []
    for r in (0.1, 0.05) if n * m == 9 else (0.2, 0.1):
        exact = lqr.estimator_moments(system, K, r, SIGNS, order=order)
        mean, covariance = used(system, K, r)
        scale = r**2 * np.linalg.norm(exact.covariance)  # the leading term is of order 1/r²
        errors.append([np.linalg.norm(covariance - exact.covariance) * r**2 / scale,
                       np.linalg.norm(mean - exact.mean.ravel()) / np.linalg.norm(exact.mean)])  # fmt: skip
        controls.append(np.linalg.norm(lqr.gradient(system, K) - exact.mean) / np.linalg.norm(exact.mean))
    for coarse, fine in zip(*errors, strict=True):
        assert coarse < controls[0] / 3
        assert fine < max(2e-12, coarse / 2 ** (power - 1))
    if power < 14:
        assert errors[0][1] > 1e-9  # the check of the power is not one of rounding


def test_wide_rules_have_positive_weights_and_opposite_nodes() -> None:
    for D in (1, 2, 3, 7, 8, 20):
        for rule in (wide_rule(D), narrow_rule(D)):
            np.testing.assert_array_equal(rule.nodes[::-1], -rule.nodes)
            assert rule.weights.sum() + rule.centre == pytest.approx(1.0, abs=1e-12)
        U, w = wide_rule(D).nodes, wide_rule(D).weights
        assert (w > 0).all()
        np.testing.assert_allclose((U.T * w) @ U, np.eye(D) / D, atol=1e-12)


def test_with_many_unknowns_estimates_have_the_moments_of_rollouts() -> None:
    """D = 20, beyond every product rule: χ² of the mean and of the mean square; control: 10 % too much variance."""
    system = random_system(5, 4)
    K, r, M, S = lqr.riccati(system).K + 0.02, 0.15, 64, 400
    mean, covariance = used(system, K, r)
    streams = [stream(9, kind) for kind in (0, 1)]
    keys = {"horizon": 60, "law": SIGNS, "directions": streams[0], "noise": streams[1]}
    g = np.stack([gradient_estimate(system, K, r, M, **keys).value.ravel() for _ in range(S)])
    z = np.linalg.solve(np.linalg.cholesky(covariance / M), (g - mean).T)
    assert stats.chi2.sf(S * np.sum(z.mean(axis=1) ** 2), 20) > 0.001
    ratio, error = float(np.mean(z**2)), np.sqrt(2 / z.size)
    assert abs(ratio - 1) < 4 * error
    assert abs(ratio / 1.1 - 1) > 4 * error


def sampled(system: LinearSystem, K: np.ndarray, r: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Estimate mean and covariance of one sample from opposite directions, without noise; and their standard errors.

    ∇C and C² + Var C(·; Z) at the centre are taken out of the integrals.
    """
    rng, batches, means, squares = stream(11, 3), 40, [], []
    D, g = system.D, lqr.gradient(system, K).ravel()
    centre = lqr.cost(system, K) ** 2 + lqr.rollout_variance(system, K, SIGNS)
    for _ in range(batches):
        U = rng.standard_normal((2000, D))
        U /= np.linalg.norm(U, axis=1, keepdims=True)
        gains = [K + sign * r * U.reshape(-1, system.m, system.n) for sign in (1, -1)]
        C = [lqr.cost_array(system, X) for X in gains]
        V = [lqr.variance_array(system, X, SIGNS) for X in gains]
        means.append(g + D / r * np.mean((0.5 * (C[0] - C[1]) - r * U @ g)[:, None] * U, axis=0))
        even = 0.5 * (C[0] ** 2 + V[0] + C[1] ** 2 + V[1]) - centre
        squares.append((D / r) ** 2 * ((U.T * even) @ U / len(U) + centre * np.eye(D) / D))
    mean, root = np.mean(means, axis=0), np.sqrt(batches)
    covariance = np.mean(squares, axis=0) - np.outer(mean, mean)
    return mean, covariance, np.std(means, axis=0) / root, np.std(squares, axis=0) / root


ONLY_USUAL, ONLY_FINE, ONLY_WIDE = (0, 0, 2), (1, 1, 2), (2, 2, 2)


def test_beyond_eight_unknowns_a_finer_rule_is_used_where_the_usual_one_is_too_coarse() -> None:
    """D = 9, against a sample: the mean, whose error by the usual rule, the control, is many standard errors."""
    system, M = random_system(3, 3), 10**5
    K = lqr.riccati(system).K + 0.02
    for r, choice in ((0.15, ONLY_USUAL), (0.22, ONLY_FINE)):
        own = used(system, K, r, M)
        for rules in (ONLY_USUAL, ONLY_FINE, ONLY_WIDE):
            same = [np.array_equal(x, y) for x, y in zip(own, used(system, K, r, M, rules), strict=True)]
            assert same == [rules == choice] * 2
    mean, covariance, error, _ = sampled(system, K, 0.22)
    fine, coarse = own, used(system, K, 0.22, M, ONLY_USUAL)
    z = [float(np.max(np.abs(found[0] - mean) / error)) for found in (fine, coarse)]
    assert z[0] < 5 < 10 < z[1]
    white = np.linalg.inv(np.linalg.cholesky(covariance))
    off = [float(np.max(np.abs(np.linalg.eigvalsh(white @ found[1] @ white.T) - 1))) for found in (fine, coarse)]
    assert off[0] < 0.006 < 0.009 < off[1]


def test_where_costs_on_the_sphere_get_infinite_the_wide_rule_is_used() -> None:
    """D = 9: the fraction of infinite costs, against a sample; control: none, as rules of slopes have it."""
    system, r = random_system(3, 3), 0.5
    K = lqr.riccati(system).K + 0.25
    assert np.array_equal(used(system, K, r)[1], used(system, K, r, rules=ONLY_WIDE)[1])
    found = ask(asked := oracle(alone(system, K)), alone(system, K), M=10**6, r=r)
    assert np.isfinite(found.values).all()
    assert asked.nonfinite[0] == found.nonfinite[0]
    U = stream(12, 1).standard_normal((40_000, 9))
    gains = K + r * (U / np.linalg.norm(U, axis=1, keepdims=True)).reshape(-1, 3, 3)
    with np.errstate(over="ignore", invalid="ignore"):
        p = float(np.mean(~np.isfinite(lqr.cost_array(system, gains))))
    error = np.sqrt(p * (1 - p) * (1 / 40_000 + 1 / 2048))
    assert abs(float(found.nonfinite[0]) / 10**6 - p) < 4 * error < 8 * error < p


# --- answers --------------------------------------------------------------------------------------------------------


def test_with_huge_minibatches_it_answers_the_exact_mean(fleet: Fleet) -> None:
    found = oracle(fleet)
    gradients = ask(found, fleet, M=HUGE).values
    costs = found.costs(fleet.initial_gains, HUGE, purpose=2, epoch=1).values
    cut = oracle(fleet, horizon=9).costs(fleet.initial_gains, HUGE, purpose=2, epoch=1).values
    for i in range(fleet.N):
        system, K = fleet.system_of(i), fleet.initial_gains[i]
        np.testing.assert_allclose(gradients[i], lqr.smoothed_gradient(system, K, 0.1).value, rtol=1e-10)
        assert costs[i] == pytest.approx(lqr.cost(system, K), rel=1e-13)
        assert cut[i] == pytest.approx(lqr.truncated_cost(system, K, 9), rel=1e-13)
    assert found.rollouts == 2 * HUGE


def test_answers_are_draws_of_the_moments_from_the_agents_own_streams(fleet: Fleet) -> None:
    """(seed, purpose, epoch, agent, 2), whatever was asked for other purposes."""
    found, M = oracle(fleet, seed=7), 5000
    found.costs(fleet.initial_gains, 10, purpose=Purpose.COST, epoch=2)
    ask(found, fleet, purpose=Purpose.LOCAL, epoch=2)
    first, second = (ask(found, fleet, M=M, purpose=Purpose.GLOBAL, epoch=2).values for _ in range(2))
    costs = found.costs(fleet.initial_gains, M, purpose=Purpose.COST, epoch=3).values
    for i in range(fleet.N):
        system, K = fleet.system_of(i), fleet.initial_gains[i]
        moments, rng = lqr.estimator_moments(system, K, 0.1, SIGNS), stream(7, Purpose.GLOBAL, 2, i, 2)
        for answer in (first, second):
            values, vectors = np.linalg.eigh(moments.covariance / M)
            xi = rng.standard_normal(2)
            expected = moments.mean.ravel() + vectors @ (np.sqrt(values) * (vectors.T @ xi))
            np.testing.assert_allclose(answer[i].ravel(), expected, rtol=1e-9)
        sd = np.sqrt(lqr.rollout_variance(system, K, SIGNS) / M)
        draw = stream(7, Purpose.COST, 3, i, 2).standard_normal()
        assert costs[i] == pytest.approx(lqr.cost(system, K) + sd * draw, rel=1e-12)


def test_ledger_and_progress(fleet: Fleet) -> None:
    found, told = oracle(fleet), list[int]()
    found.on_rollouts = told.append
    ask(found, fleet, M=30)
    found.iterate(fleet.initial_gains, 4, 1e-4, 10**20, np.full(fleet.N, 0.1), purpose=3, epoch=1)
    assert sum(told) == found.rollouts == 30 + 4 * 10**20
    assert isinstance(found, IteratingOracle)
    assert not isinstance(RolloutOracle(fleet, seed=1, horizon=5, law=SIGNS), IteratingOracle)


# --- estimators of the extensions -----------------------------------------------------------------------------------


def exact_moments(system: LinearSystem, K: np.ndarray, r: float, b: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Integrate mean and covariance of one sample less a baseline b, or of one pair without: products of degree 31."""
    U, w = lqr.sphere_rule(system.D, 16)
    gains = K + r * U.reshape(-1, system.m, system.n)
    C, V = lqr.cost_array(system, gains), lqr.variance_array(system, gains, SIGNS)
    square = (C - b) ** 2 + V if b is not None else 0.25 * ((C - C[::-1]) ** 2 + V + V[::-1])
    mean = system.D / r * (w * C) @ U
    return mean, (system.D / r) ** 2 * (U.T * (w * square)) @ U - np.outer(mean, mean)


KINDS = pytest.mark.parametrize("pairs", [False, True], ids=["centred", "two_point"])


@KINDS
def test_estimates_of_the_extensions_have_these_moments(fleet: Fleet, pairs: bool) -> None:
    """Rollouts: χ² of mean and mean square; controls: the one-point covariance, and one 15 % too large."""
    system, K, r, M, S = fleet.system_of(0), fleet.initial_gains[0], 0.25, 129, 2000
    b = None if pairs else lqr.cost(system, K) * 1.2
    options = {"estimator": "two_point"} if pairs else {"baseline": b}
    mean, covariance = exact_moments(system, K, r, b)
    keys = {"horizon": 120, "law": SIGNS, "directions": stream(8, 0), "noise": stream(8, 1)}
    g = np.stack([gradient_estimate(system, K, r, M, **keys, **options).value.ravel() for _ in range(S)])  # type: ignore[arg-type]
    samples = M // 2 if pairs else M

    def p_values(mean: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
        z = np.linalg.solve(np.linalg.cholesky(covariance / samples), (g - mean).T)
        centre = S * float(np.sum(z.mean(axis=1) ** 2))
        return float(stats.chi2.sf(centre, 2)), 2 * float(min(f(np.sum(z**2), 2 * S) for f in TAILS))

    assert min(p_values(mean, covariance)) > 0.001
    assert p_values(mean, 1.15 * covariance)[1] < 1e-3
    assert p_values(mean, exact_moments(system, K, r, 0.0)[1])[1] < 1e-12
    assert p_values(mean + 0.2 * np.sqrt(np.diag(covariance / samples)), covariance)[0] < 1e-6


@KINDS
@pytest.mark.parametrize("horizon", [None, 300])
def test_answers_of_the_extensions_are_draws_of_these_moments(fleet: Fleet, pairs: bool, horizon: int | None) -> None:
    """At the anchor exactly; with a horizon so long that nothing is cut, in the other code too."""
    found, M, r = oracle(fleet, seed=7, horizon=horizon), 5001, 0.1
    b = np.array([lqr.cost(fleet.system_of(i), K) for i, K in enumerate(fleet.initial_gains)]) * 1.1
    options = {"estimator": "two_point"} if pairs else {"baseline": b}
    asked = {"purpose": Purpose.LOCAL, "epoch": 2}
    answers = found.gradients(fleet.initial_gains, M, np.full(fleet.N, r), **asked, **options).values  # type: ignore[arg-type]
    assert found.rollouts == M
    for i in range(fleet.N):
        mean, covariance = exact_moments(fleet.system_of(i), fleet.initial_gains[i], r, None if pairs else b[i])
        xi = stream(7, Purpose.LOCAL, 2, i, 2).standard_normal(2)
        expected = mean + np.linalg.cholesky(covariance / (M // 2 if pairs else M)) @ xi
        np.testing.assert_allclose(answers[i].ravel(), expected, rtol=1e-8)


@KINDS
@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("horizon", [None, 15])
def test_iterating_the_extensions_is_the_loop_bit_by_bit(
    fleet: Fleet, averaged: bool, horizon: int | None, pairs: bool
) -> None:
    plan = experiment(fleet, epochs=1, Delta0=4.0).schedule.plan(1)
    steps = 120 if horizon is None else 8
    options = {"estimator": "two_point"} if pairs else {"aside": 40}
    results, oracles = [], []
    for wrap in (lambda o: o, Plain):
        inner, server = oracle(fleet, horizon=horizon), Server(fleet.N)
        common = {"server": server} if averaged else {}
        start = fleet.initial_gains.copy()
        start[1] = 100.0  # of infinite cost: a constant baseline, no slope
        radii = np.full(fleet.N, 0.05)
        if averaged:
            sets = np.ones((fleet.N, fleet.N), dtype=np.bool_)
            sets[1], sets[:, 1], sets[1, 1] = False, False, True
            server.neighbourhoods = sets  # type: ignore[assignment]
        results.append(iterate(start, steps, plan, wrap(inner), radii, **common, **options))  # type: ignore[arg-type]
        oracles.append(inner)
    np.testing.assert_array_equal(*results)
    assert oracles[0].rollouts == oracles[1].rollouts == steps * plan.minibatch
    np.testing.assert_array_equal(oracles[0].nonfinite, oracles[1].nonfinite)
    if horizon is None:
        assert fleet.N + (not averaged) <= oracles[0].errors.anchors < steps
        assert oracles[0].nonfinite[1] == steps * (plan.minibatch - (plan.minibatch % 2 if pairs else 0))
        assert averaged or 0 < oracles[0].errors.covariance < 0.05


@pytest.mark.parametrize("variant", ["centred", "two_point"])
def test_a_run_of_an_extension_is_the_same_with_and_without(fleet: Fleet, variant: str) -> None:
    made = experiment(fleet, epochs=2, Delta0=4.0)
    reports = [
        run(
            PCPO(estimator=variant),  # type: ignore[arg-type]
            wrap(oracle(fleet, seed=3)), Setting(fleet.initial_gains, made.schedule), made.budget,
        ).final
        for wrap in (lambda o: o, Plain)
    ]  # fmt: skip
    np.testing.assert_array_equal(reports[0].global_gains, reports[1].global_gains)
    np.testing.assert_array_equal(reports[0].local_gains, reports[1].local_gains)
    assert reports[0].rollouts == reports[1].rollouts == made.budget


# --- infinite costs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [200.0, np.nan, np.inf, 1e300])
def test_infinite_costs_are_saturated_rollouts(gain: float) -> None:
    fleet = forked_fleet()
    gains = fleet.initial_gains.copy()
    gains[2] = gain
    found = oracle(fleet)
    g = found.gradients(gains, 50, np.full(5, 0.1), purpose=3, epoch=1)
    C = found.costs(gains, 50, purpose=2, epoch=1)
    for answer in (g, C):
        assert np.isfinite(answer.values).all()
        np.testing.assert_array_equal(answer.nonfinite, [0, 0, 50, 0, 0])
    assert C.values[2] == SATURATION
    simulated = RolloutOracle(fleet, seed=1, horizon=40, law=SIGNS)
    size = np.linalg.norm(simulated.gradients(gains, 50, np.full(5, 0.1), purpose=3, epoch=1).values[2])
    assert 0.01 < np.linalg.norm(g.values[2]) / size < 100  # both about SATURATION·D/(r√M)


def test_a_sphere_that_reaches_infinite_cost_counts_its_fraction() -> None:
    """Scalar: one of the two perturbed gains has infinite cost."""
    system = LinearSystem([[0.9]], [[1.0]], [[1.0]], [[1.0]], 0.9)
    fleet = Fleet("edge", (system,), np.zeros(1, dtype=np.int64), np.array([[[1.9]]]))
    found = ask(oracle(fleet), fleet, M=1000, r=0.2)
    assert np.isfinite(found.values).all()
    np.testing.assert_array_equal(found.nonfinite, [500])
    assert found.values[0, 0, 0] == pytest.approx(SATURATION / 0.4, rel=0.5)  # ½(∞ − C)/r, saturated


def test_counts_stop_before_they_overflow() -> None:
    fleet = forked_fleet()
    gains = np.full_like(fleet.initial_gains, 200.0)
    found = oracle(fleet)
    for _ in range(3):
        found.costs(gains, 10**30, purpose=2, epoch=1)
    assert (found.nonfinite > 2**61).all()


def test_an_agent_comes_back_from_infinite_cost(fleet: Fleet) -> None:
    found, bad = oracle(fleet), fleet.initial_gains.copy()
    bad[0] = 100.0
    radii = np.full(fleet.N, 0.1)
    found.gradients(bad, HUGE, radii, purpose=1, epoch=1)
    again = found.gradients(fleet.initial_gains, HUGE, radii, purpose=1, epoch=1).values
    np.testing.assert_allclose(again, ask(oracle(fleet), fleet, M=HUGE).values, rtol=1e-10)


# --- many iterations at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [None, 15])
@pytest.mark.parametrize("averaged", ["", "lists", "blocks"])
def test_iterating_is_the_loop_bit_by_bit(
    fleet: Fleet, averaged: str, horizon: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through several anchors, over sets that are no partition, as lists of agents or as blocks of a tree."""
    if averaged == "blocks":
        monkeypatch.setattr(neighbourhoods, "_SMALL", 0)
        monkeypatch.setattr(neighbourhoods, "_LISTED", 0)
    costs = np.linspace(0.0, 1.0, fleet.N)
    plan = experiment(fleet, epochs=1, Delta0=4.0).schedule.plan(1)
    steps = 150 if horizon is None else 20
    results, servers, oracles = [], [], []
    for wrap in (lambda o: o, Plain):
        inner, server = oracle(fleet, horizon=horizon), Server(fleet.N)
        server.neighbourhoods = server.neighbourhoods.pruned(costs, 1.5)
        assert (server.neighbourhoods.cover.inner > 0) == (averaged == "blocks")
        assert server.neighbourhoods.count > 1
        radii = np.full(fleet.N, 0.05)
        common = {"server": server} if averaged else {}
        results.append(iterate(fleet.initial_gains, steps, plan, wrap(inner), radii, **common))
        servers.append(server.traffic)
        oracles.append(inner)
    np.testing.assert_array_equal(*results)
    assert servers[0] == servers[1]
    assert oracles[0].rollouts == oracles[1].rollouts == steps * plan.minibatch
    np.testing.assert_array_equal(oracles[0].nonfinite, oracles[1].nonfinite)
    assert oracles[0].errors == oracles[1].errors
    if horizon is None:
        assert fleet.N < oracles[0].errors.anchors < steps
        assert servers[0].rounds == (steps if averaged else 0)


def test_the_scalar_kernel_has_the_bits_of_the_general_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone and over sets that are no partition, with a gain of infinite cost and an anchor that stops serving."""
    systems = tuple(LinearSystem([[a]], [[b]], [[1.0]], [[0.5]], 0.8) for a, b in ((0.9, 1.0), (0.7, -0.6), (1.1, 0.4)))
    fleet = Fleet("scalars", systems, np.array([0, 1, 2, 2]), np.array([[[0.6]], [[-0.4]], [[0.9]], [[0.8]]]))
    start = fleet.initial_gains.copy()
    start[3] = 40.0
    own = [np.ones((1, 4), dtype=np.bool_)[:0], np.array([[1, 1, 0, 0], [0, 1, 1, 1]], dtype=np.bool_)]
    for members in own:
        answers = []
        for general in (False, True):
            asked, results = oracle(fleet), []
            kernel = descend_kernel(1, 1, general=general)

            def recorded(*arguments: object, kernel: object = kernel, results: list[object] = results) -> int:
                done = kernel(*arguments)  # type: ignore[operator]
                results.extend([done, *(np.copy(arguments[k]) for k in (11, 12, 13, 14))])  # type: ignore[call-overload]
                return int(done)

            monkeypatch.setattr(moment, "descend_kernel", lambda *_, recorded=recorded, **__: recorded)
            sets = members[[0, 0, 1, 1]] if len(members) else None
            radii = np.full(4, 0.05)
            asked.iterate(start, 400, 3e-3, 10**9, radii, purpose=1, epoch=1, sets=sets)
            answers.append(results)
        assert len(answers[0]) == len(answers[1]) > 5  # more than one anchor each
        for first, second in zip(*answers, strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_run_is_the_same_with_and_without(fleet: Fleet) -> None:
    made = experiment(fleet, epochs=2, Delta0=4.0)
    reports = []
    for wrap in (lambda o: o, Plain):
        setting = Setting(fleet.initial_gains, made.schedule)
        reports.append(run(PCPO(), wrap(oracle(fleet, seed=3)), setting, made.budget).final)
    for name in ("local_gains", "global_gains", "cost_estimates", "neighbourhoods"):
        np.testing.assert_array_equal(getattr(reports[0], name), getattr(reports[1], name))
    assert reports[0].traffic == reports[1].traffic
    assert reports[0].rollouts == reports[1].rollouts == made.budget


def test_carried_moments_are_as_good_as_they_say(fleet: Fleet) -> None:
    """On the way down: gradients without noise against quadrature at every iterate.

    What is carried is the bias of smoothing: all errors fall as r², and with the drift that is allowed.
    Steps are short, so that anchors serve several of them.
    """
    eta = 1 / (64 * max(float(lqr.hessian_eigenvalues(s)[-1]) for s in fleet.systems))
    errors = {}
    for r, drift in ((0.05, 0.9), (0.0125, 0.9), (0.05, 0.05)):
        found, K = oracle(fleet, drift=drift), fleet.initial_gains
        radii, worst, bias = np.full(fleet.N, r), 0.0, 0.0
        for _ in range(12):
            g = found.gradients(K, HUGE, radii, purpose=1, epoch=1).values
            for i in range(fleet.N):
                system = fleet.system_of(i)
                exact = lqr.smoothed_gradient(system, K[i], r).value
                worst = max(worst, float(np.linalg.norm(g[i] - exact)))
                bias = max(bias, float(np.linalg.norm(exact - lqr.gradient(system, K[i]))))
            K = found.iterate(K, 48, eta, HUGE, radii, purpose=1, epoch=1)
        assert found.errors.anchors > fleet.N
        assert worst < bias
        errors[r, drift] = worst, found.errors.covariance
    coarse = errors[0.05, 0.9]
    assert errors[0.0125, 0.9][0] < coarse[0] / 8
    assert 0 < errors[0.0125, 0.9][1] < coarse[1] / 8
    assert errors[0.05, 0.05][0] < coarse[0] / 2
    assert errors[0.05, 0.05][1] < coarse[1] / 2


# --- refusals -------------------------------------------------------------------------------------------------------


def test_refusals(fleet: Fleet) -> None:
    found, radii = oracle(fleet), np.full(fleet.N, 0.1)
    keys = {"purpose": 1, "epoch": 1}
    with pytest.raises(PcpoError, match="minibatch: found 1, expected 2 or more rollouts"):
        found.gradients(fleet.initial_gains, 1, radii, estimator="two_point", **keys)
    with pytest.raises(PcpoError, match="estimator: found 'three_point'"):
        found.gradients(fleet.initial_gains, 10, radii, estimator="three_point", **keys)  # type: ignore[arg-type]
    with pytest.raises(PcpoError, match="aside: found 10, expected some of the 10 rollouts, but not all"):
        found.iterate(fleet.initial_gains, 3, 0.1, 10, radii, aside=10, **keys)
    with pytest.raises(PcpoError, match="radii: found"):
        found.iterate(fleet.initial_gains, 3, 0.1, 10, -radii, **keys)
    with pytest.raises(PcpoError, match="gains: found shape"):
        found.iterate(fleet.initial_gains[:-1], 3, 0.1, 10, radii, **keys)
    with pytest.raises(PcpoError, match="minibatch: found 0"):
        found.costs(fleet.initial_gains, 0, **keys)
    with pytest.raises(PcpoError, match="drift: found 0"):
        oracle(fleet, drift=0)
    with pytest.raises(PcpoError, match="horizon: found 0"):
        oracle(fleet, horizon=0)
    with pytest.raises(PcpoError, match="gains: found m n = 61 unknowns, expected at most 60 for exact moments"):
        narrow_rule(61)
    assert found.rollouts == 0


def test_an_experiment_chooses_its_oracle() -> None:
    small = one_cluster([[0.0, 0.0], [0.01, 0.0]])
    simulated = experiment(small, epochs=1, Delta0=4.0, horizon=20)
    moments = Experiment(small, simulated.schedule, "signs", None, simulated.budget, "moments")
    assert (simulated.mode, moments.mode) == ("calibrated", "calibrated, moment oracle")
    assert Experiment.from_dict(small, moments.to_dict()) == moments
    assert set(moments.run(seed=1)["mode"]) == {"calibrated, moment oracle"}
    old = {key: value for key, value in simulated.to_dict().items() if key != "oracle"}
    assert Experiment.from_dict(small, old) == simulated
    with pytest.raises(ConfigError, match="horizon: found None"):
        Experiment(small, simulated.schedule, "signs", None, 1)
    with pytest.raises(ConfigError, match="oracle: found 'oracle'"):
        Experiment(small, simulated.schedule, "signs", 10, 1, "oracle")  # type: ignore[arg-type]
