"""Files are written whole or not at all."""

from __future__ import annotations

import os
import platform
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pcpo.storage.files import replacing, write_text


def test_writes_into_new_folders(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "Δ = 3\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "Δ = 3\n".encode()
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["c.txt"]


def test_replaces_only_when_the_block_is_done(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".txt")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_crash_in_the_block_leaves_the_old_file_and_no_other(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def crash() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        crash()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_leaves_nothing_where_there_was_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.txt", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_the_file_can_be_read_by_others(tmp_path: Path) -> None:
    write_text(str(tmp_path / "a.txt"), "")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_two_writers_of_one_path_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as one, replacing(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # the outer block ends last


KILLED = """
import os, signal, sys
from pcpo.storage.files import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_temporary_file_of_a_killed_process_is_removed_by_the_next_writer(tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "a.txt"
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [p.read_text() for p in tmp_path.iterdir()] == ["half"]
    others = [".a.txt", f".a.{platform.node()}-{os.getpid()}-x.txt", ".a.elsewhere-1-x.txt", "b.txt"]
    for name in others:
        (tmp_path / name).write_text("not to be touched")
    write_text(path, "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, "a.txt"])
    assert path.read_text() == "whole"
