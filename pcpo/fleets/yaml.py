"""Read and write fleets as YAML, for people.

    format: pcpo-fleet           # optional when written by hand
    version: 1                   # optional when written by hand
    name: two scalar clusters
    source: where the numbers come from
    gamma: 0.8
    clusters:
      - {size: 10, A: [[0.9]], B: [[1.0]], Q: identity, R: {scale: 2}}    # Q, R: identity, {scale: a}, or a matrix
      - {size: 14, A: 0.5, B: 1.0, Q: identity, R: 1.0, N: [[0.1]]}       # a 1×1 matrix may be written as its number
    initial_gains: zero          # or {scale: a} (a I, if m = n), one m×n matrix for all, or a list of N matrices,
                                 # or {seed, rule, gap}: drawn, as a scenario may do, or unknown: zeros, whatever
                                 # their cost, since no gain of finite cost is known
    labels: [0, 0, 1, …]         # optional; by default the clusters in order, `size` agents each

N, the cross term 2xᵀNu of the stage cost, is optional.

Unknown keys are refused with the nearest known one; duplicate keys, aliases, and tags beyond plain YAML are refused.
Values are read as in YAML 1.2 (`pcpo.storage.yaml`): 010 is ten, and -.5 and 1e-5 are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pcpo.errors import FleetError
from pcpo.fleets.assembly import UNKNOWN, Draw, assembled
from pcpo.fleets.fleet import MAX_AGENTS, Fleet
from pcpo.fleets.initial_gains import INITIAL_RULES
from pcpo.lqr.system import MAX_ENTRY, Array, LinearSystem, real_array
from pcpo.schema import validated
from pcpo.storage.yaml import plain_scalar, read_yaml

__all__ = ["FORMAT", "SCHEMA", "VERSION", "document_of", "dumps", "fleet_of_document", "loads"]

FORMAT = "pcpo-fleet"
VERSION = 1
MAX_DEPTH = 10


_SCALED: dict[str, Any] = {
    "required": ["scale"],
    "additionalProperties": False,
    "properties": {"scale": {"type": "number"}},
}


def _either(words: Sequence[str], expected: str, mapping: dict[str, Any] = _SCALED) -> dict[str, Any]:
    """Return the schema of a matrix that may also be a number, one of some words, or a mapping such as {scale: a}."""
    return {
        "type": ["string", "object", "array", "number"],
        "x-expected": expected,
        "if": {"type": "string"},
        "then": {"enum": list(words), "x-expected": expected},
        "else": {"if": {"type": "object"}, "then": mapping},
    }


_DRAWN = {
    "additionalProperties": False,
    "required": ["seed", "rule", "gap"],
    "properties": {
        "seed": {
            "type": "integer",
            "minimum": 0,
            "maximum": 2**63 - 1,
            "x-expected": "an integer from 0 to 2^63 - 1",
        },
        "rule": {"enum": list(INITIAL_RULES)},
        "gap": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": MAX_ENTRY,
            "x-expected": f"a positive number up to {MAX_ENTRY:g}",
        },
    },
}
_SCALED_OR_DRAWN = {
    "if": {"anyOf": [{"required": [key]} for key in ("seed", "rule", "gap")]},
    "then": _DRAWN,
    "else": _SCALED,
}
_MATRIX = {"type": ["array", "number"], "x-expected": "a list of lists of numbers"}
_WEIGHT = _either(["identity"], "identity, {scale: a} or a matrix")
_CLUSTER = {
    "type": "object",
    "x-expected": "the keys size, A, B, Q and R, and N if the stage cost has a cross term",
    "required": ["size", "A", "B", "Q", "R"],
    "additionalProperties": False,
    "properties": {
        "size": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_AGENTS,
            "x-expected": f"an integer from 1 to {MAX_AGENTS}",
        },
        "A": _MATRIX,
        "B": _MATRIX,
        "Q": _WEIGHT,
        "R": _WEIGHT,
        "N": _MATRIX,
    },
}
#: What a schema can say of a fleet: keys, types and ranges.  Entries of matrices, their shapes and their definiteness
#: are checked where the arrays are made.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "x-expected": "the keys name, gamma, clusters and initial_gains",
    "required": ["name", "gamma", "clusters"],
    "additionalProperties": False,
    "properties": {
        "format": {"enum": [FORMAT], "default": FORMAT, "x-expected": repr(FORMAT)},
        "version": {"enum": [VERSION], "default": VERSION, "x-expected": str(VERSION)},
        "name": {"type": "string", "x-expected": "a text"},
        "source": {"type": "string", "default": "", "x-expected": "a text"},
        "gamma": {
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
            "x-expected": "a number with 0 < gamma < 1",
        },
        "clusters": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_AGENTS,
            "items": _CLUSTER,
            "x-expected": f"a list of 1 to {MAX_AGENTS} clusters",
        },
        "initial_gains": _either(
            ["zero", UNKNOWN], "zero, unknown, {scale: a}, a matrix or N matrices", _SCALED_OR_DRAWN
        ),
        "labels": {
            "type": ["array", "null"],
            "default": None,
            "maxItems": MAX_AGENTS,
            "items": {"type": "integer", "minimum": 0, "maximum": MAX_AGENTS - 1},
            "x-expected": f"a list of integers, one per agent, at most {MAX_AGENTS}",
        },
    },
}


class _Dumper(yaml.SafeDumper):
    """Dump plain YAML with matrices on one line and never an alias, and quote texts that look like numbers."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Quote a text that YAML 1.2 would read as something else, such as 0o17 or 1e5."""
        try:
            text = isinstance(plain_scalar(data), str)
        except ValueError:
            text = False
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if text else "'")


