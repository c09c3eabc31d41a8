"""Is this run the one that the repository knows?  `snakemake verify --cores all`: no output, so it runs when asked."""


rule verify:
    input:
        files=rules.all.input,
        known=f"docs/reference/known/{CONFIG['name']}.json",
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
