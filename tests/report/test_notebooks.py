"""The notebooks: clean sources without logic, which run on results and become pages that need no network."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from support.report_tree import TOY, made_up, make_tree, toy_tree

from pcpo.claims.contract import Group
from pcpo.errors import ResultsError
from pcpo.figures.registry import entries
from pcpo.report.formulas import markdown
from pcpo.report.html import Fragment
from pcpo.report.notebooks import notebook_page, only_drawn, read_notebook, run_notebook
from pcpo.report.store import ROOT_VARIABLE, declared_groups

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
ALLOWED = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
LOGIC = (ast.Lambda, ast.IfExp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.NamedExpr, ast.BinOp)


def raw(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return found


def code(name: str) -> list[str]:
    return [cell.source for cell in read_notebook(FOLDER / f"{name}.ipynb").cells if cell.cell_type == "code"]


def logic(source: str) -> list[str]:
    """Whatever in a cell is more than imports, names for values, and calls."""
    tree = ast.parse(source)
    found = [type(node).__name__ for node in tree.body if not isinstance(node, ALLOWED)]
    return found + [type(node).__name__ for node in ast.walk(tree) if isinstance(node, LOGIC)]


def test_one_for_each_group_and_one_for_the_comparison() -> None:
    assert set(NAMES) == {*declared_groups(), "comparison"}


@pytest.mark.parametrize("name", NAMES)
def test_the_source_is_clean(name: str) -> None:
    notebook = raw(name)
    nbformat.validate(nbformat.from_dict(notebook))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(one.startswith(f"{name}-") for one in ids), "written by hand, not drawn anew whenever it is saved"
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            assert logic("".join(cell["source"])) == []


def test_logic_is_found() -> None:
    assert logic("for x in r.claims('a'):\n    x") == ["For"]
    assert logic("def f():\n    pass") == ["FunctionDef"]
    assert logic("[x for x in y]") == ["ListComp"]
    assert logic("r.table('a') / 2") == ["BinOp"]
    assert logic("from pcpo.report import load\n\nr = load()") == []


@pytest.mark.parametrize("name", NAMES)
def test_the_text_becomes_html_with_formulas(name: str) -> None:
    cells = [cell.source for cell in read_notebook(FOLDER / f"{name}.ipynb").cells if cell.cell_type == "markdown"]
    assert cells[0].startswith("# ")
    made = "".join(markdown(cell, name) for cell in cells)
    assert "<math" in made
    assert "$" not in re.sub(r"<code>.*?</code>", "", made)


@pytest.fixture(scope="module")
def declared(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up verdicts and figures for every claim that the project declares."""
    root = tmp_path_factory.mktemp("declared")
    groups: Mapping[str, Group] = declared_groups()
    frames: dict[str, pd.DataFrame] = {name: made_up(group) for name, group in groups.items()}
    make_tree(root, groups, frames)
    return root


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_runs(name: str, declared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(declared))
    names: dict[str, Any] = {}
    shown = []
    for source in code(name):
        *_, last = ast.parse(source).body
        if isinstance(last, ast.Expr):
            shown.append(eval(source, names))
        else:
            exec(source, names)
    assert all(isinstance(value, Fragment) for value in shown)
    html = "".join(value.html for value in shown)
    if name == "comparison":
        assert all(f'id="figure-{picture}"' in html for picture in entries())
        return
    group = declared_groups()[name]
    assert all(f'id="figure-{claim.figure}"' in html for claim in group.claims)
    assert html.count('class="result"') == len(group.claims)
    assert html.count("<figcaption>") == len({claim.figure for claim in group.claims})


