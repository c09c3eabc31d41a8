"""Test the choice of sets against closed forms and brute force, and `pcpo_soft` on small fleets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support.judging import consistent, z_score

from pcpo.algorithms.partition import Fit, Weights, estimated_loss, fitted, partition
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.soft import PCPOSoft, noise_gaps
from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import ConfigError, PcpoError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.simulation.noise import stream


def curvatures(rng: np.random.Generator, N: int, D: int) -> FloatArray:
    """Draw positive definite matrices of condition numbers up to about ten."""
    X = rng.standard_normal((N, D, D))
    return np.asarray(X @ X.swapaxes(1, 2) / D + 0.5 * np.eye(D))


def root(sizes: IntArray) -> FloatArray:
    """Return 1/√|S|, the law of radii that no cap cuts."""
    return np.asarray(1 / np.sqrt(sizes))


def partitions(N: int) -> Iterator[list[int]]:
    """Yield the labels of every partition of N agents."""

    def extended(labels: list[int]) -> Iterator[list[int]]:
        if len(labels) == N:
            yield labels
            return
        for block in range(max(labels, default=-1) + 2):
            yield from extended([*labels, block])

    yield from extended([])


class TestFit:
    def test_gradients_without_noise_give_the_optimum_from_any_way(self) -> None:
        rng = stream(1, 0)
        H, K = curvatures(rng, 3, 4), rng.standard_normal((3, 4))
        gains = rng.standard_normal((7, 3, 4))
        found = fitted(gains, np.einsum("nij,tnj->tni", H, gains - K), H)
        assert np.allclose(found.optima, K, atol=1e-12)
        assert np.all(found.spreads < 1e-24)

    def test_precision_is_that_of_the_estimates(self) -> None:
        rng, (N, T, D) = stream(2, 0), (4000, 6, 2)
        H, s = np.broadcast_to(curvatures(rng, 1, D), (N, D, D)), 1.7
        gains = rng.standard_normal((T, N, D))
        found = fitted(gains, np.einsum("nij,tnj->tni", H, gains) + s * rng.standard_normal((T, N, D)), H)
        scaled = np.einsum("nij,nj->ni", H, found.optima)[:, 0]  # variance s²/T
        squares, spread = z_score(scaled**2, s**2 / T), z_score(found.spreads, s**2)
        assert consistent(squares, spread)
        assert not consistent(z_score(scaled**2, s**2 / (T - 1)))  # T, not T − 1, gradients stand behind the mean
        assert np.allclose(found.precisions * found.spreads, T)

    def test_two_fits_are_pooled_by_precision(self) -> None:
        late, early = (
            Fit(np.array([[4.0]]), np.array([3.0]), np.array([2.0])),
            Fit(np.array([[0.0]]), np.array([1.0]), np.array([9.0])),
        )
        pooled = late.after(early)
        assert pooled.optima.tolist() == [[3.0]]
        assert pooled.precisions.tolist() == [4.0]
        assert pooled.spreads.tolist() == [2.0]
        assert late.after(None) is late

    def test_one_gradient_has_no_spread(self) -> None:
        with pytest.raises(PcpoError, match=r"^gains: found 1 iterates, expected 2 or more, from which a spread"):
            fitted(np.zeros((1, 2, 1)), np.zeros((1, 2, 1)), np.ones((2, 1, 1)))


class TestLoss:
    def test_the_loss_of_known_optima_is_that_of_the_averaged_stationary_point(self) -> None:
        """With exact optima the loss is the smallest Σ ½‖K − K_i*‖²_{H_i} over K, and the noise of |S| agents."""
        rng = stream(3, 0)
        H, K = curvatures(rng, 5, 3), rng.standard_normal((5, 3))
        labels, gaps = np.array([0, 1, 0, 0, 1]), rng.uniform(0.1, 1.0, 5)
        exact = Fit(K, np.full(5, np.inf), np.zeros(5))
        expected = 0.0
        for block in (0, 1):
            own = labels == block
            stacked = np.concatenate([np.linalg.cholesky(h).T for h in H[own]])
            target = np.concatenate([np.linalg.cholesky(h).T @ k for h, k in zip(H[own], K[own], strict=True)])
            residual = np.linalg.lstsq(stacked, target, rcond=None)[1]
            expected += 0.5 * float(residual[0]) + gaps[own].sum() / np.sqrt(own.sum())
        assert estimated_loss(labels, exact, H, gaps, root) == pytest.approx(expected, rel=1e-10)
        assert estimated_loss(labels, exact, H, gaps, root, Weights(bias=2.0)) > 1.05 * expected

    def test_the_noise_of_the_optima_is_subtracted(self) -> None:
        """The mean over draws of the loss is that of the exact optima, and with the noise left in it is larger."""
        rng, draws = stream(4, 0), 1500
        H, K, p = curvatures(rng, 4, 2), 4.0 * rng.standard_normal((4, 2)), rng.uniform(0.5, 2.0, 4)
        labels, gaps = np.zeros(4, dtype=np.int64), np.full(4, 1.0)
        true = estimated_loss(labels, Fit(K, np.full(4, np.inf), np.zeros(4)), H, gaps, root)
        found: dict[float, list[float]] = {1.0: [], 0.0: []}
        for _ in range(draws):
            Z = K + np.linalg.solve(H, rng.standard_normal((4, 2))[..., None])[..., 0] / np.sqrt(p)[:, None]
            for weight, values in found.items():
                values.append(estimated_loss(labels, Fit(Z, p, 1 / p), H, gaps, root, Weights(noise=weight)))
        right, kept = (z_score(np.array(found[weight]), true) for weight in (1.0, 0.0))
        assert consistent(right)
        assert not consistent(kept)


class TestPartition:
    def test_as_good_as_any_partition(self) -> None:
        """On most draws no partition of six agents has a smaller loss, and on none much smaller."""
        everyone, best_found = np.ones((6, 6), dtype=bool), 0
        for draw in range(12):
            rng = stream(5, draw)
            H, K = curvatures(rng, 6, 2), np.repeat(rng.standard_normal((2, 2)), 3, axis=0)
            fit = Fit(K + 0.2 * rng.standard_normal((6, 2)), np.full(6, 25.0), np.full(6, 1.0))
            gaps = np.full(6, 0.4)
            losses = [estimated_loss(np.array(one), fit, H, gaps, root) for one in partitions(6)]
            found = estimated_loss(partition(everyone, fit, H, gaps, root), fit, H, gaps, root)
            assert min(losses) - 1e-12 <= found <= 1.1 * min(losses)
            best_found += found <= min(losses) + 1e-12
        assert len(losses) == 203
        assert best_found >= 9

    def test_equal_optima_make_one_set_and_far_ones_two(self) -> None:
        H, gaps, p = np.ones((6, 1, 1)), np.full(6, 1.0), np.full(6, 1e3)
        everyone = np.ones((6, 6), dtype=bool)
        near = Fit(np.zeros((6, 1)), p, 1 / p)
        assert partition(everyone, near, H, gaps, root).tolist() == [0] * 6
        far = Fit(np.array([[0.0], [9.0]] * 3), p, 1 / p)
        assert partition(everyone, far, H, gaps, root).tolist() == [0, 1] * 3

    def test_the_border_is_where_bias_is_what_noise_saves(self) -> None:
        """Two agents d apart: together they lose d²/4 (H = 1) and save (2 − √2)v."""
        everyone, p, gaps = np.ones((2, 2), dtype=bool), np.full(2, np.inf), np.ones(2)
        border = 2 * np.sqrt(2 - np.sqrt(2))
        for factor, labels in ((0.999, [0, 0]), (1.001, [0, 1])):
            fit = Fit(np.array([[0.0], [factor * border]]), p, np.zeros(2))
            assert partition(everyone, fit, np.ones((2, 1, 1)), gaps, root).tolist() == labels

    def test_a_set_needs_all_its_pairs(self) -> None:
        allowed = np.ones((3, 3), dtype=bool)
        allowed[0, 2] = allowed[2, 0] = False  # (7) is not transitive
        fit = Fit(np.array([[0.0], [0.1], [0.11]]), np.full(3, 1e6), np.full(3, 1e-6))
        assert partition(allowed, fit, np.ones((3, 1, 1)), np.ones(3), root).tolist() == [0, 1, 1]

    def test_agents_without_numbers_stay_alone(self) -> None:
        fit = Fit(np.array([[0.0], [np.nan], [0.0]]), np.full(3, 1e6), np.array([1e-6, 1e-6, 1e-6]))
        everyone = np.ones((3, 3), dtype=bool)
        assert partition(everyone, fit, np.ones((3, 1, 1)), np.ones(3), root).tolist() == [0, 1, 0]


def fleet(*pairs: tuple[float, float], size: int = 3) -> Fleet:
    """Make scalar clusters, each (a, cost level), with starts off the optimum."""
    systems = tuple(
        LinearSystem(np.array([[a]]), np.ones((1, 1)), level * np.eye(1), level * np.eye(1), 0.8) for a, level in pairs
    )
    labels = np.repeat(np.arange(len(pairs)), size)
    return Fleet("pairs", systems, labels, 0.2 + 0.02 * np.arange(6.0)[: len(labels), None, None])


def experiment(chosen: Fleet, epochs: int = 3, Delta0: float = 2.0) -> Experiment:
    return Experiment.calibrated(chosen, Delta0=Delta0, epochs=epochs, oracle="moments")


class TestSoft:
    @pytest.mark.parametrize(("pairs", "sets"), [(((0.9, 1.0), (0.9, 1.000001)), 1), (((0.9, 1.0), (0.2, 1.6)), 2)])
    def test_equal_gains_share_and_others_do_not(self, pairs: tuple[tuple[float, float], ...], sets: int) -> None:
        setting = experiment(fleet(*pairs))
        result = setting.result(PCPOSoft(), seed=1)
        assert result.final.neighbourhoods.count == sets
        labels = setting.fleet.labels if sets == 2 else 0 * setting.fleet.labels
        assert np.array_equal(result.final.neighbourhoods.dense(), labels[:, None] == labels)
        members = [result.final.global_gains[labels == block] for block in np.unique(labels)]
        assert all(np.array_equal(own, np.broadcast_to(own[0], own.shape)) for own in members)

    def test_local_sequence_costs_and_rollouts_are_those_of_pcpo(self) -> None:
        setting = experiment(fleet((0.9, 1.0), (0.2, 1.6)))
        soft, hard = (setting.result(make_algorithm(name), seed=4) for name in ("pcpo_soft", "pcpo"))
        for one, other in zip(soft.epochs, hard.epochs, strict=True):
            assert np.allclose(one.local_gains, other.local_gains, rtol=1e-12, atol=0)
            assert np.allclose(one.cost_estimates, other.cost_estimates, rtol=1e-12, atol=0)
            assert one.rollouts == other.rollouts
            assert one.traffic.rounds == other.traffic.rounds

    def test_the_same_sets_have_the_same_policies(self) -> None:
        """The choice and fixed sets draw the same numbers: where sets never differ, neither do the policies."""
        setting = experiment(fleet((0.9, 1.0), (0.2, 1.6)))
        soft, known = (setting.result(PCPOSoft(sets=sets), seed=5) for sets in ("chosen", "known"))  # type: ignore[arg-type]
        same = [
            np.array_equal(a.neighbourhoods.dense(), b.neighbourhoods.dense())
            for a, b in zip(soft.epochs, known.epochs, strict=True)
        ]
        assert all(same)
        assert np.allclose(soft.final.global_gains, known.final.global_gains, rtol=1e-12, atol=0)

    def test_sets_lie_within_those_of_7(self) -> None:
        """Clusters with the same optimal gain are kept apart where (7) tells their costs apart."""
        setting = experiment(fleet((0.9, 1.0), (0.9, 1.7)), epochs=4)
        hard = setting.result(make_algorithm("pcpo"), seed=2).final.neighbourhoods.dense()
        assert not hard.all()
        soft = setting.result(PCPOSoft(), seed=2).final.neighbourhoods.dense()
        assert not (soft & ~hard).any()

    def test_fixed_sets(self) -> None:
        setting = experiment(fleet((0.9, 1.0), (0.2, 1.6)), epochs=2)
        for sets, count in (("everyone", 1), ("known", 2), ("alone", 6)):
            result = setting.result(PCPOSoft(sets=sets), seed=1)  # type: ignore[arg-type]
            assert result.algorithm == f"pcpo_soft_{sets}"
            assert {report.neighbourhoods.count for report in result.epochs} == {count}
            assert [report.reinitialised for report in result.epochs] == [True, False]

    def test_names_and_side_information(self) -> None:
        assert PCPOSoft(bias_weight=0.1, noise_weight=0.0).name == "pcpo_soft_bias_0.1_noise_0"
        assert PCPOSoft().uses == {"hessians"}
        assert PCPOSoft(sets="known").uses == {"labels"}
        assert not PCPOSoft(sets="alone").uses

    def test_bad_input(self) -> None:
        with pytest.raises(ConfigError, match=r"^sets: found 'own', expected one of chosen, everyone, alone, known$"):
            PCPOSoft(sets="own")  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=r"^bias_weight: found -1, expected a number of at least 0$"):
            PCPOSoft(bias_weight=-1)


def test_noise_gap_is_the_steady_state_of_the_recursion() -> None:
    """K ← (I − ηH)K − η·noise has covariance P = (I − ηH)P(I − ηH) + η²s² I and mean gap ½ tr(HP)."""
    rng, eta, s2 = stream(6, 0), 0.1, 2.3
    H = curvatures(rng, 1, 3)
    F = np.eye(3) - eta * H[0]
    P = np.linalg.solve(np.eye(9) - np.kron(F, F), eta**2 * s2 * np.eye(3).ravel()).reshape(3, 3)
    assert noise_gaps(H, np.array([s2]), eta)[0] == pytest.approx(0.5 * np.trace(H[0] @ P), rel=1e-12)