_Dumper.add_representer(str, _Dumper.represent_str)


def loads(data: bytes, draw: Draw | None = None) -> Fleet:
    """Read a fleet from YAML text; `draw` as in `pcpo.fleets.assembly.assembled`.

    Raises:
        FleetError: naming the line, column or key, what was found and what was expected.
    """
    document = read_yaml(data, error=FleetError, max_depth=MAX_DEPTH)
    return fleet_of_document(document, draw)


def _check_leaves(name: str, value: object) -> None:
    """Raise FleetError for text or a truth value inside a list, which NumPy would take for a number."""
    if isinstance(value, list):
        for item in value:
            _check_leaves(name, item)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        kind = {dict: "a mapping", str: f"text {value!r:.60}", type(None): "nothing"}
        raise FleetError(f"{name}: found {kind.get(type(value), f'{value!r:.60}')}, expected numbers")


def _numbers(name: str, value: list[Any]) -> Array:
    """Return nested lists of numbers as an array."""
    _check_leaves(name, value)
    return real_array(name, value)


def _is_number(value: object) -> bool:
    """Return whether a matrix is written as a number, which stands for a matrix of that one entry."""
    return isinstance(value, int | float)


def _entries(name: str, value: Any) -> Array:
    """Return the array of a matrix written as lists, or as a number if it has one entry."""
    return _numbers(name, [[value]] if _is_number(value) else value)


def _matrix(name: str, value: Any, size: int) -> Array:
    """Return the array of a matrix as `_entries` does, or of {scale: a}, a multiple of the identity of that size."""
    if isinstance(value, dict):
        return np.asarray(real_array(f"{name}.scale", value["scale"]) * np.eye(size))
    return _entries(name, value)


def fleet_of_document(document: Any, draw: Draw | None = None) -> Fleet:
    """Make the fleet of a document that was read from text; `draw` as in `pcpo.fleets.assembly.assembled`.

    Raises:
        FleetError: naming the key, what was found and what was expected.
    """
    document = validated(document, SCHEMA, error=FleetError, whole="the file")
    clusters = document["clusters"]
    systems = [_system(f"clusters.{j}", cluster, document["gamma"]) for j, cluster in enumerate(clusters)]
    sizes = [cluster["size"] for cluster in clusters]
    if sum(sizes) > MAX_AGENTS:
        raise FleetError(f"clusters: found {sum(sizes)} agents, expected at most {MAX_AGENTS}")
    labels = _labels(document["labels"], sizes)
    gains = document.get("initial_gains")
    if draw is None and gains is not None:
        gains = _initial_gains(gains, len(labels), systems[0].m, systems[0].n)
    return assembled(document["name"], systems, labels, gains if draw is None else None, document["source"], draw)


def _system(where: str, cluster: dict[str, Any], gamma: float) -> LinearSystem:
    """Make the system of a cluster; `where` names the cluster in messages."""
    A, B = (_entries(f"{where}.{name}", cluster[name]) for name in ("A", "B"))
    if A.ndim != 2 or B.ndim != 2:
        raise FleetError(f"{where}: found A of shape {A.shape} and B of shape {B.shape}, expected two matrices")
    n, m = B.shape if _is_number(cluster["A"]) else (A.shape[1], B.shape[1])
    for name, rows, columns in (("A", n, n), ("B", n, m), ("Q", n, n), ("R", m, m), ("N", n, m)):
        if _is_number(cluster.get(name)) and (rows, columns) != (1, 1):
            short = f"; {{scale: {cluster[name]}}} is that multiple of the identity" if name in "QR" else ""
            raise FleetError(
                f"{where}.{name}: found {cluster[name]}, expected a list of lists of numbers, {rows}×{columns}{short}"
            )
    try:
        Q, R = (_weight(name, cluster[name], size) for name, size in (("Q", n), ("R", m)))
        N = _entries("N", cluster["N"]) if "N" in cluster else np.zeros((0, 0))
        return LinearSystem(A, B, Q, R, gamma, N)
    except FleetError as error:
        raise FleetError(f"{where}: {error}") from error


