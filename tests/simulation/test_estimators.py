"""Estimates: the formula, bits that do not depend on chunk, process or CPU, saturation, memory, wrong input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcpo.errors import ConfigError, FleetError
from pcpo.simulation import reference as twin
from pcpo.simulation.estimators import cost_estimate, flops_per_rollout, gradient_estimate, rollout_costs
from pcpo.simulation.kernels import BLOCK, MAX_STATES, SATURATION, flops_per_step
from pcpo.simulation.noise import NOISE_LAWS, draw_directions, noise_law, stream

HORIZON = 20
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "NUMBA_JIT_COVERAGE": "0"}


@dataclass(frozen=True)
class Plain:
    """The attributes the engine reads, and no checks of their own."""

    A: Any
    B: Any
    Q: Any
    R: Any
    gamma: float = 0.9


SYSTEM = Plain(
    np.array([[0.9, 0.3, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]]),
    np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.2]]),
    np.diag([1.0, 2.0, 0.5]),
    np.array([[1.0, 0.2], [0.2, 2.0]]),
)
GAIN = np.array([[0.2, 0.1, 0.0], [0.0, 0.3, 0.1]])


def gradient(minibatch: int = 100, *, law: str = "signs", **changes: Any) -> Any:
    options = {
        "system": SYSTEM,
        "gain": GAIN,
        "radius": 0.1,
        "horizon": HORIZON,
        "directions": stream(1, 0),
        "noise": stream(1, 1),
    } | changes
    return gradient_estimate(minibatch=minibatch, law=noise_law(law), **options)


def cost(minibatch: int = 100, *, law: str = "signs", **changes: Any) -> Any:
    options = {"system": SYSTEM, "gain": GAIN, "horizon": HORIZON, "noise": stream(1, 1)} | changes
    return cost_estimate(minibatch=minibatch, law=noise_law(law), **options)


def twin_costs(minibatch: int, radius: float, law: str) -> tuple[np.ndarray, np.ndarray]:
    """Costs (M,) and directions (M, 2, 3) from the same streams, by the NumPy twin."""
    blocks = -(-minibatch // BLOCK)
    U = np.empty((blocks, 6, BLOCK))
    draw_directions(stream(1, 0), U)
    Z = noise_law(law).draw(stream(1, 1), blocks, HORIZON - 1, 3)
    reals = noise_law(law).reals(Z, 3)
    gains = U.transpose(0, 2, 1).reshape(-1, 2, 3)
    noise = reals.transpose(1, 0, 3, 2).reshape(HORIZON - 1, -1, 3)
    s = SYSTEM
    costs = twin.costs_of_rollouts(s.A, s.B, s.Q, s.R, GAIN + radius * gains, noise, s.gamma)
    return costs[:minibatch], gains[:minibatch]


@pytest.mark.parametrize("law", NOISE_LAWS)
@pytest.mark.parametrize("minibatch", [1, 64, 200])
def test_gradient_is_equation_5(law: str, minibatch: int) -> None:
    found = gradient(minibatch, law=law)
    costs, U = twin_costs(minibatch, 0.1, law)
    np.testing.assert_allclose(found.value, (6 / 0.1) * np.mean(costs[:, None, None] * U, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.mean_cost, costs.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.mean_square_cost, np.mean(costs**2), rtol=1e-12)
    assert found.nonfinite == 0


@pytest.mark.parametrize("law", NOISE_LAWS)
@pytest.mark.parametrize("minibatch", [2, 64, 200])
def test_cost_is_the_mean_of_rollouts(law: str, minibatch: int) -> None:
    found = cost(minibatch, law=law)
    costs, _ = twin_costs(minibatch, 0.0, law)
    np.testing.assert_allclose(found.value, costs.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.variance, costs.var(ddof=1), rtol=1e-8)


@pytest.mark.parametrize("law", NOISE_LAWS)
@pytest.mark.statistical
def test_estimates_agree_with_the_plain_estimator(law: str) -> None:
    """Independent draws, NumPy's normal generator, no blocks: the two estimators have the same mean."""
    M, repetitions, s = 2000, 40, SYSTEM
    plain = [
        twin.gradient_estimate(
            s.A, s.B, s.Q, s.R, GAIN, 0.5, M, gamma=s.gamma, horizon=HORIZON, law=noise_law(law), rng=stream(50, k)
        )
        for k in range(repetitions)
    ]
    ours = [
        gradient(M, law=law, radius=0.5, directions=stream(51, k), noise=stream(52, k)).value
        for k in range(repetitions)
    ]
    gap = np.mean(ours, axis=0) - np.mean(plain, axis=0)
    error = np.sqrt((np.var(ours, axis=0, ddof=1) + np.var(plain, axis=0, ddof=1)) / repetitions)
    assert np.max(np.abs(gap) / error) < 4.5
    assert np.max(np.abs(np.mean(ours, axis=0)) / error) > 10  # and that mean is not lost in the noise


