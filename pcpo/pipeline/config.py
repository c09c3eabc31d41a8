"""Read what a configuration says of studies, of seeds and of tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.errors import ConfigError
from pcpo.figures.fonts import check_title

__all__ = ["check_titles", "check_tuning", "seed_batches", "seeds_of", "studies_of"]


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


def check_tuning(scenarios: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no scenario tunes on a seed that it also compares on.

    Raises:
        ConfigError: naming the scenario and the seed.
    """
    for name, scenario in scenarios.items():
        if "tuning" in scenario:
            shared = set(seeds_of(scenario["seeds"])) & set(seeds_of(scenario["tuning"]["seeds"]))
            if shared:
                raise ConfigError(
                    f"scenarios.{name}.tuning.seeds: found {min(shared)}, which is also a seed of the comparison; "
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
    """Return what is configured for each study: the entries of `evidence`, and what the key `fedlqr` says.

    Args:
        config: a configuration with its defaults.

    Returns:
        Study → first, count and options, as under `evidence`.

    Raises:
        ConfigError: for an entry `evidence.fedlqr`, or if `fedlqr.every` does not divide `fedlqr.rounds`.
    """
    studies = dict(config.get("evidence", {}))
    if "fedlqr" in studies:
        raise ConfigError("evidence.fedlqr: found an entry, expected the key fedlqr at the top level")
    if settings := config.get("fedlqr"):
        if settings["rounds"] % settings["every"]:
            raise ConfigError(
                f"fedlqr.every: found {settings['every']}, expected a divisor of fedlqr.rounds = {settings['rounds']}"
            )
        options = {key: settings[key] for key in ("rounds", "every", "first_stage")}
        options["fleet_seed"] = settings["seed"]
        studies["fedlqr"] = {"first": settings["seed"], "count": settings["realisations"], "options": options}
    return studies
