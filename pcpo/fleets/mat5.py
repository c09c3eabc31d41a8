"""Read MATLAB version 5 files (save -v6 and -v7) strictly: real numeric arrays and text, nothing else.

SciPy's loadmat trusts the sizes in a file: a few flipped bytes make it crash the interpreter (segmentation fault,
SciPy 1.17), where a FleetError is due. Here every length is checked against the bytes that are there, and what a
compressed element unpacks to is bounded. Format: "MAT-File Format", The MathWorks, chapter 1.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcpo.errors import FleetError

__all__ = ["read_mat5"]

HEADER_BYTES = 128
MI_MATRIX, MI_COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
#: What MATLAB stores besides numbers and text, and what to save instead of a variable {x}.
CLASSES = {
    1: ("cell", "save cell2mat({x}), or char({x}) for text"),
    2: ("struct", "save its fields as variables: save('fleet.mat', '-struct', '{x}', '-v7')"),
    3: ("object", "save double({x}), or the fields of struct({x}), with -v7"),
    5: ("sparse matrix", "save full({x})"),
    16: ("function handle", "leave it out"),
    17: ("object", "save double({x}), or the fields of struct({x}), with -v7"),
}
OBJECT_CLASSES, STRING = (3, 17), "string"
CHAR_CLASS, NUMERIC_CLASSES = 4, range(6, 16)
COMPLEX_FLAG = 0x08
MAX_DIMENSIONS, MAX_ARRAYS = 8, 64


def read_mat5(data: bytes, room: int) -> dict[str, NDArray[Any]]:
    """Read arrays by name; text becomes a 0-dimensional array of type U.

    Args:
        data: the bytes of the file.
        room: bound of the bytes unpacked from the file.

    Raises:
        FleetError: for a file that is not MATLAB 5, is truncated or inconsistent, or holds anything else.
    """
    if data.startswith(b"MATLAB 7.3"):
        raise FleetError("found a MATLAB 7.3 (HDF5) file, expected one saved with -v7")
    if len(data) < HEADER_BYTES or data[126:128] not in (b"IM", b"MI"):
        raise FleetError("found no MATLAB 5 header, expected a file saved with -v6 or -v7")
    order = "<" if data[126:128] == b"IM" else ">"
    arrays: dict[str, NDArray[Any]] = {}
    for kind, body in _elements(data[HEADER_BYTES:], order):
        if kind == MI_COMPRESSED:
            unpacked = _unpack(body, room)
            room -= len(unpacked)
            inner = list(_elements(unpacked, order))
            if len(inner) != 1:
                raise FleetError(f"found {len(inner)} elements in a compressed one, expected 1")
            kind, body = inner[0]
        if kind != MI_MATRIX:
            raise FleetError(f"found an element of type {kind}, expected an array ({MI_MATRIX})")
        name, array = _array(body, order)
        if name in arrays or len(arrays) >= MAX_ARRAYS:
            raise FleetError(f"{name}: found it twice, or over {MAX_ARRAYS} arrays in the file")
        arrays[name] = array
    return arrays


def _unpack(body: bytes, room: int) -> bytes:
    """Decompress an element to at most `room` bytes."""
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(body, room + 1)
    except zlib.error as error:
        raise FleetError(f"found a corrupt compressed element ({error})") from error
    if len(unpacked) > room:
        raise FleetError(f"found an element that unpacks to more than {room} bytes, expected at most that")
    if not stream.eof:
        raise FleetError("found a truncated compressed element")
    return unpacked


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield (type, body) of the data elements in a row, in the long or the small format."""
    position = 0
    while position < len(data):
        if position + 8 > len(data):
            raise FleetError(f"found {len(data) - position} bytes, expected an 8-byte tag: the file is truncated")
        kind, size = struct.unpack_from(f"{order}II", data, position)
        start = position + 8
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            if size > 4:
                raise FleetError(f"found a small element of {size} bytes, expected at most 4")
        body = data[start : start + size]
        if len(body) < size:
            raise FleetError(f"found {len(body)} bytes of an element, expected {size}: the file is truncated")
        yield kind, body
        position = start + size
        if kind != MI_COMPRESSED:  # all other elements are padded to a multiple of eight bytes
            position += -position % 8