def test_one_rollout_has_no_spread() -> None:
    assert cost(1).variance == np.inf


@given(st.integers(1, 1500), st.sampled_from([1, 64, 100, 192, 448, 4096]), st.sampled_from(list(NOISE_LAWS)))
@settings(max_examples=60)
def test_bits_do_not_depend_on_the_chunk(minibatch: int, chunk: int, law: str) -> None:
    one, other = gradient(minibatch, law=law), gradient(minibatch, law=law, chunk=chunk)
    assert one.value.tobytes() == other.value.tobytes()
    assert (one.mean_cost, one.mean_square_cost) == (other.mean_cost, other.mean_square_cost)
    assert cost(minibatch, law=law) == cost(minibatch, law=law, chunk=chunk)


def test_streams_are_consumed_in_blocks() -> None:
    """65 rollouts and 128 rollouts leave the generators in the same state, 64 in another."""
    left = []
    for minibatch in (65, 128, 64):
        directions, noise = stream(1, 0), stream(1, 1)
        gradient(minibatch, directions=directions, noise=noise)
        left.append((directions.integers(0, 2**63), noise.integers(0, 2**63)))
    assert left[0] == left[1] != left[2]


def test_read_only_and_transposed_input_give_the_same_bits() -> None:
    frozen = Plain(*(np.asfortranarray(x) for x in (SYSTEM.A, SYSTEM.B, SYSTEM.Q, SYSTEM.R)))
    for x in (frozen.A, frozen.B, frozen.Q, frozen.R):
        x.flags.writeable = False
    assert gradient(system=frozen).value.tobytes() == gradient().value.tobytes()


def test_only_the_symmetric_part_of_Q_counts() -> None:
    skew = np.triu(np.ones((3, 3)), 1)
    lopsided = replace(SYSTEM, Q=SYSTEM.Q + skew - skew.T)
    np.testing.assert_allclose(gradient(system=lopsided).value, gradient().value, rtol=1e-12)


@pytest.mark.parametrize("factor", [1e3, 1e150, np.inf, np.nan])
@pytest.mark.parametrize("law", ["signs", "cube"])
def test_unstable_gains_saturate_and_stay_finite(factor: float, law: str) -> None:
    gain = np.full((2, 3), factor)
    g, c = gradient(150, law=law, gain=gain), cost(150, law=law, gain=gain)
    assert g.nonfinite == c.nonfinite == 150
    assert np.isfinite(g.value).all()
    assert np.isfinite([g.mean_cost, g.mean_square_cost, c.variance]).all()
    assert c.value == pytest.approx(SATURATION, rel=1e-12)


def test_some_rollouts_saturate_and_the_rest_count() -> None:
    """A smoothing radius so wide that some perturbed gains explode within the horizon and others do not."""
    found = gradient(500, radius=3.0, horizon=40)
    assert 0 < found.nonfinite < 500
    assert np.isfinite(found.value).all()