def test_figures_that_are_not_drawn_are_left_out_with_their_texts() -> None:
    notebook = read_notebook(FOLDER / "comparison.ipynb")
    kept = only_drawn(notebook, ["fleets", "learning_curves", "elimination_other"])
    assert [c.source for c in kept.cells if c.cell_type == "code"][1:] == [
        'r.comparison("fleets")',
        'r.comparison("learning_curves")',
    ]
    assert "load()" in kept.cells[2].source
    heads = [c.source.splitlines()[0] for c in kept.cells if c.source.startswith("#")]
    assert heads == ["# Comparison with other methods", "## The fleets", "## Learning curves"]
    assert only_drawn(notebook, list(entries())) == notebook


TOY_CODE = """\
import os, sys, warnings
from support.report_tree import TOY
from pcpo.report import load

r = load(groups=TOY)
print(os.environ["PCPO_ROOT"], object())
warnings.warn("-".join(["seen", "aside"]))
"""


def toy_notebook(path: Path, *cells: str) -> Path:
    """A notebook on the toy groups."""
    made = [nbformat.v4.new_code_cell(source, id=f"toy-{k}") for k, source in enumerate([TOY_CODE, *cells])]
    text = nbformat.v4.new_markdown_cell("# Toy\n\nSince $\\hat C_i\\le C^*$, see <https://arxiv.org>.", id="toy-text")
    notebook = nbformat.v4.new_notebook(cells=[text, *made])
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def toy(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete tree of the toy groups."""
    return toy_tree(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def importable(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is a process of its own: it finds the package and the toy groups as this one does."""
    monkeypatch.setenv("PYTHONPATH", f"{repository}:{repository / 'tests'}")


@pytest.mark.slow
@pytest.mark.usefixtures("importable")
def test_a_page_without_network_the_same_each_time(toy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = toy_notebook(tmp_path / "toy.ipynb", 'r.claims("clustering")', 'r.table("toy").head(3)', "1 + 1")
    before = source.read_bytes()
    with caplog.at_level(logging.INFO, logger="pcpo.job"):
        run_notebook(source, tmp_path / "a.html", toy)
        run_notebook(source, tmp_path / "b.html", toy)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page == (tmp_path / "b.html").read_text(encoding="utf-8")
    assert source.read_bytes() == before
    assert not re.search(r"<script|<iframe|@import|url\(|(?:src|<link[^>]*href)=\"(?!data:)", page)
    assert str(toy) not in page
    assert str(tmp_path) not in page
    assert ". &lt;object object&gt;" in page
    assert "seen-aside" not in page
    assert "seen-aside" in caplog.text
    assert page.count("<math") > 10
    assert page.count('<img src="data:image/webp;base64,') == 2
    assert TOY["clustering"].claims[0].id == "clustering.toy_event"
    assert "<pre>2</pre>" in page


@pytest.mark.usefixtures("importable")
def test_a_cell_that_fails_is_told(toy: Path, tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("raise KeyError('clusters')", id="toy-0")
    source = tmp_path / "toy.ipynb"
    source.write_text(json.dumps(nbformat.v4.new_notebook(cells=[cell])), encoding="utf-8")
    with pytest.raises(ResultsError, match="notebook toy: a cell failed: KeyError: 'clusters'"):
        run_notebook(source, tmp_path / "a.html", toy)
    assert not (tmp_path / "a.html").exists()


def test_what_is_no_notebook_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no such notebook"):
        read_notebook(tmp_path / "a.ipynb")
    for text in ("no JSON", '{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'):
        (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
        with pytest.raises(ResultsError, match=r"a\.ipynb: found no notebook of format 4"):
            read_notebook(tmp_path / "a.ipynb")


def test_images_and_words(tmp_path: Path) -> None:
    image = nbformat.v4.new_output("display_data", data={"image/png": "iVBO\n", "text/plain": "x"})
    words = nbformat.v4.new_output("stream", name="stdout", text=f"{tmp_path}/a < b")
    cell = nbformat.v4.new_code_cell("show()", outputs=[image, words], id="a-b")
    page = notebook_page(nbformat.v4.new_notebook(cells=[cell]), "a", tmp_path)
    assert 'src="data:image/png;base64,iVBO"' in page
    assert "<pre>./a &lt; b</pre>" in page