def _array(body: bytes, order: str) -> tuple[str, NDArray[Any]]:
    """Read the name and the numbers or the text of an array element."""
    parts = list(_elements(body, order))
    if len(parts) >= 2 and len(parts[0][1]) == 8:
        _refuse_other_classes(parts, struct.unpack(f"{order}II", parts[0][1])[0] & 0xFF)
    if len(parts) < 3 or [len(parts[0][1]), parts[1][0]] != [8, 5] or len(parts[1][1]) % 4:
        raise FleetError("found an array without flags, dimensions and name")
    flags = struct.unpack(f"{order}II", parts[0][1])[0]
    name = parts[2][1].decode("ascii", "replace")
    family = flags & 0xFF
    if (flags >> 8) & COMPLEX_FLAG:
        raise FleetError(f"{name}: found complex numbers, expected real numbers or text; save real({name})")
    if len(parts) != 4:
        raise FleetError(f"{name}: found no data, expected real numbers or text")
    shape = tuple(int(d) for d in np.frombuffer(parts[1][1], f"{order}i4"))
    if not 2 <= len(shape) <= MAX_DIMENSIONS or min(shape) < 0:
        raise FleetError(f"{name}: found dimensions {shape[:MAX_DIMENSIONS]}, expected 2 to {MAX_DIMENSIONS} of them")
    kind, content = parts[3]
    if family == CHAR_CLASS:
        return name, _text(name, kind, content, shape, order)
    if kind not in NUMBERS or len(content) != math.prod(shape) * np.dtype(NUMBERS[kind]).itemsize:
        raise FleetError(f"{name}: found {len(content)} bytes of type {kind}, expected numbers of shape {shape}")
    numbers = np.frombuffer(content, order + NUMBERS[kind]).reshape(shape, order="F")
    return name, numbers.astype(numbers.dtype.newbyteorder("="))


def _refuse_other_classes(parts: list[tuple[int, bytes]], family: int) -> None:
    """Raise FleetError, naming the variable and what to save instead, for anything but numbers and text.

    The parts of an array are flags, dimensions and name, then, of an old object, its class. Those of an opaque object,
    such as a string "…", are flags, name, "MCOS" and class.
    """
    if family == CHAR_CLASS or family in NUMERIC_CLASSES:
        return
    texts = [content.decode("ascii", "replace") for _, content in parts[:4]]
    name = texts[1] if family == 17 else texts[2] if len(texts) > 2 else "an array"
    kind, instead = CLASSES.get(family, ("array of unknown class", "save double({x})"))
    if family in OBJECT_CLASSES and len(texts) > 3:
        if texts[3] == STRING:
            kind, instead = 'string ("…")', "save char({x}), or double({x}) for numbers written as text, with -v7"
        else:
            kind = f"object of class {texts[3]}"
    raise FleetError(f"{name}: found a MATLAB {kind}, expected numbers or text; {instead.format(x=name)}")


def _text(name: str, kind: int, content: bytes, shape: tuple[int, ...], order: str) -> NDArray[Any]:
    """Decode the text of an array element."""
    encoding = TEXTS.get(kind, "")
    if encoding.startswith(("utf-16", "utf-32")):
        encoding += "-le" if order == "<" else "-be"
    try:
        text = content.decode(encoding) if encoding else None
    except UnicodeDecodeError:
        text = None
    if text is None or "\0" in text or (shape[0] > 1) or len(shape) > 2:
        raise FleetError(f"{name}: found text of type {kind} and shape {shape}, expected one row of Unicode text")
    return np.array(text)
