"""Names of cached machine code: an edit anywhere in a kernel's sources renames it, so stale code is never loaded."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pcpo.storage.sources import PACKAGE, closure

pytestmark = pytest.mark.slow

KERNELS = [
    "pcpo.simulation.kernels",
    "pcpo.simulation.minibatches",
    "pcpo.simulation.normals",
    "pcpo.simulation.trajectories",
    "pcpo.oracles.moment_anchors",
    "pcpo.simulation.words",
    "pcpo.oracles.moment_kernels",
    "pcpo.theory.cumulant_kernels",
    "pcpo.theory.displaced",
    "pcpo.evidence.coop_lsvi.model.kernels",
    "pcpo.evidence.fedlqr.model.kernels",
    "pcpo.evidence.hierarchical.model.kernels",
]

# Prints the names and the keys under which Numba caches the functions of each module, those of factories included (the
# key has a digest of what a function encloses, which must not change from process to process): first of the package as
# it is, then with a comment added to each of the given files in turn.  Every answer comes from a process
# that has imported nothing of the package before; all are forks of one that has imported Numba.
NAMES = """
import importlib, json, os, sys
import jsonschema, numpy, yaml
import numba.extending
from numba.core.dispatcher import Dispatcher

kernels, files = map(json.loads, sys.argv[1:])
factories = {"pcpo.simulation.kernels": ("rollout_kernel", (1, 1, "signs")),
             "pcpo.simulation.minibatches": ("minibatch_kernel", (1, 1, "signs")),
             "pcpo.oracles.moment_anchors": ("renew_kernel", ()),
             "pcpo.oracles.moment_kernels": ("descend_kernel", (2, 1)),
             "pcpo.theory.cumulant_kernels": ("lags_kernel", ()),
             "pcpo.theory.displaced": ("exceeding_kernel", ()),
             "pcpo.evidence.fedlqr.model.kernels": ("rollout_kernel", (1, 1))}

def names():
    found = {}
    for module in kernels:
        loaded = importlib.import_module(module)
        functions = [value for value in vars(loaded).values() if isinstance(value, Dispatcher)]
        if module in factories:
            name, arguments = factories[module]
            functions.append(getattr(loaded, name)(*arguments))
        cached = [(d, d.py_func) for d in functions
                  if d._cache.cache_path is not None and d.py_func.__module__ == module]
        keyed = {(f.__qualname__, *d._cache._index_key((), d.targetctx.codegen())[2]) for d, f in cached}
        found[module] = sorted(" ".join(entry) for entry in keyed)
    return found

