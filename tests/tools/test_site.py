"""Check what the site is made of before Sphinx makes it; tests/workflow/test_site.py builds it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from pcpo.errors import ResultsError
from pcpo.evidence.registry import GROUPS
from pcpo.figures.registry import entries
from tools.site import api, gallery
from tools.site.extension import escaped
from tools.site.links import dangling, foreign
from tools.site.staging import relinked, written


def small(root: Path, page: str, text: str) -> str:
    """Write a page into a small checkout and return it as it is staged."""
    for name, content in {"README.md": "# x", "pcpo/lqr/cost.py": "", "tools/a.sh": "echo ``` x\n", page: text}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    for package in ("pcpo", "pcpo/lqr"):
        (root / package / "__init__.py").touch()
    return relinked(root, PurePosixPath(page), {})


def test_links_lead_to_pages_of_the_site(tmp_path: Path) -> None:
    text = (
        "[a](../README.md#x) [b](../pcpo/lqr/cost.py) [c](../pcpo/lqr/) [d](../tools/a.sh) [e](#f) [g](https://h.org)"
    )
    made = small(tmp_path, "docs/page.md", text)
    assert re.findall(r"\((.*?)\)", made) == [
        "../index.md#x",
        "#pcpo.lqr.cost",
        "#pcpo.lqr",
        "../files/tools/a.sh.md",
        "#f",
        "https://h.org",
    ]
    code = "```md\n[a](nowhere.md)\n```\n"
    assert small(tmp_path, "docs/code.md", code) == code


@pytest.mark.parametrize("target", ["nowhere.md", "../../outside.md"])
def test_a_link_to_no_file_of_the_checkout_is_named(target: str, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=rf"docs/page.md: found a link to {re.escape(target)}, expected a file"):
        small(tmp_path / "checkout", "docs/page.md", f"[a]({target})")


def test_all_links_of_the_pages_lead_somewhere(repository: Path) -> None:
    shown: dict[str, str] = {}
    pages = written(repository)
    assert len(pages) > 30
    assert all(relinked(repository, page, shown) for page in pages)
    assert "files/examples/index.md" in shown


def test_every_module_has_a_place_and_layers_are_in_their_order(repository: Path) -> None:
    made = api.pages(repository)
    modules = {path for path in (repository / "pcpo").rglob("*.py") if not path.name.startswith("_")}
    dotted = {".".join(path.relative_to(repository).with_suffix("").parts) for path in modules}
    labels = [
        label for text in made.values() for label in re.findall(r"^\.\. automodule:: ([\w.]+)$", text, re.MULTILINE)
    ]
    assert len(dotted) > 200
    assert dotted <= set(labels)
    assert len(labels) == len(set(labels))
    order = api.layers(repository)
    assert order.index("lqr") < order.index("oracles") < order.index("algorithms") < order.index("pipeline")
    folders = {path.stem for path in (repository / "pcpo").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(order) == {name for name in folders if not name.startswith("_") and name != "py"}
    overview = made["api/index.md"]
    assert [overview.index(f"[`pcpo.{layer}`]") for layer in order] == sorted(
        overview.index(f"[`pcpo.{layer}`]") for layer in order
    )
    assert "{py:obj}`pcpo.Experiment <pcpo.experiments.experiment.Experiment>`" in overview


def test_the_gallery_has_every_figure_once_with_its_command(repository: Path) -> None:
    text = gallery.page(repository)
    figures = [*entries(), *(name for group in GROUPS.values() for name in group.figures)]
    assert re.findall(r"^\((\w+)\)=$", text, re.MULTILINE) == figures
    pictures = set(re.findall(r"\]\(docs/reference/(?:\w+/)?(\w+)\.png\)", text))
    assert pictures == {path.stem for path in (repository / "docs/reference").rglob("*.png")} & set(figures)
    assert len(pictures) > 20
    for part in re.split(r"^\(\w+\)=$", text, flags=re.MULTILINE)[1:]:
        (block,) = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
        assert re.match(r"snakemake (build/full/)?figures/\w+\.pdf --cores all", block)


def test_signs_of_docstrings_stand_for_themselves() -> None:
    lines = [
        "Return |N_i| and x*, K_ and `a*b` at once::",
        "",
        "    a * b | c",
        "",
        "as ``x*`` and :py:obj:`y|z`",
        "`pcpo.lqr`",
        "Args:",
        "    n, m: sizes",
    ]
    assert escaped(lines) == [
        r"Return \|N_i\| and x\*, K\_ and `a*b` at once::",
        "",
        "    a * b | c",
        "",
        "as ``x*`` and :py:obj:`y|z`",
        ":py:obj:`pcpo.lqr`",
        "Args:",
        "    n,m: sizes",
    ]


def test_docstrings_may_have_the_blocks_and_tables_of_markdown() -> None:
    lines = [
        "A file is",
        "",
        "    a: [|x|]",
        "",
        "and then",
        "",
        "| D | rule |",
        "|---|---|",
        "| 1 | r* |",
        "",
        "Args:",
        "    x: y",
    ]
    assert escaped(lines) == [
        *("A file is", "", "::", "", "    a: [|x|]", "", "and then", ""),
        *(".. list-table::", "   :header-rows: 1", ""),
        *("   * - D", "     - rule", "   * - 1", r"     - r\*", "", "", "Args:", "    x: y"),
    ]


def test_dangling_links_and_foreign_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here">1</a><a href="#gone">2</a><a href="b.html#x">3</a><a href="b.html#y">4</a>'
        '<a href="c.html">5</a><a href="https://example.org">6</a><img src="d.png">'
        '<script src="https://example.org/a.js"></script><link rel="stylesheet" href="//example.org/b.css">',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text('<p id="x">', encoding="utf-8")
    assert list(dangling(tmp_path)) == [
        ("a.html", "#gone"),
        ("a.html", "b.html#y"),
        ("a.html", "c.html"),
        ("a.html", "d.png"),
    ]
    assert list(foreign(tmp_path)) == [
        ("a.html", "https://example.org/a.js"),
        ("a.html", "//example.org/b.css"),
    ]
