"""The reader of YAML: the value of every notation that people use, and hostile or broken documents."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pcpo.errors import ConfigError
from pcpo.storage.yaml import MAX_ALIASED_VALUES, read_mapping, read_yaml


def read(text: str | bytes, **options: Any) -> Any:
    return read_yaml(text, error=ConfigError, **options)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("10", 10), ("010", 10), ("-010", -10), ("+3", 3), ("08", 8), ("0", 0), ("0x1F", 31), ("0o17", 15)),
        *((".5", 0.5), ("-.5", -0.5), ("+.5", 0.5), (".5e0", 0.5), ("-.5E-3", -0.0005), ("1.", 1.0), ("1.e2", 100.0)),
        *(
            ("2e-2", 0.02),
            ("1e5", 1e5),
            ("1E5", 1e5),
            ("1e+5", 1e5),
            ("010.5", 10.5),
            ("2.0", 2.0),
            ("6.02E+23", 6.02e23),
        ),
        *((".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf), ("1e400", math.inf)),
        *(("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("", None)),
        *((text, text) for text in ("yes", "no", "on", "off", "Yes", "y", "n", "None", "nan", "inf", "tRUE")),
        *((text, text) for text in ("1:30", "1_000", "1_000.5", "0b11", "2020-02-02", "2020-99-99", "1d-3", "1.2.3")),
        *(
            (text, text)
            for text in ("0o9", "0xg", "-0x1", ".", "+", "-.", "e5", ".e5", "1e", "1e5.5", "−0.5", "½", "٣")
        ),
        *(("'4'", "4"), ('"010"', "010"), ("!!str 4", "4"), ("!!float 4", 4.0), ("!!int 4", 4)),
    ],
)
def test_a_value_is_what_yaml_1_2_says(text: str, value: object) -> None:
    (found,) = read(f"- {text}")
    assert type(found) is type(value)
    assert found == value
    assert read(f"key: {text}") == {"key": value}


def test_not_a_number_is_read() -> None:
    assert math.isnan(read(".nan"))


def test_text_of_several_lines_stays_text() -> None:
    assert read("a: |\n  010\nb: >\n  1e5\n  2\n") == {"a": "010\n", "b": "1e5 2\n"}


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé😀", max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(TREES.filter(lambda tree: "Infinity" not in json.dumps(tree)))
def test_json_is_yaml(tree: Any) -> None:
    """R's jsonlite, MATLAB's jsonencode and others write configurations as JSON, indented by tabs or not at all."""
    for options in ({}, {"indent": "\t"}, {"indent": 2}, {"separators": (",", ":")}):
        text = json.dumps(tree, **options)  # type: ignore[arg-type]
        assert read(text, max_depth=50) == tree
        assert repr(read(text, max_depth=50)) == repr(tree)


@given(TREES.filter(lambda tree: "Infinity" not in json.dumps(tree)))
def test_what_a_library_of_yaml_1_1_writes_is_read_unless_it_is_a_float_like_text(tree: Any) -> None:
    """PyYAML quotes whatever YAML 1.1 would misread; plain texts that only YAML 1.2 takes for numbers are not drawn."""
    text = yaml.safe_dump(tree, allow_unicode=True)
    assert read(text, max_depth=50) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb:\n  c: 1\n  c: 2",
            "line 4, column 3: found the key 'c' twice, expected it once; the first is in line 3",
        ),
        ('{"a": 1,\n"a": 2}', "line 2, column 1: found the key 'a' twice, expected it once; the first is in line 1"),
        ("seeds: {first: 0, count:4}", "line 1, column 19: found 'count:4' without a value, expected a space after"),
        ("a: *x", "line 1, column 4: found an alias, expected values written out"),
        ("a: {<<: {b: 1}}", "line 1, column 5: found a key that is not plain text, but merges mappings"),
        ("? [a]\n: b", "line 1, column 3: found a key that is not plain text"),
        ("[" * 11 + "]" * 11, "line 1, column 11: found more than 10 levels of nesting"),
        ("a: [1, 2\n", "line 2, column 1: not valid YAML: expected ',' or ']', but got '<stream end>' while parsing"),
        ("a: 1\n\tb: 2", "line 2, column 1: not valid YAML: found character '\\t' that cannot start any token"),
        ("a: 1\nb: \x00", "line 2, column 4: not valid YAML: found the character U+0000, expected text"),
        ("a: !!python/name:os.system x", "line 1, column 4: not valid YAML: found the tag 'tag:yaml.org,2002:python/n"),
        ("a: !!binary aGk=", "line 1, column 4: not valid YAML: found the tag "),
        ("a: !!set {b}", "line 1, column 4: not valid YAML: found the tag "),
        ("a: !!int x", "line 1, column 4: found 'x', expected a value of its tag !!int"),
        (
            "%YAML 1.1\n---\na: 010",
            "line 2, column 1: found the directive of another version of YAML, expected YAML 1.2",
        ),
        ("%YAML 1.7\n---\na: 010", "not valid YAML: version minor part can only be 2 or 1"),
        ("a: 1\n---\nb: 2", "line 2, column 1: found a second document, expected one in the file"),
        ('a: "\\U00110000"', "not valid YAML: chr() arg not in range"),
        ('a: "\\ud83d"', "line 1, column 4: found half of a character (a lone surrogate), expected text"),
        ("a: 1" + "0" * 5000, "line 1, column 4: found a whole number of 5001 digits, expected at most 1000"),
        (b"a: \xff", "found bytes that are not UTF-8 text at offset 3"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_by_line_and_column(text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read(text)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_aliases_and_merge_keys_of_configurations() -> None:
    text = "a: &x {b: 010, c: 1}\nd: *x\ne: {<<: *x, c: 2}\nf: {<<: [{b: 3}, *x]}\n'<<': 4\n"
    with_aliases = read(text, aliases=True)
    assert with_aliases == {"a": {"b": 10, "c": 1}, "d": {"b": 10, "c": 1}, "e": {"b": 10, "c": 2}, **with_aliases}
    assert with_aliases["f"] == {"b": 3, "c": 1}
    assert with_aliases["<<"] == 4
    for text, message in (
        ("a: *x", "found the alias *x, expected &x before it"),
        ("a: &x [*x]", "found the alias *x, expected &x before it"),
        ("a: {<<: 3}", "<<: found 3, expected a mapping or a list of mappings"),
    ):
        with pytest.raises(ConfigError) as refusal:
            read(text, aliases=True)
        assert message in str(refusal.value)


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 9)]
    with pytest.raises(ConfigError, match=f"found more than {MAX_ALIASED_VALUES} values with those of aliases"):
        read("\n".join(lines), aliases=True, max_depth=20)


def test_a_byte_order_mark_and_other_line_ends_are_read() -> None:
    """Windows writes both."""
    assert read(b"\xef\xbb\xbfa: 010\r\nb: .5\r\n") == {"a": 10, "b": 0.5}


def test_random_edits_of_a_configuration_raise_nothing_else(repository: Path) -> None:
    rng = random.Random(0)
    texts = [
        (repository / name).read_text(encoding="utf-8")[:500] for name in ("config/quick.yaml", "config/cluster.yaml")
    ]
    texts.append("%YAML 1.2\n---\na: &x !!map {b: |+2\n  c, d: >-\n e}\nf: *x\n? g\n: h\n")
    refused = 0
    for _ in range(300):
        text = list(rng.choice(texts))
        for _ in range(rng.randint(1, 6)):
            text.insert(
                rng.randrange(len(text) + 1), rng.choice("{}[]&*!%@`|>'\"\\:,-?#<~ \n\t0.1eExU\x85\u2028\ufeff")
            )
        try:
            read("".join(text), aliases=True)
        except ConfigError as error:
            refused += "\n" not in str(error)
    assert refused > 100


class TestFiles:
    def test_a_configuration_is_a_mapping(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        path.write_text("a: &x [010]\nb: *x\n", encoding="utf-8")
        assert read_mapping(path, error=ConfigError) == {"a": [10], "b": [10]}
        for text, found in (("", "None"), ("- a", "['a']"), ("010", "10")):
            path.write_text(text, encoding="utf-8")
            with pytest.raises(ConfigError) as refusal:
                read_mapping(path, error=ConfigError)
            assert str(refusal.value) == f"{path}: found {found}, expected keys with values"

    def test_missing_large_and_broken_files_are_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.yaml"
        with pytest.raises(ConfigError, match=r"a\.yaml: cannot be read \(No such file"):
            read_mapping(path, error=ConfigError)
        path.write_text("a: 1\na: 2\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"a\.yaml: line 2, column 1: found the key 'a' twice"):
            read_mapping(path, error=ConfigError)
        monkeypatch.setattr("pcpo.storage.yaml.MAX_FILE_BYTES", 5)
        with pytest.raises(ConfigError, match=r"a\.yaml: found more than 5 bytes"):
            read_mapping(path, error=ConfigError)
