"""What users' fleet files hold and is accepted, by values; and near misses, by the sentence that refuses them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from support.small_fleets import assert_same

from pcpo.errors import FleetError
from pcpo.fleets import arrays, yaml
from pcpo.fleets import json as fleet_json
from pcpo.fleets.files import fleet_from, read_fleet, with_initial_gains, write_fleet
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.initial_gains import draw_initial_gains
from pcpo.lqr import riccati
from pcpo.simulation.noise import Purpose, stream

DRAW = {"seed": 3, "rule": "per_agent", "gap": 2.5}
SUFFIXES = [".yaml", ".json", ".npz", ".mat"]
GOOD = """
name: two
gamma: 0.8
clusters:
  - {size: 1, A: [[0.9, 0.3], [0, 0.8]], B: [[0], [1]], Q: identity, R: identity}
  - {size: 2, A: [[0.5, 0.3], [0.1, 0.2]], B: [[0], [1]], Q: {scale: 2}, R: [[0.1]]}
initial_gains: zero
"""
SCALAR = """
name: one
gamma: 0.8
clusters:
  - {size: 2, A: 0.9, B: -1, Q: 1.5, R: 2}
initial_gains: 0.1
"""


def loads(text: str) -> Fleet:
    return yaml.loads(text.encode())


def crossed() -> Fleet:
    """Two clusters, the second with a cross term, and a semidefinite Q."""
    first = LinearSystem([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], [[1.0, 1.0], [1.0, 1.0]], [[1.0]], 0.8)
    second = LinearSystem([[0.5, 0.3], [0.1, 0.2]], [[0.0], [1.0]], np.eye(2), [[1.0]], 0.8, [[0.1], [-1.0 / 3.0]])
    return Fleet("crossed", (first, second), [1, 0, 1], np.zeros((3, 1, 2)), "a test")


class TestCrossTerm:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_round_trip(self, tmp_path: Path, suffix: str) -> None:
        write_fleet(crossed(), tmp_path / f"f{suffix}")
        assert_same(read_fleet(tmp_path / f"f{suffix}"), crossed())

    def test_layout(self) -> None:
        with np.load(io.BytesIO(arrays.dumps_npz(crossed()))) as content:
            np.testing.assert_array_equal(content["N"], [[[0], [0]], [[0.1], [-1.0 / 3.0]]])
        assert scipy.io.loadmat(io.BytesIO(arrays.dumps_mat(crossed())))["N"].shape == (2, 1, 2)

    def test_files_without_a_cross_term_do_not_mention_it(self) -> None:
        fleet = loads(GOOD)
        assert b"N:" not in yaml.dumps(fleet)
        assert b'"N"' not in fleet_json.dumps(fleet)
        assert "N" not in np.load(io.BytesIO(arrays.dumps_npz(fleet)))
        zeros = GOOD.replace("R: identity}", "R: identity, N: [[0], [0]]}")
        assert_same(loads(zeros), fleet)

    def test_a_cross_term_of_the_wrong_shape(self) -> None:
        with pytest.raises(FleetError, match=r"clusters\.0: N: found shape \(1, 2\), expected \(2, 1\) \(the shape"):
            loads(GOOD.replace("R: identity}", "R: identity, N: [[0.1, 0]]}"))

    def test_a_cost_that_can_be_negative(self) -> None:
        message = r"clusters\.0: Q - N R\^-1 N', .* found smallest eigenvalue -3, expected a positive semidefinite"
        with pytest.raises(FleetError, match=message):
            loads(GOOD.replace("R: identity}", "R: identity, N: [[2], [0]]}"))


def test_positive_semidefinite_Q() -> None:
    """Q = CᵀC with one output, as in a fleet file."""
    text = """
name: output
gamma: 0.9
clusters:
  - size: 2
    A: [[0.06286511054669665, -0.06605243164565094], [0.32021132522164103, 0.052450058576519853]]
    B: [[-0.535669373161111], [0.36159505490948474]]
    Q: [[10000.0, -100.0], [-100.0, 1.0]]
    R: 1.0
