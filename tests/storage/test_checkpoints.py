"""Checkpoints: a run that was stopped after any epoch resumes with the same bits; unusable files are ignored."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.small_fleets import one_cluster, schedule_for

from pcpo.algorithms.protocol import EpochReport, Traffic
from pcpo.algorithms.registry import ALGORITHMS
from pcpo.errors import ResultsError
from pcpo.experiments.driver import Snapshot
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.files import read_fleet
from pcpo.storage.checkpoints import Checkpoint

KEY = "of this run"


class Stopped(Exception):
    """In place of a kill."""


def stop(report: EpochReport) -> None:
    raise Stopped


@pytest.fixture(scope="module")
def experiment(repository: Path) -> Experiment:
    fleet = read_fleet(repository / "config/fleets/example.yaml")
    return Experiment.calibrated(fleet, Delta0=24.0, minibatch_scale=0.003, epochs=3)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_run_stopped_after_every_epoch_has_the_bits_of_one_that_was_not(
    algorithm: str, experiment: Experiment, tmp_path: Path
) -> None:
    whole = experiment.run(algorithm, seed=3)
    checkpoint = Checkpoint(tmp_path / "3.npz", KEY)
    for epoch in range(1, whole["epoch"].max() + 1):
        with pytest.raises(Stopped):
            experiment.run(algorithm, seed=3, checkpoint=checkpoint, on_epoch=stop)
        assert checkpoint.epochs() == epoch
    resumed = experiment.run(algorithm, seed=3, checkpoint=checkpoint, on_epoch=stop)
    pd.testing.assert_frame_equal(resumed, whole, check_exact=True)


def test_the_kept_epochs_are_not_run_again(experiment: Experiment, tmp_path: Path) -> None:
    """Control: with the checkpoint of another seed the run is not that of its own seed, so it is used."""
    checkpoint = Checkpoint(tmp_path / "x.npz", KEY)
    with pytest.raises(Stopped):
        experiment.run(seed=4, checkpoint=checkpoint, on_epoch=stop)
    mixed, whole = experiment.run(seed=3, checkpoint=checkpoint), experiment.run(seed=3)
    assert not mixed["global_gap"].equals(whole["global_gap"])


def _other_key(path: Path) -> Checkpoint:
    return Checkpoint(path, "of another configuration")


def _truncated(path: Path) -> Checkpoint:
    path.write_bytes(path.read_bytes()[:-200])
    return Checkpoint(path, KEY)


def _empty(path: Path) -> Checkpoint:
    path.write_bytes(b"")
    return Checkpoint(path, KEY)


def _foreign_class(path: Path) -> Checkpoint:
    """A file that asks for a class that is no dataclass of the program."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    text = bytes(arrays["content"]).decode().replace('"pcpo.algorithms.protocol", "Traffic"', '"subprocess", "Popen"')
    assert "Popen" in text
    arrays["content"] = np.frombuffer(text.encode(), dtype=np.uint8)
    np.savez(path, **arrays)
    return Checkpoint(path, KEY)


def _pickled(path: Path) -> Checkpoint:
    content = {"key": KEY, "epochs": 1, "snapshot": {"array": "a0"}}
    text = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)
    np.savez(path, content=text, a0=np.array([{}], dtype=object))
    return Checkpoint(path, KEY)


@pytest.mark.parametrize("spoil", [_other_key, _truncated, _empty, _foreign_class, _pickled])
def test_what_cannot_be_used_is_as_if_it_were_not_there(
    spoil: Callable[[Path], Checkpoint], experiment: Experiment, tmp_path: Path
) -> None:
    path = tmp_path / "3.npz"
    with pytest.raises(Stopped):
        experiment.run(seed=3, checkpoint=Checkpoint(path, KEY), on_epoch=stop)
    assert Checkpoint(path, KEY).read(Snapshot, {"setting": None}) is not None
    assert spoil(path).read(Snapshot, {"setting": None}) is None
    pd.testing.assert_frame_equal(
        experiment.run(seed=3, checkpoint=spoil(path)), experiment.run(seed=3), check_exact=True
    )


def test_a_file_holds_no_code(experiment: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "3.npz"
    with pytest.raises(Stopped):
        experiment.run("least_squares", seed=3, checkpoint=Checkpoint(path, KEY), on_epoch=stop)
    with zipfile.ZipFile(path) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
        assert not any(b"'O'" in archive.read(name)[:128] for name in archive.namelist())


@dataclass(frozen=True)
class Strange:
    """A state that no file of numbers can hold."""

    thing: object


def test_a_state_that_cannot_be_kept_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "x.npz", KEY)
    good = Snapshot(1, np.ones((1, 1), dtype=bool), Traffic(), 1, np.zeros(1, dtype=np.int64), [])
    checkpoint.write(good, 0, {})
    before = checkpoint.path.read_bytes()
    bad = Snapshot(Strange({1, 2}), good.neighbourhoods, good.traffic, 1, good.nonfinite, [])
    with pytest.raises(ResultsError, match="found a set, expected numbers, texts, arrays, tuples"):
        checkpoint.write(bad, 0, {})
    assert checkpoint.path.read_bytes() == before


def test_values_survive_exactly(tmp_path: Path) -> None:
    values = (
        1,
        10**30,
        0.1,
        float("inf"),
        "Δ",
        None,
        True,
        [np.arange(3), (np.float64(2.5),)],
        schedule(),
        {"a": {2: 0.5}},
    )
    checkpoint = Checkpoint(tmp_path / "x.npz", KEY)
    good = Snapshot(values, np.ones((1, 1), dtype=bool), Traffic(), 1, np.zeros(1, dtype=np.int64), [])
    checkpoint.write(good, 0, {})
    kept = checkpoint.read(Snapshot, {})
    assert kept is not None
    assert kept.state[:7] == values[:7]
    assert kept.state[8:] == values[8:]
    np.testing.assert_array_equal(kept.state[7][0], np.arange(3))
    assert kept.state[7][1] == (2.5,)
    checkpoint.discard()
    assert not checkpoint.path.exists()


def schedule() -> object:
    return schedule_for(one_cluster([[0.0, 0.0], [0.1, 0.1]]), Delta0=4.0).plan(1)
