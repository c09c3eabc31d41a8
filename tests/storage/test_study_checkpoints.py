"""Checkpoints of a study: a job stopped after any cell resumes with the same bytes; unusable files are ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pcpo.claims.contract import Study
from pcpo.claims.tables import simulated, write_table
from pcpo.storage.checkpoints import StudyCheckpoint

SEEDS = [3, 4]


class Stopped(Exception):
    """In place of a kill."""


class Simulation:
    """Three cells; remembers which of them it simulated."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
        self.asked.append(cell["x"])
        values = [np.random.default_rng([seed, int(10 * cell["x"])]).random() for seed in seeds]
        columns = {"seed": list(seeds), "value": values, "count": [1, 2], "word": ["a", "Δ"], "right": [True, False]}
        return pd.DataFrame(columns)

    def study(self) -> Study:
        columns = dict.fromkeys(["seed", "value", "count", "word", "right"], "")
        return Study("toy", "toy", lambda options: {f"x={x}": {"x": x} for x in (0.5, 1.0, 2.0)}, self, columns)


def written(frame: pd.DataFrame, path: Path) -> bytes:
    write_table(Simulation().study(), SEEDS, frame, path, {})
    return path.read_bytes()


def stopped_after(cells: int, saved: StudyCheckpoint) -> Simulation:
    def stop(name: str, done: int, count: int) -> None:
        if done == cells:
            raise Stopped

    simulation = Simulation()
    with pytest.raises(Stopped):
        simulated(simulation.study(), {}, SEEDS, checkpoint=saved, on_cell=stop)
    return simulation


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_a_job_stopped_after_any_cell_goes_on_with_the_same_bytes(cells: int, tmp_path: Path) -> None:
    saved = StudyCheckpoint(tmp_path / "saved", "key")
    stopped_after(cells, saved)
    again = Simulation()
    resumed = simulated(again.study(), {}, SEEDS, checkpoint=saved)
    assert again.asked == [0.5, 1.0, 2.0][cells:]
    whole = simulated(Simulation().study(), {}, SEEDS)
    assert written(resumed, tmp_path / "a.parquet") == written(whole, tmp_path / "b.parquet")
    saved.discard(3)
    assert not saved.folder.exists()


def other_key(saved: StudyCheckpoint) -> StudyCheckpoint:
    return StudyCheckpoint(saved.folder, "of other options")


def truncated(saved: StudyCheckpoint) -> StudyCheckpoint:
    for path in saved.folder.iterdir():
        path.write_bytes(path.read_bytes()[:-30])
    return saved


def swapped(saved: StudyCheckpoint) -> StudyCheckpoint:
    first, second = (saved.folder / f"{index}.parquet" for index in (0, 1))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    return saved


def text(saved: StudyCheckpoint) -> StudyCheckpoint:
    for path in saved.folder.iterdir():
        path.write_text("no table")
    return saved


@pytest.mark.parametrize("spoil", [other_key, truncated, swapped, text])
def test_what_cannot_be_used_is_simulated_again(
    spoil: Callable[[StudyCheckpoint], StudyCheckpoint], tmp_path: Path
) -> None:
    saved = StudyCheckpoint(tmp_path / "saved", "key")
    stopped_after(2, saved)
    again = Simulation()
    resumed = simulated(again.study(), {}, SEEDS, checkpoint=spoil(saved))
    assert again.asked == [0.5, 1.0, 2.0]
    pd.testing.assert_frame_equal(resumed, simulated(Simulation().study(), {}, SEEDS), check_exact=True)