initial_gains: zero
"""
    assert loads(text).optimal_costs[0] == pytest.approx(90009.2629642, rel=1e-12)


class TestNumbersForMatrices:
    def test_of_one_entry(self) -> None:
        fleet = loads(SCALAR)
        (system,) = fleet.systems
        assert [getattr(system, k).tolist() for k in "ABQR"] == [[[0.9]], [[-1.0]], [[1.5]], [[2.0]]]
        assert fleet.initial_gains.tolist() == [[[0.1]], [[0.1]]]
        assert loads(SCALAR.replace("R: 2}", "R: 2, N: 0.5}")).systems[0].N.tolist() == [[0.5]]
        assert loads(GOOD.replace("R: identity", "R: 3")).systems[0].R.tolist() == [[3.0]]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("Q: identity", "Q: 2", r"clusters\.0\.Q: found 2, .*, 2×2; \{scale: 2\} is that multiple of the identity"),
            ("B: [[0], [1]], Q: i", "B: 1, Q: i", r"clusters\.0\.B: found 1, expected a list of lists of numbers, 2×1"),
            ("A: [[0.9, 0.3], [0, 0.8]]", "A: 0.9", r"clusters\.0\.A: found 0\.9, expected a list of lists .*, 2×2"),
            ("R: identity", "R: identity, N: 1", r"clusters\.0\.N: found 1, expected a list of lists of numbers, 2×1"),
            ("R: identity", "R: .nan", r"clusters\.0\.R: found nan"),
            ("R: identity", "R: true", r"clusters\.0\.R: found True, expected identity, \{scale: a\} or a matrix"),
            ("gains: zero", "gains: 0.1", r"initial_gains: found 0\.1, expected one 1×2 matrix or 3 of them"),
        ],
    )
    def test_of_more_entries(self, old: str, new: str, message: str) -> None:
        with pytest.raises(FleetError, match=message):
            loads(GOOD.replace(old, new, 1))


class TestSinglePrecision:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_symmetrised_and_said(self, tmp_path: Path, suffix: str) -> None:
        document = json.loads(fleet_json.dumps(crossed()))
        document["clusters"][1]["Q"] = [[1.0, float(np.float32(0.1))], [0.1, 1.0]]
        fleet = fleet_json.loads(json.dumps(document).encode())
        assert fleet.systems[1].Q[0, 1] == fleet.systems[1].Q[1, 0] == 0.5 * (float(np.float32(0.1)) + 0.1)
        assert fleet.source == "a test; symmetrised: Q of cluster 1 (relative distance from the transpose 1.5e-09)"
        write_fleet(fleet, tmp_path / f"f{suffix}")
        assert_same(read_fleet(tmp_path / f"f{suffix}"), fleet)

    def test_many_are_counted(self) -> None:
        Q = [[1.0, 0.1 + 1e-9], [0.1, 1.0]]
        cluster = {"size": 1, "A": [[0.5, 0.3], [0.1, 0.2]], "B": [[0], [1]], "R": 1}
        clusters = [{**cluster, "Q": (np.array(Q) * (1 + k)).tolist()} for k in range(10)]
        document = {"name": "many", "gamma": 0.5, "clusters": clusters, "initial_gains": "zero"}
        source = fleet_json.loads(json.dumps(document).encode()).source
        assert source.startswith("symmetrised: Q of cluster 0, ")
        assert "cluster 7 and 2 more" in source

    def test_worse_is_refused(self) -> None:
        text = GOOD.replace("Q: identity", "Q: [[1, 0.50001], [0.5, 1]]")
        with pytest.raises(FleetError, match=r"clusters\.0: Q: found entries that differ from the transpose by 1e-05"):
            loads(text)


class TestJson:
    def test_by_values(self) -> None:
        document = {
            "name": "été Δ",
            "gamma": 0.8,
            "clusters": [{"size": 2, "A": [[9e-1]], "B": [[1]], "Q": "identity", "R": {"scale": 2}}],
            "initial_gains": "zero",
        }
        for text in (json.dumps(document), json.dumps(document, ensure_ascii=False), "\ufeff" + json.dumps(document)):
            fleet = fleet_json.loads(text.encode())
            assert (fleet.name, fleet.N, fleet.systems[0].A.item(), fleet.systems[0].R.item()) == ("été Δ", 2, 0.9, 2.0)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"name": "a", "name": "b"}', r"found key 'name' twice, expected it once"),
            ('{"clusters": [{"size": 1, "size": 2}]}', r"found key 'size' twice"),
            ('{"gamma": NaN}', r"found NaN, which is not JSON"),
            ('{"gamma": -Infinity}', r"found -Infinity, which is not JSON"),
            ('{"gamma": 0.5,}', r"not valid JSON: .* \(line 1, column 1[45]\)"),
            ("{'name': 1}", r"not valid JSON: .*double quotes"),
            ("[" * 100_000, r"found more than 10 levels of nesting"),
            ('{"gamma": 1' + "0" * 5000 + "}", r"found a value that cannot be read|gamma: found"),
            ('{"gama": 0.5}', r"the file: found the unknown key 'gama', .*did you mean 'gamma'\?"),
            ("[]", r"the file: found \[\], expected the keys name, gamma, clusters"),
            ('"text"', r"the file: found 'text'"),
            ("\xff", r"found bytes|not valid JSON"),
        ],
    )
    def test_refused(self, text: str, message: str) -> None:
        with pytest.raises(FleetError, match=message):
            fleet_json.loads(text.encode("latin-1"))

    def test_brackets_inside_texts_are_no_nesting(self) -> None:
        document = json.loads(fleet_json.dumps(loads(GOOD))) | {"source": '\\"' + "[" * 50 + '"'}
        assert fleet_json.loads(json.dumps(document).encode()).source == document["source"]

    def test_half_a_character_in_a_name(self) -> None:
        text = fleet_json.dumps(loads(GOOD)).replace(b'"two"', b'"\\ud800"')
        with pytest.raises(FleetError, match=r"name: found half a Unicode character"):
            fleet_json.loads(text)


@pytest.mark.parametrize("suffix", [".YAML", ".Yml", ".JSON", ".NPZ", ".MAT"])
def test_suffixes_in_upper_case(tmp_path: Path, suffix: str) -> None:
    write_fleet(crossed(), tmp_path / f"F{suffix}")
    assert_same(read_fleet(tmp_path / f"F{suffix}"), crossed())
    assert [path.name for path in tmp_path.iterdir()] == [f"F{suffix}"]


def npz(write: Callable[[str, Any], bytes], **changes: Any) -> bytes:
    """Make an archive whose members `write` writes."""
    stream_ = io.BytesIO()
    with zipfile.ZipFile(stream_, "w") as archive:
        for name, value in {**arrays._fields(crossed()), **changes}.items():
            archive.writestr(f"{name}.npy", write(name, np.asarray(value)))
    return stream_.getvalue()


def with_version(version: tuple[int, int]) -> Callable[[str, Any], bytes]:
    def write(name: str, array: Any) -> bytes:
        member = io.BytesIO()
        np.lib.format.write_array(member, array, version=version)
        return member.getvalue()

    return write


class TestNpz:
    @pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
    def test_versions_of_the_array_format(self, version: tuple[int, int]) -> None:
        assert_same(arrays.loads_npz(npz(with_version(version))), crossed())

    def test_orders_and_types(self) -> None:
        fields = arrays._fields(crossed())
        stored = {name: np.asfortranarray(fields[name]) for name in ("A", "B", "Q", "R", "N", "initial_gains")}
        stored["labels"] = fields["labels"].astype(">i2")
        stored["R"] = fields["R"].astype(np.uint8)
        assert_same(arrays.loads_npz(npz(with_version((2, 0)), **stored)), crossed())

    @pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
    def test_structured_types(self, version: tuple[int, int]) -> None:
        letter = "x" if version < (3, 0) else "é"
        fields = np.zeros(2, dtype=[(letter, float), ("y", float)])
        with pytest.raises(FleetError, match=r"A\.npy: found a structured type, expected plain numbers or text"):
            arrays.loads_npz(npz(with_version(version), A=fields))

    def test_long_headers(self) -> None:
        fields = np.zeros(2, dtype=[("x" * 20 + str(k), float) for k in range(3000)])
        with pytest.raises(FleetError, match=r"A\.npy: found a header of \d+ bytes, expected at most 10000: plain"):
            arrays.loads_npz(npz(with_version((2, 0)), A=fields))

    def test_unknown_version(self) -> None:
        data = npz(lambda name, array: with_version((1, 0))(name, array).replace(b"NUMPY\x01", b"NUMPY\x04"))
        with pytest.raises(FleetError, match=r"not a readable \.npz|found array format \(4, 0\), expected one of"):
            arrays.loads_npz(data)


class TestDrawnGains:
    def expected(self, fleet: Fleet) -> np.ndarray:
        return draw_initial_gains(fleet.systems, fleet.labels, "per_agent", 2.5, stream(3, Purpose.FLEET))

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("kind", ["good", "none", "not stabilising", "wrong shape"])
    def test_of_a_scenario_replace_those_of_the_file(self, tmp_path: Path, suffix: str, kind: str) -> None:
        fleet, path = crossed(), tmp_path / f"f{suffix}"
        wrong = {"not stabilising": np.full((3, 1, 2), -9.0), "wrong shape": np.zeros((7, 2, 2))}.get(kind)
        write_fleet(fleet, path)
        if kind != "good":
            path.write_bytes(changed(path, wrong))
            with pytest.raises(FleetError, match=rf"{path}: .*initial_gains"):
                read_fleet(path)
        found = fleet_from("x", {"file": str(path), "initial_gains": DRAW})
        np.testing.assert_array_equal(found.initial_gains, self.expected(fleet))
        np.testing.assert_allclose(found.gaps(found.initial_gains), 2.5, rtol=1e-9)
        assert found.source == f"a test; initial gains drawn: {DRAW}"
        if kind == "good":
            assert_same(with_initial_gains(fleet, DRAW), found)

    @pytest.mark.parametrize("suffix", [".yaml", ".json"])
    def test_of_a_file(self, tmp_path: Path, suffix: str) -> None:
        document = json.loads(fleet_json.dumps(crossed())) | {"initial_gains": DRAW}
        path = tmp_path / f"f{suffix}"
        path.write_text(json.dumps(document), encoding="utf-8")
        found = read_fleet(path)
        np.testing.assert_array_equal(found.initial_gains, self.expected(crossed()))
        write_fleet(found, path)
        assert_same(read_fleet(path), found)
        other = fleet_from("x", {"file": path, "initial_gains": {**DRAW, "seed": 4}})
        assert not np.array_equal(other.initial_gains, found.initial_gains)

    @pytest.mark.parametrize(
        ("gains", "message"),
        [
            ("{seed: 1, rule: per_agent}", r"initial_gains: found no key 'gap', which is required"),
            ("{seed: -1, rule: per_agent, gap: 1.0}", r"initial_gains\.seed: found -1, expected an integer from 0"),
            ("{seed: 1, rule: each, gap: 1.0}", r"initial_gains\.rule: found 'each', expected one of"),
            ("{seed: 1, rule: common, gap: 0}", r"initial_gains\.gap: found 0, expected a positive number"),
            ("{seed: 1, rule: common, gap: 1, scale: 2}", r"initial_gains: found the unknown key 'scale'"),
        ],
    )
    def test_of_a_file_refused(self, gains: str, message: str) -> None:
        with pytest.raises(FleetError, match=message):
            loads(GOOD.replace("gains: zero", f"gains: {gains}"))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"rule": "each"}, r"initial_gains\.rule: found 'each', expected one of common, per_cluster, per_agent"),
            ({"gap": -1.0}, r"initial_gains\.gap: found -1\.0, expected a positive number"),
            ({"scale": 2}, r"initial_gains: found the keys \['gap', 'rule', 'scale', 'seed'\], expected seed, rule"),
        ],
    )
    def test_of_a_program_refused(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(FleetError, match=message):
            with_initial_gains(crossed(), DRAW | change)

    def test_labels_and_systems_are_checked_before_gains_are_drawn(self) -> None:
        for change, message in [
            ({"labels": np.array([0, 1, 2])}, r"labels: found 2 for agent 2, expected 0 to 1"),
            ({"labels": np.array([0, 0, 0])}, r"labels: found no agent in cluster 1"),
            ({"gamma": np.array([0.8, 0.9])}, r"gamma: found shape"),
        ]:
            with pytest.raises(FleetError, match=message):
                arrays.loads_npz(npz(with_version((1, 0)), **change), DRAW)


def changed(path: Path, gains: np.ndarray | None) -> bytes:
    """Return the file with other initial gains, or without."""
    if path.suffix in (".yaml", ".json"):
        document = json.loads(fleet_json.dumps(crossed()))
        del document["initial_gains"]
        if gains is not None:
            document["initial_gains"] = gains.tolist()
        return json.dumps(document).encode()
    if path.suffix == ".npz":
        fields = arrays._fields(crossed())
        del fields["initial_gains"]
        stream_ = io.BytesIO()
        np.savez(stream_, **fields, **({} if gains is None else {"initial_gains": gains}))
        return stream_.getvalue()
    fields = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__") and k != "initial_gains"}
    stream_ = io.BytesIO()
    scipy.io.savemat(stream_, fields | ({} if gains is None else {"initial_gains": np.moveaxis(gains, 0, -1)}))
    return stream_.getvalue()


def element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def opaque(name: str, kind: str) -> bytes:
    """Return the variable that `save -v7` writes for an object: flags, name, "MCOS", class, reference."""
    reference = element(6, struct.pack("<II", 13, 0)) + element(5, struct.pack("<ii", 6, 1)) + element(1, b"")
    parts = element(6, struct.pack("<II", 17, 0)) + element(1, name.encode()) + element(1, b"MCOS")
    parts += element(1, kind.encode()) + element(14, reference + element(6, struct.pack("<6I", *range(6))))
    packed = zlib.compress(element(14, parts))
    return struct.pack("<II", 15, len(packed)) + packed


class TestMatlab:
    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            (
                "string",
                r'found a MATLAB string \("…"\), expected numbers or text; save char\(A\), or double\(A\)',
            ),
            ("ss", r"found a MATLAB object of class ss, .*; save double\(A\), or the fields of struct\(A\), with -v7"),
            ("table", r"found a MATLAB object of class table, expected numbers or text"),
        ],
    )
    def test_objects_are_named_by_variable(self, tmp_path: Path, kind: str, message: str) -> None:
        path = tmp_path / "f.mat"
        path.write_bytes(arrays.dumps_mat(crossed()) + opaque("A", kind))
        with pytest.raises(FleetError, match=rf"f\.mat: A: {message}"):
            read_fleet(path)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (
                {"A": 1.0},
                r"mine: found a MATLAB struct, .*; save its fields as variables: save\('fl",
            ),
            (np.array([[1, "a"]], dtype=object), r"mine: found a MATLAB cell, .*; save cell2mat\(mine\)"),
            (scipy.sparse.eye_array(2).tocsc(), r"mine: found a MATLAB sparse matrix, .*; save full\(mine\)"),
            (np.array([[1j]]), r"mine: found complex numbers, expected real numbers or text; save real\(mine\)"),
        ],
    )
    def test_other_classes_are_named_with_the_remedy(self, value: Any, message: str) -> None:
        stream_ = io.BytesIO()
        scipy.io.savemat(stream_, {"mine": value})
        with pytest.raises(FleetError, match=message):
            arrays.loads_mat(stream_.getvalue())


def test_modes_that_no_input_reaches() -> None:
    """One decays and is accepted, by its exact cost; one does not and is named with its cluster."""
    text = GOOD.replace("A: [[0.9, 0.3], [0, 0.8]], B: [[0], [1]]", "A: [[1.1, 0], [0, 0.8]], B: [[0], [1]]")
    alone = 1.0 / (1.0 - 0.8 * 1.1**2) + riccati(LinearSystem([[0.8]], [[1.0]], [[1.0]], [[1.0]], 0.8)).P.item()
    assert loads(text).optimal_costs[0] == pytest.approx(4.0 * alone, rel=1e-12)
    with pytest.raises(FleetError, match=r"clusters\.0: \(A, B\): found the mode 1\.2 of A, .* which no input reaches"):
        loads(text.replace("1.1", "1.2"))
