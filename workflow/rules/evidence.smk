"""The evidence: tables of studies, verdicts and figures of every group of claims; only what `evidence` configures."""

EVIDENCE = CONFIG.get("evidence", {})
EVIDENCE_GROUPS = {name: entry for name, entry in GROUPS.items() if set(entry.studies) & set(EVIDENCE)}
VERDICTS = [f"{RESULTS}/verdicts/{name}.csv" for name in EVIDENCE_GROUPS]
EVIDENCE_FIGURES = [figure for entry in EVIDENCE_GROUPS.values() for figure in entry.figures]
CLAIM_SOURCES = sources("claims/__init__", "claims/contract", "claims/tables", "statistics")


def modules_of_group(group):
    """Modules that a group is made of: pcpo/claims/<group>.py and <group>_*.py."""
    return sorted(glob_wildcards(f"pcpo/claims/{{name,{group}(_[a-z_]+)?}}.py").name)


def simulating_modules(group):
    """Those that can change a table: all but the ones that draw."""
    return sources(
        *(f"claims/{name}" for name in modules_of_group(group) if not name.endswith(("_figure", "_figures")))
    )


def tables_of(study):
    """Files of a study: one per batch of seeds."""
    return [f"{RESULTS}/evidence/{study}/{batch}.parquet" for batch in seed_batches(EVIDENCE[study])]


if EVIDENCE:

    rule study:
        input:
            sources=RUN_SOURCES
            + CLAIM_SOURCES
            + sources("generators", "fleet_spec", "initial_gains", "predictions", "transfer"),
            modules=lambda wildcards: simulating_modules(group_of(wildcards.study)),
            algorithms=sorted(glob.glob("pcpo/algorithms/*.py")),
            script="workflow/scripts/run_study.py",
        output:
            table=f"{RESULTS}/evidence/{{study}}/{{batch}}.parquet",
        log:
            f"{LOGS}/evidence/{{study}}/{{batch}}.log",
        benchmark:
            f"{BENCHMARKS}/evidence/{{study}}/{{batch}}.tsv"
        conda:
            "../../environment.yml"
        params:
            options=lambda wildcards: EVIDENCE[wildcards.study]["options"],
            seeds=lambda wildcards: seed_batches(EVIDENCE[wildcards.study])[wildcards.batch],
        message:
            "Study {wildcards.study}, seeds {wildcards.batch}"
        script:
            "../scripts/run_study.py"

    rule verdicts_of_group:
        input:
            tables=lambda wildcards: [path for s in GROUPS[wildcards.group].studies for path in tables_of(s)],
            sources=CLAIM_SOURCES + sources("claims/findings", "claims/judging"),
            modules=lambda wildcards: sources(*(f"claims/{name}" for name in modules_of_group(wildcards.group))),
            script="workflow/scripts/judge_group.py",
        output:
            verdicts=f"{RESULTS}/verdicts/{{group}}.csv",
        log:
            f"{LOGS}/verdicts/{{group}}.log",
        benchmark:
            f"{BENCHMARKS}/verdicts/{{group}}.tsv"
        conda:
            "../../environment.yml"
        message:
            "Verdicts of group {wildcards.group}"
        script:
            "../scripts/judge_group.py"

    rule verdicts:
        input:
            parts=VERDICTS,
            script="workflow/scripts/join_verdicts.py",
        output:
            verdicts=f"{RESULTS}/verdicts.csv",
        log:
            f"{LOGS}/verdicts.log",
        benchmark:
            f"{BENCHMARKS}/verdicts.tsv"
        conda:
            "../../environment.yml"
        message:
            "All verdicts"
        script:
            "../scripts/join_verdicts.py"

    rule evidence_figure:
        input:
            tables=lambda wildcards: [
                path for s in GROUPS[group_drawing(wildcards.figure)].studies for path in tables_of(s)
            ],
            sources=CLAIM_SOURCES + sources("claims/findings", "plotting/style"),
            modules=lambda wildcards: sources(
                *(f"claims/{name}" for name in modules_of_group(group_drawing(wildcards.figure)))
            ),
            script="workflow/scripts/draw_evidence.py",
        output:
            multiext(f"{FIGURES}/{{figure}}", pdf=".pdf", png=".png", csv=".csv"),
        log:
            f"{LOGS}/figures/{{figure}}.log",
        benchmark:
            f"{BENCHMARKS}/figures/{{figure}}.tsv"
        wildcard_constraints:
            figure="|".join(EVIDENCE_FIGURES),
        conda:
            "../../environment.yml"
        message:
            "Figure {wildcards.figure}"
        script:
            "../scripts/draw_evidence.py"
