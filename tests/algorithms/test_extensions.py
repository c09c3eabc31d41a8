"""Extensions: files of a user add algorithms and plants, all or nothing; what is wrong is said in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.small_fleets import experiment, three_clusters

from pcpo.algorithms import extensions
from pcpo.algorithms.extensions import extensions_of, load_extension, load_extensions
from pcpo.algorithms.registry import ALGORITHMS, make_algorithm, module_of
from pcpo.errors import ConfigError
from pcpo.experiments.driver import Snapshot
from pcpo.oracles.plant import PLANTS, plant_factory
from pcpo.storage.checkpoints import Checkpoint
from pcpo.storage.sources import PACKAGE, closure

METHOD = """
from dataclasses import dataclass
from pcpo import Entry
from pcpo.algorithms.baselines.local import Local

@dataclass(frozen=True)
class Mine(Local):
    name = "mine"

ENTRIES = [Entry("mine", Mine, "Mine", "one's own", estimates_costs=False)]
"""
REMEMBERING = """
from dataclasses import dataclass, replace
from pcpo import Entry
from pcpo.algorithms.baselines.local import Local

@dataclass(frozen=True)
class Memory:
    epoch: int

@dataclass(frozen=True)
class Mine(Local):
    name = "mine"

    def advance(self, state, plan, oracle, server):
        return replace(super().advance(state, plan, oracle, server), memory=Memory(plan.epoch))

ENTRIES = [Entry("mine", Mine, "Mine", "one's own")]
"""
PLANT = "PLANTS = {'still': lambda fleet, agent: None}\n"


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test loads is gone after it."""
    kept = dict(ALGORITHMS), dict(PLANTS)
    monkeypatch.setattr(extensions, "_LOADED", {})
    yield
    for registry, before in zip((ALGORITHMS, PLANTS), kept, strict=True):
        registry.clear()
        registry.update(before)  # type: ignore[arg-type]


def write(tmp_path: Path, text: str, name: str = "mine.py") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_an_algorithm_of_ones_own_runs_like_any_other(tmp_path: Path) -> None:
    """It is `local` under another name, so its runs are those of `local`."""
    path = write(tmp_path, METHOD)
    load_extensions([path, path])
    assert list(ALGORITHMS)[-1] == "mine"
    assert ALGORITHMS["mine"].group == "method"
    assert make_algorithm("mine").name == "mine"
    assert module_of("mine") == type(make_algorithm("mine")).__module__
    made_of = closure(*map(Path, extensions_of(algorithms=["mine"])))
    assert {Path(path), *(PACKAGE / f"algorithms/baselines/{name}.py" for name in ("local", "base"))} <= set(made_of)
    assert PACKAGE / "algorithms/baselines/ifca.py" not in made_of
    settled = experiment(three_clusters(), epochs=2, Delta0=16.0, c4=40.0)
    mine, local = (settled.run(name, seed=3).drop(columns="algorithm") for name in ("mine", "local"))
    assert mine.equals(local)


def test_its_checkpoints_are_read(tmp_path: Path) -> None:
    """They hold dataclasses of modules that are loaded, and a user's file is such a module."""
    load_extension(write(tmp_path, REMEMBERING))
    settled, kept = experiment(three_clusters(), epochs=2, Delta0=16.0, c4=40.0), Checkpoint(tmp_path / "c.npz", "k")
    whole = settled.run("mine", seed=3, checkpoint=kept)
    assert kept.epochs() == 2
    assert settled.run("mine", seed=3, checkpoint=kept).equals(whole)
    snapshot = kept.read(Snapshot, {"setting": None})
    assert snapshot is not None
    assert snapshot.state.memory.epoch == 2


def test_files_are_found_by_what_they_define(tmp_path: Path) -> None:
    method, plant = write(tmp_path, METHOD), write(tmp_path, PLANT, "still.py")
    load_extensions([method, plant])
    assert extensions_of(algorithms=["mine", "pcpo"]) == [method]
    assert extensions_of(plants=["still"]) == [plant]
    assert extensions_of(algorithms=["pcpo"], plants=["mine"]) == []
    assert plant_factory("still")(three_clusters(), 0) is None  # type: ignore[func-returns-value]


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    load_extension(write(tmp_path, METHOD))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


BAD = {
    "missing": (None, "cannot be read (No such file or directory)"),
    "empty": ("", "found neither ENTRIES nor PLANTS, expected a list of algorithms or a mapping of plants"),
    "syntax": ("x = (\n", "found what is not Python (line 1: '(' was never closed), expected a file of Python"),
    "null bytes": ("x = 1\0", "found what is not Python ("),
    "fails": ("1 / 0\n", "found that it ends with ZeroDivisionError: division by zero, expected a file that runs"),
    "exits": ("import sys\nsys.exit(3)\n", "found that it ends with SystemExit: 3, expected a file that runs"),
    "no list": ("ENTRIES = 3\n", "ENTRIES: found a int, expected a list"),
    "no mapping": ("PLANTS = [1]\n", "PLANTS: found a list, expected a mapping"),
    "no entry": ("ENTRIES = [1]\n", "ENTRIES: found a int, expected objects of pcpo.algorithms.registry.Entry"),
    "taken": (
        METHOD.replace('"mine"', '"local"'),
        "algorithm 'local': found it twice in the registry, expected distinct names",
    ),
    "another name": (
        METHOD.replace('Entry("mine"', 'Entry("yours"'),
        "algorithm 'yours': found that it calls itself 'mine', expected one name",
    ),
    "path": (
        METHOD.replace('"mine"', '"../mine"'),
        "algorithm: found the name '../mine', expected lower-case letters, digits and _",
    ),
    "cannot be made": (
        METHOD.replace("Mine, ", "lambda: 1 / 0, "),
        "found that an algorithm cannot be made: ZeroDivisionError: division by zero",
    ),
    "peeks": (
        METHOD.replace("name =", 'uses = frozenset({"A"})\n    name ='),
        "algorithm 'mine': uses: found ['A'], expected some of balances, cross_costs, gamma",
    ),
    "plant's name": ("PLANTS = {'; rm': print}\n", "plant: found the name '; rm', expected letters, digits and _"),
    "no factory": ("PLANTS = {'still': 1}\n", "plant 'still': found a int, expected a factory (fleet, agent)"),
    "plant and bad entry": (PLANT + "ENTRIES = [1]\n", "ENTRIES: found a int"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case: str, tmp_path: Path) -> None:
    text, message = BAD[case]
    path = str(tmp_path / "mine.py") if text is None else write(tmp_path, text)
    before = set(ALGORITHMS), set(PLANTS), set(sys.modules)
    with pytest.raises(ConfigError) as refusal:
        load_extension(path)
    assert str(refusal.value).startswith(f"extensions: {path}: {message}")
    assert "\n" not in str(refusal.value)
    assert (set(ALGORITHMS), set(PLANTS), {m for m in sys.modules if "extension_" in m} - before[2]) == (
        *before[:2],
        set(),
    )


def test_a_plant_that_exists_is_refused(tmp_path: Path) -> None:
    load_extension(write(tmp_path, PLANT))
    with pytest.raises(ConfigError, match="plant 'still': found that it exists already"):
        load_extension(write(tmp_path, PLANT + "# another file\n", "again.py"))


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found more than 1048576 bytes"):
        load_extension(write(tmp_path, "#" * (2**20 + 1)))


def test_unknown_plants_are_named() -> None:
    with pytest.raises(ConfigError, match="plant: found 'still', expected one that a file of extensions defines"):
        plant_factory("still")
