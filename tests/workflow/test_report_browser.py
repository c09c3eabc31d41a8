"""The report in a real browser without a network: nothing asked for, no error, everything drawn, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import Page, browser, executable
from support.report_tree import TOY, toy_tree

from pcpo.report import build_report

CHROMIUM = executable()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH"),
]

IMAGES = """Promise.all([...document.images].map(image => image.decode().then(() => image.naturalWidth)))"""
FORMULAS = """[...document.querySelectorAll("math")].map(one => one.getBoundingClientRect())
    .filter(box => !(box.width > 0 && box.height > 0)).length"""
WITHOUT_TARGET = """[...document.querySelectorAll('a[href^="#"]')].map(one => one.getAttribute("href").slice(1))
    .filter(id => document.getElementById(id) === null)"""
OVERFLOW = "[document.documentElement.scrollWidth, document.body.scrollWidth, window.innerWidth]"
CUT_OFF = """[...document.querySelectorAll("main *")]
    .filter(one => one.getBoundingClientRect().right > window.innerWidth + 1 && !one.closest(".scroll, math, pre")
    && !one.querySelector(".scroll")).map(one => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def report(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a complete report of toy claims."""
    root = toy_tree(tmp_path_factory.mktemp("tree"))
    return build_report(root, groups=TOY)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Start one browser for all tests."""
    assert CHROMIUM is not None
    with browser(CHROMIUM) as opened:
        yield opened


def foreign(page: Page) -> list[str]:
    """List what the page asked for outside itself."""
    return [url for url in page.requests if not url.startswith(("file:", "data:"))]


@pytest.mark.parametrize("width", [360, 1200])
def test_the_report_is_whole(report: Path, page: Page, width: int) -> None:
    page.requests.clear()
    page.errors.clear()
    page.open(report, width)
    assert page.value("document.querySelectorAll('details').forEach(one => one.open = true)") is None
    sizes = page.value(IMAGES)
    assert len(sizes) >= len(TOY)
    assert all(size > 0 for size in sizes)
    assert page.value('document.querySelectorAll("math").length') > 20
    assert page.value(FORMULAS) == 0
    assert page.value(WITHOUT_TARGET) == []
    root, body, window = page.value(OVERFLOW)
    assert window == width
    assert max(root, body) <= width
    assert page.value(CUT_OFF) == []
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert foreign(page) == []
    assert [url for url in page.requests if url.startswith("file:")] == [report.resolve().as_uri()]
    assert page.errors == []


def test_faults_are_seen(page: Page, tmp_path: Path) -> None:
    """Negative control: a page with every fault that the test above looks for."""
    faulty = tmp_path / "faulty.html"
    faulty.write_text(
        '<!DOCTYPE html><html lang="en"><link rel="stylesheet" href="http://example.org/a.css"><body><main>'
        '<a href="#nowhere">x</a><div style="width: 2000px">wide</div><math></math>'
        '<img src="data:image/png;base64,AAAA" alt="">'
        "<script>undefinedName()</script></main></body></html>",
        encoding="utf-8",
    )
    page.requests.clear()
    page.errors.clear()
    page.open(faulty, 360)
    assert foreign(page) == ["http://example.org/a.css"]
    assert any("undefinedName" in error for error in page.errors)
    assert page.value("document.images[0].naturalWidth") == 0
    assert page.value(FORMULAS) == 1
    assert page.value(WITHOUT_TARGET) == ["nowhere"]
    assert page.value(OVERFLOW)[0] > 360
    assert len(page.value(CUT_OFF)) >= 1
