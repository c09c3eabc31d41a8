"""The command `pcpo`: its help, its sentences, and a run with its table and figure."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import shlex
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

import pcpo
from pcpo.__main__ import COMMANDS, main
from pcpo.errors import FleetError
from pcpo.experiments.records import read_provenance, read_runs
from pcpo.fleets.files import example_fleet, example_names, read_fleet, write_fleet
from pcpo.pipeline.single import described, parser

SMALL = ["--Delta0", "24", "--minibatch-scale", "0.01", "--epochs", "2"]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.partition("commands:\n")[2].partition("\n\n")[0].splitlines()]
    assert [words[0] for words in lines] == list(COMMANDS)
    assert [words[0] for words in lines if words[-1] == "checkout)"] == [n for n, c in COMMANDS.items() if c.checkout]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert capsys.readouterr().out.startswith("usage: ")
    assert inspect.signature(import_module(COMMANDS[name].module).main).parameters.keys() == {"arguments"}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"pcpo {pcpo.__version__}\n"


def test_another_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["figures"])
    assert "invalid choice: 'figures'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cost", "reference"])
def test_what_needs_the_checkout_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([name, *(["mine.yaml"] if name == "cost" else ["--root", "."])]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ResultsError: repository: found no ")
    assert error.endswith(f" in {tmp_path}, expected a checkout of pcpo\n")


def test_fleets_of_the_package_are_those_of_the_configurations(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = sorted((repository / "config/fleets").glob("*.yaml"))
    assert example_names() == [path.stem for path in paths]
    assert main(["fleets"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["fleet", "agents", "clusters", "states", "inputs", "Δ"]
    for line, path in zip(lines, paths, strict=True):
        fleet = read_fleet(path)
        name, *sizes, separation = line.split()
        assert (name, sizes) == (path.stem, [str(size) for size in (fleet.N, fleet.H, fleet.n, fleet.m)])
        assert float(separation) == pytest.approx(fleet.separation, rel=0.01)


def test_a_fleet_that_does_not_come_with_the_package() -> None:
    with pytest.raises(FleetError, match="found 'exmaple', expected one of example, mirror, toso2023, wang2023"):
        example_fleet("exmaple")


def test_run_prints_what_was_learned_and_writes_table_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, figure = tmp_path / "runs.parquet", tmp_path / "pictures/sets"
    page = tmp_path / "page.html"
    wanted = ["--output", str(output), "--figure", str(figure), "--report", str(page)]
    assert main(["run", "example", *SMALL, *wanted]) == 0
    *lines, told = capsys.readouterr().out.splitlines()
    assert told == f"report: {page}"
    assert "The method says nothing of its run" in page.read_text(encoding="utf-8")
    runs, fleet = read_runs([output]), example_fleet()
    assert lines[:-2] == described(runs, fleet)
    assert len(lines) == fleet.N + 5
    gains = [ast.literal_eval(line[line.index("[[") :]) for line in lines[3:-2]]
    last = runs[runs["epoch"] == runs["epoch"].max()]
    assert gains == [pytest.approx(gain.reshape(fleet.m, fleet.n), abs=1e-4) for gain in last["global_gain"]]
    assert read_provenance(output)["version"] == pcpo.__version__
    assert sorted(path.name for path in figure.parent.iterdir()) == ["sets.csv", "sets.pdf", "sets.png"]


UNKNOWN = """
name: nobody has a controller
gamma: 0.8
clusters:
  - {size: 1, A: [[1.5]], B: [[1]], Q: 4, R: 1}
  - {size: 1, A: [[1.2]], B: [[1]], Q: 4, R: 1}
