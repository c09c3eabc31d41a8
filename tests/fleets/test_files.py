"""Fleet files: bit-exact round trips in three formats, the published fleets, and hostile or broken files."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_fleets import assert_same

from pcpo.errors import FleetError
from pcpo.fleets import arrays as fleet_binary
from pcpo.fleets import files as fleet_io
from pcpo.fleets import json as fleet_json
from pcpo.fleets import yaml as fleet_yaml
from pcpo.fleets.files import read_fleet, write_fleet
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.mat5 import read_mat5
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.lqr import riccati

SUFFIXES = [".yaml", ".yml", ".json", ".npz", ".mat"]
CODECS: dict[str, tuple[Callable[[Fleet], bytes], Callable[[bytes], Fleet]]] = {
    "yaml": (fleet_yaml.dumps, fleet_yaml.loads),
    "json": (fleet_json.dumps, fleet_json.loads),
    "npz": (fleet_binary.dumps_npz, fleet_binary.loads_npz),
    "mat": (fleet_binary.dumps_mat, fleet_binary.loads_mat),
}
GOOD = """
name: two
gamma: 0.8
clusters:
  - {size: 1, A: [[0.9, 0.3], [0, 0.8]], B: [[0], [1]], Q: identity, R: identity}
  - {size: 2, A: [[0.5, 0.3], [0.1, 0.2]], B: [[0], [1]], Q: {scale: 2}, R: [[1e-1]]}
initial_gains: zero
"""

#: A fleet with gaps for a number of agents, an entry of a matrix and a multiple of the identity.
MOTORS = """
name: two motors
gamma: 0.7
clusters:
  - {{size: {size}, A: [[0.9]], B: [[1.0]], Q: identity, R: identity}}
  - {{size: 2, A: [[{a}]], B: [[0.4]], Q: {{scale: {scale}}}, R: identity}}
