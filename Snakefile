"""pcpo: runs of PCPO on clustered fleets, and figures.  `snakemake --cores all` makes everything."""

import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


#: The folder of this file, also where another Snakefile uses it as a module.
CHECKOUT = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).resolve()

# Snakemake merges files given with --configfile into this one: then only theirs must count.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml" if os.path.isfile("config/config.yaml") else str(CHECKOUT / "config/config.yaml")


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/fedlqr.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/report.smk"


onerror:
    print("Some jobs failed; the logs named above say why. The same command resumes where this one stopped.")


#: Every file that is kept, not only the last ones: one that is missing is made again.
ASKED = [
    *[path for s in SCENARIOS for path in (fleet_of(s), plan_of(s))],
    *[path for s in SCENARIOS for a in SCENARIOS[s]["algorithms"] for path in tuning_of(s, a) + runs_of(s, a)],
    *[f"{FIGURES}/{name}.{suffix}" for name in [*WANTED, *EVIDENCE_FIGURES] for suffix in ("pdf", "png", "csv")],
    *([f"{RESULTS}/fedlqr/claims.csv"] if "fedlqr" in EVIDENCE else []),
    *[path for study in EVIDENCE for path in tables_of(study)],
    *VERDICTS,
    *[f"{RESULTS}/notebooks/{name}.html" for name in EVIDENCE_GROUPS],
    *([f"{RESULTS}/verdicts.csv"] if EVIDENCE else []),
    *(REPORT if CONFIG["report"] else []),
]


rule all:
    default_target: True
    input:
        ASKED,


include: "workflow/rules/verify.smk"
include: "workflow/rules/planning.smk"


onstart:
    starting()