initial_gains: unknown
"""


def test_run_on_a_fleet_without_a_stabilising_gain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(UNKNOWN, encoding="utf-8")
    assert main(["run", "mine.yaml", "--rollouts", "45000"]) == 0
    shown = capsys.readouterr().out
    assert "\npcpo_auto on nobody has a controller, model-free, annealed first: epoch " in shown
    assert re.search(r"rollouts per agent: initial [\d,]+, probing", shown), shown
    assert "initial" in Path("mine_pcpo_auto.html").read_text(encoding="utf-8")
    gaps = [float(line.split()[2]) for line in shown.split("agent  cluster")[1].splitlines()[1:3]]
    assert max(gaps) < 1
    for arguments in (["--Delta0", "1"], ["--method", "local", "--Delta0", "1"]):
        assert main(["run", "mine.yaml", *arguments]) == 1
        assert "FleetError: initial_gains: found unknown, expected gains" in capsys.readouterr().err
    Path("mine.yaml").write_text(UNKNOWN.replace("unknown", "zero"), encoding="utf-8")
    assert main(["run", "mine.yaml"]) == 1
    assert "expected less than 1 (finite cost), or, if no such gain is known, " in capsys.readouterr().err


def test_the_line_of_sets_says_whether_they_are_the_true_clusters() -> None:
    fleet = example_fleet()
    experiment = pcpo.Experiment.calibrated(fleet, Delta0=24, minibatch_scale=0.01, epochs=1)
    runs = experiment.run("local", seed=0)
    assert not runs["set_correct"].all()
    assert described(runs, fleet)[1].endswith(", not the true clusters")
    assert described(pd.DataFrame(runs.assign(set_correct=True)), fleet)[1].endswith("], the true clusters")


def test_run_takes_a_file_and_another_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fleet(example_fleet("mirror"), tmp_path / "mine.json")
    page = tmp_path / "page.html"
    assert main(["run", str(tmp_path / "mine.json"), "--method", "local", *SMALL, "--report", str(page)]) == 0
    assert capsys.readouterr().out.startswith("local on mirror, calibrated: epoch 2, ")


def test_run_without_a_model_says_what_it_found_and_what_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "example", "--rollouts", "30000"]) == 0
    shown = capsys.readouterr().out
    found, true = shown.split("\nBy the true systems, which the method has not seen:\n")
    assert found.startswith("cluster 1: agents 0, 6; mean cost ")
    assert "rollouts per agent: probing " in found
    assert true.startswith("pcpo_auto on example, model-free: epoch ")
    assert "the true clusters\n" in true
    assert "not the true clusters" not in true
    assert shown.endswith("report: example_pcpo_auto.html\n")
    page = (tmp_path / "example_pcpo_auto.html").read_text(encoding="utf-8")
    rows = re.findall(r"<td>(\d)</td><td>([\d, ]+)</td>", page)
    assert rows == [("1", "0, 6"), ("2", "1, 4, 7"), ("3", "2, 3, 5, 8")]
    assert "//" not in re.sub(r"data:[^\"]*", "", page.partition("</style>")[2])
    for line in true.splitlines()[:-1]:
        assert line in page


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["example", "--method", "pcpo"], "--Delta0: missing, expected a first guess"),
        (["example", "--method", "pcpo_auto", "--epochs", "3"], "--epochs: found with the method 'pcpo_auto'"),
        (["example", "--rollouts", "100"], "budget: found 100 rollouts per agent, expected at least "),
        (["example", "--rollouts", "0"], "rollouts: found a budget of 0 per agent"),
        (["example", "--oracle", "auto"], "oracle: found 'auto' without a schedule"),
        (["exmaple", "--Delta0", "3"], "fleet: found 'exmaple', expected a file"),
        (["no.yaml", "--Delta0", "3"], "no.yaml"),
        (["example", "--Delta0", "-3"], "Delta0: found -3.0, expected a positive number"),
        (["example", "--Delta0", "3", "--epochs", "0"], "epochs: found 0, expected 1 or more"),
        (["example", *SMALL, "--method", "sgd"], "algorithm: found 'sgd', expected one of "),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *arguments]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def entries_of(text: str) -> list[str]:
    """List the modules at the top level of the package that a text names, in order."""
    return list(dict.fromkeys(re.findall(r"`(pcpo\.[a-z]+)`", text)))


def test_public_modules_are_the_same_for_help_and_on_the_page(repository: Path) -> None:
    assert pcpo.__doc__ is not None
    stated = re.findall(r"^- `(pcpo\.\w+)`: (.+?)[;.]$", pcpo.__doc__, re.MULTILINE)
    page = (repository / "docs/library.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(pcpo\.\w+)` \| (.+?) \|$", page, re.MULTILINE) == stated
    assert len(stated) > 5


def test_every_module_of_the_top_level_is_stated_as_public_or_not() -> None:
    assert pcpo.__doc__ is not None
    found = {f"pcpo.{module.name}" for module in pkgutil.iter_modules(pcpo.__path__)} - {"pcpo.__main__"}
    assert set(entries_of(pcpo.__doc__)) == found


def test_names_of_the_door_come_from_public_modules_or_are_reports_of_results() -> None:
    """Check that whoever follows a public name to its module finds a public module."""
    assert pcpo.__doc__ is not None
    public = re.findall(r"^- `(pcpo\.\w+)`", pcpo.__doc__, re.MULTILINE)
    other = {name for name, module in pcpo.DOOR.items() if ".".join(module.split(".")[:2]) not in public}
    assert other == {"load_results"}


def test_commands_of_the_page(repository: Path) -> None:
    page = (repository / "docs/library.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)).splitlines()
    words = [shlex.split(line) for line in lines if line.startswith("pcpo ")]
    assert len(words) > 2
    assert {word[1] for word in words} <= {*COMMANDS, "--help"}
    assert {name for name in re.findall(r"`pcpo ([a-z]+)", page)} <= set(COMMANDS)
    runs = [parser().parse_args(word[2:]) for word in words if word[1] == "run"]
    assert [run.fleet in example_names() for run in runs] == [True, True]


def test_script_of_the_page(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (repository / "docs/library.md").read_text(encoding="utf-8")
    [script] = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(script, {})
    assert capsys.readouterr().out.split()[:2] == ["local_gap", "global_gap"]
