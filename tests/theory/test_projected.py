"""The price of projected gradients in closed form, against sums over all signs and against plain recursions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from support.small_fleets import three_clusters

from pcpo.errors import ConfigError
from pcpo.simulation.noise import noise_law
from pcpo.theory.projected import ProjectedLaw, projected_law, rebuilt_moment
from pcpo.theory.rates import gap_law

RNG = np.random.default_rng(5)
ROOT = RNG.normal(size=(3, 3))
H = ROOT @ ROOT.T + 0.3 * np.eye(3)
LAW = ProjectedLaw(H)
#: D v vᵀ of all signs.
ALL = [np.outer(s, s) for s in np.array(list(product([-1.0, 1.0], repeat=3)))]


def test_moment_of_a_rebuilt_gradient_is_the_mean_over_all_signs() -> None:
    X = ROOT.T @ ROOT
    assert rebuilt_moment(X) == pytest.approx(np.mean([P @ X @ P for P in ALL], axis=0), rel=1e-13)
    assert rebuilt_moment(2.5 * np.eye(3)) == pytest.approx(7.5 * np.eye(3), rel=1e-15)


def test_two_rounds_of_two_agents_are_the_mean_over_all_their_signs() -> None:
    e, eta = np.array([1.0, -0.4, 0.7]), 0.3 / np.linalg.eigvalsh(H)[-1]
    means = [(P + Q) / 2 for P in ALL for Q in ALL]
    ends = [e - eta * P @ H @ e for P in means]
    second = [end - eta * P @ H @ end for end in ends for P in means]
    expected = [0.5 * e @ H @ e] + [float(np.mean([0.5 * x @ H @ x for x in xs])) for xs in (ends, second)]
    assert LAW.gaps(e, eta, 2, agents=2) == pytest.approx(np.array(expected), rel=1e-12)
    plain = [0.5 * x @ H @ x for x in (e, e - eta * H @ e)]
    assert LAW.gaps(e, eta, 1, agents=None) == pytest.approx(np.array(plain), rel=1e-13)


def test_noise_gap_is_where_the_recursion_ends() -> None:
    eta, s2, agents = 0.25 / np.linalg.eigvalsh(H)[-1], 0.4, 2
    second = np.zeros((3, 3))
    for _ in range(4000):
        G = H @ second @ H
        shrunk = (np.eye(3) - eta * H) @ second @ (np.eye(3) - eta * H)
        second = shrunk + eta**2 / agents * (rebuilt_moment(G) - G + 3 * s2 * np.eye(3))
    assert LAW.noise_gap(eta, s2, agents=agents) == pytest.approx(np.sum(H * second) / 2, rel=1e-9)


def test_whole_gradients_have_the_known_noise_gap_and_small_steps_d_times_as_much() -> None:
    system = three_clusters().systems[0]
    law, D = projected_law(system), system.D
    known = gap_law(system, noise_law("signs"))
    eta, moment = 0.2 / known.curvatures[-1], 3.0
    own = law.noise_gap(eta, D * moment, agents=5, whole=True)
    assert own == pytest.approx(known.noise(eta) * moment / 5, rel=1e-9)
    small = [law.noise_gap(eta / 1e4, 1.0, agents=5, whole=whole) for whole in (False, True)]
    assert small[0] / small[1] == pytest.approx(D, rel=1e-3)


@pytest.mark.parametrize("agents", [1, 4])
def test_equal_curvatures_are_stable_up_to_twice_the_largest_step_and_no_farther(agents: int) -> None:
    law, e = ProjectedLaw(2.0 * np.eye(5)), np.array([1.0, 2.0, -1.0, 0.5, 0.0])
    best, q = law.largest_step(agents), 1 + 4 / agents
    assert best == pytest.approx(1 / (2 * q), rel=1e-14)
    falling, level, growing = (law.gaps(e, factor * best, 1, agents=agents) for factor in (1.0, 2.0, 2.001))
    assert falling[1] / falling[0] == pytest.approx(1 - 1 / q, rel=1e-12)
    assert level[1] == pytest.approx(level[0], rel=1e-12)
    assert growing[1] > growing[0]
    with pytest.raises(
        ConfigError, match=r"^step_size: found .*, expected one with which the mean square does not grow"
    ):
        law.noise_gap(2.001 * best, 1.0, agents=agents)
