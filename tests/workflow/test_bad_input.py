"""Bad input ends with one clear message, as a person sees it, and with nothing written."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd
import pytest
import yaml
from support.workspace import FLEET, Once, Outcome, Workspace, edited

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.fleets.files import read_fleet

RANDOM = "scenarios__pair__fleet__random"

CONFIGURATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": (
        {"scenarios__pair__schedule__Delta_0": 3},
        "scenarios.pair.schedule: found the unknown key 'Delta_0', expected one of "
        "mode, Delta0, delta, minibatch_scale; did you mean 'Delta0'?",
    ),
    "featured": ({"featured": "par"}, "featured: found 'par', expected one of pair, single"),
    "algorithm": (
        {"scenarios__pair__algorithms": ["pcpo", "pcpo_async"]},
        f"algorithm: found 'pcpo_async', expected one of {', '.join(sorted(ALGORITHMS))}",
    ),
    "gamma": ({f"{RANDOM}__gamma": 1.0}, "scenarios.pair.fleet.random.gamma: found 1.0, expected a number below 1"),
    "a title that is a formula for a shell": (
        {"scenarios": {"; touch x": edited()["scenarios"]["pair"]}},
        "scenarios: found '; touch x', expected a text that matches ^[A-Za-z][A-Za-z0-9_]{0,39}$(?!\\n)",
    ),
    "a scenario outside the folder": (
        {"scenarios": {"../../x": edited()["scenarios"]["pair"]}},
        "scenarios: found '../../x', expected a text that matches ^[A-Za-z][A-Za-z0-9_]{0,39}$(?!\\n)",
    ),
    "a name outside the folder": (
        {"name": "../x"},
        "name: found '../x', expected a text that matches ^[A-Za-z][A-Za-z0-9_]{0,39}$(?!\\n)",
    ),
    "Delta0": (
        {"scenarios__pair__schedule__Delta0": 0},
        "scenarios.pair.schedule.Delta0: found 0, expected a number above 0",
    ),
    "separation": (
        {f"{RANDOM}__separation": 0},
        "scenarios.pair.fleet.random.separation: found 0, expected a number above 0",
    ),
    "an option of a study": (
        {"evidence": {"scaling": {"count": 1, "options": {"sizes": [1, 1000]}}}},
        "evidence.scaling.options.sizes.1: found 1000, expected a number of at most 99",
    ),
    "plant": (
        {"extensions": ["examples/pendulums.py"], "scenarios__pair__plant": "pendulum"},
        "plant: found 'pendulum', expected one of pendulums",
    ),
    "moments of a plant": (
        {
            "extensions": ["examples/pendulums.py"],
            "scenarios__pair__plant": "pendulums",
            "scenarios__pair__oracle": "auto",
        },
        "scenarios.pair.oracle: found 'auto' with the plant 'pendulums', expected 'rollouts': the moments of a plant "
        "are not known",
    ),
    "more jobs than can be planned": (
        {"scenarios__pair__seeds": {"first": 0, "count": 1000000, "per_job": 5}},
        "scenarios.pair.seeds: found 200000 jobs of 200001 in all, expected at most 100000 in all: more seeds per_job",
    ),
    "limits": (
        {"limits": {"core_hours_per_run": 0}},
        "limits.core_hours_per_run: found 0, expected a number above 0",
    ),
    "a title that no font has": (
        {"scenarios__pair__title": "motors \ue000"},
        "scenarios.pair.title: found U+E000, which no font of this machine has; expected a title that figures can "
        "draw: install a font that has them (for Chinese, Japanese and Korean: pip install noto-cjk-sans-otc), or "
        "write another title",
    ),
    "missing extension": (
        {"extensions": ["mine.py"]},
        "extensions: mine.py: cannot be read (No such file or directory)",
    ),
    "extension that is not Python": (
        {"extensions": ["fleets/broken.py"]},
        "extensions: fleets/broken.py: found what is not Python (line 1: '(' was never closed), "
        "expected a file of Python",
    ),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_configuration(case: str, fresh: Workspace) -> None:
    changes, message = CONFIGURATIONS[case]
    fresh.configure(edited(**changes))
    fresh.write("fleets/broken.py", "x = (\n")
    before = fresh.files()
    outcome = fresh.snakemake("--cores", "1")
    assert outcome.code != 0
    assert f"ConfigError: {message}" in outcome.text.splitlines(), outcome.text
    assert "Traceback" not in outcome.text
    assert fresh.files() == before


LINE = "  - {size: 2, A: [[0.9]], B: [[1.0]], Q: identity, R: identity}\n"

#: File name → text and what its message must say; one job each in one command.
FLEETS: dict[str, tuple[str, str]] = {
    "truncated": (FLEET[: FLEET.index("B:")], "line"),
    "corrupt": ("\x00\x01\x02", "fleets/corrupt.yaml"),
    "nan": (FLEET.replace("0.9", ".nan"), "A"),
    "uncontrollable": (FLEET.replace("A: [[0.9]], B: [[1.0]]", "A: [[1.9]], B: [[0.0]]"), "no input reaches"),
    "indefinite": (FLEET.replace("Q: identity", "Q: [[-1.0]]"), "positive semidefinite"),
    "discount": (FLEET.replace("gamma: 0.5", "gamma: 1.5"), "gamma"),
    "infinite": (FLEET.replace("initial_gains: zero", "initial_gains: {scale: -3}"), "finite cost"),
    "twice": (FLEET.replace(LINE, LINE + LINE), "the same system twice"),
    "missing": ("", "empty"),
}


def refuse(workspace: Workspace) -> Outcome:
    """One command with a scenario for each bad file."""
    scenario = edited()["scenarios"]["single"]
    config = edited(featured="truncated")
    config["scenarios"] = {name: {**scenario, "fleet": {"file": f"fleets/{name}.yaml"}} for name in FLEETS}
    workspace.configure(config)
    for name, (text, _) in FLEETS.items():
        workspace.write(f"fleets/{name}.yaml", text)
    return workspace.snakemake("--cores", "2")


@pytest.fixture(scope="session")
def refused(once: Once) -> tuple[Workspace, Outcome]:
    """The workspace and what the command said."""
    return once("refused", refuse)


@pytest.mark.parametrize("name", FLEETS)
def test_fleet_file(name: str, refused: tuple[Workspace, Outcome]) -> None:
    workspace, outcome = refused
    sentences = {line.strip() for line in outcome.text.splitlines() if f"fleets/{name}.yaml: " in line}
    assert len(sentences) == 1, sentences
    sentence = sentences.pop()
    assert sentence.startswith("FleetError: ")
    assert FLEETS[name][1] in sentence
    assert outcome.code != 0
    assert "Traceback" not in outcome.text
    assert [path for path in workspace.files() if path.startswith("build/")] == []


@pytest.mark.slow
def test_budget_below_the_first_epoch(fresh: Workspace) -> None:
    plan = "build/tiny/results/plans/single.json"
    fresh.configure(edited(scenarios__single__budget={"rollouts": 3}))
    outcome = fresh.snakemake("--cores", "1", plan)
    assert outcome.code != 0
    assert "Traceback" not in outcome.text
    assert not (fresh.root / plan).exists()
    sentence = (
        r"BudgetError: rollouts: found a budget of 3 per agent, expected at least ([\d,]+), which the first epoch needs"
    )
    (needed,) = set(re.findall(sentence, outcome.text))
    fresh.configure(edited(scenarios__single__budget={"rollouts": int(needed.replace(",", ""))}))
    assert fresh.snakemake("--cores", "1", plan).code == 0
    assert len(json.loads((fresh.root / plan).read_text(encoding="utf-8"))["epochs"]) == 1


def configured(workspace: Workspace, *replacements: tuple[str, str]) -> None:
    """Write the tiny configuration with some of its text replaced, as a person would write it."""
    text = yaml.safe_dump(edited(), sort_keys=False)
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    workspace.write("tiny.yaml", text)


#: What is replaced in the configuration, arguments of the command, and the sentence.
SITUATIONS: dict[str, tuple[list[tuple[str, str]], list[str], str]] = {
    "a scenario is written twice": (
        [("  single:\n", "  pair:\n")],
        [],
        "tiny.yaml: line 28, column 3: found the key 'pair' twice, expected it once; the first is in line 5",
    ),
    "a seed has 39 digits": (
        [("first: 5\n", "first: 122807528840384100672342137672332424406\n")],
        [],
        "scenarios.single.seeds.first: found 122807528840384100672342137672332424406, "
        "expected a number of at most 9223372036854775807",
    ),
    "the last seed does not fit into a table": (
        [("first: 0\n", "first: 9223372036854775807\n")],
        [],
        "scenarios.pair.seeds: found 2 seeds from 9223372036854775807, whose last is 9223372036854775808, "
        "expected at most 9223372036854775807 (2^63 - 1)",
    ),
    "a count is a time of day": (
        [("first: 5\n      count: 1", "first: 5\n      count: 1:30")],
        [],
        "scenarios.single.seeds.count: found '1:30', expected a value of type integer",
    ),
    "a count is not whole": (
        [("first: 5\n      count: 1", "first: 5\n      count: 2.5")],
        [],
        "scenarios.single.seeds.count: found 2.5, expected a value of type integer",
    ),
    "a number is infinite": (
        [("Delta0: 12", "Delta0: .inf")],
        [],
        "scenarios.pair.schedule.Delta0: found inf, expected a finite number",
    ),
    "a setting is not closed": (
        [],
        ["--config", "scenarios={pair: {seeds: {count: 4}"],
        "--config scenarios: line 1, column 26: not valid YAML: expected ',' or '}', but got '<stream end>' "
        "while parsing a flow mapping that starts in line 1; expected a value in YAML, "
        "as in --config report=false 'scenarios={motors: {seeds: {count: 4}}}'",
    ),
    "a setting is out of range": (
        [],
        ["--config", "scenarios={pair: {seeds: {count: 0}}}", "report=no"],
        "report: found 'no', expected a value of type boolean, true or false",
    ),
}


@pytest.mark.parametrize("case", SITUATIONS)
def test_situations_in_the_text_of_a_configuration(case: str, fresh: Workspace) -> None:
    replacements, arguments, message = SITUATIONS[case]
    configured(fresh, *replacements)
    before = fresh.files()
    outcome = fresh.snakemake("--cores", "1", *arguments)
    assert outcome.code != 0
    (sentence,) = {line for line in outcome.text.splitlines() if line.startswith("ConfigError: ")}
    assert sentence.removeprefix("ConfigError: ").removeprefix(f"{fresh.root}/") == message
    assert "Traceback" not in outcome.text
    assert fresh.files() == before


NOTATIONS = [
    ("first: 0\n      count: 2\n      per_job: 2", "first: 00\n      count: 010\n      per_job: 5.0"),
    ("minibatch_scale: 0.05\n    budget:\n      epochs: 1", "minibatch_scale: 5e-2\n    budget:\n      epochs: 1.0"),
    ("first: 5\n      count: 1", "first: 0x5\n      count: 1.0"),
    ("Delta0: 12", "Delta0: 1.2e1"),
]


@pytest.mark.slow
def test_numbers_in_any_notation_of_people_are_read(fresh: Workspace) -> None:
    """Leading zeros, exponents without a point, 2.0 for 2 in R: each is the number that it looks like."""
    configured(fresh, *NOTATIONS)
    fresh.write("fleets/single.yaml", FLEET.replace("size: 2", "size: 010").replace("R: identity", "R: {scale: 010}"))
    arguments = ["build/tiny/results/plans/single.json", "build/tiny/results/plans/pair.json"]
    outcome = fresh.snakemake("--cores", "1", *arguments)
    assert outcome.code == 0, outcome.text
    fleet = read_fleet(fresh.root / "build/tiny/results/fleets/single.yaml")
    assert fleet.labels.tolist() == [0] * 10
    assert fleet.systems[0].R.item() == 10
    plans = [json.loads((fresh.root / path).read_text(encoding="utf-8")) for path in arguments]
    fresh.write("fleets/single.yaml", FLEET.replace("size: 2", "size: 10").replace("R: identity", "R: {scale: 10}"))
    fresh.configure(edited())
    assert fresh.snakemake("--cores", "1", "--forceall", *arguments).code == 0
    assert [json.loads((fresh.root / path).read_text(encoding="utf-8")) for path in arguments] == plans


def test_as_many_seeds_run_as_are_written(fresh: Workspace) -> None:
    """Count the files of runs of 010 seeds, five in a job, and of settings on the command line."""
    configured(fresh, *NOTATIONS)
    runs = re.compile(r"runs/(pair|single)/pcpo/(\d+-\d+)\.parquet")
    written = fresh.snakemake("--cores", "1", "--dry-run")
    assert written.code == 0, written.text
    assert set(runs.findall(written.text)) == {
        ("pair", "000000-000004"),
        ("pair", "000005-000009"),
        ("single", "000005-000005"),
    }
    assert "report.html" not in written.text
    settings = ["--config", "scenarios={pair: {seeds: {count: 3.0}}, single: {seeds: {first: 010}}}", "report=true"]
    overridden = fresh.snakemake("--cores", "1", "--dry-run", *settings)
    assert overridden.code == 0, overridden.text
    assert set(runs.findall(overridden.text)) == {("pair", "000000-000002"), ("single", "000010-000010")}
    assert "report.html" in overridden.text


@pytest.mark.slow
def test_settings_reach_the_jobs(fresh: Workspace) -> None:
    """Jobs of their own processes read the same configuration with the same settings."""
    path = "build/tiny/results/runs/single/pcpo/000007-000007.parquet"
    outcome = fresh.snakemake(
        "--cores", "1", path, "--config", "scenarios={single: {seeds: {first: 07}}}", "report=false"
    )
    assert outcome.code == 0, outcome.text
    assert set(pd.read_parquet(fresh.root / path)["seed"]) == {7}


def test_a_configuration_in_json_is_read_alike(fresh: Workspace) -> None:
    fresh.write("tiny.json", json.dumps(edited(scenarios__pair__seeds={"first": 0.0, "count": 3.0}), indent="\t"))
    outcome = fresh.snakemake("--cores", "1", "--dry-run", configuration="tiny.json")
    assert outcome.code == 0, outcome.text
    assert "runs/pair/pcpo/000000-000002.parquet" in outcome.text
    fresh.write("tiny.json", '{"name": "tiny",\n"name": "other"}')
    outcome = fresh.snakemake("--cores", "1", "--dry-run", configuration="tiny.json")
    assert (
        "tiny.json: line 2, column 1: found the key 'name' twice, expected it once; the first is in line 1"
        in outcome.text
    )


def test_a_later_file_overrides_an_earlier_one(fresh: Workspace) -> None:
    fresh.write("more.yaml", "scenarios: {pair: {seeds: {count: 04}}}\n")
    outcome = fresh.snakemake("--cores", "1", "--dry-run", "--configfile", "tiny.yaml", "more.yaml")
    assert outcome.code == 0, outcome.text
    assert "runs/pair/pcpo/000002-000003.parquet" in outcome.text
    assert "runs/single/pcpo/000005-000005.parquet" in outcome.text


CARTS = """\
name: two carts
gamma: 0.99
clusters:
  - {size: 2, A: [[1, 0.1], [0, 1]], B: [[0.005], [0.1]], Q: identity, R: identity}
  - {size: 2, A: [[1, 0.1], [0, 1]], B: [[0.01], [0.2]], Q: identity, R: identity}
