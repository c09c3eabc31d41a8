"""Is this run the one that the repository knows?  `snakemake verify --cores all`: no output, so it runs when asked."""

#: Reference results of this configuration, which most configurations do not have.
KNOWN_RUN = PLACES.named(f"docs/reference/known/{CONFIG['name']}.json")


rule verify:
    input:
        files=ASKED,
        known=KNOWN_RUN,
    log:
        f"{LOGS}/verify.log",
    benchmark:
        f"{BENCHMARKS}/verify.tsv"
    conda:
        "../../environment.yml"
    params:
        root=ROOT or ".",
    message:
        "Comparison with {input.known}"
    script:
        "../scripts/verify_run.py"
