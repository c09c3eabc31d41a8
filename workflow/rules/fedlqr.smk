"""The experiment of FedLQR in its own setting (docs/fedlqr.md); only if the configuration has the key `fedlqr`."""

FEDLQR = CONFIG.get("fedlqr")
FEDLQR_CONDITIONS = list(CONDITIONS) if FEDLQR else []
FEDLQR_RUNS = [f"{RESULTS}/fedlqr/runs/{condition}.parquet" for condition in FEDLQR_CONDITIONS]


if FEDLQR:

    rule fedlqr_runs:
        output:
            runs=f"{RESULTS}/fedlqr/runs/{{condition}}.parquet",
        log:
            f"{LOGS}/fedlqr/{{condition}}.log",
        benchmark:
            f"{BENCHMARKS}/fedlqr/{{condition}}.tsv"
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: SCRIPTS.made_of("fedlqr_runs.py"),
            settings=FEDLQR,
        message:
            "FedLQR, condition {wildcards.condition}"
        script:
            "../scripts/fedlqr_runs.py"

    rule fedlqr_replication:
        input:
            runs=FEDLQR_RUNS,
        output:
            **drawn("fedlqr_replication", "FedLQR"),
        log:
            f"{LOGS}/figures/fedlqr_replication.log",
        benchmark:
            f"{BENCHMARKS}/figures/fedlqr_replication.tsv"
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: SCRIPTS.made_of("fedlqr_results.py"),
            settings=FEDLQR,
            task="draw",
        message:
            "Figure fedlqr_replication"
        script:
            "../scripts/fedlqr_results.py"

    rule fedlqr_claims:
        input:
            runs=FEDLQR_RUNS,
        output:
            claims=f"{RESULTS}/fedlqr/claims.csv",
        log:
            f"{LOGS}/fedlqr/claims.log",
        benchmark:
            f"{BENCHMARKS}/fedlqr/claims.tsv"
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: SCRIPTS.made_of("fedlqr_results.py"),
            settings=FEDLQR,
            task="judge",
        message:
            "Claims of FedLQR"
        script:
            "../scripts/fedlqr_results.py"
