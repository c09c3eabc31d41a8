"""Read and write fleet files by suffix, .yaml/.yml, .json, .npz or .mat, in any case; floats survive bit by bit.

Every format carries `format` (pcpo-fleet) and `version` (1). Nothing is ever unpickled. Files are written atomically.
The YAML form, for people, is described in `pcpo.fleets.yaml`; JSON has the same keys. `pcpo.fleets.arrays` describes
the two binary forms.

`fleet_from` makes a fleet from its description in a configuration: a file, or a random fleet with a seed.
`example_fleet` reads one of those that come with the package.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pcpo.errors import FleetError
from pcpo.fleets import arrays as fleet_binary
from pcpo.fleets import json as fleet_json
from pcpo.fleets import yaml as fleet_yaml
from pcpo.fleets.assembly import Draw, with_initial_gains
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.simulation.noise import Purpose, stream
from pcpo.storage.files import read_limited, replacing

__all__ = [
    "MAX_FILE_BYTES",
    "example_fleet",
    "example_names",
    "fleet_from",
    "read_fleet",
    "with_initial_gains",
    "write_fleet",
]

MAX_FILE_BYTES = 64 * 2**20

#: Folder of the fleets that come with the package; in the checkout a link to config/fleets, which holds the files.
_PUBLISHED = Path(__file__).with_name("published")

READERS: dict[str, Callable[[bytes, Draw | None], Fleet]] = {
    ".yaml": fleet_yaml.loads,
    ".yml": fleet_yaml.loads,
    ".json": fleet_json.loads,
    ".npz": fleet_binary.loads_npz,
    ".mat": fleet_binary.loads_mat,
}
WRITERS: dict[str, Callable[[Fleet], bytes]] = {
    ".yaml": fleet_yaml.dumps,
    ".yml": fleet_yaml.dumps,
    ".json": fleet_json.dumps,
    ".npz": fleet_binary.dumps_npz,
    ".mat": fleet_binary.dumps_mat,
}


def _suffix(path: Path) -> str:
    """Return the suffix of a path in lower case; FleetError for an unknown one."""
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise FleetError(f"{path}: found suffix {path.suffix!r}, expected one of {', '.join(READERS)}")
    return suffix


def read_fleet(path: str | os.PathLike[str], draw: Draw | None = None) -> Fleet:
    """Read the fleet in a file.

    Args:
        path: the file.
        draw: {"seed": …, "rule": …, "gap": …} draws random initial gains of an exact gap. Those of the file, if it has
            any, are then neither used nor checked.

    Raises:
        FleetError: naming the file and the reason, if it is missing, too large, truncated, corrupt, of another
            version, or if what it describes is not a fleet.
    """
    path = Path(path)
    reader = READERS[_suffix(path)]
    data = read_limited(path, MAX_FILE_BYTES, FleetError)
    if not data:
        raise FleetError(f"{path}: found an empty file, expected a fleet")
    try:
        return reader(data, draw)
    except FleetError as error:
        raise FleetError(f"{path}: {error}") from error


def example_names() -> list[str]:
    """List the names of the fleets that come with the package."""
    return sorted(path.stem for path in _PUBLISHED.glob("*.yaml"))


def example_fleet(name: str = "example", draw: Draw | None = None) -> Fleet:
    """Read a fleet that comes with the package, wherever the package is installed.

    Args:
        name: "example", "mirror", "toso2023" or "wang2023"; the files say where their systems come from.
        draw: random initial gains, as in `read_fleet`.

    Raises:
        FleetError: for another name, with the names that there are.
    """
    if name not in example_names():
        raise FleetError(f"fleet: found {name!r}, expected one of {', '.join(example_names())}")
    return read_fleet(_PUBLISHED / f"{name}.yaml", draw)


def write_fleet(fleet: Fleet, path: str | os.PathLike[str]) -> None:
    """Write a fleet, replacing the file if it exists; the same fleet gives the same bytes.

    Raises:
        FleetError: for an unknown suffix, a fleet too large for a file, or a place that cannot be written; the folder
            stays as it was.
    """
    path = Path(path)
    writer = WRITERS[_suffix(path)]
    if not isinstance(fleet, Fleet):
        raise FleetError(f"{path}: found a {type(fleet).__name__} to write, expected a Fleet")
    data = writer(fleet)
    if len(data) > MAX_FILE_BYTES:
        raise FleetError(
            f"{path}: found {len(data)} bytes to write, expected at most {MAX_FILE_BYTES}; use .npz for large fleets"
        )
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise FleetError(f"{path}: cannot be written ({error.strerror or error})") from error


def fleet_from(name: str, source: Mapping[str, Any]) -> Fleet:
    """Make the fleet that a configuration describes.

    Args:
        name: name of a random fleet.
        source: {"file": …, "initial_gains": …} or {"random": {"seed": …, …}}.
    """
    if "file" in source:
        return read_fleet(source["file"], source.get("initial_gains"))
    options = dict(source["random"])
    rng = stream(options.pop("seed"), Purpose.FLEET)
    return random_fleet(FleetSpec(**options), rng, name)
