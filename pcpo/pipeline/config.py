"""Read configurations, and what they say of studies, of seeds and of tuning.

Snakemake has read its configuration as YAML 1.1 before a workflow starts: 010 as eight, 1:30 as ninety, 1e-2 as text,
and of two scenarios of one name the last.  `read_configuration` reads the same files and settings again, as YAML 1.2.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.errors import ConfigError, FleetError
from pcpo.figures.fonts import check_title
from pcpo.fleets.files import read_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.timetable import check_changes
from pcpo.schema import MAX_INTEGER
from pcpo.storage.yaml import MAX_DEPTH, read_mapping, read_yaml

__all__ = [
    "OF_GRID",
    "check_gains",
    "check_jobs",
    "check_oracles",
    "check_schedules",
    "check_seeds",
    "check_separation",
    "check_titles",
    "check_tuning",
    "read_configuration",
    "seed_batches",
    "seeds_of",
    "studies_of",
]

#: Parts of the key `grid` → their studies.
OF_GRID = {"fleets": "grid", "controls": "grid_controls", "methods": "grid_methods", "audit": "grid_audit"}
#: Snakemake plans this many jobs in minutes.
MAX_JOBS = 100_000


def read_configuration(files: Sequence[str | os.PathLike[str]], settings: Sequence[str] = ()) -> dict[str, Any]:
    """Read configuration files and settings of the command line; later ones override earlier ones, key by key.

    Args:
        files: in the order of `--configfile`, in YAML 1.2 or JSON.
        settings: as after `--config`: texts key=value, the value in YAML.

    Raises:
        ConfigError: naming the file, line and column, or the setting, with the form that works.
    """
    config: dict[str, Any] = {}
    for path in files:
        _override(config, read_mapping(path, error=ConfigError))
    for setting in settings:
        key, _, text = setting.partition("=")
        _override(config, {key: _read_setting(key, text)})
    return config


def _read_setting(key: str, text: str) -> Any:
    """Read the value of a setting of the command line."""
    try:
        return read_yaml(text, error=ConfigError, max_depth=MAX_DEPTH, whole="a value")
    except ConfigError as error:
        raise ConfigError(
            f"--config {key}: {error}; expected a value in YAML, "
            "as in --config report=false 'scenarios={motors: {seeds: {count: 4}}}'"
        ) from error


def _override(config: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Override a configuration in place, as Snakemake does: mappings key by key, anything else as a whole."""
    for key, value in other.items():
        if isinstance(value, Mapping):
            inner = config.get(key, {})
            if value and not isinstance(inner, dict):
                inner = {}
            if value:
                _override(inner, value)
            config[key] = inner
        else:
            config[key] = copy.deepcopy(value)


def seed_batches(seeds: Mapping[str, int]) -> dict[str, list[int]]:
    """Group seeds into jobs: name of the batch → its seeds.

    A batch is named by its first and last seed, so with more seeds the earlier batches stay valid.
    """
    first, stop, size = seeds["first"], seeds["first"] + seeds["count"], seeds["per_job"]
    starts = range(first, stop, size)
    return {f"{a:06d}-{min(a + size, stop) - 1:06d}": list(range(a, min(a + size, stop))) for a in starts}


def seeds_of(seeds: Mapping[str, int]) -> list[int]:
    """List all seeds of {"first": …, "count": …}."""
    return list(range(seeds["first"], seeds["first"] + seeds["count"]))


def check_seeds(config: Mapping[str, Any]) -> None:
    """Check that the last seed of every run fits into a table.

    Args:
        config: a configuration with its defaults.

    Raises:
        ConfigError: naming the key and the last seed.
    """
    for where, first, count in _seeds(config):
        if first + count - 1 > MAX_INTEGER:
            raise ConfigError(
                f"{where}: found {count} seeds from {first}, whose last is {first + count - 1}, "
                f"expected at most {MAX_INTEGER} (2^63 - 1)"
            )