def test_undiscounted_random_initial_state() -> None:
    """γ = 1, z_0 = x_0 and no further noise: the same kernel does the setting with a random initial state."""
    system, blocks = replace(SYSTEM, gamma=1.0), 2
    noise = np.zeros((blocks, 30, 3, BLOCK))
    cube = NOISE_LAWS["cube"]
    noise[:, 0] = cube.reals(cube.draw(stream(3), blocks, 1, 3), 3)[:, 0]
    costs, nonfinite = rollout_costs(system, GAIN, noise)
    a, w = system.A - system.B @ GAIN, system.Q + GAIN.T @ system.R @ GAIN
    total = sum(np.linalg.matrix_power(a, t).T @ w @ np.linalg.matrix_power(a, t) for t in range(30))
    np.testing.assert_allclose(costs, np.einsum("bil,ij,bjl->bl", noise[:, 0], total, noise[:, 0]), rtol=1e-12)
    assert nonfinite == 0


def test_raw_costs_serve_a_two_point_estimate() -> None:
    """With the same noise, C(K + rU) − C(K − rU) is 2r·⟨∇C, U⟩ up to r³; an odd function of U in any case."""
    U = np.empty((1, 6, BLOCK))
    draw_directions(stream(1, 0), U)
    Z = noise_law("signs").draw(stream(1, 1), 1, HORIZON - 1, 3)

    def at(direction: np.ndarray, radius: float) -> np.ndarray:
        return rollout_costs(SYSTEM, GAIN, Z, directions=direction, radius=radius)[0]

    wide, narrow = (at(U, r) - at(-U, r) for r in (2e-3, 1e-3))
    np.testing.assert_allclose(wide, 2 * narrow, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(at(U, 1e-3), at(-U, -1e-3))
    assert np.abs(narrow).max() > 1e-4


def test_large_systems_take_the_twin() -> None:
    n = MAX_STATES + 1
    big = Plain(0.3 * np.eye(n), np.ones((n, 2)) / n, np.eye(n), np.eye(2))
    found = gradient(100, system=big, gain=np.zeros((2, n)))
    assert np.isfinite(found.value).all()
    assert found.nonfinite == 0
    # Uncontrolled, xᵀx of n copies of x' = .3x ± 1.
    expected = n * sum(0.9**t * sum(0.09**s for s in range(t)) for t in range(HORIZON))
    assert cost(2000, system=big, gain=np.zeros((2, n))).value == pytest.approx(expected, rel=0.05)


def test_flops_per_rollout() -> None:
    assert flops_per_rollout(3, 60) == 59 * flops_per_step(3) == 59 * 33


@pytest.mark.parametrize(
    ("error", "message", "changes"),
    [
        (FleetError, r"A: found shape \(2, 2\), expected \(3, 3\)", {"system": replace(SYSTEM, A=np.eye(2))}),
        (FleetError, "A, B: found", {"system": replace(SYSTEM, B=np.ones(3))}),
        (FleetError, "R: found shape", {"system": replace(SYSTEM, R=np.eye(3))}),
        (FleetError, r"gain: found shape \(3, 2\), expected \(2, 3\)", {"gain": GAIN.T}),
        (FleetError, "gamma: found 1.5", {"system": replace(SYSTEM, gamma=1.5)}),
        (ConfigError, "horizon: found 0", {"horizon": 0}),
        (ConfigError, "horizon: found 2.5", {"horizon": 2.5}),
        (ConfigError, "minibatch: found 0", {"minibatch": 0}),
        (ConfigError, "minibatch: found True", {"minibatch": True}),
        (ConfigError, "chunk: found -64", {"chunk": -64}),
    ],
)
def test_wrong_input_is_named(error: type[Exception], message: str, changes: dict[str, Any]) -> None:
    for estimate in (gradient, cost):
        with pytest.raises(error, match=message):
            estimate(**changes)


@pytest.mark.parametrize("radius", [0.0, -1.0, np.nan, np.inf])
def test_wrong_radius_is_named(radius: float) -> None:
    with pytest.raises(ConfigError, match="radius: found"):
        gradient(radius=radius)


@pytest.mark.parametrize(
    "noise",
    [np.zeros((1, 5, 2), np.uint64), np.zeros((1, 5, 3)), np.zeros((1, 5, 3, BLOCK), np.uint64), np.zeros((5, 3))],
)
def test_wrong_noise_is_named(noise: np.ndarray) -> None:
    with pytest.raises(FleetError, match="noise: found"):
        rollout_costs(SYSTEM, GAIN, noise)


def test_wrong_directions_are_named() -> None:
    with pytest.raises(FleetError, match="directions: found"):
        rollout_costs(SYSTEM, GAIN, np.zeros((1, 5, 3), np.uint64), directions=np.zeros((1, 3, BLOCK)))


_MEMORY = """
import json, resource
import numpy as np
from types import SimpleNamespace
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import noise_law, stream
system = SimpleNamespace(A=0.5 * np.eye(3), B=np.ones((3, 2)), Q=np.eye(3), R=np.eye(2), gamma=0.9)
peaks = []
for minibatch, options in ((10_000, {}), (1_000_000, {}), (16_000_000, {"chunk": 16_000_000})):
    gradient_estimate(system, np.zeros((2, 3)), 0.1, minibatch, horizon=20, law=noise_law("signs"),
                      directions=stream(1, 0), noise=stream(1, 1), **options)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps(peaks))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_minibatch() -> None:
    """Peak memory in a process of its own, where nothing else has raised it; one huge chunk is the control."""
    small, large, one_chunk = json.loads(
        subprocess.run([sys.executable, "-c", _MEMORY], env=ENVIRONMENT, check=True, capture_output=True).stdout
    )
    assert large - small < 4_000  # kB
    assert one_chunk - large > 100_000  # the directions alone are 768 MB; compiling may take 400


_CHILD = """
import json, sys
import numpy as np
from types import SimpleNamespace
from pcpo.simulation import kernels
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import noise_law, stream
n, m = int(sys.argv[1]), 2
system = SimpleNamespace(A=0.5 * np.eye(n), B=np.ones((n, m)) / n, Q=np.eye(n), R=np.eye(m), gamma=0.9)
g = gradient_estimate(system, np.zeros((m, n)), 0.1, 1000, horizon=20, law=noise_law("signs"),
                      directions=stream(1, 0), noise=stream(1, 1))
used = (kernels.rollout_kernel(n, m, "signs"), kernels.accumulate, kernels.saturate, kernels.normalise, kernels.folded)
print(json.dumps({"bits": g.value.tobytes().hex(), "hits": sum(sum(k.stats.cache_hits.values()) for k in used),
                  "misses": sum(sum(k.stats.cache_misses.values()) for k in used)}))
"""


def start_child(n: int, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(n)],
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = child.communicate(timeout=300)
    assert child.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result


@pytest.mark.slow
def test_processes_fill_one_cache_at_once(tmp_path: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)}
    cold = [answer(child) for child in [start_child(n, **cache) for n in (2, 3, 2, 3)]]
    warm = [answer(child) for child in [start_child(n, **cache) for n in (2, 3)]]
    assert [c["bits"] for c in cold] == [w["bits"] for w in warm] * 2
    assert [(w["hits"], w["misses"]) for w in warm] == [(5, 0)] * 2
    assert any(c["misses"] for c in cold)


@pytest.mark.slow
def test_bits_do_not_depend_on_the_cpu(tmp_path: Path) -> None:
    """Code for a CPU with neither AVX nor FMA instructions rounds as the code for this one does."""
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    own = {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = [answer(child) for child in [start_child(3, **plain), start_child(3, **own)]]
    assert first["bits"] == second["bits"]
    assert second["misses"]  # it did compile code of its own
