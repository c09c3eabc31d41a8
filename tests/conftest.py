"""Settings of every test session; they must be in place before NumPy, numba or Matplotlib is first imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A test is one job of several running at once, and sums must not depend on how many threads shared them.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["MPLBACKEND"] = "Agg"
# The package is compiled to bytecode once, not in each of the hundreds of processes that tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def _separate_numba_caches() -> None:
    """Keep this process's compiled functions apart from those of the subprocesses that tests start.

    Under NUMBA_JIT_COVERAGE numba reports lines to coverage *when it compiles them*. A function that an unmeasured
    subprocess has left in a shared cache would be loaded, not compiled, and its lines would count as missed.
    """
    shared = os.environ.get("NUMBA_CACHE_DIR")
    if shared is None or os.environ.get("NUMBA_JIT_COVERAGE", "0") == "0":
        return
    os.environ["NUMBA_CACHE_DIR"] = f"{shared}-measured"
    import numba  # reads the variable now, and only now  # noqa: F401

    os.environ["NUMBA_CACHE_DIR"] = shared


def _report_lines_at_once() -> None:
    """Let numba report compiled lines as coverage collects any others, in memory.

    numba labels them with a context of their own, which it enters and leaves at every line, and coverage writes all it
    has to its database whenever a context ends: several times as much work as the compilation itself.
    """
    if os.environ.get("NUMBA_JIT_COVERAGE", "0") == "0":
        return
    from numba.core.ir import Loc
    from numba.misc.coverage_support import NotifyCompilerCoverage

    def notify(self: NotifyCompilerCoverage, loc: Loc) -> None:
        if loc.filename.endswith(".py"):
            self._tracer.trace(loc)

    NotifyCompilerCoverage.notify = notify


_separate_numba_caches()
_report_lines_at_once()

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# Compilation makes first examples slow, hence no deadline. Derandomised: a red test stays red until it is mended.
settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
# HYPOTHESIS_PROFILE=explore looks for new failures.
settings.register_profile("explore", settings.get_profile("default"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent
