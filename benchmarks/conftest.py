"""One thread for everything, and one table at the end of the session."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before NumPy is imported

import pytest  # noqa: E402

from benchmarks.table import Table  # noqa: E402


def processor_seconds(function: Callable[[], object], rounds: int) -> float:
    """Processor seconds of the fastest of some calls."""
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        function()
        found.append(time.process_time() - begun)
    return min(found)


_TABLE = pytest.StashKey[Table]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = Table()


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    return request.config.stash[_TABLE]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rendered = config.stash[_TABLE].render()
    if rendered:
        terminalreporter.section("rollout engine")
        terminalreporter.write_line(rendered)
        output = config.getoption("--table", default=None)
        if output:
            with open(output, "w", encoding="utf-8") as file:
                file.write(rendered + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", metavar="FILE", help="also write the table of the rollout engine to FILE")
