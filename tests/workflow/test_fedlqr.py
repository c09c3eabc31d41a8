"""The optional experiment of FedLQR in the workflow: made if asked for, refused with one sentence if wrong."""

from __future__ import annotations

import csv

from support.workspace import Workspace, edited

WANTED = {"rounds": 20, "realisations": 2, "every": 10, "seed": 3}
FIGURE, CLAIMS = "build/tiny/figures/fedlqr_replication", "build/tiny/results/fedlqr/claims.csv"


def test_figure_and_claims_are_made(fresh: Workspace) -> None:
    fresh.configure(edited(fedlqr=WANTED))
    outcome = fresh.snakemake("--cores", "2", f"{FIGURE}.pdf", CLAIMS)
    assert outcome.code == 0, outcome.text
    assert {"FedLQR, condition number_50", "Figure fedlqr_replication", "Claims of FedLQR"} <= outcome.jobs
    for suffix in ("pdf", "png", "csv"):
        assert (fresh.root / f"{FIGURE}.{suffix}").stat().st_size > 1000
    with (fresh.root / CLAIMS).open(encoding="utf-8") as stream:
        verdicts = {row["verdict"] for row in csv.DictReader(stream)}
    assert verdicts <= {"appears", "does not appear", "undecided"}


def test_it_is_planned_only_if_configured(fresh: Workspace) -> None:
    without = fresh.snakemake("-n")
    assert not [job for job in without.jobs if "FedLQR" in job]
    fresh.configure(edited(fedlqr=WANTED))
    assert len([job for job in fresh.snakemake("-n").jobs if job.startswith("FedLQR, condition")]) == 8


def test_records_must_divide_the_rounds(fresh: Workspace) -> None:
    fresh.configure(edited(fedlqr={**WANTED, "every": 3}))
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    assert "ConfigError: fedlqr.every: found 3, expected a divisor of fedlqr.rounds = 20" in outcome.text.splitlines()
