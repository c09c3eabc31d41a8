"""The report in a real browser without a network: nothing asked for, no error, everything drawn, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
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
    page.page.get_by_role("button", name="unfold or fold all").click()
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


def violations(page: Page) -> list[str]:
    """List the rules of axe that the page breaks, with the first element that does."""
    found = Axe().run(page.page).response["violations"]
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:120]}" for rule in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_accessible(report: Path, page: Page, scheme: Literal["light", "dark"]) -> None:
    page.page.emulate_media(color_scheme=scheme)
    page.open(report, 1200)
    page.page.get_by_role("button", name="unfold or fold all").click()
    page.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    paper = page.value("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert violations(page) == []
    page.page.emulate_media(color_scheme="light")


def test_barriers_are_seen(page: Page, tmp_path: Path) -> None:
    """Negative control: axe finds a picture without words, pale text and a field without a name."""
    barred = tmp_path / "barred.html"
    barred.write_text(
        '<!DOCTYPE html><html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"><input>'
        '<p style="color: #bbb; background: #fff">pale</p></main></html>',
        encoding="utf-8",
    )
    page.open(barred, 1200)
    assert {text.split(":")[0] for text in violations(page)} >= {"image-alt", "label", "color-contrast"}


VISIBLE = "[...document.querySelectorAll('#claims tbody')].filter(one => !one.hidden).map(one => one.id)"


def test_the_table_filters_sorts_and_unfolds_by_keyboard(report: Path, page: Page) -> None:
    page.open(report, 1200)
    at = page.page
    everything = page.value(VISIBLE)
    assert len(everything) == 4
    assert not at.locator(".claim").first.is_visible()
    at.get_by_role("combobox", name="verdict").select_option("inconclusive")
    assert page.value(VISIBLE) == ["claim-defects.toy_defect"]
    assert at.locator("#shown").inner_text() == "1 of 4 claims"
    at.get_by_role("button", name="show all").click()
    at.get_by_label("words").fill("ratio MEAN")
    assert page.value(VISIBLE) == ["claim-clustering.toy_ratio", "claim-defects.toy_defect"]
    at.get_by_label("words").fill("nowhere to be found")
    assert page.value(VISIBLE) == []
    at.get_by_role("button", name="show all").press("Enter")
    assert page.value(VISIBLE) == everything
    sort = at.get_by_role("button", name="verdict", exact=True)
    for state, first in (("ascending", "defects.toy_defect"), ("descending", None), (None, "clustering.toy_event")):
        sort.press("Enter")
        assert page.value("document.querySelectorAll('#claims thead th')[3].ariaSort") == state
        order = page.value(VISIBLE)
        assert sorted(order) == sorted(everything)
        assert order[0] == f"claim-{first}" if first else order[-1] == "claim-defects.toy_defect"
    assert page.value(VISIBLE) == everything
    button = at.locator("#claim-clustering\\.toy_ratio .unfold")
    button.focus()
    at.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    body = at.locator("#claim-clustering\\.toy_ratio .claim")
    assert body.is_visible()
    assert "Negative control" in body.inner_text()
    assert body.locator("img").is_visible(), "a copy: the figure stands with another claim"
    at.keyboard.press("Enter")
    assert not body.is_visible()


def test_a_link_shows_its_claim_whatever_the_filter_says(report: Path, page: Page) -> None:
    page.open(report, 1200)
    page.page.get_by_role("combobox", name="verdict").select_option("inconclusive")
    page.page.evaluate("location.hash = 'claim-clustering.toy_never'")
    page.page.locator("#claim-clustering\\.toy_never .claim").wait_for(state="visible")
    assert len(page.value(VISIBLE)) == 4
    page.page.locator("a[data-group=defects]").click()
    assert page.value(VISIBLE) == ["claim-defects.toy_defect"]


def test_print_unfolds_what_the_filter_shows(report: Path, page: Page) -> None:
    page.page.emulate_media(media="print", color_scheme="dark")
    page.open(report, 680)  # the width of A4 between the margins
    root, body, window = page.value(OVERFLOW)
    assert max(root, body) <= window
    assert page.value("document.getElementById('claims').offsetWidth") <= window
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert all(one.is_visible() for one in page.page.locator(".claim").all())
    assert all(one.is_visible() for one in page.page.locator("#claims img").all())
    assert not page.page.locator("#filter").is_visible()
    page.page.emulate_media(media="screen")
    assert not page.page.locator(".claim").first.is_visible(), "negative control"
    page.page.emulate_media(media="screen", color_scheme="light")


def test_without_scripts_everything_can_be_read(report: Path, page: Page) -> None:
    plain = report.with_name("plain.html")
    text = report.read_text(encoding="utf-8")
    plain.write_text(text[: text.index("<script>")] + text[text.index("</script>") :], encoding="utf-8")
    page.open(plain, 1200)
    assert not page.page.locator("#filter").is_visible()
    assert len(page.value(VISIBLE)) == 4
    summaries = page.page.locator("#claims summary").all()
    assert len(summaries) == 4
    for summary in summaries:
        summary.press("Enter")
    assert all(one.is_visible() for one in page.page.locator(".claim").all())
