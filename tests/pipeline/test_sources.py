"""What jobs are made of: the closure holds every module that a job loads, and nothing is loaded by name behind it."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from support.warm import server

from pcpo.algorithms.registry import ALGORITHMS, module_of
from pcpo.evidence.registry import GROUPS, modules_of
from pcpo.pipeline.sources import Scripts
from pcpo.storage.sources import PACKAGE, closure

STUDIES = {study: module for entry in GROUPS.values() for study, module in entry.studies.items()}
#: Modules that import others by name: each offers a list of names, and `Scripts` adds what a job takes from it; the
#: last one imports libraries only.
BY_NAME = {
    "__main__.py",
    "algorithms/__init__.py",
    "moved.py",
    "__init__.py",
    "algorithms/registry.py",
    "evidence/registry.py",
    "figures/registry.py",
    "pipeline/forks.py",
}


@pytest.fixture
def scripts(repository: Path) -> Scripts:
    return Scripts(repository / "workflow/scripts")


def names(paths: list[Path]) -> set[str]:
    return {path.relative_to(PACKAGE).as_posix() for path in paths if path.is_relative_to(PACKAGE)}


def loaded(*modules: str) -> set[str]:
    """Return the files of the package that an interpreter loads with some modules if it has loaded none of them."""
    code = (
        f"import importlib, sys\nfor name in {list(modules)!r}: importlib.import_module(name)\n"
        "print(*(m.__file__ for n, m in sorted(sys.modules.items()) if n.startswith('pcpo.')), sep='\\n')"
    )
    exit_code, out, errors = server().run(["-c", code], PACKAGE.parent, os.environ, timeout=60)
    assert exit_code == 0, errors
    return names([Path(line) for line in out.splitlines()]) - {"moved.py"}  # names modules, computes nothing


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_the_closure_of_a_group_holds_every_module_that_its_jobs_load(group: str) -> None:
    for modules in ([module] for module in set(GROUPS[group].studies.values())):
        assert loaded(*modules) <= names(closure(*modules))
    for part in ("claims", "figures"):
        assert loaded(*modules_of(group, part)) <= names(closure(*modules_of(group, part)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_closure_of_an_algorithm_holds_its_module_and_no_other_method(algorithm: str) -> None:
    found = names(closure(module_of(algorithm)))
    assert loaded(module_of(algorithm)) <= found
    own = module_of(algorithm).rpartition(".")[2]
    built_on = {"cluster_sysid": {"least_squares"}}.get(own, set())
    methods = {Path(name).stem for name in found if name.startswith("algorithms/baselines/")}
    assert methods - {"__init__", "base", own} == built_on


def test_modules_are_imported_by_name_in_known_places_only() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module"
    }
    assert found == BY_NAME


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_names_no_algorithm(study: str) -> None:
    """An algorithm made by its name would be missing in the closure of the study."""
    registry = {"make_algorithm", "ALGORITHMS"}
    for path in closure(STUDIES[study]):
        if path.parent.name in GROUPS or path.parent.parent.name in GROUPS:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
            assert not (imported & registry and "registry" in path.read_text(encoding="utf-8")), path
            named = [
                node.args[0].value
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
                and getattr(node.func, "attr", "") == "run"
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ]
            assert not set(named) & set(ALGORITHMS), path


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_does_not_depend_on_how_it_is_judged_or_drawn(study: str) -> None:
    found = names(closure(STUDIES[study]))
    parts = {Path(name).name for name in found if name.startswith("evidence/") and "/model/" not in name}
    assert not parts & {"claims.py", "claims.md", "figures.py", "measures.py"}
    assert not any(name.startswith(("figures/", "report/", "pipeline/")) for name in found)


def test_what_fills_in_defaults_is_among_the_sources(repository: Path) -> None:
    script = repository / "workflow/scripts/run_study.py"
    for module in STUDIES.values():
        assert {"schema.py", "claims/options.py", "claims/tables.py"} <= names(closure(script, module))


def test_a_digest_is_that_of_the_content(scripts: Scripts) -> None:
    assert scripts.study("run_study.py", "scaling") == scripts.study("run_study.py", "scaling")
    digests = {study: scripts.study("run_study.py", study) for study in ("scaling", "communication", "lemmas_pairs")}
    assert len(set(digests.values())) == len(digests)
    assert scripts.runs("run_seeds.py", "pcpo") != scripts.runs("run_seeds.py", "ifca")
