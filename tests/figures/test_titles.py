"""Titles are drawn as their writers wrote them: dollars in a title, titles in Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager, rc_context
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text
from support.many_clusters import fleet_of, numbers_of

from pcpo.errors import ConfigError
from pcpo.figures import fleets, fonts, style

WRITTEN = [
    "low cost ($$)",
    "low cost ($$$)",
    "from $5 to $6",
    "$5",
    r"a \$ in a shell",
    r"C:\motors\new",
    r"back\\slash $\alpha$",
    "x_1 ^ {2} % # & ~ $x_1$",
    r"ends in a backslash \ ",
    "100 % {braces} <b>",
]


def drawn(text: str) -> str:
    """Return what Matplotlib draws of a text: the glyphs of its mathematics, or the text without escapes."""
    if is_math_text(text):
        parsed = MathTextParser("path").parse(text, 72, font_manager.FontProperties(family=fonts.PRIMARY))
        return "".join(chr(glyph[2]) if isinstance(glyph[2], int) else str(glyph[2]) for glyph in parsed.glyphs)
    return text.replace(r"\$", "$")


@pytest.mark.parametrize("title", WRITTEN)
def test_dollars_in_a_title(title: str) -> None:
    assert not is_math_text(style.as_written(title))
    assert drawn(style.as_written(title)) == title


@pytest.mark.parametrize("title", WRITTEN)
def test_dollars_in_a_title_beside_our_mathematics(title: str) -> None:
    """The mathematics of the label is drawn as mathematics, and the title before it is not."""
    line = f"{style.as_written(title)}: $n$=2"
    assert is_math_text(line)
    split = re.findall(r"(?<!\\)\$", line)
    assert len(split) == 2
    Figure().text(0, 0, line).get_window_extent()


@pytest.mark.parametrize("title", [WRITTEN[0], WRITTEN[2], WRITTEN[6]])
def test_every_figure_draws_the_title_as_written(title: str, tmp_path: Path) -> None:
    for name in ("fleets", "learning_curves", "negative_transfer"):
        table, draw = numbers_of(name, fleet_of(2), title)
        figure = draw(table)
        texts = "\n".join(text.get_text() for text in figure.findobj(Text))
        joined = re.sub(r"\s", "", texts)
        assert re.sub(r"\s", "", style.as_written(title)) in joined
        figure.draw_without_rendering()


def test_a_title_with_dollars_makes_all_files(tmp_path: Path) -> None:
    table, draw = numbers_of("fleets", fleet_of(2), "low cost ($$) or $5")
    style.save(table, draw, tmp_path / "fleets")
    assert "low cost ($$) or $5" in (tmp_path / "fleets.csv").read_text(), "the numbers have the title itself"
    assert len(list(tmp_path.iterdir())) == 3


def test_lines_are_broken_outside_of_mathematics() -> None:
    text = r"one two \$ three: $n = 2 + 2$ and $\Delta$ = 4"
    broken = style.wrapped(text, 0.8)
    assert broken.count("\n") >= 2
    assert broken.replace("\n", " ") == text
    assert all(len(re.findall(r"(?<!\\)\$", line)) % 2 == 0 for line in broken.split("\n"))
    assert style.wrapped(text, 9.0) == text
    assert style.wrapped("i" * 100, 0.5).replace("\n", "") == "i" * 100, "a word may be wider than the line"


HAN = "東京"


@pytest.fixture
def han_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a font that has two letters of Chinese, as a package would bring it."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 700), (900, 700), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    box, empty = pen.glyph(), TTGlyphPen(None).glyph()
    names = [".notdef", *(f"u{ord(c):X}" for c in HAN)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"u{ord(c):X}" for c in HAN})
    builder.setupGlyf({name: empty if name == ".notdef" else box for name in names})
    builder.setupHorizontalMetrics({name: (1000, 0) for name in names})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Test Han", "styleName": "Regular", "psName": "TestHan-Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "han.ttf")
    before = list(font_manager.fontManager.ttflist)
    bundled = [entry for entry in before if "mpl-data" in entry.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", bundled)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    monkeypatch.setattr(fonts, "_packaged", lambda: [tmp_path / "han.ttf"])
    forget()
    yield "Test Han"
    forget()


def forget() -> None:
    """Forget which fonts were found for which characters."""
    for function in (fonts._candidates, fonts._fallbacks, fonts._undrawable):
        function.cache_clear()
    font_manager.fontManager._findfont_cached.cache_clear()


@pytest.fixture
def only_bundled(han_font: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no font but those that come with Matplotlib."""
    monkeypatch.setattr(fonts, "_packaged", list)
    forget()


