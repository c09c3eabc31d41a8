"""Figures inside a page: as large as on disk, equal but for tones that print does not show, and much smaller."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pcpo.errors import ResultsError
from pcpo.report.markup.pictures import embedded


def decoded(uri: str) -> tuple[str, np.ndarray]:
    """Return the media type and the pixels of a data URI."""
    head, content = uri.split(",")
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        return head, np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A figure with smooth edges, a colour map and text, as the workflow writes them."""
    figure = Figure(figsize=(3.4, 2.6))
    left, right = figure.subplots(1, 2)
    for k in range(6):
        left.plot(np.linspace(0, 1, 200), np.sin(np.linspace(0, 9 + k, 200)), alpha=0.7)
    right.imshow(np.linspace(0, 1, 40).reshape(5, 8), cmap="cividis")
    left.set_title("a title")
    with mpl.rc_context({"font.size": 7}):
        figure.savefig(tmp_path / "drawn.png", dpi=300)
    return tmp_path / "drawn.png"


def test_a_figure_keeps_its_pixels_at_print(drawn: Path) -> None:
    uri, width, height = embedded(drawn)
    head, shown = decoded(uri)
    with Image.open(drawn) as picture:
        exact = np.asarray(picture.convert("RGB")).astype(int)
    assert head == "data:image/webp;base64"
    assert shown.shape == exact.shape == (780, 1020, 3)
    assert (width, height) == (round(1020 * 96 * 1.2 / 300), round(780 * 96 * 1.2 / 300))
    assert np.abs(shown - exact).max() == 4, "rounded at the edges, by half a step"
    changed = (shown != exact).any(axis=-1)
    codes = exact @ [1 << 16, 1 << 8, 1]
    values, counts = np.unique(codes, return_counts=True)
    flat = values[counts >= 1e-4 * codes.size]
    assert len(flat) > 40, "the colours of the map, lines and paper"
    assert not changed[np.isin(codes, flat)].any()
    assert 3 * len(uri) < 2 * drawn.stat().st_size


def test_what_webp_cannot_hold_stays_as_it_is(tmp_path: Path) -> None:
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (30, 20), (255, 0, 0, 128)).save(clear)
    wide = tmp_path / "wide.png"
    Image.new("RGB", (16384, 1), (1, 2, 3)).save(wide)
    for path in (clear, wide):
        uri, *_ = embedded(path)
        assert uri == "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def test_a_broken_figure_is_named(drawn: Path, tmp_path: Path) -> None:
    content = drawn.read_bytes()
    spoilt = tmp_path / "spoilt.png"
    for bad in (content[:200], content[:200] + content[-12:], content[:5000] + content[6000:], b"", b"GIF89a"):
        spoilt.write_bytes(bad)
        with pytest.raises(ResultsError, match=r"spoilt\.png: found no whole PNG image"):
            embedded(spoilt)
    with pytest.raises(ResultsError, match="cannot be read"):
        embedded(tmp_path / "nothing.png")
    assert embedded(drawn)[0].startswith("data:image/webp"), "negative control"
