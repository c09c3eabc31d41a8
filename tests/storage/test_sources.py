"""Sources: the closure of imports follows all that runs and nothing else, and its digest depends on contents alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pcpo
from pcpo.errors import ConfigError
from pcpo.storage import sources
from pcpo.storage.sources import PACKAGE, closure, declared_keys, digest

Write = Callable[[str, str], Path]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package named pcpo in the place of this one."""
    folder = tmp_path / "pcpo"
    monkeypatch.setattr(sources, "PACKAGE", folder)
    for cached in (sources._made_of, sources._content):
        cached.cache_clear()
    write(folder / "__init__.py", "")
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def made_of(package: Path, start: str | Path) -> set[str]:
    """The closure as paths relative to the folder around the package."""
    found = closure(start)
    assert found == sorted(set(found))
    return {path.relative_to(package.parent).as_posix() for path in found}


IMPORTS = {
    "absolute, of the module": "import pcpo.low.b",
    "absolute, under another name": "import pcpo.low.b as other",
    "absolute, from the module": "from pcpo.low.b import thing",
    "absolute, from its package": "from pcpo.low import b",
    "relative, of the sibling": "from .b import thing",
    "relative, of the package": "from . import b",
    "relative, through the parent": "from ..low.b import thing",
    "inside a function": "def f():\n    from pcpo.low.b import thing\n    return thing",
    "inside a method": "class C:\n    def f(self):\n        import pcpo.low.b",
    "under a condition": "if True:\n    import pcpo.low.b",
    "tried": "try:\n    import pcpo.low.b\nexcept ImportError:\n    pass",
    "where a type checker is": "if TYPE_CHECKING:\n    pass\nelse:\n    import pcpo.low.b",
}


@pytest.mark.parametrize("statement", IMPORTS.values(), ids=IMPORTS)
def test_imports_are_followed_wherever_they_stand(statement: str, package: Path) -> None:
    write(package / "low/a.py", statement)
    write(package / "low/b.py", "import pcpo.c")
    write(package / "low/unused.py", "")
    write(package / "c.py", "import numpy, pcpo.low.a")
    assert made_of(package, "pcpo.low.a") == {"pcpo/low/a.py", "pcpo/low/b.py", "pcpo/c.py"}


def test_imports_for_type_checking_alone_are_not() -> None:
    """Of this package itself: the algorithms type their servers, the door names everything."""
    assert PACKAGE / "report/view.py" not in closure("pcpo.algorithms.pcpo")


