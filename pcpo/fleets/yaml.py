"""Read and write fleets as YAML, for people.

    format: pcpo-fleet           # optional when written by hand
    version: 1                   # optional when written by hand
    name: two scalar clusters
    source: where the numbers come from
    gamma: 0.8
    clusters:
      - {size: 10, A: [[0.9]], B: [[1.0]], Q: identity, R: {scale: 2}}    # Q, R: identity, {scale: a}, or a matrix
      - {size: 14, A: [[0.5]], B: [[1.0]], Q: identity, R: identity}
    initial_gains: zero          # or {scale: a} (a I, if m = n), one m×n matrix for all, or a list of N matrices
    labels: [0, 0, 1, …]         # optional; by default the clusters in order, `size` agents each

Unknown keys are refused with the nearest known one; duplicate keys, aliases, and tags beyond plain YAML are refused.
Values are read as in YAML 1.2 (`pcpo.storage.yaml`): 010 is ten, and -.5 and 1e-5 are numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pcpo.errors import FleetError
from pcpo.fleets.fleet import MAX_AGENTS, Fleet
from pcpo.lqr.system import Array, LinearSystem, real_array
from pcpo.schema import validated
from pcpo.storage.yaml import plain_scalar, read_yaml

__all__ = ["FORMAT", "SCHEMA", "VERSION", "dumps", "loads"]

FORMAT = "pcpo-fleet"
VERSION = 1
MAX_DEPTH = 10


def _either(word: str, expected: str) -> dict[str, Any]:
    """Return the schema of a matrix that may also be written as a word or as {scale: a}."""
    scaled = {
        "required": ["scale"],
        "additionalProperties": False,
        "properties": {"scale": {"type": "number"}},
    }
    return {
        "type": ["string", "object", "array"],
        "x-expected": expected,
        "if": {"type": "string"},
        "then": {"enum": [word], "x-expected": expected},
        "else": {"if": {"type": "object"}, "then": scaled},
    }


_MATRIX = {"type": "array", "x-expected": "a list of lists of numbers"}
_WEIGHT = _either("identity", "identity, {scale: a} or a matrix")
_CLUSTER = {
    "type": "object",
    "x-expected": "the keys size, A, B, Q and R",
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
    },
}
#: What a schema can say of a fleet: keys, types and ranges.  Entries of matrices, their shapes and their definiteness
#: are checked where the arrays are made.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "x-expected": "the keys name, gamma, clusters and initial_gains",
    "required": ["name", "gamma", "clusters", "initial_gains"],
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
        "initial_gains": _either("zero", "zero, {scale: a}, a matrix or N matrices"),
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


def loads(data: bytes) -> Fleet:
    """Read a fleet from YAML text.

    Raises:
        FleetError: naming the line, column or key, what was found and what was expected.
    """
    document = read_yaml(data, error=FleetError, max_depth=MAX_DEPTH)
    return _fleet(validated(document, SCHEMA, error=FleetError, whole="the file"))


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


def _matrix(name: str, value: Any, size: int) -> Array:
    """Return the array of a matrix written as lists, or as {scale: a} for a multiple of the identity of that size."""
    if isinstance(value, dict):
        return np.asarray(real_array(f"{name}.scale", value["scale"]) * np.eye(size))
    return _numbers(name, value)


def _fleet(document: dict[str, Any]) -> Fleet:
    """Make the fleet of a document that fits the schema."""
    clusters = document["clusters"]
    systems = [_system(f"clusters.{j}", cluster, document["gamma"]) for j, cluster in enumerate(clusters)]
    sizes = [cluster["size"] for cluster in clusters]
    if sum(sizes) > MAX_AGENTS:
        raise FleetError(f"clusters: found {sum(sizes)} agents, expected at most {MAX_AGENTS}")
    labels = _labels(document["labels"], sizes)
    gains = _initial_gains(document["initial_gains"], len(labels), systems[0].m, systems[0].n)
    return Fleet(document["name"], tuple(systems), labels, gains, document["source"])


def _system(where: str, cluster: dict[str, Any], gamma: float) -> LinearSystem:
    """Make the system of a cluster; `where` names the cluster in messages."""
    A, B = _numbers(f"{where}.A", cluster["A"]), _numbers(f"{where}.B", cluster["B"])
    if A.ndim != 2 or B.ndim != 2:
        raise FleetError(f"{where}: found A of shape {A.shape} and B of shape {B.shape}, expected two matrices")
    sizes = {"Q": A.shape[1], "R": B.shape[1]}
    try:
        Q, R = (
            np.eye(size) if cluster[name] == "identity" else _matrix(name, cluster[name], size)
            for name, size in sizes.items()
        )
        return LinearSystem(A, B, Q, R, gamma)
    except FleetError as error:
        raise FleetError(f"{where}: {error}") from error


def _labels(labels: list[int] | None, sizes: list[int]) -> NDArray[np.int64]:
    """Return the cluster of every agent, by default the clusters in order."""
    if labels is None:
        return np.repeat(np.arange(len(sizes)), sizes)
    for j, size in enumerate(sizes):
        if labels.count(j) != size:
            raise FleetError(f"labels: found {labels.count(j)} agents of cluster {j}, expected its size, {size}")
    return np.array(labels, dtype=np.int64)


def _initial_gains(value: Any, N: int, m: int, n: int) -> Array:
    """Return the initial gains (N, m, n) from any of the forms in which they may be written."""
    if value == "zero":
        return np.zeros((N, m, n))
    if isinstance(value, dict) and m != n:
        raise FleetError(f"initial_gains: found a multiple of the identity, expected m = n, but m = {m} and n = {n}")
    gains = _matrix("initial_gains", value, n)
    if gains.ndim not in (2, 3):
        raise FleetError(f"initial_gains: found shape {gains.shape}, expected one {m}×{n} matrix or {N} of them")
    return np.repeat(gains[None], N, axis=0) if gains.ndim == 2 else gains


def dumps(fleet: Fleet) -> bytes:
    """Return the YAML text of a fleet: every float in the shortest form that reads back bit by bit."""
    lines = [f"format: {FORMAT}", f"version: {VERSION}"]
    lines += [_entry("name", fleet.name), _entry("source", fleet.source), _entry("gamma", fleet.gamma), "clusters:"]
    for system, members in zip(fleet.systems, fleet.clusters, strict=True):
        lines.append(f"  - size: {len(members)}")
        lines += [f"    {_entry(name, getattr(system, name).tolist())}" for name in ("A", "B", "Q", "R")]
    gains = fleet.initial_gains
    if all(gain.tobytes() == gains[0].tobytes() for gain in gains):
        lines.append(_entry("initial_gains", gains[0].tolist()))
    else:
        lines += ["initial_gains:", *(f"  - {_flow(gain.tolist())}" for gain in gains)]
    lines.append(_entry("labels", fleet.labels.tolist()))
    return ("\n".join(lines) + "\n").encode("utf-8")


def _flow(value: object) -> str:
    """Return a value as YAML on one line."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=10**9, allow_unicode=True)
    return str(text).removesuffix("...\n").rstrip("\n")


def _entry(key: str, value: object) -> str:
    """Return a key and its value as a line of YAML."""
    return f"{key}: {_flow(value)}"
