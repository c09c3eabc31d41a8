"""Fleets as YAML, for people.

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

Unknown keys are refused with the nearest known one; duplicate keys, anchors and aliases, and tags beyond plain YAML are
refused. Numbers such as 1e-5, which YAML 1.1 takes for text, are read as numbers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pcpo.errors import FleetError
from pcpo.fleets.fleet import MAX_AGENTS, Fleet
from pcpo.lqr.system import Array, LinearSystem, real_array

__all__ = ["FORMAT", "VERSION", "check_format", "dumps", "loads"]

FORMAT = "pcpo-fleet"
VERSION = 1
MAX_DEPTH = 10
FLEET_KEYS = ("format", "version", "name", "source", "gamma", "clusters", "initial_gains", "labels")
REQUIRED_KEYS = ("name", "gamma", "clusters", "initial_gains")
CLUSTER_KEYS = ("size", "A", "B", "Q", "R")


def _line(item: yaml.Node | yaml.Event) -> str:
    return f"line {item.start_mark.line + 1}" if item.start_mark else "some line"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, refusing duplicate keys and reading 1e-5 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise FleetError(f"{_line(key)}: found a key that is not plain text")
            if key.value in seen:
                raise FleetError(f"{_line(key)}: found key {key.value!r} twice, expected it once")
            seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=True)
        return mapping


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


class _Dumper(yaml.SafeDumper):
    """The safe dumper, with matrices on one line and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def check_format(found_format: object, found_version: object) -> None:
    """Raise FleetError unless the two fields are those of this version."""
    if found_format != FORMAT:
        raise FleetError(f"format: found {found_format!r}, expected {FORMAT!r}")
    if isinstance(found_version, bool) or found_version != VERSION:
        raise FleetError(f"version: found {found_version!r}, expected {VERSION}")


def loads(data: bytes) -> Fleet:
    """The fleet described by a YAML text; FleetError naming the key, what was found and what was expected."""
    try:
        text = data.decode("utf-8")
        _check_events(text)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except UnicodeDecodeError as error:
        raise FleetError(f"found bytes that are not UTF-8 text at offset {error.start}") from error
    except yaml.YAMLError as error:
        raise FleetError("not valid YAML: " + " ".join(str(error).split())) from error
    except (ValueError, OverflowError) as error:  # a number or date that matches YAML's pattern and has no value
        if isinstance(error, FleetError):
            raise
        raise FleetError(f"found a value that cannot be read ({error})") from error
    _check_keys("the file", document, FLEET_KEYS, REQUIRED_KEYS)
    check_format(document.get("format", FORMAT), document.get("version", VERSION))
    return _fleet(document)


