"""What a configuration is expected to cost, and the page on clusters that says it: its numbers, options and files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pcpo.report.cost import expected_hours, main, sentence, work
from pcpo.report.origin import core_seconds

SCENARIO = {"algorithms": ["pcpo", "local"], "seeds": {"count": 3}}
TUNING = {"seeds": {"count": 2}, "grid": {"step_scale": [1, 2], "radius_scale": [1]}}
CONFIG = {
    "scenarios": {"a": SCENARIO, "b": {**SCENARIO, "tuning": TUNING}},
    "evidence": {"scaling": {"count": 10}},
    "fedlqr": {"rounds": 100, "realisations": 4},
}


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/cluster.md").read_text(encoding="utf-8")


def commands(page: str) -> list[list[str]]:
    """The page's command lines, word by word."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines]


def test_work_is_counted() -> None:
    counted = {"evidence/scaling": 10, "runs/a": 6, "runs/b": 6, "tune/b": 2 * 2 * 2, "fedlqr": 400}
    assert work(CONFIG) == counted


def test_every_part_is_scaled_by_its_work() -> None:
    spent = {
        "evidence/scaling": 3600.0,
        "runs/a": 360.0,
        "runs/b": 36.0,
        "tune/b": 72.0,
        "fedlqr": 0.0,
        "figures": 720.0,
    }
    assert expected_hours(CONFIG, CONFIG, spent) == (pytest.approx(sum(spent.values()) / 3600, rel=1e-12), [])
    larger = {**CONFIG, "evidence": {"scaling": {"count": 25}, "surrogate": {"count": 5}}}
    hours, unknown = expected_hours(larger, CONFIG, spent)
    assert hours == pytest.approx((sum(spent.values()) + 1.5 * 3600) / 3600, rel=1e-12)
    assert unknown == ["evidence/surrogate"]
    # Without the other scenario, its part of the reference run does not count.
    smaller = {**CONFIG, "scenarios": {"a": SCENARIO}}
    assert expected_hours(smaller, CONFIG, spent)[0] == pytest.approx((3600 + 360 + 720) / 3600, rel=1e-12)


def test_core_seconds_are_those_of_the_benchmarks(tmp_path: Path) -> None:
    for name, seconds in {
        "evidence/scaling/0-9.tsv": "1.5",
        "evidence/scaling/10-19.tsv": "2",
        "runs/a/pcpo/0-2.tsv": "-",
        "runs/a/local/0-2.tsv": "4",
        "verdicts.tsv": "0.5",
        "report.tsv": "9",
    }.items():
        path = tmp_path / "results/benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\tcpu_time\n10\t1\t{seconds}\n", encoding="utf-8")
    assert core_seconds(tmp_path) == {"evidence/scaling": 3.5, "runs/a": 4.0, "verdicts": 0.5}


def test_command_line_says_what_is_wrong(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n", encoding="utf-8")
    assert main(["--repository", str(repository), str(tmp_path / "mine.yaml")]) == 1
    assert "ConfigError: the configuration: found no key" in capsys.readouterr().err
    assert main(["--repository", str(repository), str(repository / "config/config.yaml")]) == 0
    assert capsys.readouterr().out == f"{sentence(repository / 'config/config.yaml', repository)}\n"


@pytest.mark.parametrize("name", ["full", "cluster"])
def test_page_has_the_cost(name: str, repository: Path, page: str) -> None:
    assert f"- {sentence(repository / f'config/{name}.yaml', repository)}\n" in page


def test_page_names_options_and_files_that_there_are(repository: Path, page: str) -> None:
    from snakemake.cli import get_argument_parser

    known = set(get_argument_parser()._option_string_actions)
    lines = [words for words in commands(page) if words[0] == "snakemake"]
    assert len(lines) >= 5
    words = {word for line in lines for word in line}
    assert {word for word in words if word.startswith("--")} <= known
    shown = {name for name in re.findall(r"`(--[\w-]+)[ `]", page) if name != "--unlock"}
    assert shown <= known | {"--name"}
    paths = {word for word in words if "/" in word}
    assert {"profiles/slurm", "config/full.yaml", "config/cluster.yaml"} <= paths
    assert [path for path in sorted(paths) if not (repository / path).exists()] == []
