"""What jobs spent their seconds on, from benchmarks and logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcpo.errors import ResultsError
from pcpo.pipeline.jobs import computing, job
from tools.jobs import jobs_of, main, summary


def finished(results: Path, name: str, seconds: float, log: str = "") -> None:
    for kind, text in (("benchmarks", f"s\th:m:s\n{seconds}\t0:00:00\n"), ("logs", log)):
        path = (results / kind / name).with_suffix(".tsv" if kind == "benchmarks" else ".log")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_seconds_by_kind_starts_and_share(tmp_path: Path) -> None:
    finished(tmp_path, "runs/a/pcpo/0-1", 10, "seed 1\ncomputed from 0.50 s to 9.50 s after the start\n")
    finished(tmp_path, "evidence/b/0-1", 5, "computed from 1.00 s to 4.00 s after the start\n")
    finished(tmp_path, "figures/c", 4, "nothing of the kind\n")
    finished(tmp_path, "report", 1)
    assert summary(jobs_of(tmp_path)) == [
        "4 jobs, median 4.50 s, 20 job seconds",
        "  runs: 1 jobs, 10.0 s, of which 9.0 s computing",
        "  evidence: 1 jobs, 5.0 s, of which 3.0 s computing",
        "  figures: 1 jobs, 4.0 s, of which 0.0 s computing",
        "  report: 1 jobs, 1.0 s, of which 0.0 s computing",
        "start: median 0.75 s, at most 1.00 s",
        "simulating and judging: 60.0% of all job seconds",
    ]


def test_the_line_of_a_real_job_is_read(tmp_path: Path) -> None:
    finished(tmp_path, "runs/a", 10)
    with job(tmp_path / "logs/runs/a.log") as log, computing(log):
        pass
    (found,) = jobs_of(tmp_path)
    assert found.start is not None
    assert found.end is not None
    assert 0 < found.start <= found.end


def test_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="found no benchmarks"):
        jobs_of(tmp_path)
    assert main([str(tmp_path)]) == 1
