"""The evidence: tables of studies, verdicts, figures and notebooks of the groups of claims that are configured."""

EVIDENCE_GROUPS = {name: entry for name, entry in GROUPS.items() if set(entry.studies) & set(EVIDENCE)}
VERDICTS = [f"{RESULTS}/verdicts/{name}.csv" for name in EVIDENCE_GROUPS]
EVIDENCE_FIGURES = [figure for entry in EVIDENCE_GROUPS.values() for figure in entry.figures]


if EVIDENCE:

    rule study:
        input:
            fleets=lambda wildcards: read_by_study(wildcards.study),
        output:
            table=f"{RESULTS}/evidence/{{study}}/{{batch}}.parquet",
        log:
            f"{LOGS}/evidence/{{study}}/{{batch}}.log",
        benchmark:
            f"{BENCHMARKS}/evidence/{{study}}/{{batch}}.tsv"
        conda:
            "../../environment.yml"
        params:
            sources=lambda wildcards: SCRIPTS.study("run_study.py", wildcards.study),
            content=lambda wildcards: content_of(*read_by_study(wildcards.study)),
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
            sources=lambda wildcards: SCRIPTS.verdicts("judge_group.py", wildcards.group),
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
            sources=lambda wildcards: SCRIPTS.made_of("join_verdicts.py"),
        message:
            "All verdicts"
        script:
            "../scripts/join_verdicts.py"

    rule evidence_figure:
        input:
            tables=lambda wildcards: [path for study in read_by(wildcards.figure) for path in tables_of(study)],
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
            sources=lambda wildcards: SCRIPTS.evidence_figure("draw_evidence.py", wildcards.figure),
        message:
            "Figure {wildcards.figure}"
        script:
            "../scripts/draw_evidence.py"

    rule notebook:
        input:
            notebook=ancient(PLACES.of_checkout("notebooks/{group}.ipynb")),
            verdicts=f"{RESULTS}/verdicts/{{group}}.csv",
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
            sources=lambda wildcards: SCRIPTS.report("run_notebook.py"),
            content=lambda wildcards: content_of(PLACES.of_checkout(f"notebooks/{wildcards.group}.ipynb")),
            root=ROOT or ".",
        message:
            "Notebook {wildcards.group}"
        script:
            "../scripts/run_notebook.py"
