"""Bad input ends with one clear message, as a person sees it, and with nothing written."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support.workspace import FLEET, Once, Outcome, Workspace, edited

from pcpo.algorithms.registry import ALGORITHMS

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
TWO = LINE + "  - {size: 1, A: [[0.9]], B: [[-1.0]], Q: identity, R: identity}\n"

#: File name → text and what its message must say; one job each in one command.
FLEETS: dict[str, tuple[str, str]] = {
    "truncated": (FLEET[: FLEET.index("B:")], "line"),
    "corrupt": ("\x00\x01\x02", "fleets/corrupt.yaml"),
    "nan": (FLEET.replace("0.9", ".nan"), "A"),
    "uncontrollable": (FLEET.replace("B: [[1.0]]", "B: [[0.0]]"), "controllable"),
    "indefinite": (FLEET.replace("Q: identity", "Q: [[-1.0]]"), "positive definite"),
    "discount": (FLEET.replace("gamma: 0.5", "gamma: 1.5"), "gamma"),
    "infinite": (FLEET.replace("initial_gains: zero", "initial_gains: {scale: -3}"), "finite cost"),
    "equal": (FLEET.replace(LINE, TWO), "equal optimal costs"),
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