def test_titles_in_chinese_are_drawn_in_a_font_that_is_there(han_font: str, tmp_path: Path) -> None:
    assert fonts.fallbacks(f"motors {HAN}") == [han_font]
    assert fonts.undrawable(f"motors {HAN}") == ""
    fonts.check_title("scenarios.motors.title", HAN)
    for name in ("fleets", "learning_curves", "negative_transfer"):
        table, draw = numbers_of(name, fleet_of(2), f"{HAN} ($)")
        style.save(table, draw, tmp_path / name)  # a missing glyph would be a warning, and warnings are errors here
        assert b"TestHan-Regular" in (tmp_path / f"{name}.pdf").read_bytes()


def test_titles_in_chinese_without_a_font_are_refused_in_one_sentence(only_bundled: None, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^scenarios\.motors\.title: found 東 \(U\+6771\), 京 \(U\+4EAC\), which"
    ) as found:
        fonts.check_title("scenarios.motors.title", f"motors {HAN}{HAN}")
    assert "pip install noto-cjk-sans-otc" in str(found.value)
    table, draw = numbers_of("fleets", fleet_of(2), HAN)
    with pytest.raises(ConfigError, match=r"^figure fleets: found 東"):
        style.save(table, draw, tmp_path / "fleets")
    assert list(tmp_path.glob("fleets*")) == []


def test_a_long_list_of_characters_is_cut() -> None:
    assert fonts.characters("東京大学生活") == (
        "東 (U+6771), 京 (U+4EAC), 大 (U+5927), 学 (U+5B66), 生 (U+751F) and 1 more characters"
    )


@pytest.mark.parametrize(
    "title", ["Zürich", "Ελλάδα", "Москва", "e\u0301", "\ufeffbyte order mark", "a\tb", "سلام", "שלום", "😀", "→ ∞"]
)
def test_what_the_bundled_fonts_cover_needs_no_other(only_bundled: None, title: str) -> None:
    assert fonts.undrawable(fonts.cleaned(title)) == ""
    assert fonts.fallbacks(title) == []


@pytest.mark.parametrize("character", ["\x01", "\ue000", "\x7f", "\U0010fffd"])
def test_characters_that_stand_for_nothing_are_refused(only_bundled: None, character: str) -> None:
    assert fonts.undrawable(f"a{character}") == character


def test_titles_that_cannot_stand_beside_mathematics_have_a_line_of_their_own(han_font: str) -> None:
    """In a line with mathematics, Matplotlib knows no fallback and shapes no Arabic."""
    for title in (HAN, "سلام", "e\u0301", "motors ($)"):
        table, _ = numbers_of("fleets", fleet_of(2), title)
        with rc_context({"font.family": [fonts.PRIMARY, *fonts.fallbacks(title)]}):
            name, facts = fleets._title(table).split("\n", 1)
            assert "$n$=" not in name
            assert "$n$=" in facts


def test_pictures_of_latin_titles_do_not_depend_on_fonts(han_font: str, tmp_path: Path) -> None:
    table, draw = numbers_of("fleets", fleet_of(2), "Zürich")
    style.save(table, draw, tmp_path / "a")
    forget()
    style.save(table, draw, tmp_path / "b")
    for suffix in ("png", "pdf", "csv"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
