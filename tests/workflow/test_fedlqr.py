"""The optional experiment of FedLQR in the workflow: made if asked for, refused with one sentence if wrong."""

from __future__ import annotations

import csv

import pytest
from support.workspace import Workspace, edited

from pcpo.evidence.registry import load_claims

WANTED = {"rounds": 20, "realisations": 2, "every": 10, "seed": 3}
FIGURE, RESULTS = "build/tiny/figures/fedlqr_replication", "build/tiny/results"
CLAIMS = f"{RESULTS}/fedlqr/claims.csv"


@pytest.mark.slow
def test_figures_verdicts_and_notebook_are_made(fresh: Workspace) -> None:
    fresh.configure(edited(fedlqr=WANTED))
    joined, page = f"{RESULTS}/verdicts.csv", f"{RESULTS}/notebooks/fedlqr.html"
    outcome = fresh.snakemake("--cores", "2", f"{FIGURE}.pdf", CLAIMS, joined, page)
    assert outcome.code == 0, outcome.text
    expected = {"FedLQR, condition number_50", "Figure fedlqr_replication", "Verdicts of group fedlqr"}
    assert {*expected, "Verdicts of FedLQR's claims", "Figure fedlqr_measures", "Notebook fedlqr"} <= outcome.jobs
    for suffix in ("pdf", "png", "csv"):
        assert (fresh.root / f"{FIGURE}.{suffix}").stat().st_size > 1000
    assert (fresh.root / RESULTS / "fedlqr/runs/number_50.parquet").is_file()
    assert (fresh.root / CLAIMS).read_bytes() == (fresh.root / joined).read_bytes()
    with (fresh.root / CLAIMS).open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["role"] == "claim"]
    assert [row["claim"] for row in rows] == [claim.id for claim in load_claims("fedlqr")]
    assert {row["verdict"] for row in rows} <= {"supported", "refuted", "inconclusive"}
    assert "nothing to be done" in fresh.snakemake("--cores", "2", CLAIMS, joined, page).text.lower()


def test_it_is_planned_only_if_configured(fresh: Workspace) -> None:
    without = fresh.snakemake("-n")
    assert not [job for job in without.jobs if "FedLQR" in job or "fedlqr" in job]
    fresh.configure(edited(fedlqr=WANTED))
    assert len([job for job in fresh.snakemake("-n").jobs if job.startswith("FedLQR, condition")]) == 8


@pytest.mark.slow
def test_a_report_of_this_group_alone_is_whole(fresh: Workspace) -> None:
    fresh.configure(edited(fedlqr=WANTED, report=True))
    outcome = fresh.snakemake("--cores", "2", f"{RESULTS}/report.html")
    assert outcome.code == 0, outcome.text
    page = (fresh.root / RESULTS / "report.html").read_text(encoding="utf-8")
    assert "This report is partial" not in page
    assert 'id="group-fedlqr"' in page
    assert 'id="group-clustering"' not in page


def test_records_must_divide_the_rounds(fresh: Workspace) -> None:
    fresh.configure(edited(fedlqr={**WANTED, "every": 3}))
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    assert "ConfigError: fedlqr.every: found 3, expected a divisor of fedlqr.rounds = 20" in outcome.text.splitlines()


def test_the_study_is_not_configured_among_the_others(fresh: Workspace) -> None:
    fresh.configure(edited(evidence={"fedlqr": {"count": 2}}))
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    expected = "ConfigError: evidence.fedlqr: found an entry, expected the key fedlqr at the top level"
    assert expected in outcome.text.splitlines()
