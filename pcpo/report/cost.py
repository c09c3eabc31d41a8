"""Estimate what a configuration costs: processor time of the reference run, scaled by the amount of work.

In the checkout: `python -m pcpo.report.cost config/cluster.yaml`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcpo.errors import ConfigError, command
from pcpo.report.reference import checkout, read_reference
from pcpo.report.sentences import number
from pcpo.schema import load_schema, validated
from pcpo.storage.yaml import read_mapping

__all__ = ["expected_hours", "main", "sentence", "work"]


def work(config: Mapping[str, Any]) -> dict[str, float]:
    """Measure the work in every study, scenario and tuning, in units that only compare configurations.

    The units are seeds of a study; seeds times algorithms of a scenario, times candidates in its tuning; rounds times
    realisations of FedLQR's experiment.

    Args:
        config: validated, with its defaults.
    """
    amounts: dict[str, float] = {
        f"evidence/{name}": entry["count"] for name, entry in config.get("evidence", {}).items()
    }
    for name, scenario in config["scenarios"].items():
        algorithms = len(scenario["algorithms"])
        amounts[f"runs/{name}"] = scenario["seeds"]["count"] * algorithms
        if tuning := scenario.get("tuning"):
            candidates = len(tuning["grid"]["step_scale"]) * len(tuning["grid"]["radius_scale"])
            amounts[f"tune/{name}"] = tuning["seeds"]["count"] * candidates * algorithms
    if fedlqr := config.get("fedlqr"):
        amounts["fedlqr"] = fedlqr["rounds"] * fedlqr["realisations"]
    return amounts


def expected_hours(
    config: Mapping[str, Any], reference: Mapping[str, Any], spent: Mapping[str, float]
) -> tuple[float, list[str]]:
    """Estimate the core hours of a configuration, and list the parts that the reference run did not have.

    Every part is scaled by its `work`; parts without work, figures for example, count as in the reference.  Studies
    with more cells or runs with more epochs take longer than this estimate.

    Args:
        config: validated, with its defaults.
        reference: configuration of the reference run, likewise.
        spent: processor seconds of the reference run by part (`origin.core_seconds`).
    """
    wanted, done = work(config), work(reference)
    unknown = [part for part in wanted if part not in done or part not in spent]
    scaled = [spent[part] * wanted[part] / done[part] for part in wanted if part not in unknown]
    fixed = [seconds for part, seconds in spent.items() if part not in done]
    return (sum(scaled) + sum(fixed)) / 3600, unknown


def sentence(path: Path, repository: Path) -> str:
    """Say the expected hours of a configuration file in words, by the reference of the checkout."""
    _, provenance = read_reference(repository / "docs/reference")
    known = repository / f"config/{provenance['configuration']}.yaml"
    hours, unknown = expected_hours(_read(path, repository), _read(known, repository), provenance["core_seconds"])
    cpu = provenance["machine"]["cpu"]
    without = f", without {', '.join(unknown)}, of which the reference run had none" if unknown else ""
    return f"`{path.name}`: {number(hours, 2)} core hours of {cpu}{without}"


def _read(path: Path, repository: Path) -> dict[str, Any]:
    return validated(
        read_mapping(path, error=ConfigError), load_schema(repository / "workflow/schemas/config.schema.yaml")
    )


@command
def main(arguments: list[str] | None = None) -> int:
    """Say what configurations cost; exit code 1 and one sentence for one that is not valid."""
    parser = argparse.ArgumentParser(
        prog="python -m pcpo.report.cost", description="Expected core hours of configurations, by the reference run."
    )
    parser.add_argument("configurations", nargs="+", type=Path, help="files, for example config/cluster.yaml")
    parser.add_argument("--repository", type=Path, default=Path(), help="the checkout (default: here)")
    chosen = parser.parse_args(arguments)
    repository = checkout(chosen.repository, "docs/reference/provenance.json")
    for path in chosen.configurations:
        print(sentence(path, repository))
    return 0


if __name__ == "__main__":
    sys.exit(main())
