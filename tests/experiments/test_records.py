"""Results files: exact gaps, round trip, provenance, byte-identical files, and refusals that name the file."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_fleets import experiment, forked_fleet, schedule_for, three_clusters

from pcpo import lqr
from pcpo.algorithms.protocol import EpochReport, RunResult, Status, Traffic
from pcpo.errors import ResultsError
from pcpo.experiments.records import RUN_SCHEMA, evaluate, read_provenance, read_runs, write_runs

PROVENANCE: dict[str, object] = {"config_hash": "abc", "commit": "unknown"}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return experiment(three_clusters(), epochs=2, Delta0=16.0, horizon=30).run(seed=4)


@pytest.fixture
def path(frame: pd.DataFrame, tmp_path: Path) -> Path:
    write_runs(frame, tmp_path / "runs.parquet", PROVENANCE)
    return tmp_path / "runs.parquet"


def with_metadata(path: Path, metadata: dict[bytes, bytes] | None) -> None:
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)


class TestEvaluation:
    @pytest.fixture
    def report(self) -> EpochReport:
        """Agent 0 at its optimum, 1 without a global, 2 without a local policy of finite cost, 3 with neither."""
        fleet = forked_fleet()
        own = fleet.optimal_gains[fleet.labels]
        local, shared = own.copy(), own.copy()
        local[[2, 3]] = shared[[1, 3]] = 50.0
        return EpochReport(
            plan=schedule_for(fleet, Delta0=8.0).plan(1),
            local_gains=local,
            global_gains=shared,
            cost_estimates=np.arange(5.0),
            neighbourhoods=np.equal.outer(fleet.labels, fleet.labels) | (np.arange(5)[:, None] == 4),
            radii_global=np.full(5, 0.1),
            global_cap_active=np.array([True, False, True, False, True]),
            reinitialised=True,
            nonfinite=np.array([0, 1, 2, 3, 0]),
            rollouts=123,
            traffic=Traffic(1, 2, 3, 4, 5),
        )

    def test_a_row_per_agent_with_exact_numbers(self, report: EpochReport) -> None:
        fleet = forked_fleet()
        frame = evaluate(fleet, RunResult("pcpo", "calibrated", (report,)), scenario="s", seed=9)
        assert list(frame.columns) == RUN_SCHEMA.names
        finite, infinite = 0.0, np.inf
        np.testing.assert_array_equal(frame["local_gap"], [finite, finite, infinite, infinite, finite])
        np.testing.assert_array_equal(frame["global_gap"], [finite, infinite, finite, infinite, finite])
        assert frame["status"].tolist() == [
            Status.OK, Status.GLOBAL_INFINITE, Status.LOCAL_INFINITE, Status.BOTH_INFINITE, Status.OK,
        ]  # fmt: skip
        assert frame["set_size"].tolist() == [2, 2, 2, 2, 5]
        assert frame["set_correct"].tolist() == [True, True, True, True, False]
        assert frame["neighbours"].map(list).tolist() == [[0, 1], [0, 1], [2, 3], [2, 3], [0, 1, 2, 3, 4]]
        counts = ["seed", "epoch", "rounds", "messages_up", "messages_down", "bytes_up", "bytes_down"]
        assert frame.loc[0, counts].tolist() == [9, 1, 1, 2, 3, 4, 5]
        assert frame.loc[0, "local_cost"] == pytest.approx(10.0, rel=1e-12)
        np.testing.assert_allclose(frame["local_discounted_rho"], np.sqrt(0.9) * frame["local_rho"], rtol=1e-15)

    def test_finite_cost_is_not_stability(self) -> None:
        """√γ ρ < 1 ≤ ρ: finite cost all the same; both are recorded."""
        fleet = forked_fleet()
        K = np.full((1, 1), -0.03)
        assert lqr.spectral_radius(fleet.systems[0], K) > 1
        assert np.isfinite(lqr.cost(fleet.systems[0], K))


class TestFiles:
    def test_round_trip(self, frame: pd.DataFrame, path: Path) -> None:
        back = read_runs([path])
        pd.testing.assert_frame_equal(back, frame, check_dtype=False, check_exact=True)
        assert read_provenance(path) == {"schema_version": "1", **PROVENANCE}

    def test_infinite_gaps_survive(self, frame: pd.DataFrame, tmp_path: Path) -> None:
        write_runs(frame.assign(global_gap=np.inf), tmp_path / "a.parquet", {})
        assert (read_runs([tmp_path / "a.parquet"])["global_gap"] == np.inf).all()

    def test_equal_runs_give_equal_bytes_and_others_do_not(self, frame: pd.DataFrame, path: Path) -> None:
        again = path.with_name("again.parquet")
        write_runs(frame.copy(), again, dict(reversed(PROVENANCE.items())))
        assert again.read_bytes() == path.read_bytes()
        write_runs(frame, again, {**PROVENANCE, "commit": "other"})
        assert again.read_bytes() != path.read_bytes()

    def test_several_files_are_joined_in_order(self, frame: pd.DataFrame, path: Path) -> None:
        second = path.with_name("second.parquet")
        write_runs(frame.assign(seed=5), second, {})
        joined = read_runs([second, path])
        assert joined["seed"].tolist() == [5] * len(frame) + [4] * len(frame)
        assert joined.index.tolist() == list(range(2 * len(frame)))


class TestRefusals:
    def refused(self, path: Path, words: str) -> None:
        with pytest.raises(ResultsError, match=words) as caught:
            read_runs([path])
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "none.parquet", "no such results file")

    def test_no_files(self) -> None:
        with pytest.raises(ResultsError, match="no results files were given"):
            read_runs([])

    @pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
    def test_truncated(self, path: Path, kept: float) -> None:
        raw = path.read_bytes()
        path.write_bytes(raw[: int(kept * len(raw))])
        self.refused(path, "may be truncated")

    def test_no_parquet_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").write_text("scenario,algorithm\n")
        self.refused(tmp_path / "a.parquet", "not a readable results file")

    def test_no_damaged_bit_changes_a_number(self, frame: pd.DataFrame, path: Path) -> None:
        """A flipped bit is refused or meets an idle byte; nothing else is raised and nothing else is read."""
        raw, rng, damaged = path.read_bytes(), random.Random(1), path.with_name("damaged.parquet")
        intact, outcomes = read_runs([path]), Counter[str]()
        for _ in range(150):
            flipped, where = bytearray(raw), rng.randrange(len(raw))
            flipped[where] ^= 1 << rng.randrange(8)
            damaged.write_bytes(flipped)
            try:
                found = read_runs([damaged])
            except ResultsError as error:
                outcomes["refused, unnamed" if str(damaged) not in str(error) else "refused"] += 1
            else:
                outcomes["idle" if found.equals(intact) else "changed"] += 1
        assert set(outcomes) == {"refused", "idle"}
        assert outcomes["refused"] > 50

    def test_a_foreign_parquet_file(self, path: Path) -> None:
        with_metadata(path, None)
        self.refused(path, "without provenance")

    @pytest.mark.parametrize("note", [b"{", b"[1]", b"null", b"\xff"])
    def test_unreadable_provenance(self, path: Path, note: bytes) -> None:
        with_metadata(path, {b"pcpo": note})
        self.refused(path, "provenance that is not a JSON object")

    @pytest.mark.parametrize("note", [{"schema_version": "0"}, {}])
    def test_another_schema_version(self, path: Path, note: dict[str, str]) -> None:
        with_metadata(path, {b"pcpo": json.dumps(note).encode()})
        self.refused(path, r"found schema version (0|None), expected 1")

    def test_other_columns(self, path: Path) -> None:
        table = pq.read_table(path)
        pq.write_table(table.drop_columns(["local_rho"]), path)
        self.refused(path, "found columns")

    def test_other_types(self, path: Path) -> None:
        table = pq.read_table(path)
        k = table.schema.get_field_index("seed")
        pq.write_table(table.set_column(k, "seed", table.column(k).cast(pa.string())), path)
        self.refused(path, "found column seed of type string")

    @pytest.mark.parametrize("column", ["Delta", "cost_estimate", "local_gap", "global_gap"])
    def test_nan(self, frame: pd.DataFrame, path: Path, column: str) -> None:
        spoiled = frame.copy()
        spoiled.loc[3, column] = np.nan
        write_runs(spoiled, path, {})
        self.refused(path, f"found NaN in column {column}")

    def test_the_same_run_in_two_files(self, frame: pd.DataFrame, path: Path) -> None:
        second = path.with_name("second.parquet")
        write_runs(frame, second, {})
        with pytest.raises(ResultsError, match=r"'seed': 4, 'epoch': 1, 'agent': 0.*occurs more than once"):
            read_runs([path, second])
        write_runs(frame.assign(scenario="other"), second, {})
        assert len(read_runs([path, second])) == 2 * len(frame)

    def test_a_missing_epoch(self, frame: pd.DataFrame, path: Path) -> None:
        write_runs(frame[frame["epoch"] != 1], path, {})
        with pytest.raises(
            ResultsError, match="three clusters, algorithm pcpo, seed 4 lacks an epoch, expected epochs 1 to 2"
        ):
            read_runs([path])

    def test_a_missing_agent(self, frame: pd.DataFrame, path: Path) -> None:
        write_runs(frame[(frame["epoch"] != 2) | (frame["agent"] != 3)], path, {})
        with pytest.raises(ResultsError, match="three clusters, algorithm pcpo, seed 4 lacks an agent, expected 7"):
            read_runs([path])


def test_a_crash_while_writing_leaves_the_old_file(frame: pd.DataFrame, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_runs(frame, path, {"not": object()})
    with pytest.raises(KeyError):
        write_runs(frame.drop(columns="seed"), path, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["runs.parquet"]
