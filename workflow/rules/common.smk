"""Configuration, paths and what jobs are made of; no rule."""

import glob
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from pcpo.algorithms.extensions import extensions_of, load_extensions
from pcpo.algorithms.registry import module_of
from pcpo.errors import ConfigError, PcpoError
from pcpo.evidence.registry import GROUPS, check_evidence, check_options, group_drawing, group_of, load_figure
from pcpo.figures.registry import Configured, entries
from pcpo.oracles.plant import plant_factory
from pcpo.pipeline.abandoned import abandoned, move_away, sentence, waiting
from pcpo.pipeline.config import (
    check_gains,
    check_separation,
    check_jobs,
    check_oracles,
    check_schedules,
    check_seeds,
    check_titles,
    check_tuning,
    read_configuration,
    seed_batches,
    seeds_of,
    studies_of,
)
from pcpo.pipeline.grid import check_grid, in_sentences
from pcpo.pipeline.inputs import Places, content_of
from pcpo.pipeline.planning import before_planning
from pcpo.pipeline.seals import altered, set_aside
from pcpo.pipeline.sources import Scripts
from pcpo.pipeline.targets import check_known_run, check_targets
from pcpo.pipeline.warm import start_warm
from pcpo.schema import load_schema, validated
from pcpo.storage.sources import PACKAGE, declared_keys

#: Where files are found: those of the checkout, and those that a person names relative to the working directory.
PLACES = Places(CHECKOUT, Path.cwd().resolve())
#: Whether this Snakefile is a module of another one, or included there.
INSIDE = Path(workflow.main_snakefile).resolve() != CHECKOUT / "Snakefile"
#: Conditions of FedLQR's experiment, read without importing it.
CONDITIONS = declared_keys(PACKAGE / "evidence/fedlqr/studies.py", "CONDITIONS")


def written_config():
    """Read the configuration as written, in YAML 1.2; Snakemake's own `config` is read as YAML 1.1."""
    if workflow.modifier.skip_configfile:  # another workflow uses this one as a module, and gives it a configuration
        return config
    given = workflow.config_settings
    files = given.configfiles or [Path(path).absolute() for path in workflow.configfiles]
    replaced = given.replace_workflow_config and given.config_args and not given.configfiles
    return read_configuration([] if replaced else files, given.config_args or ())


def checked_config():
    """Return the configuration with defaults, or end with one clear message."""
    schema = load_schema(CHECKOUT / "workflow/schemas/config.schema.yaml")
    try:
        checked = validated(written_config(), schema)
        check_seeds(checked)
        load_extensions(checked["extensions"])
        for scenario in checked["scenarios"].values():
            for algorithm in scenario["algorithms"]:
                module_of(algorithm)
            if "plant" in scenario:
                plant_factory(scenario["plant"])
        check_jobs(checked)
        check_oracles(checked["scenarios"])
        check_schedules(checked["scenarios"])
        check_tuning(checked["scenarios"])
        check_evidence(studies_of(checked))
        if workflow.is_main_process:
            check_options(studies_of(checked))
            check_grid(checked)
            check_titles(checked["scenarios"])
        if checked["featured"] not in checked["scenarios"]:
            raise ConfigError(
                f"featured: found {checked['featured']!r}, expected one of {', '.join(checked['scenarios'])}"
            )
    except PcpoError as error:
        raise WorkflowError(f"{type(error).__name__}: {error}") from None
    return checked


CONFIG = checked_config()
# Scripts see the defaults too.  What a script reads of its `config` is no reason to run a job again.
config.update(CONFIG)
SCENARIOS = CONFIG["scenarios"]
EVIDENCE = studies_of(CONFIG)
ROOT = "" if CONFIG["name"] == "main" else f"build/{CONFIG['name']}/"
RESULTS = f"{ROOT}results"
FIGURES = f"{ROOT}figures"
LOGS = f"{ROOT}results/logs"
BENCHMARKS = f"{ROOT}results/benchmarks"
#: Where results go that the configuration no longer asks for.
ABANDONED = Path("build") / CONFIG["name"] / "abandoned"


#: Digests of what jobs are made of.
SCRIPTS = Scripts(CHECKOUT / "workflow/scripts")


