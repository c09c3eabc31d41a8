"""pcpo: runs of PCPO on clustered fleets, and figures.  `snakemake --cores all` makes everything."""

import sys

from snakemake.utils import min_version

min_version("9.0")


# Snakemake merges files given with --configfile into this one: then only theirs must count.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/fedlqr.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/report.smk"


onstart:
    for sentence in set_aside(ALTERED):
        print(sentence, file=sys.stderr)
    print(
        "What runs, how far it is and how long to go: `make status`, or `python -m pcpo.pipeline.status`, in another terminal."
    )


onerror:
    print(
        "Not everything was made. The same command goes on where this one stopped; what failed is in the logs named above."
    )


rule all:
    default_target: True
    # Every file that is kept, not only the last ones: one that is missing is made again.
    input:
        [path for s in SCENARIOS for path in (fleet_of(s), plan_of(s))],
        [path for s in SCENARIOS for a in SCENARIOS[s]["algorithms"] for path in tuning_of(s, a) + runs_of(s, a)],
        [f"{FIGURES}/{name}.{suffix}" for name in [*WANTED, *EVIDENCE_FIGURES] for suffix in ("pdf", "png", "csv")],
        [f"{RESULTS}/fedlqr/claims.csv"] if "fedlqr" in EVIDENCE else [],
        [path for study in EVIDENCE for path in tables_of(study)] + VERDICTS,
        [f"{RESULTS}/notebooks/{name}.html" for name in EVIDENCE_GROUPS],
        [f"{RESULTS}/verdicts.csv"] if EVIDENCE else [],
        [f"{RESULTS}/notebooks/comparison.html", f"{RESULTS}/report.html"] if CONFIG["report"] else [],


include: "workflow/rules/verify.smk"