def asked():
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(names()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        answer = json.load(stream)
    os.wait()
    return answer

answers = [asked()]
for file in files:
    text = open(file, encoding="utf-8").read()
    with open(file, "a", encoding="utf-8") as stream:
        stream.write("# edited\\n")
    answers.append(asked())
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(text)
print(json.dumps([*answers, asked()]))
"""

LOADED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps([m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "pcpo"]))
"""

# Prints numbers from two kernels, and how many of them came from the cache.
VALUES = """
import json
import numpy as np
from pcpo.simulation.kernels import BLOCK, rollout_kernel
from pcpo.simulation.normals import normals
words = np.arange(2 * BLOCK, dtype=np.uint64).reshape(1, 2, BLOCK) * np.uint64(2**57 + 12345)
out = np.empty((1, 2, BLOCK))
normals(words, out)
run, one, costs = rollout_kernel(1, 1, "signs"), np.ones((1, 1)), np.empty((1, BLOCK))
run(0.9 * one, one, one, one, 0.5 * one, 0.1, np.ones((1, 1, BLOCK)), np.zeros((1, 3, 1), np.uint64),
    0.9 ** np.arange(1.0, 4.0), 0.9, costs)
hits = sum(sum(f.stats.cache_hits.values()) for f in (normals, run))
print(json.dumps({"normals": out.tobytes().hex(), "costs": costs.tobytes().hex(), "hits": hits}))
"""


class Copy:
    """Copy the package's files to a temporary folder, where they can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, program: str, *arguments: str, cache: Path | None = None) -> Any:
        place = str(cache or self.folder / "cache")
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "NUMBA_CACHE_DIR": place}
        done = subprocess.run(
            [sys.executable, "-B", "-c", program, *arguments],
            env=environment, cwd=self.folder, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    def path(self, source: Path) -> Path:
        return self.folder / source.relative_to(PACKAGE.parent)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / PACKAGE.name / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_the_list_of_kernels_is_whole() -> None:
    users = [path for path in PACKAGE.rglob("*.py") if re.search(r"[=\s@]compiled\b[(\n]", path.read_text("utf-8"))]
    modules = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in users}
    assert modules - {"pcpo.simulation.vector"} == set(KERNELS)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_closure_holds_every_file_that_is_loaded(kernel: str, copy: Copy) -> None:
    """The door and the table of moved modules are left out: they name modules and compute nothing."""
    loaded = {Path(file) for file in copy.run(LOADED, kernel)}
    names = {copy.folder / "pcpo/__init__.py", copy.folder / "pcpo/moved.py"}
    assert loaded - names <= {copy.path(path) for path in closure(kernel)}


def test_an_edit_renames_exactly_the_kernels_whose_closure_holds_the_file(copy: Copy) -> None:
    closures = {kernel: closure(kernel) for kernel in KERNELS}
    control = [PACKAGE / "algorithms/pcpo.py", PACKAGE / "simulation/estimators.py"]
    files = [*sorted({path for paths in closures.values() for path in paths}), *control]
    edited = json.dumps([str(copy.path(source)) for source in files])
    before, *answers, restored = copy.run(NAMES, json.dumps(KERNELS), edited)
    assert all(before.values())
    assert restored == before
    for source, after in zip(files, answers, strict=True):
        renamed = {kernel for kernel in KERNELS if not set(after[kernel]) & set(before[kernel])}
        assert renamed == {kernel for kernel in KERNELS if source in closures[kernel]}, source
        assert {kernel for kernel in KERNELS if after[kernel] == before[kernel]} == set(KERNELS) - renamed, source


# The sign of the feedback in the rollouts; the square of the radius of the normals.
EDITS = {
    "simulation/vector.py": ("return self.builder.fneg(a)", "return a"),
    "simulation/normals.py": ("ops.constant(-2.0), _log", "ops.constant(-3.0), _log"),
}


@pytest.mark.parametrize("edited", EDITS)
def test_a_changed_formula_never_meets_stale_machine_code(edited: str, copy: Copy, tmp_path: Path) -> None:
    """One cache for all: a file that the kernel of the rollouts imports, or that of the normals is, is edited."""
    first = copy.run(VALUES)
    again = copy.run(VALUES)
    assert again == {**first, "hits": 2}
    old, new = EDITS[edited]
    copy.edit(edited, old, new)
    changed = copy.run(VALUES)
    truth = copy.run(VALUES, cache=tmp_path / "empty")
    assert {**changed, "hits": 0} == truth
    assert changed["normals"] != first["normals"]
    assert (changed["costs"] != first["costs"]) == (edited == "simulation/vector.py")
    assert copy.run(VALUES)["hits"] == 2
    copy.edit(edited, new, old)
    assert copy.run(VALUES) == again


def test_without_the_digest_stale_machine_code_is_loaded(copy: Copy) -> None:
    """Control: Numba itself looks at the file of the kernel alone."""
    copy.edit("simulation/vector.py", "\nclass Lanes:", '\n_fingerprint = lambda module: "fixed"\n\n\nclass Lanes:')
    first = copy.run(VALUES)
    copy.edit("simulation/vector.py", *EDITS["simulation/vector.py"])
    assert copy.run(VALUES) == {**first, "hits": 2}