def plants_of(scenario):
    """List the plant of a scenario, if it has one."""
    plant = SCENARIOS[scenario].get("plant")
    return [plant] if plant else []


def extensions_for(scenario, algorithm):
    """List the user's files that the runs of an algorithm in a scenario are made of."""
    return extensions_of(algorithms=[algorithm], plants=plants_of(scenario))


def runs_of(scenario, algorithm):
    """List the files of runs of an algorithm in a scenario: one for each batch of seeds."""
    batches = seed_batches(SCENARIOS[scenario]["seeds"])
    return [f"{RESULTS}/runs/{scenario}/{algorithm}/{batch}.parquet" for batch in batches]


def tuning_of(scenario, algorithm):
    """List the file of the tuning of an algorithm in a scenario, if the scenario tunes."""
    return [f"{RESULTS}/tuning/{scenario}/{algorithm}.json"] if "tuning" in SCENARIOS[scenario] else []


def fleet_of(scenario):
    """Return the file of the fleet of a scenario."""
    return f"{RESULTS}/fleets/{scenario}.yaml"


def plan_of(scenario):
    """Return the file of the schedule and horizon of a scenario."""
    return f"{RESULTS}/plans/{scenario}.json"


def fleet_source(scenario):
    """Return what a fleet is made from; a file by its path from the working directory."""
    source = SCENARIOS[scenario]["fleet"]
    return {**source, "file": PLACES.named(source["file"])} if "file" in source else source


def fleet_inputs(scenario):
    """List the user's file as an input of its fleet: its content decides, not its date."""
    source = fleet_source(scenario)
    return [ancient(source["file"])] if "file" in source else []


def tables_of(study):
    """List the files of a study: one for each batch of seeds; of FedLQR's experiment one for each condition."""
    if study == "fedlqr":
        return [f"{RESULTS}/fedlqr/runs/{condition}.parquet" for condition in CONDITIONS]
    return [f"{RESULTS}/evidence/{study}/{batch}.parquet" for batch in seed_batches(EVIDENCE[study])]


def drawn(name, category):
    """Name the outputs of a figure: two pictures and the numbers drawn; the PNG is in `snakemake --report`."""
    png = report(
        f"{FIGURES}/{name}.png",
        caption="../report/captions.rst",
        category=category,
        labels=lambda wildcards: {"figure": name.format(**dict(wildcards.items()))},
    )
    return {"pdf": f"{FIGURES}/{name}.pdf", "png": png, "csv": f"{FIGURES}/{name}.csv"}


def wanted_runs(figure):
    """List the files of the runs that a figure reads."""
    wanted = WANTED[figure]
    return [
        path
        for scenario in wanted.scenarios
        for algorithm in wanted.algorithms
        if algorithm in SCENARIOS[scenario]["algorithms"]
        for path in runs_of(scenario, algorithm)
    ]


def read_by(figure):
    """List the studies that a figure reads: those that it names, or all studies of its group."""
    return load_figure(figure).inputs or list(GROUPS[group_drawing(figure)].studies)


def read_by_study(study):
    """List the fleet files that a study reads beside its options."""
    names = sorted(path.name for path in (CHECKOUT / "config/fleets").glob("*.yaml"))
    reading = group_of(study) in ("literal", "equal_costs")
    return [ancient(PLACES.of_checkout(f"config/fleets/{name}")) for name in names] if reading else []


def titles(scenarios):
    """Map scenarios to their titles in figures."""
    return {scenario: SCENARIOS[scenario]["title"] for scenario in scenarios}


#: What each figure of runs reads, by the name of its files.
WANTED = {
    name: wanted
    for entry in entries().values()
    for name, wanted in entry.wants(Configured(SCENARIOS, CONFIG["featured"])).items()
}


wildcard_constraints:
    scenario="|".join(map(re.escape, SCENARIOS)),
    algorithm="[a-z][a-z0-9_]*",
    batch=r"\d+-\d+",
    study="|".join(map(re.escape, EVIDENCE)) or "none",
    group="[a-z][a-z0-9_]*",
    condition="|".join(re.escape(name) for name in CONDITIONS),
