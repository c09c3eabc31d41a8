"""Old names of documented modules: the same modules, with a warning; nothing else is caught."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from pcpo.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_new_module(old: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=rf"{old} is now {MOVED[old]}"):
        module = import_module(old)
    assert module is import_module(MOVED[old])
    assert module.__spec__ is not None
    assert module.__spec__.name == module.__name__ == MOVED[old]


def test_submodules_of_old_packages_are_not_promised() -> None:
    assert find_spec("pcpo.nothing") is None
    with pytest.raises(ModuleNotFoundError, match=r"pcpo\.nothing"):
        import_module("pcpo.nothing")


def test_a_script_of_version_0_1_runs(repository: object) -> None:
    script = (
        "from pcpo.algorithms import Entry\nfrom pcpo.algorithms.common import OneSequence\n"
        "from pcpo.experiment import Experiment\nfrom pcpo.fleet_io import read_fleet\n"
        "import pcpo\nassert (pcpo.Experiment, pcpo.OneSequence, pcpo.Entry) == (Experiment, OneSequence, Entry)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=str(repository))
    assert done.returncode == 0, done.stderr
    told = subprocess.run(
        [sys.executable, "-m", "pcpo.verify", "--help"], capture_output=True, text=True, cwd=str(repository)
    )
    assert told.returncode == 0, told.stderr
    assert "pcpo.storage.verify" in told.stdout
