"""The report, and the notebook of the comparison: of every configuration, with evidence or without."""

REPORT = [f"{RESULTS}/notebooks/comparison.html", f"{RESULTS}/report.html"]


rule notebook_comparison:
    input:
        notebook=ancient(PLACES.of_checkout("notebooks/comparison.ipynb")),
        figures=[f"{FIGURES}/{name}.csv" for name in WANTED],
        runs=[path for s in SCENARIOS for algorithm in SCENARIOS[s]["algorithms"] for path in runs_of(s, algorithm)],
    output:
        page=f"{RESULTS}/notebooks/comparison.html",
    log:
        f"{LOGS}/notebooks/comparison.log",
    benchmark:
        f"{BENCHMARKS}/notebooks/comparison.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: SCRIPTS.report("run_notebook.py"),
        content=content_of(PLACES.of_checkout("notebooks/comparison.ipynb")),
        root=ROOT or ".",
        figures=list(WANTED),
    message:
        "Notebook comparison"
    script:
        "../scripts/run_notebook.py"


rule report:
    input:
        verdicts=[f"{RESULTS}/verdicts.csv", *VERDICTS] if EVIDENCE else [],
        figures=[f"{FIGURES}/{name}.{suffix}" for name in [*WANTED, *EVIDENCE_FIGURES] for suffix in ("png", "csv")],
        notebooks=[f"{RESULTS}/notebooks/{name}.html" for name in (*EVIDENCE_GROUPS, "comparison")],
        tables=[path for name in EVIDENCE for path in tables_of(name)],
        runs=[path for s in SCENARIOS for algorithm in SCENARIOS[s]["algorithms"] for path in runs_of(s, algorithm)],
        reading=ancient(PLACES.of_checkout("docs/reading.md")),
    output:
        report=report(f"{RESULTS}/report.html", caption="../report/captions.rst", category="Report"),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    conda:
        "../../environment.yml"
    params:
        sources=lambda wildcards: SCRIPTS.report("make_report.py"),
        content=content_of(PLACES.of_checkout("docs/reading.md")),
        root=ROOT or ".",
        figures=list(WANTED),
        groups=list(EVIDENCE_GROUPS),
        titles=titles(SCENARIOS),
    message:
        "Report"
    script:
        "../scripts/make_report.py"
