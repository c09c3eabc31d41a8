"""Find fonts for titles that users write: Matplotlib's own font has Latin, Greek, Cyrillic and Arabic letters.

Whatever else a title holds is drawn in a font of the machine, or in the Noto Sans CJK of the extra `fonts`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from pcpo.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.font_manager import FontEntry

__all__ = ["PRIMARY", "characters", "check_title", "cleaned", "fallbacks", "undrawable"]

#: The font of every figure, which comes with Matplotlib.
PRIMARY = "DejaVu Sans"

#: Packages of PyPI that hold nothing but fonts; Matplotlib does not look for fonts there.
_PACKAGES = ("noto_cjk_sans_otc",)
#: Fonts whose glyphs are boxes, or are not what their code points say.
_UNFIT = re.compile(r"last ?resort|nonuni|^cm[a-z]*\d+$|blank|dings|\bsymbol\b|fallback sil", re.IGNORECASE)
#: Letters that prefer the glyphs of one language, and how names of fonts call the language; Chinese for the rest.
_LANGUAGES = ((re.compile("[\u3040-\u30ff]"), "JP"), (re.compile("[\u1100-\u11ff\uac00-\ud7af]"), "KR"))
_FEW = 5


def undrawable(text: str) -> str:
    """Return the characters of a text, each once, for which no font is found; a trial drawing decides."""
    return _undrawable(text) if _covers(_primary(), text) < len(_visible(text)) or not _harmless(text) else ""


def check_title(key: str, title: str) -> None:
    """Check that figures can draw a title.

    Args:
        key: where the title stands, such as "scenarios.pair.title".
        title: the title as the user wrote it.

    Raises:
        ConfigError: naming the key, the characters that no font has, and what to do.
    """
    if missing := undrawable(cleaned(title)):
        raise ConfigError(
            f"{key}: found {characters(missing)}, which no font of this machine has; expected a title that figures can "
            "draw: install a font that has them (for Chinese, Japanese and Korean: pip install noto-cjk-sans-otc), "
            "or write another title"
        )


def cleaned(text: str) -> str:
    """Return a text with spaces for tabs and without byte order marks, which nobody sees."""
    return text.replace("\ufeff", "").replace("\t", " ")


def characters(text: str) -> str:
    """Name the first few characters of a text with their code points."""
    named = [f"{c} (U+{ord(c):04X})" if c.isprintable() else f"U+{ord(c):04X}" for c in text[:_FEW]]
    return ", ".join(named) + (f" and {len(text) - _FEW} more characters" if len(text) > _FEW else "")


def fallbacks(text: str) -> list[str]:
    """Return the names of the fewest fonts found that cover what the primary font lacks, registered with Matplotlib.

    Empty for a text that the primary font covers, so that pictures of such texts do not depend on the machine.
    """
    return list(_fallbacks("".join(sorted(set(text)))))


@functools.cache
def _fallbacks(text: str) -> tuple[str, ...]:
    missing = {c for c in _visible(text) if not _covers(_primary(), c)}
    chosen: list[str] = []
    while missing:
        wanted = "".join(sorted(missing))
        best = min(_candidates(), key=lambda entry: _rank(entry, wanted, text), default=None)
        if best is None or not _covers(_file_of(best), wanted):
            break
        _register(best)
        chosen.append(best.name)
        missing -= {c for c in missing if _covers(_file_of(best), c)}
    return tuple(chosen)


def _rank(entry: FontEntry, wanted: str, text: str) -> tuple[object, ...]:
    """Order fonts: most characters first, then upright, regular, sans serif, of the language, and by name."""
    language = next((name for letters, name in _LANGUAGES if letters.search(text)), "SC")
    name = entry.name
    plain = (entry.style != "normal", abs(_weight(entry) - 400), "Mono" in name, "Serif" in name, "Sans" not in name)
    return (-_covers(_file_of(entry), wanted), *plain, not name.endswith(language), name, entry.fname)


def _weight(entry: FontEntry) -> int:
    from matplotlib.font_manager import weight_dict

    return entry.weight if isinstance(entry.weight, int) else int(weight_dict.get(entry.weight, 400))


def _harmless(text: str) -> bool:
    """Say whether a text is read from left to right, letter by letter, without combining or invisible characters."""
    return all(unicodedata.category(c)[0] not in "MC" for c in text if c != "\n") and all(
        ord(c) < 0x590 or 0x2000 <= ord(c) < 0x2E00 for c in text
    )


def _visible(text: str) -> str:
    """Return the characters that need a glyph: no white space, joiners, marks of direction or variation selectors."""
    return "".join(
        c
        for c in text
        if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp", "Zs")
        and not (0xFE00 <= ord(c) <= 0xFE0F or 0xE0100 <= ord(c) <= 0xE01EF)
    )


_File = tuple[str, int]


def _primary() -> _File:
    from matplotlib.font_manager import findfont

    return str(findfont(PRIMARY)), 0


def _file_of(entry: FontEntry) -> _File:
    return str(entry.fname), int(entry.index)


@functools.cache
def _covers(file: _File, text: str) -> int:
    """Count the characters of a text for which a font has an outline; private ones are never counted."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(file[0], face_index=file[1])
        font.set_size(8, 72)
    except (OSError, RuntimeError, ValueError):
        return 0
    count = 0
    for c in _visible(text):
        if unicodedata.category(c) not in ("Co", "Cs") and font.get_char_index(ord(c)):
            font.load_char(ord(c))
            count += len(font.get_path()[0]) > 0
    return count


