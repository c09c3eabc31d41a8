"""Figures of runs: each has targets of its own, figures/<id>.pdf, .png and .csv (the numbers drawn)."""


rule figure:
    input:
        runs=lambda wildcards: wanted_runs(wildcards.picture),
        fleets=lambda wildcards: [
            fleet_of(s) for s in WANTED[wildcards.picture].scenarios if WANTED[wildcards.picture].fleets
        ],
        plans=lambda wildcards: [
            plan_of(s) for s in WANTED[wildcards.picture].scenarios if WANTED[wildcards.picture].plans
        ],
    output:
        **drawn("{picture}", "Fleets, runs and comparisons"),
    log:
        f"{LOGS}/figures/{{picture}}.log",
    benchmark:
        f"{BENCHMARKS}/figures/{{picture}}.tsv"
    wildcard_constraints:
        picture="|".join(re.escape(name) for name in WANTED),
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: SCRIPTS.comparison_figure(
            "draw_figure.py", wildcards.picture, WANTED[wildcards.picture].algorithms
        ),
        extensions=lambda wildcards: extensions_of(algorithms=WANTED[wildcards.picture].algorithms),
        titles=lambda wildcards: titles(WANTED[wildcards.picture].scenarios),
    message:
        "Figure {wildcards.picture}"
    script:
        "../scripts/draw_figure.py"