initial_gains: zero
"""


@pytest.mark.slow
def test_field_05_budget_nobody_can_run(fresh: Workspace) -> None:
    """The plan is refused with its numbers; nothing of the scenario is simulated."""
    fresh.write("fleets/single.yaml", CARTS)
    schedule = {"mode": "calibrated", "Delta0": 1000}
    fresh.configure(edited(scenarios__single__schedule=schedule, scenarios__single__budget={"epochs": 2}))
    outcome = fresh.snakemake("--cores", "1", "build/tiny/results/runs/single/pcpo/000005-000005.parquet")
    assert outcome.code != 0
    assert "Traceback" not in outcome.text
    assert (
        "BudgetError: scenarios.single.budget: found 1.1e23 rollouts per agent of 2353 steps, which are 1.1e27 steps"
        in outcome.text
    )
    assert not [path for path in fresh.files() if "/plans/" in path or "/runs/" in path]
    fresh.write("fleets/single.yaml", CARTS.replace("zero", "[[0.3, 0.9]]"))
    outcome = fresh.snakemake("--cores", "1", "build/tiny/results/plans/single.json")
    assert outcome.code == 0
    assert "scenario single: 2.4e8 rollouts per agent of 984 steps" in outcome.text
    plan = json.loads((fresh.root / "build/tiny/results/plans/single.json").read_text(encoding="utf-8"))
    assert not {"cost", "core_hours", "core_seconds", "runs"} & set(plan)
    fresh.configure(
        edited(
            scenarios__single__schedule=schedule,
            scenarios__single__budget={"epochs": 2},
            limits={"core_hours_per_run": 0.01},
        )
    )
    outcome = fresh.snakemake("--cores", "1", "build/tiny/results/runs/single/pcpo/000005-000005.parquet")
    assert outcome.code != 0, "a limit counts though the plan was made before"
    assert "expected at most 0.01 core hours (limits.core_hours_per_run)" in outcome.text
