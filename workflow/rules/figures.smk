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


#: Scenarios whose run of PCPO a film can show; films are made when they are asked for.
FILMED = [name for name, scenario in SCENARIOS.items() if "pcpo" in scenario["algorithms"]]


rule film:
    input:
        runs=lambda wildcards: runs_of(wildcards.filmed, "pcpo"),
        fleet=lambda wildcards: fleet_of(wildcards.filmed),
    output:
        gif=f"{FIGURES}/film_{{filmed}}.gif",
        png=f"{FIGURES}/film_{{filmed}}.png",
        pdf=f"{FIGURES}/film_{{filmed}}.pdf",
        csv=f"{FIGURES}/film_{{filmed}}.csv",
    log:
        f"{LOGS}/figures/film_{{filmed}}.log",
    benchmark:
        f"{BENCHMARKS}/figures/film_{{filmed}}.tsv"
    wildcard_constraints:
        filmed="|".join(map(re.escape, FILMED)) or "none",
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: SCRIPTS.film("draw_film.py"),
        title=lambda wildcards: SCENARIOS[wildcards.filmed]["title"],
    message:
        "Film of scenario {wildcards.filmed}"
    script:
        "../scripts/draw_film.py"


#: All that a film consists of.
FILMS = [f"{FIGURES}/film_{name}.{suffix}" for name in FILMED for suffix in ("gif", "png", "pdf", "csv")]
