"""The registry: distinct names, sources, side information that cannot be peeked at, and exact spending of everyone."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_fleets import forked_fleet, schedule_for, three_clusters

from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import RunResult, Setting, SideInformation
from pcpo.algorithms.registry import ALGORITHMS, Entry, make_algorithm, module_of, registry
from pcpo.errors import ConfigError
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import side_information
from pcpo.experiments.records import evaluate, read_runs, write_runs
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import ExactOracle, RolloutOracle
from pcpo.simulation.noise import noise_law
from pcpo.storage.sources import PACKAGE, closure

LAW = noise_law("signs")
FIELDS = {f.name for f in fields(SideInformation)}
names = pytest.mark.parametrize("name", ALGORITHMS)
scheduled = pytest.mark.parametrize("name", [name for name, entry in ALGORITHMS.items() if not entry.own_schedule])


def setting_of(fleet: Fleet, Delta0: float = 16.0, c4: float = 40.0) -> Setting:
    return Setting(
        fleet.initial_gains, schedule_for(fleet, Delta0=Delta0, c4=c4), side_information(fleet, LAW, hessians=True)
    )


def run_for(name: str, oracle: Oracle, setting: Setting, epochs: int) -> RunResult:
    return run(make_algorithm(name), oracle, setting, setting.schedule.rollouts_for(epochs))  # type: ignore[attr-defined]


def test_a_name_may_occur_once() -> None:
    entry = Entry("pcpo", PCPO, "PCPO", "a paper")
    with pytest.raises(ConfigError, match="algorithm 'pcpo': found it twice"):
        registry([entry, replace(entry, title="another")])
    assert list(registry([entry, replace(entry, name="other")])) == ["pcpo", "other"]


def test_titles_differ() -> None:
    assert len({entry.title for entry in ALGORITHMS.values()}) == len(ALGORITHMS) == 32


@names
def test_entries(name: str) -> None:
    entry = ALGORITHMS[name]
    assert entry.name == make_algorithm(name).name == name
    assert entry.uses <= FIELDS
    assert entry.title
    assert entry.citation
    assert entry.sees == ("trajectories" if name in ("least_squares", "cluster_sysid") else "rollout costs")
    assert hash(make_algorithm(name)) is not None


def methods_in_the_closure(name: str) -> set[str]:
    """Modules of methods that a run of the algorithm depends on."""
    folder = PACKAGE / "algorithms"
    found = closure(module_of(name))
    return {path.stem for path in found if path.parent == folder / "baselines"} | (
        {"pcpo"} if folder / "pcpo.py" in found else set()
    )


@names
def test_the_module_of_an_algorithm_defines_it(name: str) -> None:
    assert type(make_algorithm(name)).__module__ == module_of(name)
    assert PACKAGE.parent.joinpath(*module_of(name).split(".")).with_suffix(".py") in closure(module_of(name))


def test_a_run_depends_on_the_methods_that_its_algorithm_builds_on_and_on_no_other() -> None:
    base = {"__init__", "base"}
    assert methods_in_the_closure("pcpo") == methods_in_the_closure("pcpo_no_reinit") == base | {"pcpo"}
    assert methods_in_the_closure("local") == base | {"local"}
    assert methods_in_the_closure("pcpo_auto") == set()
    assert methods_in_the_closure("cluster_sysid") == base | {"cluster_sysid", "least_squares"}


def test_the_table_of_methods_is_the_registry(repository: Path) -> None:
    text = (repository / "docs/methods.md").read_text(encoding="utf-8")
    rows = [line.replace("\\|", "/").strip("| ").split("|") for line in text.splitlines() if line.startswith("| [`")]
    found = {
        re.sub(r"\W+\(.*", "", row[0].strip(" [`")): (row[3].strip(), set(re.findall("`(\\w+)`", "".join(row[4:]))))
        for row in rows
    }
    assert found == {name: (entry.sees, set(entry.uses)) for name, entry in ALGORITHMS.items()}
    assert list(found) == list(ALGORITHMS)


class Spy(PCPO):
    """Keeps the side information it is handed."""

    seen: SideInformation
    declared: frozenset[str] = frozenset()

    @property
    def uses(self) -> frozenset[str]:
        return self.declared

    def init(self, setting: Setting) -> Any:
        object.__setattr__(self, "seen", setting.side)
        return super().init(setting)


@pytest.mark.parametrize("declared", [frozenset(), frozenset({"labels"}), frozenset({"gamma", "separation"})])
def test_the_driver_hides_what_is_not_declared(declared: frozenset[str]) -> None:
    fleet = three_clusters()
    setting, spy = setting_of(fleet), Spy()
    object.__setattr__(spy, "declared", declared)
    run(spy, ExactOracle(fleet), setting, setting.schedule.plan(1).rollouts)
    told = {name for name in FIELDS if getattr(spy.seen, name) is not None}
    assert told == declared
    assert all(getattr(setting.side, name) is not None for name in FIELDS)  # nothing is None by itself


def test_undeclarable_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"uses: found \['A'\], expected some of balances, cross_costs, gamma"):
        SideInformation().only(frozenset({"A"}))


@pytest.mark.parametrize("name", [n for n in ALGORITHMS if ALGORITHMS[n].uses])
def test_a_method_says_which_side_information_it_lacks(name: str) -> None:
    fleet = three_clusters()
    bare = Setting(fleet.initial_gains, schedule_for(fleet, Delta0=16.0, c4=40.0))
    with pytest.raises(ConfigError, match=r"found no such side information"):
        run_for(name, ExactOracle(fleet), bare, 2)


@scheduled
def test_everyone_spends_the_rollouts_of_the_schedule_and_reports_what_it_says(name: str) -> None:
    fleet, oracle = three_clusters(), ExactOracle(three_clusters())
    setting, told = setting_of(fleet), []
    oracle.on_rollouts = told.append
    result = run_for(name, oracle, setting, 4)
    spent = [setting.schedule.plan(k).rollouts for k in range(1, 5)]
    assert [r.rollouts for r in result.epochs] == np.cumsum(spent).tolist()
    assert sum(told) == oracle.rollouts == sum(spent)
    estimated = [np.isfinite(r.cost_estimates).all() for r in result.epochs]
    assert all(np.isfinite(r.cost_estimates).all() or np.isnan(r.cost_estimates).all() for r in result.epochs)
    assert all(estimated) == ALGORITHMS[name].estimates_costs
    for report in result.epochs:
        assert report.neighbourhoods.dense().diagonal().all()
        np.testing.assert_array_equal(report.neighbourhoods, report.neighbourhoods.dense().T)


@scheduled
def test_infinite_costs_crash_nobody(name: str) -> None:
    """The forked fleet, on rollouts: several methods end with policies that explode; all reports stay numbers."""
    fleet = forked_fleet()
    oracle = RolloutOracle(fleet, seed=2, horizon=200, law=noise_law("signs"))
    result = run_for(name, oracle, setting_of(fleet, Delta0=8.0, c4=60.0), 3)
    for report in result.epochs:
        assert np.isfinite(report.local_gains).all()
        assert np.isfinite(report.global_gains).all()
    frame = evaluate(fleet, result, scenario="forked", seed=2)
    if name in ("naive_average_sync", "fedlqr_sync", "pcpo_one_sequence"):  # and the test is not vacuous
        assert (frame["status"] != "ok").any()
        assert frame["nonfinite"].sum() > 0


def test_runs_without_cost_estimates_can_be_read(tmp_path: Path) -> None:
    fleet = three_clusters()
    result = run_for("one_shot", ExactOracle(fleet), setting_of(fleet), 4)
    write_runs(evaluate(fleet, result, scenario="s", seed=0), tmp_path / "runs.parquet", {})
    frame = read_runs([tmp_path / "runs.parquet"])
    assert frame.groupby("epoch")["cost_estimate"].apply(lambda c: c.notna().sum()).tolist() == [0, 0, 0, 7]
