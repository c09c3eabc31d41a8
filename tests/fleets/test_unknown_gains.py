"""Fleets for which no gain of finite cost is known: what is kept, what is refused, and files of every form."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from support.small_fleets import assert_same

from pcpo.errors import FleetError
from pcpo.fleets.files import read_fleet, with_initial_gains, write_fleet
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.yaml import loads
from pcpo.simulation.noise import noise_law
from pcpo.theory.calibration import initial_gap, local_constants
from pcpo.theory.transfer import shifted_plateaus

TEXT = """
name: nobody has a controller
gamma: 0.9
clusters:
  - {size: 2, A: [[1.4, 0.5], [0, 0.8]], B: [[1], [0.4]], Q: identity, R: 1}
  - {size: 1, A: [[1.2, 0.0], [0.3, 0.8]], B: [[1], [0.4]], Q: identity, R: 1}
initial_gains: unknown
"""


@pytest.fixture
def fleet() -> Fleet:
    return loads(TEXT.encode())


def test_zeros_of_infinite_cost_are_kept(fleet: Fleet) -> None:
    assert not fleet.gains_known
    np.testing.assert_array_equal(fleet.initial_gains, np.zeros((3, 1, 2)))
    assert np.isinf(fleet.costs(fleet.initial_gains)).all()
    assert np.isfinite(fleet.optimal_costs).all()


def test_without_the_word_the_error_says_it() -> None:
    with pytest.raises(FleetError, match=r"initial_gains: found sqrt.*for agent 0.* no such gain is known.*: unknown"):
        loads(TEXT.replace("unknown", "zero").encode())
    with pytest.raises(FleetError, match=r"or gains_known=False in Python"):
        Fleet("a", (LinearSystem([[2.0]], [[1.0]], [[1.0]], [[1.0]], 0.9),), np.zeros(1, int), np.zeros((1, 1, 1)))
    with pytest.raises(FleetError, match=r"initial_gains: found none, expected .* or unknown if none of finite cost"):
        loads(TEXT.replace("initial_gains: unknown\n", "").encode())


def test_unknown_gains_are_zeros_and_nothing_else(fleet: Fleet) -> None:
    with pytest.raises(FleetError, match="initial_gains: found others than zeros with gains_known=False"):
        replace(fleet, initial_gains=np.ones((3, 1, 2)))
    with pytest.raises(FleetError, match="initial_gains: found 'nothing', expected zero, unknown"):
        loads(TEXT.replace("unknown", "nothing").encode())


def test_drawn_gains_are_known(fleet: Fleet) -> None:
    draw = {"seed": 1, "rule": "per_agent", "gap": 2.0}
    for drawn in (with_initial_gains(fleet, draw), loads(TEXT.encode(), draw)):
        assert drawn.gains_known
        np.testing.assert_allclose(drawn.gaps(drawn.initial_gains), 2.0)


def test_what_needs_finite_costs_refuses_in_one_sentence(fleet: Fleet) -> None:
    sentence = "initial_gains: found unknown, expected gains of finite cost, on which the initial gap depends"
    with pytest.raises(FleetError, match=sentence):
        initial_gap(fleet)
    with pytest.raises(FleetError, match="expected gains of finite cost, on which calibration depends"):
        local_constants(fleet, noise_law("signs"), 1.0)
    with pytest.raises(FleetError, match="expected gains of finite cost, on which the minimum of the sum depends"):
        shifted_plateaus(fleet)
    draw = {"seed": 1, "rule": "per_agent", "gap": 2.0}
    assert initial_gap(with_initial_gains(fleet, draw)) == pytest.approx(2.0)


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".npz", ".mat"])
def test_files_keep_the_word(fleet: Fleet, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"fleet{suffix}"
    write_fleet(fleet, path)
    found = read_fleet(path)
    assert_same(found, fleet)
    assert not found.gains_known
    first = path.read_bytes()
    write_fleet(found, path)
    assert path.read_bytes() == first


def test_another_word_in_binary_files(fleet: Fleet, tmp_path: Path) -> None:
    write_fleet(fleet, tmp_path / "fleet.npz")
    fields = dict(np.load(tmp_path / "fleet.npz"))
    np.savez(tmp_path / "other.npz", **{**fields, "initial_gains": np.array("none")})
    with pytest.raises(FleetError, match="initial_gains: found 'none', expected a stack of real matrices or 'unknown'"):
        read_fleet(tmp_path / "other.npz")
    write_fleet(fleet, tmp_path / "fleet.mat")
    content = scipy.io.loadmat(io.BytesIO((tmp_path / "fleet.mat").read_bytes()))
    fields = {key: value for key, value in content.items() if not key.startswith("__")}
    scipy.io.savemat(tmp_path / "other.mat", {**fields, "initial_gains": "none"})
    with pytest.raises(FleetError, match="initial_gains: found 'none', expected a stack of real matrices or 'unknown'"):
        read_fleet(tmp_path / "other.mat")
    scipy.io.savemat(tmp_path / "other.mat", {**fields, "A": "none"})
    with pytest.raises(FleetError, match=r"A: found shape .* expected a stack of real matrices"):
        read_fleet(tmp_path / "other.mat")
