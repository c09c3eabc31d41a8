"""A change reruns what depends on it and nothing else.  `snakemake -n` tells which jobs would run."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support.workspace import Workspace, edited

FLEETS = {"Fleet of scenario pair", "Fleet of scenario single"}
PLANS = {"Schedule and horizon of scenario pair", "Schedule and horizon of scenario single"}
PAIR_RUNS = {"Runs of pcpo in scenario pair, seeds 000000-000001"}
SINGLE_RUNS = {"Runs of pcpo in scenario single, seeds 000005-000005"}
PAIR_FIGURES = {"Figure elimination"}  # the featured scenario
ELIMINATION = PAIR_FIGURES | {"Figure elimination_single"}
OF_RUNS = ELIMINATION | {"Figure learning_curves"}


def jobs_after(workspace: Workspace) -> set[str]:
    outcome = workspace.snakemake("-n")
    assert outcome.code == 0, outcome.text
    assert outcome.jobs or "Nothing to be done" in outcome.text, outcome.text
    return outcome.jobs


CONFIGURATIONS: dict[str, tuple[dict[str, object], set[str]]] = {
    "one more batch of seeds": (
        {"scenarios__pair__seeds": {"first": 0, "count": 4, "per_job": 2}},
        {"Runs of pcpo in scenario pair, seeds 000002-000003"} | PAIR_FIGURES | {"Figure learning_curves"},
    ),
    "another schedule": (
        {"scenarios__single__schedule__Delta0": 2},
        {"Schedule and horizon of scenario single"}
        | SINGLE_RUNS
        | {"Figure elimination_single", "Figure learning_curves"},
    ),
    "another fleet": (
        {"scenarios__pair__fleet__random__seed": 4},
        {"Fleet of scenario pair", "Schedule and horizon of scenario pair", "Figure fleets", "Figure learning_curves"}
        | PAIR_RUNS
        | PAIR_FIGURES,
    ),
    "one more algorithm": (
        {"scenarios__single__algorithms": ["pcpo", "pcpo_sync"]},
        {"Runs of pcpo_sync in scenario single, seeds 000005-000005"},
    ),
    "another title": (
        {"scenarios__single__title": "renamed"},
        {"Figure elimination_single", "Figure learning_curves", "Figure fleets"},
    ),
    "a key written with its default": ({"scenarios__single__noise": "signs"}, set()),
}


@pytest.mark.parametrize("change", CONFIGURATIONS)
def test_a_change_of_the_configuration(change: str, clone: Workspace) -> None:
    changes, expected = CONFIGURATIONS[change]
    clone.configure(edited(**changes))
    assert jobs_after(clone) == expected


def append(name: str) -> Callable[[Workspace], None]:
    def change(workspace: Workspace) -> None:
        with (workspace.root / name).open("a", encoding="utf-8") as stream:
            stream.write("\n# a comment\n")

    return change


def touch_every_source(workspace: Workspace) -> None:
    for path in [*workspace.root.glob("pcpo/**/*.py"), *workspace.root.glob("workflow/**/*")]:
        os.utime(path)


CONTENTS: dict[str, tuple[Callable[[Workspace], None], set[str]]] = {
    "sources touched": (touch_every_source, set()),
    "a figure's module": (append("pcpo/figures/learning_curves.py"), {"Figure learning_curves"}),
    # Plans and the figure of fleets import the module of experiments, and with it the driver and the server.
    "the server": (append("pcpo/algorithms/server.py"), PLANS | PAIR_RUNS | SINGLE_RUNS | OF_RUNS | {"Figure fleets"}),
    "the algorithm": (append("pcpo/algorithms/pcpo.py"), PAIR_RUNS | SINGLE_RUNS | OF_RUNS),
    "what algorithms share": (append("pcpo/algorithms/baselines/base.py"), PAIR_RUNS | SINGLE_RUNS | OF_RUNS),
    "algorithms that were not run": (append("pcpo/algorithms/baselines/ifca.py"), set()),
    "the calibration": (
        append("pcpo/theory/calibration.py"),
        PLANS | PAIR_RUNS | SINGLE_RUNS | OF_RUNS | {"Figure fleets"},
    ),
    "the Riccati solver": (
        append("pcpo/lqr/optimum.py"),
        FLEETS | PLANS | PAIR_RUNS | SINGLE_RUNS | OF_RUNS | {"Figure fleets"},
    ),
    "a user's fleet file": (
        append("fleets/single.yaml"),
        {"Fleet of scenario single", "Schedule and horizon of scenario single", "Figure elimination_single"}
        | SINGLE_RUNS
        | {"Figure learning_curves", "Figure fleets"},
    ),
}


@pytest.mark.parametrize("change", CONTENTS)
def test_a_change_of_a_file(change: str, clone: Workspace) -> None:
    make_change, expected = CONTENTS[change]
    make_change(clone)
    assert jobs_after(clone) == expected


def test_other_versions_of_libraries_rerun_every_job(clone: Workspace) -> None:
    """Numbers of two versions of NumPy are never mixed; the version is faked by metadata that are found first."""
    clone.write("numpy-99.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: numpy\nVersion: 99.0\n")
    assert jobs_after(clone) == FLEETS | PLANS | PAIR_RUNS | SINGLE_RUNS | OF_RUNS | {"Figure fleets"}


def test_one_figure_can_be_made_again_alone(clone: Workspace) -> None:
    outcome = clone.snakemake("-n", "--force", "build/tiny/figures/elimination.pdf")
    assert outcome.code == 0, outcome.text
    assert outcome.jobs == {"Figure elimination"}
