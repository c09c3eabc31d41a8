"""pcpo: runs of PCPO on clustered fleets, and figures.  `snakemake --cores all` makes everything."""

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


rule all:
    default_target: True
    input:
        [f"{FIGURES}/{name}.{suffix}" for name in figure_names() for suffix in ("pdf", "png", "csv")],
        [path for s in SCENARIOS for algorithm in SCENARIOS[s]["algorithms"] for path in runs_of(s, algorithm)],
        [*multiext(f"{FIGURES}/fedlqr_replication", ".pdf", ".png", ".csv"), f"{RESULTS}/fedlqr/claims.csv"]
        if FEDLQR
        else [],
        [f"{FIGURES}/{name}.{suffix}" for name in EVIDENCE_FIGURES for suffix in ("pdf", "png", "csv")],
        [f"{RESULTS}/verdicts.csv", f"{RESULTS}/report.html"] if EVIDENCE else [],
