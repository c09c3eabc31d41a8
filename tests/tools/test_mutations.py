"""Test the list of planted faults, and that the command tells a fault from a harmless edit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.registry import GROUPS, load_claims
from tools.faults import FAULTS, Fault
from tools.mutations import Noticed, main, mutated, planted, table, tried

KNOWN = {fault.name: fault for fault in FAULTS}
HARMLESS = replace(KNOWN["threshold_whole"], name="harmless", what="nothing", replacement="half = 0.5 * Delta")


@pytest.mark.parametrize("fault", FAULTS, ids=list(KNOWN))
def test_the_text_of_a_fault_is_found_once(fault: Fault, repository: Path) -> None:
    source = (repository / fault.path).read_text(encoding="utf-8")
    wrong = mutated(source, fault)
    assert wrong != source
    compile(wrong, fault.path, "exec")


def test_faults_name_tests_and_claims_that_exist(repository: Path) -> None:
    assert len(KNOWN) == len(FAULTS) == 30
    claims = {claim.id for group in GROUPS for claim in load_claims(group)}
    for fault in FAULTS:
        assert fault.tests
        assert all((repository / test.partition("::")[0]).is_file() for test in fault.tests), fault.name
        assert set(fault.claims) <= claims, fault.name


def test_a_text_that_is_gone_or_twice_there_is_an_error() -> None:
    fault = Fault("f", "what", "a.py", "x = 1", "x = 2", [])
    assert mutated("x = 1\n", fault) == "x = 2\n"
    for source, times in (("y = 1\n", 0), ("x = 1\nx = 1\n", 2)):
        with pytest.raises(ConfigError, match=rf"fault f: found its text {times} times in a.py, expected it once"):
            mutated(source, fault)


def test_a_planted_fault_leaves_no_trace(tmp_path: Path) -> None:
    path, fault = tmp_path / "a.py", Fault("f", "what", "a.py", "x = 1", "x = 2", [])
    path.write_text("x = 1\n", encoding="utf-8")
    before = path.stat().st_mtime_ns
    with planted(tmp_path, fault):
        assert path.read_text(encoding="utf-8") == "x = 2\n"
    assert path.read_text(encoding="utf-8") == "x = 1\n"
    assert path.stat().st_mtime_ns == before


def test_the_table_says_what_nothing_noticed() -> None:
    fault = KNOWN["dearest_in_8"]
    seen, blind = Noticed(fault, "tests/a.py::test_b", ["lemmas.rule_8"]), Noticed(fault, "", [])
    half = Noticed(fault, "tests/a.py::test_b", [])
    assert (seen.enough, half.enough, blind.enough) == (True, False, False)
    text = table([seen, half, blind])
    assert "| `tests/a.py::test_b` | `lemmas.rule_8` |" in text
    assert "| **none** | **not** `lemmas.rule_8` |" in text
    assert "1 of 3 faults are noticed." in text


def test_an_unknown_fault_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colour"]) != 0
    assert "fault: found 'colour', expected one of threshold_whole, " in capsys.readouterr().err


def test_a_run_that_does_not_end_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    fault = Fault("f", "what", "a.py", "x = 1", "x = 2", ["a.py"])
    with pytest.raises(ResultsError, match=r"pytest .*: found no end within 0\.001 s, expected one"):
        list(tried(tmp_path, [fault], timeout=0.001))


@pytest.mark.slow
def test_a_fault_is_noticed_and_a_harmless_edit_is_not(repository: Path) -> None:
    wrong, harmless = tried(repository, [KNOWN["threshold_whole"], HARMLESS])
    assert wrong.test.startswith("tests/algorithms/test_server.py::")
    assert list(wrong.claims) == ["lemmas.rule_7"]
    assert (harmless.test, list(harmless.claims)) == ("", [])


@pytest.mark.slow
def test_a_test_that_fails_without_a_fault_is_an_error(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_red.py").write_text("def test_red() -> None:\n    assert False\n", encoding="utf-8")
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    fault = Fault("f", "what", "a.py", "x = 1", "x = 2", ["tests/test_red.py"])
    with pytest.raises(ResultsError, match=r"test_red.py::test_red: found it to fail without any fault"):
        list(tried(tmp_path, [fault]))
