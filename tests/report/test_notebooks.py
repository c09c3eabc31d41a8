"""The notebooks: clean sources that compute estimates in the open, and run as pages that need no network."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support.notebook_tree import CLAIMS, comparison_tree, group_tree
from support.report_tree import TOY, toy_tree

from pcpo.errors import ResultsError
from pcpo.figures.registry import entries
from pcpo.report import load
from pcpo.report.markup.formulas import markdown
from pcpo.report.notebooks import execute, notebook_page, only_drawn, read_notebook, run_notebook
from pcpo.report.store import ROOT_VARIABLE, declared_groups

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
#: Notebooks on the results of a run; `explore` makes its own.
ON_RESULTS = [name for name in NAMES if name != "explore"]
LONGEST = {"explore": 45}
#: Figures that the main job does not draw: in JupyterLab their cells may fail without stopping the others.
TUNED = ("baselines", "negative_transfer", "ablations")
SECTIONS = ("title", "load-text", "exercises")


def raw(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return found


def code(name: str) -> list[str]:
    return [cell.source for cell in read_notebook(FOLDER / f"{name}.ipynb").cells if cell.cell_type == "code"]


def test_one_for_each_group_one_for_the_comparison_and_one_to_explore() -> None:
    assert set(NAMES) == {*declared_groups(), "comparison", "explore"}
    assert set(CLAIMS) == set(declared_groups())


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
        tagged = name == "comparison" and any(f'"{figure}"' in "".join(cell["source"]) for figure in TUNED)
        assert cell["metadata"] == ({"tags": ["raises-exception"]} if tagged else {})
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            assert len(cell["source"]) <= LONGEST.get(name, 16), "a cell is read, and changed, at one glance"
    assert len(json.dumps(notebook)) < 12_000


@pytest.mark.parametrize("name", ON_RESULTS)
def test_all_have_the_same_parts(name: str) -> None:
    ids = [cell["id"].removeprefix(f"{name}-") for cell in raw(name)["cells"]]
    assert [one for one in ids if one in SECTIONS] == list(SECTIONS)
    assert (ids[0], ids[-1]) == ("title", "exercises")
    texts = {cell.id.removeprefix(f"{name}-"): cell.source for cell in read_notebook(FOLDER / f"{name}.ipynb").cells}
    assert re.search(r"\*\*The questions? of this notebook\.\*\* .*\?", texts["title"])
    assert "one sentence says what to run" in texts["load-text"] or name == "comparison"
    assert len(re.findall(r"^\d\. ", texts["exercises"], re.MULTILINE)) >= 3
    claims = [f"{name}.{claim}" for claim in CLAIMS.get(name, ())]
    asserted = re.findall(r"^assert .*$", "\n".join(code(name)), re.MULTILINE)
    assert len(asserted) == max(1, len(claims))
    assert all(any(f'r.verdict("{claim}")["estimate"]' in line for line in asserted) for claim in claims)


def test_a_page_stops_at_a_cell_that_may_fail_in_jupyterlab(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("assert False", metadata={"tags": ["raises-exception"]})
    with pytest.raises(ResultsError, match="a cell failed: AssertionError"):
        execute(nbformat.v4.new_notebook(cells=[cell]), tmp_path, tmp_path, "tagged")


@pytest.mark.parametrize("name", NAMES)
def test_the_text_becomes_html_with_formulas(name: str) -> None:
    cells = [cell.source for cell in read_notebook(FOLDER / f"{name}.ipynb").cells if cell.cell_type == "markdown"]
    assert cells[0].startswith("# ")
    made = "".join(markdown(cell, name) for cell in cells)
    assert "<math" in made
    assert "$" not in re.sub(r"<code>.*?</code>", "", made)


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Matplotlib without a screen, closed afterwards; cells are exec'd here, so settings are put back."""
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(plt, "show", lambda: None)
    backend = plt.get_backend()
    plt.switch_backend("Agg")
    with plt.rc_context():
        yield plt
    plt.close("all")
    plt.switch_backend(backend)


def tree_of(name: str, root: Path, *, off: float = 0.0) -> Path:
    return comparison_tree(root, off=off) if name == "comparison" else group_tree(root, name, off=off)


@pytest.mark.parametrize("name", ON_RESULTS)
def test_every_cell_runs_and_finds_the_estimate_of_the_verdict(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: Any
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tree_of(name, tmp_path)))
    names: dict[str, Any] = {}
    drawn = 0
    for source in code(name):
        exec(source, names)
        for number in pictures.get_fignums():
            pictures.figure(number).canvas.draw()
            drawn += 1
        pictures.close("all")
    assert drawn >= 1


@pytest.mark.parametrize("name", ON_RESULTS)
def test_another_estimate_is_noticed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: Any) -> None:
    """Every estimate of the verdicts is moved: each `assert` fails, whatever the cells before it found."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tree_of(name, tmp_path, off=0.01)))
    names: dict[str, Any] = {}
    failed = 0
    for source in code(name):
        try:
            exec(source, names)
        except AssertionError:
            failed += 1
            exec(re.sub(r"^assert .*$", "", source, flags=re.MULTILINE), names)
        pictures.close("all")
    assert failed == max(1, len(CLAIMS.get(name, ())))


def test_what_is_missing_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    r = load(tmp_path)
    with pytest.raises(ResultsError, match=r"^study scaling: found no table under .*results, expected one; `make` "):
        r.table("scaling")
    with pytest.raises(
        ResultsError, match=r"^claim scaling\.overlay: found no verdict in .*scaling\.csv, expected one"
    ):
        r.verdict("scaling.overlay")
    with pytest.raises(ResultsError, match=r"^.*results/runs: found no run, expected some; run `make`") as none:
        r.runs()
    assert none.value._render_traceback_() == [f"ResultsError: {none.value}"], "IPython shows this and no traceback"


def test_figures_that_are_not_drawn_are_left_out_with_their_texts() -> None:
    notebook = read_notebook(FOLDER / "comparison.ipynb")
    kept = only_drawn(notebook, ["elimination", "learning_curves", "elimination_other"])
    read = re.findall(r'figure_numbers\("(\w+)"\)', "\n".join(c.source for c in kept.cells if c.cell_type == "code"))
    assert read == ["elimination", "learning_curves"]
    heads = [c.source.splitlines()[0] for c in kept.cells if c.source.startswith("#")]
    assert heads == [
        "# Comparison with other methods",
        "## The runs",
        "## The end of the budget",
        "## Elimination",
        "## Learning curves",
        "## Exercises",
    ]
    assert only_drawn(notebook, list(entries())) == notebook


@pytest.mark.slow
def test_explore_runs_and_shows_sliders(tmp_path: Path) -> None:
    done = execute(read_notebook(FOLDER / "explore.ipynb"), FOLDER, tmp_path, "explore")
    [shown] = [cell for cell in done.cells if cell.id == "explore-show"]
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in shown.outputs)


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
