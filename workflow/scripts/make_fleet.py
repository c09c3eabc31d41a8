"""Write the fleet of a scenario: read it from a user's file, or generate it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcpo.fleets.files import fleet_from, write_fleet
from pcpo.pipeline.jobs import job


def make_fleet(name: str, source: Mapping[str, Any], path: Path) -> None:
    """Write to `path` the fleet that `source` asks for: {"file": …} or {"random": {"seed": …, …}}."""
    write_fleet(fleet_from(name, source), path)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.output):
        make_fleet(snakemake.wildcards.scenario, snakemake.params.source, Path(snakemake.output.fleet))
