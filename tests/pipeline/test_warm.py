"""Jobs that are forks: what they see, how they end, and what happens when somebody kills one side."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pcpo.pipeline import warm
from pcpo.pipeline.warm import Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are made on Linux only")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with contextlib.closing(Server()) as server:
        yield server


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Callable[..., int | None]:
    def run(code: str, started: Callable[[int], object] = lambda pid: None, **environment: str) -> int | None:
        script = tmp_path / "tmp1.script.py"
        script.write_text(code, encoding="utf-8")

        @contextlib.contextmanager
        def open_while_running(pid: int) -> Iterator[None]:
            started(pid)
            yield

        return server.run(str(script), str(tmp_path), {**os.environ, **environment}, open_while_running)

    return run


def test_a_fork_sees_what_a_fresh_interpreter_sees(run: Callable[..., int | None], tmp_path: Path) -> None:
    seen = (
        "import json, os, sys\n"
        "print(json.dumps([__name__, os.getcwd(), sys.argv, sys.path[0], os.environ['WORD'], sys.flags.optimize]),\n"
        "  file=open('seen.json', 'w'))"
    )
    assert run(seen, WORD="x") == 0
    forked = (tmp_path / "seen.json").read_text()
    script = tmp_path / "tmp1.script.py"
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, env={**os.environ, "WORD": "x"}, check=True)
    assert forked == (tmp_path / "seen.json").read_text()
    assert json.loads(forked)[0] == "__main__"


def test_the_libraries_are_there_already(run: Callable[..., int | None]) -> None:
    assert run("import sys; sys.exit('pcpo.experiments.experiment' not in sys.modules)") == 0
    assert (
        run("import sys; sys.exit(not {'numpy', 'numba', 'pandas', 'scipy.stats', 'pyarrow'} <= set(sys.modules))") == 0
    )


def test_a_module_is_the_one_of_the_moment(run: Callable[..., int | None], tmp_path: Path) -> None:
    """Edited between two forks, it is imported as edited."""
    for number in (3, 44):
        (tmp_path / "edited.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
        assert run("import sys, edited; sys.exit(edited.NUMBER)") == number


def package_of(folder: Path, number: int) -> Path:
    """Write a package whose module `a` has a number, taken from its module `b`."""
    (folder / "edited_package").mkdir(exist_ok=True)
    (folder / "edited_package/__init__.py").write_text("", encoding="utf-8")
    (folder / "edited_package/a.py").write_text("from edited_package.b import NUMBER\n", encoding="utf-8")
    (folder / "edited_package/b.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
    return folder / "edited_package/b.py"


def test_modules_of_the_package_are_there_already_unless_a_file_was_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded by the server; after an edit, even one that keeps size and name, imported anew by every fork."""
    edited, script = package_of(tmp_path, 10), tmp_path / "tmp2.script.py"
    os.utime(edited, ns=(10**18, 10**18))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    there = "there = 'edited_package.b' in sys.modules\nfrom edited_package.a import NUMBER\n"
    script.write_text(f"import sys\n{there}sys.exit(NUMBER + 100 * there)\n", encoding="utf-8")
    with contextlib.closing(Server("edited_package")) as server:

        def run() -> int | None:
            return server.run(str(script), str(tmp_path), dict(os.environ), lambda pid: contextlib.nullcontext())

        old = [os.utime(path, ns=(10**18, 10**18)) for path in edited.parent.glob("*.py")]
        assert len(old) == 3
        assert [run(), run()] == [110, 110]
        package_of(tmp_path, 44)
        assert [run(), run()] == [44, 44]
        edited.unlink()
        assert run() == 1, "a module that is missing is missing"


def test_a_package_edited_while_it_is_loaded_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = package_of(tmp_path, 7)
    os.utime(late, ns=(4 * 10**18, 4 * 10**18))  # later than the start of loading
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = tmp_path / "tmp2.script.py"
    script.write_text("import sys; sys.exit('edited_package.b' in sys.modules)\n", encoding="utf-8")
    with contextlib.closing(Server("edited_package")) as server:
        assert server.run(str(script), str(tmp_path), dict(os.environ), lambda pid: contextlib.nullcontext()) == 0


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_it_ends_as_a_process_of_its_own_would(run: Callable[..., int | None], code: str, expected: int) -> None:
    assert run(code) == expected


def test_output_goes_where_that_of_snakemake_goes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import sys; print('out'); print('err', file=sys.stderr)", encoding="utf-8")
    program = (
        "import contextlib, os, sys; from pcpo.pipeline.warm import Server\n"
        "sys.exit(Server().run(sys.argv[1], '.', dict(os.environ), lambda pid: contextlib.nullcontext()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.py")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_a_fork_whose_server_is_killed_does_not_live_on(tmp_path: Path) -> None:
    server, script = Server(), tmp_path / "a.py"
    script.write_text("import time; time.sleep(600)", encoding="utf-8")
    pids: list[int] = []

    def kill(pid: int) -> contextlib.AbstractContextManager[None]:
        pids.append(pid)
        psutil.Process(psutil.Process(pid).ppid()).kill()
        return contextlib.nullcontext()

    assert server.run(str(script), str(tmp_path), dict(os.environ), kill) == -signal.SIGKILL
    assert not psutil.pid_exists(pids[0]) or psutil.Process(pids[0]).status() == psutil.STATUS_ZOMBIE
    nothing = server.run(str(script), str(tmp_path), dict(os.environ), lambda pid: contextlib.nullcontext())
    assert nothing is None, "the next job starts as Snakemake starts it"


def test_a_server_that_cannot_start_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "forks.py").write_text("raise SystemExit('no')", encoding="utf-8")
    monkeypatch.setattr(warm, "_SERVER", tmp_path / "forks.py")
    assert Server().run("never.py", ".", {}, lambda pid: contextlib.nullcontext()) is None
    assert capfd.readouterr().err == "no\n"


def test_jobs_run_side_by_side(run: Callable[..., int | None], server: Server, tmp_path: Path) -> None:
    """One waits for the other: on a server of one job at a time neither would end."""
    codes = []

    def wait(name: str) -> None:
        script = tmp_path / f"{name}.py"
        script.write_text("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)", encoding="utf-8")
        codes.append(server.run(str(script), str(tmp_path), dict(os.environ), lambda pid: contextlib.nullcontext()))

    waiting = threading.Thread(target=wait, args=("first",))
    waiting.start()
    assert run("open('go', 'w').close()") == 0
    waiting.join(timeout=60)
    assert codes == [0]


def test_the_server_ends_with_its_process(tmp_path: Path) -> None:
    """A process that is killed closes its end of the connection, and nothing waits for it any longer."""
    (tmp_path / "a.py").write_text("", encoding="utf-8")
    program = (
        "import contextlib, os, signal, sys; from pcpo.pipeline.warm import Server\n"
        "server = Server(); server.run(sys.argv[1], '.', dict(os.environ), lambda pid: contextlib.nullcontext())\n"
        "print(server._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.py")], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    pid, until = int(done.stdout), time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.02)