def _check_events(text: str) -> None:
    """Refuse aliases (they multiply) and deep nesting (it recurses) before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise FleetError(f"{_line(event)}: found an alias, expected values written out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise FleetError(f"{_line(event)}: found more than {MAX_DEPTH} levels of nesting")


def _check_keys(where: str, found: object, known: tuple[str, ...], required: tuple[str, ...]) -> None:
    if not isinstance(found, dict):
        raise FleetError(f"{where}: found {_kind(found)}, expected keys {', '.join(known)}")
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise FleetError(f"{where}: found unknown key {key!r}; did you mean {near[0]!r}?")
    for key in required:
        if key not in found:
            raise FleetError(f"{where}: found no key {key!r}, which is required")


def _kind(value: object) -> str:
    return {dict: "a mapping", list: "a list", str: f"text {value!r:.60}", type(None): "nothing"}.get(
        type(value), f"{value!r:.60}"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scaled_identity(name: str, value: object, size: int) -> Array | None:
    """a I for {scale: a}, else None."""
    if not isinstance(value, dict):
        return None
    _check_keys(name, value, ("scale",), ("scale",))
    if not _is_number(value["scale"]):
        raise FleetError(f"{name}.scale: found {_kind(value['scale'])}, expected a number")
    return np.asarray(real_array(f"{name}.scale", value["scale"]) * np.eye(size))


def _check_leaves(name: str, value: object) -> None:
    """Booleans and text inside a list would otherwise be taken for numbers or blur the message."""
    if isinstance(value, list):
        for item in value:
            _check_leaves(name, item)
    elif not _is_number(value):
        raise FleetError(f"{name}: found {_kind(value)}, expected numbers")


def _numbers(name: str, value: object) -> Array:
    if not isinstance(value, list):
        raise FleetError(f"{name}: found {_kind(value)}, expected a list of lists of numbers")
    _check_leaves(name, value)
    return real_array(name, value)


def _weight(name: str, value: object, size: int) -> Array:
    if value == "identity":
        return np.eye(size)
    if isinstance(value, str):
        raise FleetError(f"{name}: found {_kind(value)}, expected identity, {{scale: a}} or a matrix")
    scaled = _scaled_identity(name, value, size)
    return _numbers(name, value) if scaled is None else scaled


def _fleet(document: dict[str, Any]) -> Fleet:
    clusters, gamma = document["clusters"], document["gamma"]
    if not isinstance(clusters, list) or not clusters:
        raise FleetError(f"clusters: found {_kind(clusters)}, expected a list of at least one cluster")
    if len(clusters) > MAX_AGENTS:
        raise FleetError(f"clusters: found {len(clusters)}, expected at most {MAX_AGENTS}")
    systems, sizes = [], []
    for j, cluster in enumerate(clusters):
        _check_keys(f"clusters[{j}]", cluster, CLUSTER_KEYS, CLUSTER_KEYS)
        sizes.append(_size(f"clusters[{j}].size", cluster["size"]))
        systems.append(_system(f"clusters[{j}]", cluster, gamma))
    if sum(sizes) > MAX_AGENTS:
        raise FleetError(f"clusters: found {sum(sizes)} agents, expected at most {MAX_AGENTS}")
    labels = _labels(document.get("labels"), sizes)
    gains = _initial_gains(document["initial_gains"], len(labels), systems[0].m, systems[0].n)
    return Fleet(document["name"], tuple(systems), labels, gains, document.get("source", ""))


def _size(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_AGENTS:
        raise FleetError(f"{name}: found {_kind(value)}, expected an integer from 1 to {MAX_AGENTS}")
    return value


def _system(where: str, cluster: dict[str, Any], gamma: Any) -> LinearSystem:
    A, B = _numbers(f"{where}.A", cluster["A"]), _numbers(f"{where}.B", cluster["B"])
    if A.ndim != 2 or B.ndim != 2:
        raise FleetError(f"{where}: found A of shape {A.shape} and B of shape {B.shape}, expected two matrices")
    try:
        return LinearSystem(A, B, _weight("Q", cluster["Q"], A.shape[1]), _weight("R", cluster["R"], B.shape[1]), gamma)
    except FleetError as error:
        raise FleetError(f"{where}: {error}") from error


def _labels(value: object, sizes: list[int]) -> NDArray[np.int64]:
    if value is None:
        return np.repeat(np.arange(len(sizes)), sizes)
    if not isinstance(value, list) or not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        raise FleetError(f"labels: found {_kind(value)}, expected a list of integers, one per agent")
    if any(abs(v) > MAX_AGENTS for v in value):
        raise FleetError(f"labels: found a label beyond {MAX_AGENTS}, expected 0 to {len(sizes) - 1}")
    for j, size in enumerate(sizes):
        if value.count(j) != size:
            raise FleetError(f"labels: found {value.count(j)} agents of cluster {j}, expected its size, {size}")
    return np.array(value, dtype=np.int64)


def _initial_gains(value: object, N: int, m: int, n: int) -> Array:
    if value == "zero":
        return np.zeros((N, m, n))
    if isinstance(value, str):
        raise FleetError(f"initial_gains: found {_kind(value)}, expected zero, {{scale: a}}, a matrix or N matrices")
    if isinstance(value, dict) and m != n:
        raise FleetError(f"initial_gains: found a multiple of the identity, expected m = n, but m = {m} and n = {n}")
    scaled = _scaled_identity("initial_gains", value, n)
    gains = _numbers("initial_gains", value) if scaled is None else scaled
    if gains.ndim not in (2, 3):
        raise FleetError(f"initial_gains: found shape {gains.shape}, expected one {m}×{n} matrix or {N} of them")
    return np.repeat(gains[None], N, axis=0) if gains.ndim == 2 else gains


def dumps(fleet: Fleet) -> bytes:
    """The YAML text of a fleet: every float in the shortest form that reads back bit by bit."""
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
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=10**9, allow_unicode=True)
    return str(text).removesuffix("...\n").rstrip("\n")


def _entry(key: str, value: object) -> str:
    return f"{key}: {_flow(value)}"
