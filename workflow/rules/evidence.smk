"""The evidence: tables of studies, verdicts, figures and notebooks of the groups of claims; only what `evidence` asks for."""

EVIDENCE = CONFIG.get("evidence", {})
EVIDENCE_GROUPS = {name: entry for name, entry in GROUPS.items() if set(entry.studies) & set(EVIDENCE)}
VERDICTS = [f"{RESULTS}/verdicts/{name}.csv" for name in EVIDENCE_GROUPS]
EVIDENCE_FIGURES = [figure for entry in EVIDENCE_GROUPS.values() for figure in entry.figures]
CLAIM_SOURCES = sources(*("claims/contract", "claims/options", "claims/parts", "claims/tables"), "parquet", "records")

ALGORITHM_SOURCES = sorted(glob.glob("pcpo/algorithms/*.py"))
CONSTANTS_SOURCES = sources(
    *("fleet_sources", "restricted_set", "restricted_search", "scalar_constants", "certified_constants"),
    *("looseness", "theorem_bounds"),
)
#: What only the studies of these groups are made of; a companion study has its numerics in pcpo/studies/<group>/.
GROUP_SOURCES = {
    **{name: sorted(glob.glob(f"pcpo/studies/{name}/*.py")) for name in GROUPS},
    "lemmas": sources("restricted_search"),
    "surrogate": CONSTANTS_SOURCES,
    "literal": CONSTANTS_SOURCES,
}

PICTURED = figure_names() + (["fedlqr_replication"] if FEDLQR else [])
REPORT_SOURCES = (
    sorted(path for suffix in ("py", "j2", "css") for path in glob.glob(f"pcpo/report/*.{suffix}"))
    + sorted(glob.glob("pcpo/claims/*.py"))
    + sources("parquet", "records", "files", "provenance", "jobs")
)


if EVIDENCE:

    rule study:
        input:
            fleets=lambda wildcards: (
                sorted(glob.glob("config/fleets/*.yaml")) if group_of(wildcards.study) == "literal" else []
            ),
        output:
            table=f"{RESULTS}/evidence/{{study}}/{{batch}}.parquet",
        log:
            f"{LOGS}/evidence/{{study}}/{{batch}}.log",
        benchmark:
            f"{BENCHMARKS}/evidence/{{study}}/{{batch}}.tsv"
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: digest(
                RUN_SOURCES
                + CLAIM_SOURCES
                + sources("generators", "fleet_spec", "initial_gains", "predictions", "transfer")
                + GROUP_SOURCES.get(group_of(wildcards.study), [])
                + simulating_modules(group_of(wildcards.study))
                + ALGORITHM_SOURCES
                + ["workflow/scripts/run_study.py"]
            ),
            options=lambda wildcards: EVIDENCE[wildcards.study]["options"],
            seeds=lambda wildcards: seed_batches(EVIDENCE[wildcards.study])[wildcards.batch],
            checkpoints=f"{RESULTS}/checkpoints/evidence/{{study}}/{{batch}}",
        message:
            "Study {wildcards.study}, seeds {wildcards.batch}"
        script:
            "../scripts/run_study.py"

    rule verdicts_of_group:
        input:
            tables=lambda wildcards: [path for s in GROUPS[wildcards.group].studies for path in tables_of(s)],
        output:
            verdicts=f"{RESULTS}/verdicts/{{group}}.csv",
        log:
            f"{LOGS}/verdicts/{{group}}.log",
        benchmark:
            f"{BENCHMARKS}/verdicts/{{group}}.tsv"
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: digest(
                CLAIM_SOURCES
                + sources("statistics", "claims/findings", "claims/judging")
                + sources(*(f"claims/{name}" for name in modules_of_group(wildcards.group)))
                + ["workflow/scripts/judge_group.py"]
            ),
        message:
            "Verdicts of group {wildcards.group}"
        script:
            "../scripts/judge_group.py"

    rule verdicts:
        input:
            parts=VERDICTS,
        output:
            verdicts=report(f"{RESULTS}/verdicts.csv", caption="../report/captions.rst", category="Report"),
        log:
            f"{LOGS}/verdicts.log",
        benchmark:
            f"{BENCHMARKS}/verdicts.tsv"
        conda:
            "../../environment.yml"
        params:
            sources=digest(["workflow/scripts/join_verdicts.py"]),
        message:
            "All verdicts"
        script:
            "../scripts/join_verdicts.py"

    rule evidence_figure:
        input:
            tables=lambda wildcards: [
                path for s in GROUPS[group_drawing(wildcards.figure)].studies for path in tables_of(s)
            ],
        output:
            **drawn("{figure}", lambda wildcards: f"Evidence: {group_drawing(wildcards.figure)}"),
        log:
            f"{LOGS}/figures/{{figure}}.log",
        benchmark:
            f"{BENCHMARKS}/figures/{{figure}}.tsv"
        wildcard_constraints:
            figure="|".join(EVIDENCE_FIGURES),
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: digest(
                CLAIM_SOURCES
                + sources("statistics", "claims/findings", "plotting/style")
                + sources(*(f"claims/{name}" for name in modules_of_group(group_drawing(wildcards.figure))))
                + ["workflow/scripts/draw_evidence.py"]
            ),
        message:
            "Figure {wildcards.figure}"
        script:
            "../scripts/draw_evidence.py"

    rule notebook:
        input:
            notebook="notebooks/{group}.ipynb",
            verdicts=f"{RESULTS}/verdicts/{{group}}.csv",
            figures=lambda wildcards: [
                f"{FIGURES}/{name}.{suffix}" for name in GROUPS[wildcards.group].figures for suffix in ("png", "csv")
            ],
            tables=lambda wildcards: [path for s in GROUPS[wildcards.group].studies for path in tables_of(s)],
        output:
            page=f"{RESULTS}/notebooks/{{group}}.html",
        log:
            f"{LOGS}/notebooks/{{group}}.log",
        benchmark:
            f"{BENCHMARKS}/notebooks/{{group}}.tsv"
        wildcard_constraints:
            group="|".join(EVIDENCE_GROUPS),
        conda:
            "../../environment.yml"
        params:
            sources=digest(REPORT_SOURCES + ["workflow/scripts/run_notebook.py"]),
            root=ROOT or ".",
        message:
            "Notebook {wildcards.group}"
        script:
            "../scripts/run_notebook.py"
