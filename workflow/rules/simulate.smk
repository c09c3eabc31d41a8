"""From the configuration to runs: fleet, plan, batches of seeds."""


rule fleet:
    input:
        file=lambda wildcards: fleet_inputs(wildcards.scenario),
    output:
        fleet=f"{RESULTS}/fleets/{{scenario}}.yaml",
    log:
        f"{LOGS}/fleet/{{scenario}}.log",
    benchmark:
        f"{BENCHMARKS}/fleet/{{scenario}}.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: SCRIPTS.made_of("make_fleet.py"),
        source=lambda wildcards: fleet_source(wildcards.scenario),
        content=lambda wildcards: content_of(*fleet_inputs(wildcards.scenario)),
    message:
        "Fleet of scenario {wildcards.scenario}"
    script:
        "../scripts/make_fleet.py"


rule plan:
    input:
        fleet=rules.fleet.output.fleet,
    output:
        plan=f"{RESULTS}/plans/{{scenario}}.json",
    log:
        f"{LOGS}/plan/{{scenario}}.log",
    benchmark:
        f"{BENCHMARKS}/plan/{{scenario}}.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: SCRIPTS.made_of("make_plan.py"),
        scenario=lambda wildcards: {
            key: value
            for key, value in SCENARIOS[wildcards.scenario].items()
            if key in ("schedule", "noise", "budget", "oracle", "plant")
        },
    message:
        "Schedule and horizon of scenario {wildcards.scenario}"
    script:
        "../scripts/make_plan.py"


rule tune:
    input:
        fleet=rules.fleet.output.fleet,
        plan=rules.plan.output.plan,
    output:
        tuning=f"{RESULTS}/tuning/{{scenario}}/{{algorithm}}.json",
    log:
        f"{LOGS}/tune/{{scenario}}/{{algorithm}}.log",
    benchmark:
        f"{BENCHMARKS}/tune/{{scenario}}/{{algorithm}}.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: SCRIPTS.runs("tune.py", wildcards.algorithm, plants_of(wildcards.scenario)),
        extensions=lambda wildcards: extensions_for(wildcards.scenario, wildcards.algorithm),
        grid=lambda wildcards: SCENARIOS[wildcards.scenario]["tuning"]["grid"],
        seeds=lambda wildcards: seeds_of(SCENARIOS[wildcards.scenario]["tuning"]["seeds"]),
    message:
        "Tuning {wildcards.algorithm} in scenario {wildcards.scenario}"
    script:
        "../scripts/tune.py"


rule runs:
    input:
        fleet=rules.fleet.output.fleet,
        plan=rules.plan.output.plan,
        tuning=lambda wildcards: tuning_of(wildcards.scenario, wildcards.algorithm),
    output:
        runs=f"{RESULTS}/runs/{{scenario}}/{{algorithm}}/{{batch}}.parquet",
    log:
        f"{LOGS}/runs/{{scenario}}/{{algorithm}}/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/runs/{{scenario}}/{{algorithm}}/{{batch}}.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: SCRIPTS.runs("run_seeds.py", wildcards.algorithm, plants_of(wildcards.scenario)),
        extensions=lambda wildcards: extensions_for(wildcards.scenario, wildcards.algorithm),
        seeds=lambda wildcards: seed_batches(SCENARIOS[wildcards.scenario]["seeds"])[wildcards.batch],
        checkpoints=f"{RESULTS}/checkpoints/{{scenario}}/{{algorithm}}",
    message:
        "Runs of {wildcards.algorithm} in scenario {wildcards.scenario}, seeds {wildcards.batch}"
    script:
        "../scripts/run_seeds.py"
