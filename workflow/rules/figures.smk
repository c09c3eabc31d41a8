"""Figures: each has targets of its own, figures/<id>.pdf, .png and .csv (the numbers drawn)."""


rule elimination:
    input:
        runs=lambda wildcards: pcpo_runs_of(pictured(wildcards)),
        fleets=lambda wildcards: [fleet_of(pictured(wildcards))],
    output:
        **drawn("elimination{of}", "Fleets, runs and comparisons"),
    log:
        f"{LOGS}/figures/elimination{{of}}.log",
    benchmark:
        f"{BENCHMARKS}/figures/elimination{{of}}.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=digest(PLOT_SOURCES + sources("plotting/elimination") + ["workflow/scripts/draw_figure.py"]),
        figure="elimination",
        titles=lambda wildcards: titles([pictured(wildcards)]),
    message:
        "Figure elimination{wildcards.of}"
    script:
        "../scripts/draw_figure.py"


rule learning_curves:
    input:
        runs=[path for scenario in untuned() for path in pcpo_runs_of(scenario)],
        fleets=[fleet_of(scenario) for scenario in untuned()],
        plans=[plan_of(scenario) for scenario in untuned()],
    output:
        **drawn("learning_curves", "Fleets, runs and comparisons"),
    log:
        f"{LOGS}/figures/learning_curves.log",
    benchmark:
        f"{BENCHMARKS}/figures/learning_curves.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=digest(
            PLOT_SOURCES
            + sources("plotting/learning_curves", "predictions", "smoothing")
            + ["workflow/scripts/draw_figure.py"]
        ),
        figure="learning_curves",
        titles=titles(untuned()),
    message:
        "Figure learning_curves"
    script:
        "../scripts/draw_figure.py"


rule fleets:
    input:
        fleets=[fleet_of(scenario) for scenario in SCENARIOS],
    output:
        **drawn("fleets", "Fleets, runs and comparisons"),
    log:
        f"{LOGS}/figures/fleets.log",
    benchmark:
        f"{BENCHMARKS}/figures/fleets.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=digest(PLOT_SOURCES + sources("plotting/fleets") + ["workflow/scripts/draw_figure.py"]),
        figure="fleets",
        titles=titles(SCENARIOS),
    message:
        "Figure fleets"
    script:
        "../scripts/draw_figure.py"


GROUP_OF_FIGURE = {"baselines": "method", "ablations": "ablation"}


rule methods:
    input:
        runs=lambda wildcards: compared_runs(GROUP_OF_FIGURE[wildcards.which]),
    output:
        **drawn("{which}", "Fleets, runs and comparisons"),
    log:
        f"{LOGS}/figures/{{which}}.log",
    benchmark:
        f"{BENCHMARKS}/figures/{{which}}.tsv"
    wildcard_constraints:
        which="baselines|ablations",
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: digest(
            PLOT_SOURCES
            + sources("comparison", "extensions", "plotting/methods", "algorithms/__init__")
            + extensions_of(algorithms=compared(GROUP_OF_FIGURE[wildcards.which])[1])
            + ["workflow/scripts/draw_comparison.py"]
        ),
        extensions=lambda wildcards: extensions_of(algorithms=compared(GROUP_OF_FIGURE[wildcards.which])[1]),
        figure="methods",
        titles=titles(compared("method")[0]),
    message:
        "Figure {wildcards.which}"
    script:
        "../scripts/draw_comparison.py"


rule negative_transfer:
    input:
        runs=lambda wildcards: compared_runs("method"),
        fleets=[fleet_of(scenario) for scenario in compared("method")[0]],
    output:
        **drawn("negative_transfer", "Fleets, runs and comparisons"),
    log:
        f"{LOGS}/figures/negative_transfer.log",
    benchmark:
        f"{BENCHMARKS}/figures/negative_transfer.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=digest(
            PLOT_SOURCES
            + sources("comparison", "transfer", "plotting/negative_transfer", "algorithms/__init__")
            + ["workflow/scripts/draw_comparison.py"]
        ),
        figure="negative_transfer",
        titles=titles(compared("method")[0]),
    message:
        "Figure negative_transfer"
    script:
        "../scripts/draw_comparison.py"


rule variance_reduction:
    input:
        runs=[
            path
            for scenario in with_extensions()[:1]
            for algorithm in ("pcpo", "pcpo_centred", "pcpo_two_point")
            for path in runs_of(scenario, algorithm)
        ],
        fleets=[fleet_of(scenario) for scenario in with_extensions()[:1]],
        plans=[plan_of(scenario) for scenario in with_extensions()[:1]],
    output:
        **drawn("variance_reduction", "Fleets, runs and comparisons"),
    log:
        f"{LOGS}/figures/variance_reduction.log",
    benchmark:
        f"{BENCHMARKS}/figures/variance_reduction.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=digest(
            PLOT_SOURCES
            + sources("comparison", "predictions", "plotting/variance_reduction")
            + ["workflow/scripts/draw_comparison.py"]
        ),
        figure="variance_reduction",
        titles=titles(with_extensions()[:1]),
    message:
        "Figure variance_reduction"
    script:
        "../scripts/draw_comparison.py"