def _seeds(config: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Yield key, first seed and number of seeds of all runs."""
    for name, scenario in config["scenarios"].items():
        yield f"scenarios.{name}.seeds", scenario["seeds"]["first"], scenario["seeds"]["count"]
        if "tuning" in scenario:
            seeds = scenario["tuning"]["seeds"]
            yield f"scenarios.{name}.tuning.seeds", seeds["first"], seeds["count"]
    for name, study in config.get("evidence", {}).items():
        yield f"evidence.{name}", study["first"], study["count"]
    for part in OF_GRID if config.get("grid") else ():
        yield f"grid.{part}", config["grid"][part]["first"], config["grid"][part]["count"]
    if settings := config.get("fedlqr"):
        yield "fedlqr", settings["seed"], settings["realisations"]


def check_jobs(config: Mapping[str, Any]) -> None:
    """Check that a configuration with its defaults makes no more jobs than can be planned.

    Raises:
        ConfigError: naming the scenario or study with the most jobs.
    """
    entries = {f"evidence.{name}": (1, entry) for name, entry in config.get("evidence", {}).items()}
    if grid := config.get("grid"):
        entries |= {f"grid.{part}": (1, grid[part]) for part in OF_GRID}
    for name, scenario in config["scenarios"].items():
        entries[f"scenarios.{name}.seeds"] = (len(scenario["algorithms"]), scenario["seeds"])
    jobs = {where: times * -(-seeds["count"] // seeds["per_job"]) for where, (times, seeds) in entries.items()}
    if (total := sum(jobs.values())) > MAX_JOBS:
        most = max(jobs, key=lambda where: jobs[where])
        raise ConfigError(
            f"{most}: found {jobs[most]} jobs of {total} in all, expected at most {MAX_JOBS} in all: more seeds per_job"
        )


def check_oracles(scenarios: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no scenario with a plant asks for moments, nor one with changes for what these exclude.

    Raises:
        ConfigError: naming the scenario and the key.
    """
    for name, scenario in scenarios.items():
        if "plant" in scenario and scenario["oracle"] != "rollouts":
            raise ConfigError(
                f"scenarios.{name}.oracle: found {scenario['oracle']!r} with the plant {scenario['plant']!r}, expected "
                "'rollouts': the moments of a plant are not known"
            )
        if "changes" in scenario:
            check_changes(scenario["oracle"], scenario["rows"], f"scenarios.{name}.")


def check_schedules(scenarios: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that a scenario has a schedule if a method needs one, and then PCPO; and what it may ask for without.

    Raises:
        ConfigError: naming the scenario, the key and the method.
    """
    for name, scenario in scenarios.items():
        where, methods = f"scenarios.{name}", scenario["algorithms"]
        if "schedule" in scenario:
            if "pcpo" not in methods:
                raise ConfigError(f"{where}.algorithms: found {', '.join(methods)}, expected 'pcpo' among them")
            continue
        free = [one for one, entry in ALGORITHMS.items() if entry.own_schedule]
        if needing := [one for one in methods if one not in free]:
            raise ConfigError(
                f"{where}.schedule: missing, expected one for {', '.join(needing)}; or, without a model, "
                f"algorithms: [{', '.join(free)}]"
            )
        if "rollouts" not in scenario["budget"]:
            raise ConfigError(f"{where}.budget: found epochs without a schedule, expected rollouts per agent")
        if scenario["oracle"] == "auto":
            raise ConfigError(
                f"{where}.oracle: found 'auto' without a schedule, expected 'rollouts' or 'moments': from which "
                "minibatch moments may stand for rollouts follows from a schedule"
            )
        if "tuning" in scenario:
            raise ConfigError(f"{where}.tuning: found it without a schedule, whose steps and radii it scales")


def check_gains(scenarios: Mapping[str, Mapping[str, Any]], located: Callable[[str], str]) -> None:
    """Check that no fleet file without gains of finite cost is given to what needs some.

    Args:
        scenarios: of a configuration with its defaults.
        located: where a file is that a scenario names.

    Raises:
        ConfigError: naming the scenario, the file and what needs gains.
    """
    for name, scenario in scenarios.items():
        fleet, methods = scenario["fleet"], scenario["algorithms"]
        needing = [one for one in methods if not hasattr(ALGORITHMS[one].make(), "finding_gains")]
        if "schedule" in scenario:
            needing.insert(0, "a schedule")
        if (
            "file" in fleet
            and "initial_gains" not in fleet
            and needing
            and _without_gains(Path(located(fleet["file"])))
        ):
            raise ConfigError(
                f"scenarios.{name}.fleet.file: found initial_gains unknown in {fleet['file']} with {needing[0]}, "
                "expected gains of finite cost; without them, no schedule and algorithms: [pcpo_auto], or gains that "
                "the scenario draws (initial_gains: {seed, rule, gap} beside the file)"
            )


def check_separation(scenarios: Mapping[str, Mapping[str, Any]], located: Callable[[str], str]) -> None:
    """Check that a fleet file with clusters of equal optimal cost is given to a method that can tell them apart.

    Args:
        scenarios: of a configuration with its defaults.
        located: where a file is that a scenario names.

    Raises:
        ConfigError: naming the scenario, the file, the clusters and the method.
    """
    for name, scenario in scenarios.items():
        fleet, made = scenario["fleet"], {one: ALGORITHMS[one].make() for one in scenario["algorithms"]}
        told = [one for one, method in made.items() if "separation" in method.uses]
        needing = [one for one, method in made.items() if getattr(method, "needs_separation", False)]
        able = any(getattr(method, "tells_equal_costs", False) for method in made.values())
        if "file" in fleet and (told or (needing and not able)):
            found = _fleet_of(Path(located(fleet["file"])))
            try:
                if found is not None:
                    found.require_separation((told or needing)[0])
            except FleetError as error:
                raise ConfigError(f"scenarios.{name}.fleet.file: {fleet['file']}: {error}") from None


def _without_gains(path: Path) -> bool:
    """Return whether a fleet file knows no gains of finite cost; a file that is not valid is left to its job."""
    found = _fleet_of(path)
    return found is not None and not found.gains_known


def _fleet_of(path: Path) -> Fleet | None:
    """Read the fleet of a file; None for a file that is not valid, which is left to its job."""
    try:
        return read_fleet(path)
    except FleetError:
        return None


def check_tuning(scenarios: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no scenario tunes on a seed that it also compares on.

    Raises:
        ConfigError: naming the scenario and the seed.
    """
    for name, scenario in scenarios.items():
        if "tuning" in scenario:
            both = (scenario["seeds"], scenario["tuning"]["seeds"])
            shared = max(seeds["first"] for seeds in both)
            if shared < min(seeds["first"] + seeds["count"] for seeds in both):
                raise ConfigError(
                    f"scenarios.{name}.tuning.seeds: found {shared}, which is also a seed of the comparison; "
                    "expected seeds that it never uses"
                )


def check_titles(scenarios: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that figures can draw the titles of the scenarios and of their algorithms, before anything runs.

    Raises:
        ConfigError: naming the scenario or the algorithm, and the characters that no font has.
    """
    for name, scenario in scenarios.items():
        check_title(f"scenarios.{name}.title", scenario["title"])
        for algorithm in scenario["algorithms"]:
            check_title(f"algorithm {algorithm!r}, title", ALGORITHMS[algorithm].title)


def studies_of(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is configured for each study: the entries of `evidence`, and what the keys `grid` and `fedlqr` say.

    Args:
        config: a configuration with its defaults.

    Returns:
        Study → first, count and options, as under `evidence`.

    Raises:
        ConfigError: for an entry of `evidence` that has a key of its own at the top level, or if `fedlqr.every` does
            not divide `fedlqr.rounds`.
    """
    studies = dict(config.get("evidence", {}))
    for study, key in {"fedlqr": "fedlqr", **dict.fromkeys(OF_GRID.values(), "grid")}.items():
        if study in studies:
            raise ConfigError(f"evidence.{study}: found an entry, expected the key {key} at the top level")
    if grid := config.get("grid"):
        studies |= _studies_of_grid(grid)
    if settings := config.get("fedlqr"):
        if settings["rounds"] % settings["every"]:
            raise ConfigError(
                f"fedlqr.every: found {settings['every']}, expected a divisor of fedlqr.rounds = {settings['rounds']}"
            )
        options = {key: settings[key] for key in ("rounds", "every", "first_stage")}
        options["fleet_seed"] = settings["seed"]
        studies["fedlqr"] = {"first": settings["seed"], "count": settings["realisations"], "options": options}
    return studies


def _studies_of_grid(grid: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the studies of the grid: they share its axes, and each has fleets, and options, of its own."""
    axes = {key: value for key, value in grid.items() if key not in OF_GRID}
    studies = {}
    for part, study in OF_GRID.items():
        fleets = {key: grid[part][key] for key in ("first", "count", "per_job")}
        own = {key: value for key, value in grid[part].items() if key not in fleets}
        studies[study] = {**fleets, "options": {**axes, **({part: own} if own else {})}}
    return studies
