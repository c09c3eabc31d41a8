"""The command that runs a pilot and judges it: on a small study, with the seeds that no configuration uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcpo.claims.tables import provenance_of
from tools import sizes
from tools.sizes import main, with_part

_CONFIG = """
name: tiny
featured: one
scenarios:
  one:
    title: one
    fleet: {file: config/fleets/mirror.yaml}
    schedule: {mode: calibrated, Delta0: 7}
    budget: {epochs: 2}
    seeds: {first: 0, count: 1}
evidence:
  defects_runs: {count: 1}
  defects_rounds: {count: 2}
  defects_proofs: {first: 10, count: 5}
  defects_noise: {count: 5}
  defects_budget: {count: 3}
  scaling: {count: 12, options: {sizes: [1, 4], control_sizes: [1, 4], epochs: 3, minibatch_scale: 0.02}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config/tiny.yaml"
    path.parent.mkdir()
    path.write_text(_CONFIG, encoding="utf-8")
    return path


def test_a_pilot_is_run_once_and_keeps_what_it_cost(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pilot"
    command = ["run", "defects", "--config", str(config), "--count", "defects_proofs=4", "--out", str(out)]
    assert main(command) == 0
    note = provenance_of(out / "defects_proofs.parquet")
    assert note["seeds"] == [5_000_000, 5_000_001, 5_000_002, 5_000_003]
    assert note["core_seconds"] > 0
    assert [path.name for path in out.iterdir()] == ["defects_proofs.parquet"]
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("defects_proofs.parquet: kept\n")


def test_seeds_of_a_configuration_are_refused(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "defects", "--config", str(config), "--out", str(tmp_path), "--count", "defects_proofs=4"]
    for first, code in ((14, 1), (7, 1), (6, 0), (15, 0)):
        assert main([*command, "--first", str(first)]) == code, first
    assert f"of which {config} uses some, expected seeds that no configuration uses" in capsys.readouterr().err


def test_what_is_wrong_ends_in_a_sentence(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "defects", "--config", str(config), "--out", str(tmp_path), "--count"]
    for words, sentence in (
        (["run", "nothing", "--count", "1", "--out", "x", "--config", str(config)], "group: found 'nothing'"),
        (["run", "surrogate", "--count", "1", "--out", "x", "--config", str(config)], "found no study 'surrogate'"),
        ([*run, "nothing=3"], "--count: found study 'nothing'"),
        ([*run, "many"], "counts: found 'many', expected numbers"),
        ([*run, "defects_noise=1,2", "defects_rounds=1,2,3"], "counts of defects_noise: found 2 numbers"),
        (["judge", "defects", str(tmp_path), "--config", str(config)], "defects_runs.parquet"),
    ):
        assert main(words) == 1, words
        assert sentence in capsys.readouterr().err


def test_another_pilot_than_the_configured_studies_is_refused(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes.run_pilot("scaling", config, {"scaling": 1}, tmp_path)
    config.write_text(_CONFIG.replace("epochs: 3", "epochs: 4"), encoding="utf-8")
    assert main(["judge", "scaling", str(tmp_path), "--config", str(config), "--repetitions", "2"]) == 1
    assert "scaling.parquet: found a pilot with options {" in capsys.readouterr().err


def test_tables_are_written_into_the_page(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "sizes.md"
    page.write_text("# Sizes\n\nBy hand.\n", encoding="utf-8")
    monkeypatch.setattr(sizes, "PAGE", page)
    sizes.run_pilot("scaling", config, {"scaling": 12}, tmp_path)
    command = ["judge", "scaling", str(tmp_path), "--config", str(config), "--repetitions", "2"]
    assert main([*command, "--page"]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Sizes\n\nBy hand.\n\n## scaling, tiny.yaml\n")
    assert "| `scaling` | 12 | " in text
    assert " | 12 seeds from 5000000 |\n" in text
    # a bound of δ = .05 needs 72 runs without a failure, and there are 24
    assert "| `scaling.bound` **short** | 0.00 | 0.00 | " in text
    assert main([*command, "--page"]) == 0
    assert page.read_text(encoding="utf-8").count("## ") == text.count("## ") == 1
    assert main([*command, "--page", "--counts", "5"]) == 1


def test_parts_of_the_page_are_apart() -> None:
    page = with_part(with_part("# Sizes\n", "a", "one\n"), "b", "two\n")
    assert with_part(page, "a", "three\n") == page.replace("one\n", "three\n")


def test_the_page_is_there(repository: Path) -> None:
    assert (repository / sizes.PAGE).is_file()