def _weight(name: str, value: Any, size: int) -> Array:
    """Return Q or R, which may be written as identity, {scale: a}, a matrix, or a number if it has one entry."""
    if value == "identity":
        return np.eye(size)
    return _matrix(name, value, size)


def _labels(labels: list[int] | None, sizes: list[int]) -> NDArray[np.int64]:
    """Return the cluster of every agent, by default the clusters in order."""
    if labels is None:
        return np.repeat(np.arange(len(sizes)), sizes)
    counts = np.bincount(labels, minlength=len(sizes))
    for j, size in enumerate(sizes):
        if counts[j] != size:
            raise FleetError(f"labels: found {counts[j]} agents of cluster {j}, expected its size, {size}")
    return np.array(labels, dtype=np.int64)


def _initial_gains(value: Any, N: int, m: int, n: int) -> Array | Draw | str:
    """Return the initial gains (N, m, n) from any of their forms, how they are drawn, or `UNKNOWN`."""
    if value == UNKNOWN:
        return UNKNOWN
    if value == "zero":
        return np.zeros((N, m, n))
    if isinstance(value, dict) and "scale" not in value:
        return value
    if isinstance(value, dict) and m != n:
        raise FleetError(f"initial_gains: found a multiple of the identity, expected m = n, but m = {m} and n = {n}")
    if _is_number(value) and (m, n) != (1, 1):
        raise FleetError(f"initial_gains: found {value}, expected one {m}×{n} matrix or {N} of them")
    gains = _matrix("initial_gains", value, n)
    if gains.ndim not in (2, 3):
        raise FleetError(f"initial_gains: found shape {gains.shape}, expected one {m}×{n} matrix or {N} of them")
    return np.repeat(gains[None], N, axis=0) if gains.ndim == 2 else gains


def document_of(fleet: Fleet) -> dict[str, Any]:
    """Return the keys and values of a fleet's file, in their order; N only where it is not zero."""
    clusters: list[dict[str, Any]] = []
    for system, members in zip(fleet.systems, fleet.clusters, strict=True):
        names = ("A", "B", "Q", "R", "N") if system.crossed else ("A", "B", "Q", "R")
        clusters.append({"size": len(members)} | {name: getattr(system, name).tolist() for name in names})
    gains = fleet.initial_gains
    common = all(gain.tobytes() == gains[0].tobytes() for gain in gains)
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": fleet.name,
        "source": fleet.source,
        "gamma": fleet.gamma,
        "clusters": clusters,
        "initial_gains": (gains[0] if common else gains).tolist() if fleet.gains_known else UNKNOWN,
        "labels": fleet.labels.tolist(),
    }


def dumps(fleet: Fleet) -> bytes:
    """Return the YAML text of a fleet: every float in the shortest form that reads back bit by bit."""
    document = document_of(fleet)
    clusters, gains = document.pop("clusters"), document.pop("initial_gains")
    labels = document.pop("labels")
    lines = [f"format: {document.pop('format')}", f"version: {document.pop('version')}"]
    lines += [_entry(key, value) for key, value in document.items()] + ["clusters:"]
    for cluster in clusters:
        lines.append(f"  - size: {cluster.pop('size')}")
        lines += [f"    {_entry(name, value)}" for name, value in cluster.items()]
    if np.ndim(gains) != 3:
        lines.append(_entry("initial_gains", gains))
    else:
        lines += ["initial_gains:", *(f"  - {_flow(gain)}" for gain in gains)]
    lines.append(_entry("labels", labels))
    return ("\n".join(lines) + "\n").encode("utf-8")


def _flow(value: object) -> str:
    """Return a value as YAML on one line; numbers, of which there may be many, as the dumper writes them."""
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if type(value) is int:
        return repr(value)
    if type(value) is float and isfinite(value):
        text = repr(value)
        return text.replace("e", ".0e") if "." not in text else text
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=10**9, allow_unicode=True)
    return str(text).removesuffix("...\n").rstrip("\n")


def _entry(key: str, value: object) -> str:
    """Return a key and its value as a line of YAML."""
    return f"{key}: {_flow(value)}"
