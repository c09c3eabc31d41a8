"""Speed of the rollout engine: against the machine's own matrix product and against the plain NumPy twin."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.conftest import processor_seconds
from benchmarks.table import Table
from pcpo.simulation import reference as twin
from pcpo.simulation.estimators import DEFAULT_CHUNK, gradient_estimate
from pcpo.simulation.kernels import BLOCK, rollout_kernel
from pcpo.simulation.noise import NOISE_LAWS, noise_law, stream

sizes = pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (4, 2), (8, 4)])
RADIUS = 0.05
MINIBATCH = 16 * DEFAULT_CHUNK


def problem(n: int, m: int) -> tuple[SimpleNamespace, np.ndarray]:
    """A stable system of the given size under a stabilising gain: no rollout saturates."""
    rng = stream(0, n, m)
    A, B = rng.standard_normal((n, n)), rng.standard_normal((n, m))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    return SimpleNamespace(A=A, B=B, Q=np.eye(n), R=np.eye(m), gamma=0.9), np.zeros((m, n))


def best(benchmark: Any, function: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest call: other processes of the machine only ever add time."""
    benchmark.pedantic(function, rounds=rounds, warmup_rounds=3)
    return float(benchmark.stats.stats.min)


def kernel_arguments(n: int, m: int, horizon: int) -> tuple[Any, ...]:
    """One chunk of rollouts, drawn beforehand."""
    system, gain = problem(n, m)
    blocks, rng = DEFAULT_CHUNK // BLOCK, stream(1)
    directions = rng.standard_normal((blocks, m * n, BLOCK))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    noise = noise_law("signs").draw(rng, blocks, horizon - 1, n)
    root = float(np.sqrt(system.gamma))
    scale, costs = root ** np.arange(1, horizon), np.empty((blocks, BLOCK))
    return system.A, system.B, system.Q, system.R, gain, RADIUS, directions, noise, scale, root, costs


def test_dgemm(benchmark: Any, table: Table) -> None:
    a, b = (stream(k).random((1024, 1024)) for k in (0, 1))
    table.dgemm = 2 * 1024**3 / best(benchmark, lambda: a @ b, 20)


@sizes
def test_kernel(benchmark: Any, table: Table, n: int, m: int) -> None:
    arguments, kernel = kernel_arguments(n, m, table.horizon), rollout_kernel(n, m, "signs")
    table.seconds["kernel", n, m] = best(benchmark, lambda: kernel(*arguments), 300) / DEFAULT_CHUNK


@sizes
def test_estimate(benchmark: Any, table: Table, n: int, m: int) -> None:
    """The whole gradient estimate, with the drawing of directions and signs."""
    (system, gain), law, directions, noise = problem(n, m), noise_law("signs"), stream(2), stream(3)

    def estimate() -> None:
        found = gradient_estimate(
            system, gain, RADIUS, MINIBATCH, horizon=table.horizon, law=law, directions=directions, noise=noise
        )
        assert found.nonfinite == 0

    table.seconds["estimate", n, m] = best(benchmark, estimate, 30) / MINIBATCH


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (3, 2), (4, 2)])
def test_laws(table: Table, n: int, m: int) -> None:
    """The whole gradient estimate with each law of noise, in turn."""
    system, gain = problem(n, m)
    seconds: dict[str, float] = dict.fromkeys(NOISE_LAWS, np.inf)
    for _ in range(15):
        for name, law in NOISE_LAWS.items():
            streams = {"directions": stream(2), "noise": stream(3)}
            run = partial(gradient_estimate, system, gain, RADIUS, MINIBATCH, horizon=table.horizon, law=law, **streams)
            seconds[name] = min(seconds[name], processor_seconds(run, 1))
    table.laws[n] = seconds


@sizes
def test_twin_estimate(benchmark: Any, table: Table, n: int, m: int) -> None:
    """The whole estimate in plain NumPy: NumPy's normals and signs, batched matrix products, one sum."""
    (system, gain), law, rng = problem(n, m), noise_law("signs"), stream(5)
    arguments = (system.A, system.B, system.Q, system.R, gain, RADIUS, DEFAULT_CHUNK)
    options = {"gamma": system.gamma, "horizon": table.horizon, "law": law, "rng": rng}
    seconds = best(benchmark, lambda: twin.gradient_estimate(*arguments, **options), 5)
    table.seconds["twin estimate", n, m] = seconds / DEFAULT_CHUNK


@sizes
def test_twin(benchmark: Any, table: Table, n: int, m: int) -> None:
    """The costs alone, by batched matrix products; its noise is drawn and unpacked beforehand."""
    system, gain = problem(n, m)
    *_, directions, _, _, _, _ = kernel_arguments(n, m, table.horizon)
    gains = gain + RADIUS * directions.transpose(0, 2, 1).reshape(-1, m, n)
    noise = noise_law("signs").sample(stream(4), (table.horizon - 1, DEFAULT_CHUNK), n)
    matrices = (system.A, system.B, system.Q, system.R)
    seconds = best(benchmark, lambda: twin.costs_of_rollouts(*matrices, gains, noise, system.gamma), 5)
    table.seconds["twin", n, m] = seconds / DEFAULT_CHUNK


FIRST_ESTIMATE = """
from types import SimpleNamespace
import numpy as np
from pcpo.engine import gradient_estimate
from pcpo.randomness import noise_law, stream
system = SimpleNamespace(A=0.5 * np.eye(3), B=np.ones((3, 2)), Q=np.eye(3), R=np.eye(2), gamma=0.9)
gradient_estimate(system, np.zeros((2, 3)), 0.1, 64, horizon=60, law=noise_law("signs"),
                  directions=stream(1), noise=stream(2))
print("done", flush=True)
"""


def test_warm_start(benchmark: Any, table: Table, tmp_path: Path) -> None:
    """Process start to first estimate. Warm means: byte code of every import and the kernels' machine code on disk."""
    root = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {"PYTHONPATH": root, "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}
    environment |= {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds: list[float] = []

    def first_estimate() -> None:
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", FIRST_ESTIMATE], env=environment, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "done\n"
            seconds.append(time.perf_counter() - start)

    benchmark.pedantic(first_estimate, rounds=5, warmup_rounds=1)
    table.warm_start = min(seconds[1:])
