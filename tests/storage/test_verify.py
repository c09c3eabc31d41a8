"""Verification against a known run: equal bits, last bits, and everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcpo.errors import ResultsError
from pcpo.storage.verify import TOLERANCE, compared, fingerprints, main, read_known, write_known

RUNS = "results/runs/one/pcpo/000000-000001.parquet"
GAPS = np.array([0.1, -0.2, np.inf, 0.4])


GAINS = [[0.5, 1.5], [2.5, 3.5], [-0.5, 0.25], [1.0, 1.0]]


def table(path: Path, gaps: np.ndarray, note: str = "a", gains: list[list[float]] = GAINS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"seed": [1, 1, 2, 2], "gap": gaps, "sets": [[0], [0, 1], [1], [1]], "gain": gains, "name": list("abcd")}
    content = pa.table(columns)
    pq.write_table(content.replace_schema_metadata({"pcpo": note}), path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A tree with one table, one list of numbers, one text."""
    root = tmp_path / "run"
    table(root / RUNS, GAPS)
    (root / "figures").mkdir()
    pd.DataFrame({"x": [1.5, 2.5], "label": ["a", "b"]}).to_csv(root / "figures/f.csv", index=False)
    (root / "results/plans").mkdir()
    (root / "results/plans/one.json").write_text('{"eta": 0.125, "R": 3}\n', encoding="utf-8")
    (root / "results/logs").mkdir()
    (root / "results/logs/one.log").write_text("took 3 s\n", encoding="utf-8")
    write_known(root, tmp_path / "known.json")
    return root


def told(run: Path) -> dict[str, tuple[str, str, float]]:
    rows = compared(read_known(run.parent / "known.json"), fingerprints(run))
    return {row["file"]: (row["status"], row["column"], row["change"]) for row in rows.to_dict("records")}


def test_a_run_is_itself_whatever_its_notes_and_logs_say(run: Path) -> None:
    table(run / RUNS, GAPS, note="another commit")
    (run / "results/logs/one.log").write_text("took 4 s\n", encoding="utf-8")
    assert {status for status, _, _ in told(run).values()} == {"same bits"}
    assert set(told(run)) == {RUNS, "figures/f.csv", "results/plans/one.json"}
    assert main(["--root", str(run), "--known", str(run.parent / "known.json")]) == 0


def test_last_bits_are_told_from_changes(run: Path) -> None:
    table(run / RUNS, np.where(np.isinf(GAPS), GAPS, np.nextafter(GAPS, 9.0)))
    status, column, change = told(run)[RUNS]
    assert (status, column) == ("last bits", "gap")
    assert 0 < change < 1e-15
    assert main(["--root", str(run), "--known", str(run.parent / "known.json")]) == 0
    table(run / RUNS, GAPS * (1 + 3 * TOLERANCE))
    status, column, change = told(run)[RUNS]
    assert (status, column) == ("differs", "gap")
    assert change == pytest.approx(3 * TOLERANCE, rel=1e-6)
    assert main(["--root", str(run), "--known", str(run.parent / "known.json")]) == 1


def test_last_bits_of_a_text(run: Path) -> None:
    (run / "results/plans/one.json").write_text('{"eta": 0.12500000000000003, "R": 3}\n', encoding="utf-8")
    assert told(run)["results/plans/one.json"][:2] == ("last bits", "numbers")


def _finite(run: Path) -> None:
    table(run / RUNS, np.array([0.1, -0.2, 7.0, 0.4]))


def _signs(run: Path) -> None:
    """The magnitudes stay."""
    table(run / RUNS, -GAPS)


def _labels(run: Path) -> None:
    pd.DataFrame({"x": [1.5, 2.5], "label": ["a", "c"]}).to_csv(run / "figures/f.csv", index=False)


def _another_row(run: Path) -> None:
    pd.DataFrame({"x": [1.5, 2.5, 0.0], "label": ["a", "b", "b"]}).to_csv(run / "figures/f.csv", index=False)


def _text(run: Path) -> None:
    (run / "results/plans/one.json").write_text('{"eta": 0.125, "R": 4}\n', encoding="utf-8")


def _number_in_a_text(run: Path) -> None:
    (run / "results/plans/one.json").write_text('{"eta": 0.1251, "R": 3}\n', encoding="utf-8")


def _exchanged(run: Path) -> None:
    """The sums of the column stay."""
    table(run / RUNS, GAPS[[1, 0, 2, 3]])


def _number_in_a_list(run: Path) -> None:
    table(run / RUNS, GAPS, gains=[[0.5, 1.5], [2.5, 3.5], [-0.5, 0.26], [1.0, 1.0]])


def _gone(run: Path) -> None:
    (run / RUNS).unlink()


def _more(run: Path) -> None:
    table(run / "results/runs/one/local/000000-000001.parquet", GAPS)


@pytest.mark.parametrize(
    "change", [_finite, _signs, _exchanged, _number_in_a_list, _another_row, _text, _number_in_a_text, _gone, _more]
)
def test_changes_are_found(change: Callable[[Path], None], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(run)
    assert main(["--root", str(run), "--known", str(run.parent / "known.json")]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_words_that_changed_are_told_as_such(run: Path) -> None:
    _labels(run)
    assert told(run)["figures/f.csv"][0] == "differs"


def test_refusals(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / RUNS).write_bytes((run / RUNS).read_bytes()[:-9])
    with pytest.raises(ResultsError, match=r"000000-000001\.parquet: not readable, it may be truncated"):
        fingerprints(run)
    assert main(["--root", str(run), "--known", str(run.parent / "known.json")]) == 1
    assert "truncated" in capsys.readouterr().err
    (run.parent / "known.json").write_text(json.dumps({"files": []}), encoding="utf-8")
    with pytest.raises(ResultsError, match="found no fingerprints"):
        read_known(run.parent / "known.json")
    with pytest.raises(ResultsError, match="found no tables"):
        write_known(run.parent / "nowhere", run.parent / "known.json")
