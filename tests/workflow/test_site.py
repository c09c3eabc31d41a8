"""Build the site as `make docs` does, follow its links, and open pages in a real browser from files, with axe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from support.browser import Page, browser, executable

from tools.site.links import dangling, foreign

CHROMIUM = executable()
pytestmark = pytest.mark.slow
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH")

#: Pages of every kind: first page, equations, wide tables, pictures, API of a package and of a module, a shown file.
PAGES = (
    *("index.html", "docs/methods.html", "docs/methods/pcpo.html", "docs/paper.html", "docs/tutorial.html"),
    *("gallery.html", "api/index.html", "api/pcpo.lqr.html", "api/pcpo.algorithms.html", "search.html"),
)
#: Axe may not fetch style sheets of files; it reads those that the page has loaded.
FILES = {"preload": False}
OVERFLOW = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - window.innerWidth"
FORMULAS = """[...document.querySelectorAll("article math")].map(one => one.getBoundingClientRect())
    .filter(box => box.width > 0 && box.height > 0).length"""
FOUND = "document.querySelectorAll('#search-results ul.search li').length"


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site; a warning of Sphinx is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "tools.site", "--site", str(folder / "site"), "--work", str(folder / "work")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    return folder / "site"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One browser for all tests."""
    assert CHROMIUM is not None
    with browser(CHROMIUM) as opened:
        yield opened


def test_every_link_leads_somewhere_and_nothing_comes_from_a_network(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 80
    assert list(dangling(site)) == []
    assert list(foreign(site)) == []


@in_browser
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_pages_pass_axe(mode: str, site: Path, page: Page) -> None:
    page.requests.clear()
    page.errors.clear()
    page.open(site / "index.html", 1200)
    page.value(f"localStorage.setItem('mode', '{mode}'), localStorage.setItem('theme', '{mode}')")
    violations = []
    for name in PAGES:
        page.open(site / name, 1200)
        assert page.value("document.documentElement.dataset.theme") == mode
        found = Axe().run(page.page, options=FILES)
        violations += [f"{name}: {one}" for one in [found.generate_report()] if found.violations_count]
    assert "\n".join(violations) == ""
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.errors == []


@in_browser
def test_axe_sees_faults(tmp_path: Path, page: Page) -> None:
    """Negative control: a picture without words and grey on grey."""
    faulty = tmp_path / "faulty.html"
    faulty.write_text(
        '<!DOCTYPE html><html lang="en"><img src="data:,"><p style="color: #ccc">pale words</p>', encoding="utf-8"
    )
    page.open(faulty, 1200)
    found = {violation["id"] for violation in Axe().run(page.page).response["violations"]}
    assert {"color-contrast", "image-alt"} <= found


@in_browser
@pytest.mark.parametrize("width", [360, 1200])
def test_pages_fit_the_window_and_show_formulas(width: int, site: Path, page: Page) -> None:
    for name in PAGES:
        page.open(site / name, width)
        assert page.value(OVERFLOW) <= 0, name
    page.open(site / "docs/methods/pcpo.html", width)
    assert page.value(FORMULAS) > 10
    assert page.value("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


@in_browser
@pytest.mark.parametrize(("words", "found"), [("elimination", True), ("zzyzx", False)])
def test_search_works_from_files(words: str, found: bool, site: Path, page: Page) -> None:
    page.errors.clear()
    page.page.goto(f"{(site / 'search.html').resolve().as_uri()}?q={words}", wait_until="load")
    page.page.wait_for_selector("#search-results .search-summary:not(:empty)")
    assert (page.value(FOUND) > 0) is found
    assert page.errors == []
