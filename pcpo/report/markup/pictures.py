"""Put the figures on disk into a page: at the resolution of print, in about a third of the bytes of the PNG files.

A figure is encoded as WebP without loss, after the tones of its edges are rounded.  Size, resolution and every colour
that fills a part of the figure stay; the rare colours, which smooth the edges of lines and letters, move by at most
`_STEP`/2 of 255 levels.
"""

from __future__ import annotations

import base64
import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image

from pcpo.errors import ResultsError

__all__ = ["embedded"]

_PNG = b"\x89PNG\r\n\x1a\n"
_END = b"IEND\xaeB`\x82"
_PIXELS_PER_INCH, _CSS_PIXELS = 300, 96 * 1.2  # figures are drawn for paper; a screen is read from farther away
_STEP = 8  # levels between the tones of edges, of 255
_FLAT = 1e-4  # share of the pixels from which on a colour is kept exactly
_LARGEST = 16383  # pixels of a side that WebP can hold


def embedded(path: Path) -> tuple[str, int, int]:
    """Encode a figure as a data URI; returns it with its width and height in CSS pixels.

    Raises:
        ResultsError: naming the file, if it is no whole PNG.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror}), expected a PNG figure") from None
    broken = ResultsError(f"{path}: found no whole PNG image, it may be truncated; draw the figure again")
    if not content.startswith(_PNG) or not content.rstrip(b"\n").endswith(_END):
        raise broken
    try:
        kind, encoded, (width, height) = _encoded(content)
    except (OSError, SyntaxError, ValueError):  # Pillow's errors for a broken file
        raise broken from None
    scale = _CSS_PIXELS / _PIXELS_PER_INCH
    uri = f"data:image/{kind};base64,{base64.b64encode(encoded).decode('ascii')}"
    return uri, round(width * scale), round(height * scale)


@functools.lru_cache(maxsize=64)
def _encoded(content: bytes) -> tuple[str, bytes, tuple[int, int]]:
    """Encode the bytes of a PNG as WebP; returns the format, the bytes, and the size in pixels.

    A figure that WebP cannot hold, or that has transparent parts, stays a PNG.
    """
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        opaque = "A" not in opened.getbands() or opened.getchannel("A").getextrema()[0] == 255
        if max(opened.size) > _LARGEST or not opaque or "transparency" in opened.info:
            return "png", content, opened.size
        picture = _with_rounded_edges(opened.convert("RGB"))
    made = io.BytesIO()
    picture.save(made, "WEBP", lossless=True, method=2, quality=40)
    return "webp", made.getvalue(), picture.size


def _with_rounded_edges(picture: Image.Image) -> Image.Image:
    """Round the colours of few pixels to multiples of `_STEP`."""
    colours = picture.getcolors(maxcolors=1 << 24) or []
    flat = [colour for count, colour in colours if count >= _FLAT * picture.width * picture.height]
    exact = np.asarray(picture, dtype=np.int32)
    rounded = np.minimum((exact + _STEP // 2) // _STEP * _STEP, 255)
    kept = np.isin(_codes(exact), _codes(np.array(flat, dtype=np.int32).reshape(-1, 3)))
    return Image.fromarray(np.where(kept[..., None], exact, rounded).astype(np.uint8))


def _codes(colours: np.ndarray) -> np.ndarray:
    """Write colours, of three levels in the last axis, as one number each."""
    coded: np.ndarray = (colours[..., 0] << 16) | (colours[..., 1] << 8) | colours[..., 2]
    return coded
