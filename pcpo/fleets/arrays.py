"""Read and write fleets as NumPy archives (.npz, no pickle) and MATLAB files (.mat, version 5).

Both hold `format`, `version`, `name`, `source`, `gamma`, six arrays, and N if a stage cost has a cross term 2xᵀNu.
NumPy: A (H, n, n), B (H, n, m), Q (H, n, n), R (H, m, m), N (H, n, m), labels (N,) from 0, initial_gains (N, m, n).
MATLAB, as a MATLAB user writes it: A n×n×H, B n×m×H, Q n×n×H, R m×m×H, N n×m×H, labels N×1 from 1,
initial_gains m×n×N; a last dimension of 1 may be missing, as MATLAB drops it. Files of -v7.3 (HDF5) are refused.
In both, initial_gains may be the text "unknown" where no gain of finite cost is known.

Sizes are checked before anything is unpacked, so that a small compressed file cannot fill the memory.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from pcpo.errors import FleetError
from pcpo.fleets.assembly import UNKNOWN, Draw, assembled
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.mat5 import read_mat5
from pcpo.fleets.yaml import FORMAT, VERSION
from pcpo.lqr.system import LinearSystem

__all__ = ["dumps_mat", "dumps_npz", "loads_mat", "loads_npz"]

MAX_UNPACKED_BYTES = 256 * 2**20
MAX_HEADER_BYTES = 10_000  # as NumPy does
#: Versions of NumPy's array format: how a header's length is written, and its encoding.
HEADER_SIZES: dict[tuple[int, int], tuple[str, str]] = {
    (1, 0): ("<H", "latin1"),
    (2, 0): ("<I", "latin1"),
    (3, 0): ("<I", "utf-8"),
}
MATRICES = ("A", "B", "Q", "R")
CROSS = "N"
FIELDS = ("format", "version", "name", "source", "gamma", *MATRICES, "labels", "initial_gains")
OPTIONAL = (CROSS,)
MAT_HEADER = b"MATLAB 5.0 MAT-file, PCPO fleet"
MAT_TEXT_BYTES = 116


def _fields(fleet: Fleet) -> dict[str, Any]:
    """Return everything that a file holds, by name, in the NumPy layout."""
    fields: dict[str, Any] = {"format": FORMAT, "version": VERSION, "name": fleet.name, "source": fleet.source}
    fields["gamma"] = fleet.gamma
    fields |= {name: np.stack([getattr(system, name) for system in fleet.systems]) for name in MATRICES}
    if fleet.stacked.crossed:
        fields[CROSS] = np.stack([system.N for system in fleet.systems])
    gains = fleet.initial_gains if fleet.gains_known else UNKNOWN
    return fields | {"labels": fleet.labels, "initial_gains": gains}


def _fleet(found: dict[str, NDArray[Any]], draw: Draw | None) -> Fleet:
    """Make a fleet from arrays in the NumPy layout."""
    for name in FIELDS:
        if name not in found and name != "initial_gains":
            raise FleetError(f"{name}: found no such field, which is required")
    unknown = sorted(set(found) - set(FIELDS) - set(OPTIONAL))
    if unknown:
        raise FleetError(f"{unknown[0]}: found an unknown field, expected {', '.join((*FIELDS, *OPTIONAL))}")
    _check_format(_text("format", found["format"]), _number("version", found["version"]))
    matrices = [name for name in (*MATRICES, CROSS) if name in found]
    gains = _gains(found.get("initial_gains")) if draw is None else None
    stacks = [*matrices, *(["initial_gains"] if gains is not None and not isinstance(gains, str) else [])]
    for name in stacks:
        if found[name].ndim != 3 or found[name].dtype.kind not in "iuf":
            raise FleetError(
                f"{name}: found shape {found[name].shape} of type {found[name].dtype}, "
                "expected a stack of real matrices"
            )
    H = len(found["A"])
    for name in matrices:
        if len(found[name]) != H:
            raise FleetError(f"{name}: found {len(found[name])} matrices, expected {H} as in A")
    gamma = _number("gamma", found["gamma"])
    systems = []
    for j in range(H):
        try:
            systems.append(LinearSystem(**{name: found[name][j] for name in matrices}, gamma=gamma))
        except FleetError as error:
            raise FleetError(f"cluster {j}: {error}") from error
    text = {name: _text(name, found[name]) for name in ("name", "source")}
    return assembled(text["name"], systems, found["labels"], gains, text["source"], draw)


def _gains(array: NDArray[Any] | None) -> NDArray[Any] | str | None:
    """Return initial gains, or the word for unknown ones; FleetError for another text."""
    if array is None or array.dtype.kind != "U":
        return array
    if (text := _text("initial_gains", array)) != UNKNOWN:
        raise FleetError(f"initial_gains: found {text!r}, expected a stack of real matrices or {UNKNOWN!r}")
    return text


def _check_format(found_format: str, found_version: float) -> None:
    """Raise FleetError unless the file is of this format and version."""
    if found_format != FORMAT:
        raise FleetError(f"format: found {found_format!r}, expected {FORMAT!r}")
    if found_version != VERSION:
        raise FleetError(f"version: found {found_version!r}, expected {VERSION}")


def _text(name: str, array: NDArray[Any]) -> str:
    """Return the text in an array, empty for an empty array; FleetError for anything else."""
    if array.size == 0:
        return ""
    if array.dtype.kind != "U" or array.size != 1:
        raise FleetError(f"{name}: found shape {array.shape} of type {array.dtype}, expected one text")
    return str(array.reshape(-1)[0])


def _number(name: str, array: NDArray[Any]) -> float:
    """Return the number in an array; FleetError for anything else."""
    if array.dtype.kind not in "iuf" or array.size != 1:
        raise FleetError(f"{name}: found shape {array.shape} of type {array.dtype}, expected one number")
    return float(array.reshape(-1)[0])


def dumps_npz(fleet: Fleet) -> bytes:
    """Return the bytes of an .npz archive."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **_fields(fleet))
    return stream.getvalue()