@pytest.mark.parametrize("condition", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_what_stands_under_type_checking_is_left_out(condition: str, package: Path) -> None:
    write(package / "a.py", f"if {condition}:\n    import pcpo.b")
    write(package / "b.py", "")
    assert made_of(package, "pcpo.a") == {"pcpo/a.py"}


def test_packages_run_when_a_module_in_them_is_imported(package: Path) -> None:
    """The package's own is left out: it is the door, which computes nothing."""
    write(package / "high/__init__.py", "import pcpo.of_high")
    write(package / "high/inner/__init__.py", "")
    write(package / "high/inner/a.py", "")
    write(package / "of_high.py", "")
    write(package / "user.py", "from pcpo.high.inner import a")
    inner = {"pcpo/high/__init__.py", "pcpo/high/inner/__init__.py", "pcpo/high/inner/a.py", "pcpo/of_high.py"}
    assert made_of(package, "pcpo.high.inner.a") == inner
    assert made_of(package, "pcpo.user") == inner | {"pcpo/user.py"}
    assert made_of(package, "pcpo.high") == {"pcpo/high/__init__.py", "pcpo/of_high.py"}


def test_names_from_the_door_lead_to_their_modules(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcpo, "DOOR", {"thing": "pcpo.low.b"})
    write(package / "low/b.py", "")
    write(package / "low.py", "")
    write(package / "a.py", "from pcpo import thing, __version__")
    assert made_of(package, "pcpo.a") == {"pcpo/a.py", "pcpo/low/b.py"}


@pytest.mark.parametrize("name", sorted(pcpo.DOOR))
def test_every_name_of_the_door_is_in_the_closure_of_its_user(name: str, tmp_path: Path) -> None:
    script = write(tmp_path / "script.py", f"from pcpo import {name}\n")
    assert PACKAGE.parent.joinpath(*pcpo.DOOR[name].split(".")).with_suffix(".py") in closure(script)


def test_texts_that_a_module_names_belong_to_it(package: Path) -> None:
    write(package / "group/claims.py", 'from pcpo.other.b import x\nTEXTS = read("claims.md")')
    write(package / "group/claims.md", "")
    write(package / "group/unnamed.md", "")
    write(package / "other/b.py", 'PAGE = "claims.md"')  # no such text beside it
    assert made_of(package, "pcpo.group.claims") == {
        "pcpo/group/claims.py",
        "pcpo/group/claims.md",
        "pcpo/other/b.py",
    }


def test_files_of_a_user_bring_the_files_beside_them(package: Path) -> None:
    mine = package.parent / "mine"
    script = write(mine / "method.py", "import helper, numpy\nfrom pcpo.a import x\nfrom deep.er import y")
    write(mine / "helper.py", "import further")
    write(mine / "further.py", "")
    write(mine / "unused.py", "")
    write(mine / "claims.md", "")
    write(package / "a.py", "import helper")  # the package itself has no neighbours
    write(package / "helper.py", "")
    assert made_of(package, script) == {"mine/method.py", "mine/helper.py", "mine/further.py", "pcpo/a.py"}


def test_several_starts_are_joined(package: Path) -> None:
    for name, text in {"a": "import pcpo.c", "b": "import pcpo.c", "c": ""}.items():
        write(package / f"{name}.py", text)
    assert closure("pcpo.a", package / "b.py") == [package / f"{name}.py" for name in "abc"]
    assert closure() == []


@pytest.mark.parametrize("start", ["pcpo.missing", "numpy", "pcpo", "missing.py"])
def test_what_is_missing_is_named(start: str, package: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"{start}: found no such (module|file), expected"):
        closure(start)


def tree(root: Path, **texts: str) -> list[Path]:
    return [write(root / f"pcpo/{name}.py", text) for name, text in texts.items()]


def test_a_digest_depends_on_contents_and_on_places_in_the_checkout_alone(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "elsewhere/deep"
    found = digest(tree(here, a="1", b="2"), here)
    assert found == digest(reversed(tree(there, a="1", b="2")), there)
    assert found == digest([*tree(tmp_path / "again", a="1", b="2")] * 2, tmp_path / "again")
    others = {
        "content": {"a": "1", "b": "3"},
        "exchanged": {"a": "2", "b": "1"},
        "renamed": {"a": "1", "c": "2"},
        "fewer": {"a": "1"},
        "split elsewhere": {"a": "12", "b": ""},
    }
    for name, texts in others.items():
        assert digest(tree(tmp_path / name, **texts), tmp_path / name) != found, name


def test_files_outside_the_checkout_count_by_name_and_content(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    one, same, other = (write(tmp_path / f"{k}/mine.py", text) for k, text in enumerate(("1", "1", "2")))
    assert digest([one], root) == digest([same], root) != digest([other], root)


def test_declared_keys_are_read_without_importing(tmp_path: Path) -> None:
    path = write(
        tmp_path / "figures.py", 'import nothing_of_the_kind\nX = 1\nFIGURES: dict[str, int] = {"b": 1, "a": 2}'
    )
    assert declared_keys(path, "FIGURES") == ["b", "a"]
    with pytest.raises(ConfigError, match=r"figures\.py: found no STUDIES, expected `STUDIES: …"):
        declared_keys(path, "STUDIES")
    with pytest.raises(ConfigError, match=r"found no X"):
        declared_keys(path, "X")