@functools.cache
def _candidates() -> tuple[FontEntry, ...]:
    """List the fonts that Matplotlib knows, then those of packages and those installed since its list was made."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {Path(entry.fname).resolve() for entry in fontManager.ttflist}
    found = list(fontManager.ttflist)
    for path in [*_packaged(), *sorted(map(Path, findSystemFonts()))]:
        if path.resolve() not in known:
            found += _entries(path)
    return tuple(entry for entry in found if not _UNFIT.search(entry.name) and Path(entry.fname).is_file())


def _entries(path: Path) -> list[FontEntry]:
    """Read the entries of a file of fonts; none of a file that Matplotlib cannot read."""
    from matplotlib.font_manager import ttfFontProperty
    from matplotlib.ft2font import FT2Font

    try:
        faces = range(FT2Font(str(path)).num_faces)
        return [ttfFontProperty(FT2Font(str(path), face_index=face)) for face in faces]
    except (OSError, RuntimeError, ValueError, NotImplementedError):
        return []


def _packaged() -> Iterator[Path]:
    """List the files of fonts in installed packages, which are not imported."""
    for name in _PACKAGES:
        spec = find_spec(name)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield from sorted(path for path in Path(folder).iterdir() if path.suffix in (".otf", ".ttc", ".ttf"))


def _register(entry: FontEntry) -> None:
    """Make Matplotlib find a font by its name."""
    from matplotlib.font_manager import fontManager

    if entry not in fontManager.ttflist:
        fontManager.addfont(entry.fname)


@functools.cache
def _undrawable(text: str) -> str:
    """Draw a text into memory, as PNG and as PDF, and return the characters that Matplotlib says it has no glyph of."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with warnings.catch_warnings(record=True) as heard, rc_context({"font.family": [PRIMARY, *fallbacks(text)]}):
        warnings.simplefilter("always")
        figure = Figure(figsize=(4, 1))
        figure.text(0.0, 0.5, text.replace("$", r"\$"))
        try:
            for kind in ("png", "pdf"):
                figure.savefig(BytesIO(), format=kind)
        except IndexError:  # Matplotlib's PDF of some invisible characters at the start
            return "".join(dict.fromkeys(c for c in text if unicodedata.category(c) == "Cf"))
    said = [re.match(r"Glyph (\d+) ", str(warning.message)) for warning in heard]
    missing = {chr(int(match[1])) for match in said if match} | _boxes(text)
    return "".join(dict.fromkeys(c for c in text if c in missing))


def _boxes(text: Iterable[str]) -> set[str]:
    """Return the characters that a font may have but that stand for nothing: control characters and private ones."""
    return {c for c in text if c not in "\n" and unicodedata.category(c) in ("Cc", "Co", "Cs")}
