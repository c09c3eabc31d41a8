"""Read what a configuration says of seeds and of tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pcpo.errors import ConfigError

__all__ = ["check_tuning", "seed_batches", "seeds_of"]


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