def loads_npz(data: bytes, draw: Draw | None = None) -> Fleet:
    """Read a fleet from the bytes of an .npz archive; FleetError if they are not one.

    `draw` as in `pcpo.fleets.assembly.assembled`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > MAX_UNPACKED_BYTES or len(members) > 2 * len(FIELDS):
                raise FleetError(
                    f"found {len(members)} members of {total} bytes unpacked, "
                    f"expected at most {2 * len(FIELDS)} and {MAX_UNPACKED_BYTES}"
                )
            found = {member.filename.removesuffix(".npy"): _member(archive, member) for member in members}
    except FleetError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        struct.error,
    ) as error:
        raise FleetError(f"not a readable .npz archive ({error})") from error
    return _fleet(found, draw)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array; its header must agree with the member's size before memory is taken for it."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in HEADER_SIZES:
            known = ", ".join(map(str, HEADER_SIZES))
            raise FleetError(f"{member.filename}: found array format {version}, expected one of {known}")
        shape, dtype = _header(member.filename, stream, *HEADER_SIZES[version])
        if dtype.hasobject:
            raise FleetError(f"{member.filename}: found pickled objects, expected numbers or text")
        declared = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or declared != member.file_size - stream.tell():
            raise FleetError(
                f"{member.filename}: found {member.file_size - stream.tell()} bytes, "
                f"expected {declared} for shape {shape}"
            )
    with archive.open(member) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _header(name: str, stream: Any, size_format: str, encoding: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and type from the header of an array; the formats differ in the size of its length and its encoding.

    Only long names of fields need the later formats, so the header is read by the first one's reader, of NumPy.
    """
    (length,) = struct.unpack(size_format, stream.read(struct.calcsize(size_format)))
    if length > MAX_HEADER_BYTES:
        raise FleetError(
            f"{name}: found a header of {length} bytes, expected at most {MAX_HEADER_BYTES}: plain numbers or text, "
            "no structured type"
        )
    text = stream.read(length).decode(encoding)
    if not text.isascii():
        raise FleetError(f"{name}: found a structured type, expected plain numbers or text")
    again = struct.pack("<H", length) + text.encode("ascii")
    shape, _, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(again))
    if dtype.names is not None:
        raise FleetError(f"{name}: found a structured type, expected plain numbers or text")
    return shape, dtype


def dumps_mat(fleet: Fleet) -> bytes:
    """Return the bytes of a MATLAB 5 file, without the date that MATLAB and SciPy put in its header."""
    fields = _fields(fleet)
    stacks = [*MATRICES, CROSS, *(["initial_gains"] if fleet.gains_known else [])]
    for name in set(stacks) & fields.keys():
        fields[name] = np.moveaxis(fields[name], 0, -1)
    fields["labels"] = (fleet.labels + 1.0).reshape(-1, 1)
    fields["version"] = float(VERSION)
    stream: Any = io.BytesIO()
    savemat(stream, fields, do_compression=True)
    content: bytes = stream.getvalue()
    return MAT_HEADER.ljust(MAT_TEXT_BYTES) + content[MAT_TEXT_BYTES:]


def loads_mat(data: bytes, draw: Draw | None = None) -> Fleet:
    """Read a fleet from the bytes of a MATLAB 5 file; FleetError if they are not one.

    `draw` as in `pcpo.fleets.assembly.assembled`.
    """
    found = read_mat5(data, MAX_UNPACKED_BYTES)
    for name in set(found) & {*MATRICES, CROSS, "initial_gains"}:
        if found[name].dtype.kind == "U":  # refused, or read as a word, with the other fields
            continue
        stack = found[name] if found[name].ndim != 2 else found[name][:, :, None]
        found[name] = np.ascontiguousarray(np.moveaxis(stack, -1, 0))
    if "labels" in found:
        found["labels"] = _labels_from_one(found["labels"])
    return _fleet(found, draw)


def _labels_from_one(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels that count from 0 for those of a MATLAB file, which count from 1."""
    values = labels.reshape(-1)
    if labels.dtype.kind not in "iuf" or values.size != max(labels.shape, default=0):
        raise FleetError(f"labels: found shape {labels.shape} of type {labels.dtype}, expected N×1 integers from 1")
    numbers = values.astype(np.float64)
    good = (numbers == np.floor(numbers)) & (numbers >= 1.0) & (numbers <= 2.0**31)
    if not good.all():
        raise FleetError(f"labels: found {numbers[~good][0]}, expected integers from 1 (MATLAB counts from 1)")
    return numbers.astype(np.int64) - 1
