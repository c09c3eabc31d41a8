"""Configuration, paths and the sources that results depend on; no rule."""

import functools
import glob
import hashlib
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from pcpo.algorithms.registry import ALGORITHMS, modules_of
from pcpo.evidence import GROUPS, check_evidence, check_options, group_drawing, group_of
from pcpo.schema import check_tuning, load_schema, seed_batches, seeds_of, validated
from pcpo.errors import ConfigError, PcpoError
from pcpo.algorithms.extensions import extensions_of, load_extensions
from pcpo.oracles.plant import plant_factory
from pcpo.pipeline.seals import set_aside
from pcpo.evidence.fedlqr.studies import CONDITIONS


def checked_config():
    """The configuration with defaults, or one clear message."""
    schema = load_schema(Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")
    try:
        checked = validated(config, schema)
        load_extensions(checked["extensions"])
        for scenario in checked["scenarios"].values():
            for algorithm in scenario["algorithms"]:
                modules_of(algorithm)
            if "plant" in scenario:
                plant_factory(scenario["plant"])
        check_tuning(checked["scenarios"])
        if "fedlqr" in checked and checked["fedlqr"]["rounds"] % checked["fedlqr"]["every"]:
            raise ConfigError(
                f"fedlqr.every: found {checked['fedlqr']['every']}, expected a divisor of "
                f"fedlqr.rounds = {checked['fedlqr']['rounds']}"
            )
        check_evidence(checked.get("evidence", {}))
        if workflow.is_main_process:
            check_options(checked.get("evidence", {}))
        if checked["featured"] not in checked["scenarios"]:
            raise ConfigError(
                f"featured: found {checked['featured']!r}, expected one of {', '.join(checked['scenarios'])}"
            )
    except PcpoError as error:
        raise WorkflowError(f"{type(error).__name__}: {error}") from None
    return checked


CONFIG = checked_config()
SCENARIOS = CONFIG["scenarios"]
ROOT = "" if CONFIG["name"] == "main" else f"build/{CONFIG['name']}/"
RESULTS = f"{ROOT}results"
FIGURES = f"{ROOT}figures"
LOGS = f"{ROOT}results/logs"
BENCHMARKS = f"{ROOT}results/benchmarks"


def sources(*names):
    """Files of modules of the package, for `digest`."""
    return [f"pcpo/{name}.py" for name in names]


def digest(paths):
    """SHA-256 of sources as a parameter of the rules they make: another content reruns them, a touch does not.

    Not as inputs: Snakemake looks at every input of every waiting job several times a second.
    """
    whole = hashlib.sha256()
    for path in sorted(set(paths)):
        whole.update(f"{path} {content_digest(path)}\n".encode())
    return whole.hexdigest()


@functools.cache
def content_digest(path):
    """SHA-256 of a file, which stays as it is while the workflow is planned and run."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


EXACT_SOURCES = sources("systems", "lyapunov", "costs", "moments", "optimum", "smoothing", "lqr")
DRAW_SOURCES = sources("randomness", "kernels", "normals", "simd")
FLEET_SOURCES = (
    EXACT_SOURCES
    + DRAW_SOURCES
    + sources("files", "fleet", "fleet_io", "fleet_yaml", "fleet_binary", "mat5", "jobs")
    + sources("fleet_sources", "fleet_spec", "generators", "initial_gains")
)
PLAN_SOURCES = (
    EXACT_SOURCES
    + DRAW_SOURCES
    + sources("calibration", "experiment", "files", "fleet", "fleet_io", "fleet_yaml", "jobs", "schedule")
    + sources("moment_oracle", "moment_kernels")
)
RUN_SOURCES = PLAN_SOURCES + sources(
    *(
        "checkpoints",
        "contracts",
        "driver",
        "engine",
        "extensions",
        "oracles",
        "parquet",
        "plants",
        "records",
        "server",
    ),
    *("trajectories", "twin"),
)
PLOT_SOURCES = sources("statistics", "parquet", "records", "plotting/style")


def extensions_for(scenario, algorithm):
    """Files of one's own that the runs of an algorithm in a scenario are made of."""
    plant = SCENARIOS[scenario].get("plant")
    return extensions_of(algorithms=[algorithm], plants=[plant] if plant else [])


def made_of(scenario, algorithm):
    """What can change the runs of an algorithm in a scenario: sources of the package, and files of one's own."""
    return RUN_SOURCES + sources(*modules_of(algorithm)) + extensions_for(scenario, algorithm)


def runs_of(scenario, algorithm):
    """Files of runs of an algorithm in a scenario: one per batch of seeds."""
    batches = seed_batches(SCENARIOS[scenario]["seeds"])
    return [f"{RESULTS}/runs/{scenario}/{algorithm}/{batch}.parquet" for batch in batches]


def pcpo_runs_of(scenario):
    """Files of runs of PCPO in a scenario."""
    return runs_of(scenario, "pcpo")


def tuning_of(scenario, algorithm):
    """File of the tuning of an algorithm in a scenario, if the scenario tunes."""
    return [f"{RESULTS}/tuning/{scenario}/{algorithm}.json"] if "tuning" in SCENARIOS[scenario] else []


def compared(group):
    """(scenarios, algorithms) of a group of methods; PCPO is in every group."""
    scenarios = [s for s in SCENARIOS if "tuning" in SCENARIOS[s]]
    listed = dict.fromkeys(a for s in scenarios for a in SCENARIOS[s]["algorithms"])
    return scenarios, [a for a in listed if a == "pcpo" or ALGORITHMS[a].group == group]


def compared_runs(group):
    """Files of runs of a group of methods in the scenarios that tune."""
    scenarios, algorithms = compared(group)
    return [p for s in scenarios for a in algorithms if a in SCENARIOS[s]["algorithms"] for p in runs_of(s, a)]


def untuned():
    """The scenarios whose runs follow their plan as it stands."""
    return [s for s in SCENARIOS if "tuning" not in SCENARIOS[s]]


def with_extensions():
    """The scenarios that run PCPO's extensions of smaller variance on PCPO's own schedule."""
    return [s for s in untuned() if "pcpo_two_point" in SCENARIOS[s]["algorithms"]]


def figure_names():
    """All figures of the configuration: those of comparisons only if it has what they compare."""
    names = ["elimination", "fleets", *(f"elimination_{s}" for s in SCENARIOS if s != CONFIG["featured"])]
    names += ["learning_curves"] if untuned() else []
    tuned, methods = compared("method")
    names += ["baselines"] if tuned else []
    names += ["ablations"] if len(compared("ablation")[1]) > 1 else []
    names += ["negative_transfer"] if "naive_average" in methods else []
    return names + (["variance_reduction"] if with_extensions() else [])


def drawn(name, category):
    """Outputs of a figure: two pictures and the numbers in them; the PNG is in `snakemake --report`."""
    png = report(
        f"{FIGURES}/{name}.png",
        caption="../report/captions.rst",
        category=category,
        labels=lambda wildcards: {"figure": name.format(**dict(wildcards.items()))},
    )
    return {"pdf": f"{FIGURES}/{name}.pdf", "png": png, "csv": f"{FIGURES}/{name}.csv"}


def fleet_of(scenario):
    """File of the fleet of a scenario."""
    return f"{RESULTS}/fleets/{scenario}.yaml"


def plan_of(scenario):
    """File of the schedule and horizon of a scenario."""
    return f"{RESULTS}/plans/{scenario}.json"


def titles(scenarios):
    """What figures call the scenarios."""
    return {scenario: SCENARIOS[scenario]["title"] for scenario in scenarios}


def fleet_inputs(wildcards):
    """A user's file is an input of its fleet: its content decides."""
    source = SCENARIOS[wildcards.scenario]["fleet"]
    return [source["file"]] if "file" in source else []


def pictured(wildcards):
    """figures/elimination.* shows the featured scenario, figures/elimination_<scenario>.* any other."""
    return wildcards.of.removeprefix("_") or CONFIG["featured"]


@functools.cache
def modules_of_group(group):
    """Modules that a group is made of: pcpo/claims/<group>.py and <group>_*.py, and what they import of other groups."""
    names = set(glob_wildcards(f"pcpo/claims/{{name,{group}(_[a-z_]+)?}}.py").name)
    while borrowed := {name for module in names for name in imported_of_groups(module)} - names:
        names |= borrowed
    return sorted(names)


def imported_of_groups(module):
    """Modules of groups of claims that a module of pcpo/claims imports."""
    names = re.findall(r"^from \.(\w+) import", Path(f"pcpo/claims/{module}.py").read_text(encoding="utf-8"), re.M)
    return [name for name in names if name.split("_")[0] in GROUPS]


def simulating_modules(group):
    """Those that can change a table: all but the ones that draw."""
    return sources(
        *(f"claims/{name}" for name in modules_of_group(group) if not name.endswith(("_figure", "_figures")))
    )


def tables_of(study):
    """Files of a study: one per batch of seeds."""
    return [f"{RESULTS}/evidence/{study}/{batch}.parquet" for batch in seed_batches(CONFIG["evidence"][study])]


# An output that is not what its job wrote is made again; not while another command works here, nor in a dry run.
if workflow.is_main_process and not workflow.output_settings.dryrun and not glob.glob(".snakemake/locks/*"):
    for sentence in set_aside(Path(RESULTS)):
        print(sentence, file=sys.stderr)


wildcard_constraints:
    scenario="[A-Za-z][A-Za-z0-9_]*",
    algorithm="[a-z][a-z0-9_]*",
    batch=r"\d+-\d+",
    study="[a-z][a-z0-9_]*",
    group="[a-z][a-z0-9_]*",
    condition="|".join(re.escape(name) for name in CONDITIONS),
    of="(_[A-Za-z][A-Za-z0-9_]*)?",