initial_gains: [[0.1]]
"""


def make_fleet(seed: int = 0, n: int = 3, m: int = 2, sizes: tuple[int, ...] = (2, 1, 3), **changes: Any) -> Fleet:
    separation = None if len(sizes) == 1 else 0.5
    fields = {"gamma": 0.9, "initial_gap": 1.5, "separation": separation, "optimal_cost": 20.0, **changes}
    return random_fleet(FleetSpec(n, m, sizes, **fields), np.random.default_rng(seed), f"fleet {seed}")


class TestRoundTrip:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize(
        ("n", "m", "sizes"), [(3, 2, (2, 1, 3)), (1, 1, (1, 1)), (1, 1, (1,)), (2, 1, (3,)), (1, 2, (1, 1))]
    )
    @pytest.mark.parametrize("initial", ["per_agent", "per_cluster"])
    def test_bit_by_bit(
        self, tmp_path: Path, suffix: str, n: int, m: int, sizes: tuple[int, ...], initial: str
    ) -> None:
        fleet, path = make_fleet(1, n, m, sizes, initial=initial), tmp_path / f"f{suffix}"
        write_fleet(fleet, path)
        assert_same(read_fleet(path), fleet)
        first = path.read_bytes()
        write_fleet(fleet, path)
        assert path.read_bytes() == first  # the same fleet gives the same bytes
        assert [p.name for p in tmp_path.iterdir()] == [path.name]

    @pytest.mark.parametrize("codec", CODECS)
    @settings(max_examples=40)
    @given(
        entries=st.lists(st.floats(-0.24, 0.24), min_size=4, max_size=4),  # 2A, the loop of agent 2, is stable
        q=st.floats(1e-6, 1e6),
        gamma=st.floats(0.01, 0.99),
        name=st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).filter(str.strip),
    )
    def test_any_float_and_any_name(self, codec: str, entries: list[float], q: float, gamma: float, name: str) -> None:
        A = np.array(entries).reshape(2, 2)
        systems = tuple(LinearSystem(A, np.eye(2), s * q * np.eye(2), q * np.eye(2), gamma) for s in (1.0, 2.0))
        fleet = Fleet(name, systems, [1, 0, 1], -A[None] * np.array([0.0, 1e-300, 1.0])[:, None, None], name)
        dumps, loads = CODECS[codec]
        assert_same(loads(dumps(fleet)), fleet)

    @pytest.mark.parametrize("codec", CODECS)
    def test_text_of_several_lines_and_letters(self, codec: str) -> None:
        f = make_fleet()
        fleet = Fleet("naïve: Δ # 'x'", f.systems, f.labels[::-1], f.initial_gains[::-1], 'line 1\nline "2"\tγ ')
        dumps, loads = CODECS[codec]
        assert_same(loads(dumps(fleet)), fleet)


class TestPublishedFleets:
    @pytest.mark.parametrize(
        ("name", "sizes", "gamma", "costs"),
        [
            ("toso2023", [10, 24, 16], 0.8, [12.9237, 12.9577, 12.1967]),
            ("wang2023", [4, 4, 4], 0.9, [71.9941, 72.7036, 76.8018]),
        ],
    )
    def test_optimal_costs(
        self, repository: Path, name: str, sizes: list[int], gamma: float, costs: list[float]
    ) -> None:
        fleet = read_fleet(repository / "config" / "fleets" / f"{name}.yaml")
        assert (fleet.name, fleet.gamma, [len(c) for c in fleet.clusters]) == (name, gamma, sizes)
        np.testing.assert_allclose(fleet.optimal_costs, costs, rtol=0, atol=0.5e-4 * (1 + 1e-9))
        assert "ours" in fleet.source.lower()

    def test_initial_gains_and_pattern(self, repository: Path) -> None:
        folder = repository / "config" / "fleets"
        assert not read_fleet(folder / "toso2023.yaml").initial_gains.any()
        wang = read_fleet(folder / "wang2023.yaml")
        np.testing.assert_array_equal(wang.initial_gains, np.broadcast_to(1.62 * np.eye(3), (12, 3, 3)))
        nominal = wang.systems[0]
        for eps, s in zip((0.0, 0.1, 0.5), wang.systems, strict=True):
            np.testing.assert_allclose(s.A - nominal.A, eps * np.diag([3.5, 1.0, 0.1]), atol=1e-12)
            np.testing.assert_allclose(s.B - np.eye(3), eps * np.diag([1.5, 0.1, 1.0]), atol=1e-12)


def loads(text: str) -> Fleet:
    return fleet_yaml.loads(text.encode())


class TestYaml:
    def test_short_forms(self) -> None:
        fleet = loads(GOOD)
        assert fleet.labels.tolist() == [0, 1, 1]
        np.testing.assert_array_equal(fleet.systems[1].Q, 2 * np.eye(2))
        assert fleet.systems[1].R.item() == 0.1
        assert fleet.source == ""
        assert not fleet.initial_gains.any()

    @pytest.mark.parametrize(
        ("gains", "expected"),
        [
            ("[[0.1, 0.2]]", [[[0.1, 0.2]]] * 3),
            ("[[[0.1, 0.2]], [[0, 1e-5]], [[0, 0.5]]]", [[[0.1, 0.2]], [[0, 1e-5]], [[0, 0.5]]]),
        ],
    )
    def test_common_and_per_agent_gains(self, gains: str, expected: list[Any]) -> None:
        fleet = loads(GOOD.replace("initial_gains: zero", f"initial_gains: {gains}"))
        np.testing.assert_array_equal(fleet.initial_gains, expected)

    def test_labels(self) -> None:
        assert loads(GOOD + "labels: [1, 0, 1]").labels.tolist() == [1, 0, 1]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("gamma:", "gama:", r"the file: found the unknown key 'gama', expected one of .*; did you mean 'gamma'\?"),
            (
                "size: 1",
                "sise: 1",
                r"clusters\.0: found the unknown key 'sise', expected one of .*; did you mean 'size'\?",
            ),
            (
                "{scale: 2}",
                "{scal: 2}",
                r"clusters\.1\.Q: found the unknown key 'scal', expected one of scale; did you mean 'scale'\?",
            ),
            ("{scale: 2}", "{scale: two}", r"clusters\.1\.Q\.scale: found 'two', expected a value of type number"),
            ("gamma: 0.8", "", r"found no key 'gamma', which is required"),
            ("size: 2, ", "", r"clusters\.1: found no key 'size'"),
            (
                "gamma: 0.8",
                "gamma: 0.8\ngamma: 0.9",
                r"line 4, column 1: found the key 'gamma' twice, expected it once; the first is in line 3",
            ),
            ("size: 2,", "size: 2, size: 2,", r"line 6, column 15: found the key 'size' twice"),
            ("gamma: 0.8", "gamma: .nan", r"gamma: found nan, expected a number with 0 < gamma < 1"),
            ("gamma: 0.8", "gamma: high", r"gamma: found 'high', expected a number"),
            ("0.9, 0.3", ".nan, 0.3", r"clusters\.0\.A: found nan at index \(0, 0\)"),
            ("0.9, 0.3", "0.9, x", r"clusters\.0\.A: found text 'x', expected numbers"),
            ("0.9, 0.3", "0.9, true", r"clusters\.0\.A: found True, expected numbers"),
            ("0.9, 0.3", "0.9", r"clusters\.0\.A: found rows of unequal length"),
            ("A: [[0.9, 0.3], [0, 0.8]]", "A: 0.9", r"clusters\.0\.A: found 0\.9, expected a list of lists"),
            ("A: [[0.9, 0.3], [0, 0.8]]", "A: [0.9]", r"clusters\.0: found A of shape \(1,\)"),
            ("Q: identity", "Q: ident", r"clusters\.0\.Q: found 'ident', expected identity, \{scale: a\} or a matrix"),
            ("Q: identity", "Q: {scale: -1}", r"clusters\.0: Q: found smallest eigenvalue -1"),
            ("size: 2", "size: 0", r"clusters\.1\.size: found 0, expected an integer from 1"),
            ("size: 2", "size: 2.5", r"clusters\.1\.size: found 2\.5, expected an integer from 1"),
            ("size: 2", "size: 1:30", r"clusters\.1\.size: found '1:30', expected an integer from 1"),
            ("size: 2", "size: 1_0", r"clusters\.1\.size: found '1_0', expected an integer from 1"),
            ("size: 2", "size: yes", r"clusters\.1\.size: found 'yes', expected an integer from 1"),
            ("0.9, 0.3", "0.9, 1_0", r"clusters\.0\.A: found text '1_0', expected numbers"),
            ("0.9, 0.3", "0.9, 1:30", r"clusters\.0\.A: found text '1:30', expected numbers"),
            ("0.9, 0.3", "0.9, 1d-3", r"clusters\.0\.A: found text '1d-3', expected numbers"),
            ("0.9, 0.3", "0.9, -.inf", r"clusters\.0\.A: found -inf at index \(0, 1\)"),
            ("size: 2", "size: 99999999999", r"clusters\.1\.size: found 99999999999, expected an integer from 1 to"),
            ("size: 2", "size: 10000", r"clusters: found 10001 agents, expected at most 10000"),
            (
                "initial_gains: zero",
                "initial_gains: none",
                r"initial_gains: found 'none', expected zero, unknown, \{scale: a\}, a matrix or N",
            ),
            ("initial_gains: zero", "initial_gains: {scale: 1}", r"expected m = n, but m = 1 and n = 2"),
            ("initial_gains: zero", "initial_gains: [1]", r"initial_gains: found shape \(1,\)"),
            ("initial_gains: zero", "initial_gains: [[0, -1.5]]", r"rho\(A - BK\) = 2\.05\d+ for agent 0 of cluster 0"),
            ("name: two", "name: [two]", r"name: found \['two'\], expected a text"),
            ("name: two", "name: two\nversion: 2", r"version: found 2, expected 1"),
            ("name: two", "name: two\nformat: other", r"format: found 'other', expected 'pcpo-fleet'"),
            ("name: two", "name: two\nlabels: [0, 1]", r"labels: found 1 agents of cluster 1, expected its size, 2"),
            ("name: two", "name: two\nlabels: [0, 1, 1.5]", r"labels\.2: found 1\.5, expected a value of type integer"),
            (
                "name: two",
                "name: two\nlabels: [0, 1, 1, 123456789012345678901]",
                r"labels\.3: found 123456789012345678901, expected a number of at most 9999",
            ),
            ("name: two", "name: &a two\nsource: *a", r"line 3, column 9: found an alias"),
            ("name: two", "name: two\nsource: " + "[" * 11 + "]" * 11, r"more than 10 levels of nesting"),
            ("name: two", "name: !!python/name:os.system x", r"not valid YAML: .*python/name"),
            ("name: two", "? [a]\n: b", r"found a key that is not plain text"),
            ("name: two", "name: [two", r"not valid YAML"),
            ("{scale: 2}", "{scale: 1" + "0" * 400 + "}", r"Q\.scale: found 10+\.\.\.0+, expected a finite number"),
            ("gamma: 0.8", "gamma: 1" + "0" * 400, r"gamma: found 10+\.\.\.0+, expected a number with 0 < gamma < 1"),
            ("0.9, 0.3", "0.9, 1e999", r"clusters\.0\.A: found inf at index \(0, 1\)"),
            ("name: two", "name: 2020", r"name: found 2020, expected a text"),
        ],
    )
    def test_bad_files_are_refused_by_name(self, old: str, new: str, message: str) -> None:
        assert old in GOOD
        with pytest.raises(FleetError, match=message):
            loads(GOOD.replace(old, new, 1))

    def test_leading_zeros_are_not_octal(self) -> None:
        """Octal sizes and scales would make fleets of eight, with costs that look right."""
        fleet = loads(MOTORS.format(size="010", a=0.5, scale="010"))
        assert [len(members) for members in fleet.clusters] == [10, 2]
        assert fleet.systems[1].Q.item() == 10.0
        np.testing.assert_allclose(fleet.optimal_costs[1], 25.3339572522, rtol=0, atol=0.5e-10 * (1 + 1e-3))

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            *(
                ("-.5", -0.5),
                ("+.5", 0.5),
                (".5e0", 0.5),
                (".5", 0.5),
                ("-.5E-3", -0.0005),
                ("1.", 1.0),
                ("-1.e0", -1.0),
            ),
            *(
                ("2e-2", 0.02),
                ("5E-1", 0.5),
                ("-00.25", -0.25),
                ("00.5", 0.5),
                ("0x1", 1.0),
                ("0o1", 1.0),
                ("1e+0", 1.0),
            ),
        ],
    )
    def test_numbers_in_any_notation_of_people(self, text: str, value: float) -> None:
        """MATLAB and Fortran leave the leading zero out."""
        assert loads(MOTORS.format(size=2, a=text, scale=4)).systems[1].A.item() == value

    def test_whole_numbers_written_with_a_point(self) -> None:
        fleet = loads(MOTORS.format(size="2.0", a=0.5, scale="4.0") + "labels: [0, 1.0, 0, 1]\nversion: 1.0\n")
        assert fleet.labels.tolist() == [0, 1, 0, 1]

    @pytest.mark.parametrize(
        "name", ["2020-99-99", "yes", "1:30", "two: 'motors'", "0o17", "1e5", ".5e0", "010", "1_0"]
    )
    def test_names_that_look_like_numbers_survive(self, name: str) -> None:
        f = make_fleet()
        fleet = Fleet(name, f.systems, f.labels, f.initial_gains, name)
        assert_same(fleet_yaml.loads(fleet_yaml.dumps(fleet)), fleet)

    @pytest.mark.parametrize("text", ["", "[]", "just text", "clusters: []\nname: x\ngamma: 0.5\ninitial_gains: zero"])
    def test_not_a_fleet_at_all(self, text: str) -> None:
        with pytest.raises(FleetError, match=r"found"):
            loads(text)

    def test_not_utf8(self) -> None:
        with pytest.raises(FleetError, match="not UTF-8 text at offset 0"):
            fleet_yaml.loads(b"\xff\xfe\xfd")

    def test_a_written_file_is_plain_yaml(self) -> None:
        document = yaml.safe_load(fleet_yaml.dumps(make_fleet()))
        assert document["format"] == "pcpo-fleet"
        assert [c["size"] for c in document["clusters"]] == [2, 1, 3]


@pytest.mark.parametrize("suffix", SUFFIXES)
class TestBrokenFiles:
    def test_truncated_anywhere(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"f{suffix}"
        write_fleet(make_fleet(), path)
        data = path.read_bytes()
        for keep in np.linspace(1, len(data) - 2, 40).astype(int):
            path.write_bytes(data[:keep])
            with pytest.raises(FleetError, match=re.escape(str(path))):
                read_fleet(path)

    def test_flipped_bytes_never_raise_anything_else(self, tmp_path: Path, suffix: str) -> None:
        """A flip may leave a valid fleet (a digit in YAML); otherwise it is a FleetError naming the file."""
        path, rng = tmp_path / f"f{suffix}", np.random.default_rng(0)
        write_fleet(make_fleet(), path)
        data, refused = path.read_bytes(), 0
        for position in rng.integers(0, len(data), 150):
            broken = bytearray(data)
            broken[position] ^= int(rng.integers(1, 256))
            path.write_bytes(bytes(broken))
            try:
                read_fleet(path)
            except FleetError as error:
                refused += str(path) in str(error)
        assert refused > 30

    def test_other_content_empty_missing_and_directory(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"f{suffix}"
        with pytest.raises(FleetError, match="cannot be read"):
            read_fleet(path)
        for content, message in ((b"", "empty file"), (b"\x00" * 300, "f\\."), (b"\x80\x04K\x01.", "f\\.")):
            path.write_bytes(content)
            with pytest.raises(FleetError, match=message):
                read_fleet(path)
        path.unlink()
        path.mkdir()
        with pytest.raises(FleetError, match="cannot be read"):
            read_fleet(path)

    def test_oversized(self, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / f"f{suffix}"
        write_fleet(make_fleet(), path)
        monkeypatch.setattr(fleet_io, "MAX_FILE_BYTES", 100)
        with pytest.raises(FleetError, match="more than 100 bytes"):
            read_fleet(path)
        with pytest.raises(FleetError, match="to write, expected at most 100"):
            write_fleet(make_fleet(), tmp_path / f"g{suffix}")
        assert [p.name for p in tmp_path.iterdir()] == [path.name]

    def test_a_failed_write_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / f"f{suffix}"
        write_fleet(make_fleet(), path)
        before = path.read_bytes()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.replace", full)
        with pytest.raises(FleetError, match=r"cannot be written \(No space left"):
            write_fleet(make_fleet(3), path)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        with pytest.raises(FleetError, match="found a str to write"):
            write_fleet("fleet", path)  # type: ignore[arg-type]


def test_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"found suffix '\.pkl', expected one of \.yaml"):
        read_fleet(tmp_path / "f.pkl")
    with pytest.raises(FleetError, match=r"found suffix ''"):
        write_fleet(make_fleet(), tmp_path / "f")
    assert not list(tmp_path.iterdir())


def npz(**changes: Any) -> bytes:
    fields = {**fleet_binary._fields(make_fleet()), **changes}
    stream = io.BytesIO()
    np.savez(stream, **{k: v for k, v in fields.items() if v is not None})
    return stream.getvalue()


class TestNpz:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"gamma": None}, "gamma: found no such field"),
            ({"extra": 1}, "extra: found an unknown field"),
            ({"version": 2}, r"version: found 2\.0, expected 1"),
            ({"format": "x"}, "format: found 'x'"),
            ({"name": 3}, "name: found shape"),
            ({"gamma": [0.5, 0.5]}, r"gamma: found shape \(2,\)"),
            ({"A": np.zeros((3, 3))}, r"A: found shape \(3, 3\)"),
            ({"R": np.ones((2, 2, 2))}, "R: found 2 matrices, expected 3 as in A"),
            (
                {"A": np.stack([1.2 * np.eye(3)] * 3), "B": np.zeros((3, 3, 2))},
                r"cluster 0: \(A, B\): found the mode 1\.2 of A, .*which no input reaches",
            ),
            ({"labels": np.zeros(6)}, "labels: found shape"),
            ({"A": np.array([{}], dtype=object)}, "pickled objects"),
        ],
    )
    def test_bad_fields(self, changes: dict[str, Any], message: str) -> None:
        fleet_binary.loads_npz(npz())  # without the change it is fine
        with pytest.raises(FleetError, match=message):
            fleet_binary.loads_npz(npz(**changes))

    def test_a_header_that_promises_more_than_it_holds(self) -> None:
        member = io.BytesIO()
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("A.npy", member.getvalue())
        with pytest.raises(FleetError, match=r"A\.npy: found 0 bytes, expected 8000000000000"):
            fleet_binary.loads_npz(stream.getvalue())

    def test_a_compressed_bomb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fleet_binary, "MAX_UNPACKED_BYTES", 2**20)
        fleet_binary.loads_npz(npz())
        stream = io.BytesIO()
        np.savez_compressed(stream, A=np.zeros(2**18))
        assert len(stream.getvalue()) < 2**14
        with pytest.raises(FleetError, match=r"2097280 bytes unpacked, expected at most .* 1048576"):
            fleet_binary.loads_npz(stream.getvalue())


def mat(compress: bool = False, **changes: Any) -> bytes:
    content = scipy.io.loadmat(io.BytesIO(fleet_binary.dumps_mat(make_fleet())))
    fields = {k: v for k, v in content.items() if not k.startswith("__")} | changes
    stream = io.BytesIO()
    scipy.io.savemat(stream, {k: v for k, v in fields.items() if v is not None}, do_compression=compress)
    return stream.getvalue()


class TestMat:
    def test_layout_is_a_matlab_users(self) -> None:
        fleet = make_fleet()
        content = scipy.io.loadmat(io.BytesIO(fleet_binary.dumps_mat(fleet)))
        assert content["A"].shape == (3, 3, 3)
        assert content["B"].shape == (3, 2, 3)
        assert content["initial_gains"].shape == (2, 3, 6)
        np.testing.assert_array_equal(content["B"][:, :, 1], fleet.systems[1].B)
        np.testing.assert_array_equal(content["initial_gains"][:, :, 4], fleet.initial_gains[4])
        assert content["labels"].ravel().tolist() == [1, 1, 2, 3, 3, 3]

    def test_a_dropped_last_dimension_and_integer_storage(self) -> None:
        fleet = make_fleet(2, 2, 2, (1,))
        content = scipy.io.loadmat(io.BytesIO(fleet_binary.dumps_mat(fleet)))
        fields = {k: v for k, v in content.items() if not k.startswith("__")}
        for name in ("A", "B", "Q", "R", "initial_gains"):
            fields[name] = fields[name].reshape(2, 2)
        fields["labels"] = np.array([[1]], dtype=np.uint8)
        stream = io.BytesIO()
        scipy.io.savemat(stream, fields, do_compression=True)
        assert_same(fleet_binary.loads_mat(stream.getvalue()), fleet)

    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"gamma": None}, "gamma: found no such field"),
            ({"version": 2.0}, "version: found"),
            ({"labels": np.array([[0.0, 1, 1, 2, 2, 2]])}, r"labels: found 0\.0, expected integers from 1"),
            ({"labels": np.array([[1.5, 1, 1, 2, 2, 2]])}, r"labels: found 1\.5"),
            ({"labels": np.array([[np.nan, 1, 1, 2, 2, 2]])}, "labels: found nan"),
            ({"labels": np.ones((3, 2))}, r"labels: found shape \(3, 2\)"),
            ({"A": {"field": 1.0}}, "A: found a MATLAB struct, expected numbers or text"),
            ({"A": np.array([[1j]])}, "A: found complex numbers"),
            ({"name": np.array([["a"], ["b"]], dtype=object)}, "name: found a MATLAB cell"),
            ({"name": np.array(["ab", "cd"])}, r"name: found text of type \d+ and shape \(2, 2\), expected one row"),
            ({"name": 3.0}, "name: found shape"),
            ({"gamma": "high"}, "gamma: found shape"),
            ({"extra": 1.0}, "extra: found an unknown field"),
        ],
    )
    def test_bad_fields(self, compress: bool, changes: dict[str, Any], message: str) -> None:
        fleet_binary.loads_mat(mat(compress))
        with pytest.raises(FleetError, match=message):
            fleet_binary.loads_mat(mat(compress, **changes))

    def test_hdf5_is_named(self) -> None:
        header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
        with pytest.raises(FleetError, match=r"7\.3 \(HDF5\) file, expected one saved with -v7"):
            fleet_binary.loads_mat(header + bytes(500))

    def test_a_compressed_bomb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fleet_binary, "MAX_UNPACKED_BYTES", 2**20)
        fleet_binary.loads_mat(mat(True))
        bomb = mat(True, extra=np.zeros(2**18))
        assert len(bomb) < 2**14
        with pytest.raises(FleetError, match="unpacks to more than"):
            fleet_binary.loads_mat(bomb)

    def test_flipped_bytes_of_an_uncompressed_file(self) -> None:
        """SciPy's own reader crashes the interpreter on some of these files; compression would hide the lengths."""
        data, rng, refused = mat(False), np.random.default_rng(1), 0
        for _ in range(400):
            broken = bytearray(data)
            for position in rng.integers(128, 1200, 2):
                broken[position] ^= 1 << int(rng.integers(8))
            try:
                fleet_binary.loads_mat(bytes(broken))
            except FleetError:
                refused += 1
        assert refused > 100

    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
    def test_the_strict_reader_agrees_with_scipy(self, dtype: str, compress: bool) -> None:
        values = {f"x{k}": np.arange(2 * k, dtype=dtype).reshape(2, k) for k in range(5)}
        values |= {"cube": np.arange(24, dtype=dtype).reshape(2, 3, 4), "one": np.array([[7]], dtype=dtype)}
        stream = io.BytesIO()
        scipy.io.savemat(stream, values, do_compression=compress)
        found, expected = read_mat5(stream.getvalue(), 2**20), scipy.io.loadmat(io.BytesIO(stream.getvalue()))
        assert set(found) == set(values)
        for name, array in found.items():
            assert array.dtype == expected[name].dtype
            np.testing.assert_array_equal(array, expected[name], strict=True)


def test_a_fleet_read_back_has_the_same_optimum(tmp_path: Path) -> None:
    fleet = make_fleet()
    write_fleet(fleet, tmp_path / "f.yaml")
    again = read_fleet(tmp_path / "f.yaml")
    assert [riccati(s).cost for s in again.systems] == fleet.optimal_costs.tolist()
    assert again.separation == fleet.separation
