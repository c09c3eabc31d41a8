"""The runs of FedLQR's experiment (docs/fedlqr.md), a job per condition, and its verdicts under the experiment's path.

Only if the configuration has the key `fedlqr`; verdicts, figures and notebook are those of any group of claims.
"""

if "fedlqr" in EVIDENCE:

    rule fedlqr_runs:
        output:
            table=f"{RESULTS}/{{study}}/runs/{{condition}}.parquet",
        log:
            f"{LOGS}/{{study}}/{{condition}}.log",
        benchmark:
            f"{BENCHMARKS}/{{study}}/{{condition}}.tsv"
        wildcard_constraints:
            study="fedlqr",
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: SCRIPTS.study("run_study.py", wildcards.study),
            options=lambda wildcards: {**EVIDENCE["fedlqr"]["options"], "conditions": [wildcards.condition]},
            seeds=seeds_of(EVIDENCE["fedlqr"]),
            checkpoints=f"{RESULTS}/checkpoints/{{study}}/{{condition}}",
        message:
            "FedLQR, condition {wildcards.condition}"
        script:
            "../scripts/run_study.py"

    rule fedlqr_claims:
        input:
            parts=[f"{RESULTS}/verdicts/fedlqr.csv"],
        output:
            verdicts=f"{RESULTS}/fedlqr/claims.csv",
        log:
            f"{LOGS}/fedlqr/claims.log",
        benchmark:
            f"{BENCHMARKS}/fedlqr/claims.tsv"
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: SCRIPTS.made_of("join_verdicts.py"),
        message:
            "Verdicts of FedLQR's claims"
        script:
            "../scripts/join_verdicts.py"
