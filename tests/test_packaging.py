"""Check that packaging files agree with each other, and that none ties the project to an index or a machine."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import pcpo

ROOT = Path(__file__).resolve().parents[1]

#: Directories of the checkout that are made, not written.
GENERATED = {".git", ".venv", ".snakemake", "results", "figures", "build", "dist", "__pycache__", ".hypothesis"} | {
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".benchmarks",
    ".ipynb_checkpoints",
    "htmlcov",
}
CONFIG_SUFFIXES = {".toml", ".lock", ".yml", ".yaml", ".cfg", ".cff", ".ini", ".smk", ".sh", ".txt"}
CONFIG_NAMES = {"Makefile", "Snakefile", ".gitignore", ".gitattributes", "run"}
TEXT_SUFFIXES = CONFIG_SUFFIXES | {".py", ".md", ".rst", ".ipynb", ".json"}

#: Hosts that a configuration file may name: references and the identifiers of schemas, nothing to install from.
HOSTS = {"arxiv.org", "doi.org", "json-schema.org"}
INDEX_OPTION = re.compile(r"(?<!no-emit-)index[-_]url|find[-_]links|\[\[tool\.uv\.index\]\]", re.IGNORECASE)
PERSONAL_PATH = re.compile(r"(?<![\w.$)}~/-])/(?:home|root|Users|opt|mnt|srv)/")

#: Conda's names, where they are not the ones of pyproject.toml: the same software with fewer optional dependencies.
CONDA_NAMES = {
    "matplotlib-base": "matplotlib",
    "seaborn-base": "seaborn",
    "snakemake-minimal": "snakemake",
}


def files(names: set[str], suffixes: set[str]) -> Iterator[Path]:
    for directory, subdirectories, filenames in os.walk(ROOT):
        subdirectories[:] = [name for name in subdirectories if name not in GENERATED and not name.endswith("egg-info")]
        for filename in filenames:
            if filename in names or Path(filename).suffix in suffixes:
                yield Path(directory, filename)


def foreign_addresses(text: str) -> list[str]:
    """List what a configuration file says of places to install from and of paths on some machine."""
    urls = re.findall(r"\b(?:git\+)?(?:https?|ftp|file|ssh)://[^\s\"'<>)]+", text)
    hosts = [(url, re.sub(r"^[^:]*://(?:[^@/]*@)?", "", url).split("/")[0].split(":")[0]) for url in urls]
    found = [url for url, host in hosts if host not in HOSTS]
    return found + INDEX_OPTION.findall(text) + PERSONAL_PATH.findall(text)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def declared(project: dict[str, Any]) -> list[Requirement]:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    return [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"]["dev"] + build]


@pytest.fixture(scope="module")
def locked() -> list[tuple[Requirement, list[str]]]:
    """Read each requirement of the lock with its hashes."""
    logical = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    lines = [line.split("#")[0].strip() for line in logical]
    parts = [re.split(r"\s+--hash=", line) for line in lines if line]
    return [(Requirement(part[0]), part[1:]) for part in parts]


def test_environment_yml_agrees_with_pyproject(project: dict[str, Any]) -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    found = [Requirement(line) for line in environment["dependencies"] if line != "pip"]
    conda = {canonicalize_name(CONDA_NAMES.get(entry.name, entry.name)): str(entry.specifier) for entry in found}
    expected = [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"]["jupyter"]]
    assert conda.pop("python") == project["requires-python"]
    assert conda == {canonicalize_name(entry.name): str(entry.specifier) for entry in expected}
    assert set(environment["channels"]) == {"conda-forge", "bioconda", "nodefaults"}


def test_version_is_the_same_everywhere(project: dict[str, Any]) -> None:
    assert project["dynamic"] == ["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert citation["version"] == newest[1] == pcpo.__version__ == str(Version(pcpo.__version__))


def test_new_names_of_the_changelog_can_be_imported() -> None:
    rows = re.findall(
        r"^\| `(from|python) .+? \| (.+?) \|$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    imports = [line for _, now in rows for line in re.findall(r"`(from pcpo[^`]+)`", now)]
    modules = [module for _, now in rows for module in re.findall(r"`python -m (pcpo[\w.]+)`", now)]
    assert len(imports) > 10
    assert modules == ["pcpo.pipeline.status", "pcpo.storage.verify"]
    for line in imports:
        exec(line, {})
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


def test_lock_satisfies_every_declared_requirement(
    declared: list[Requirement], locked: list[tuple[Requirement, list[str]]]
) -> None:
    pins = {canonicalize_name(entry.name): str(entry.specifier).removeprefix("==") for entry, _ in locked}
    for wanted in declared:
        pin = pins.get(canonicalize_name(wanted.name))
        assert pin is not None, f"{wanted.name} is not in requirements.lock: run `make lock`"
        assert wanted.specifier.contains(pin), f"requirements.lock has {wanted.name} {pin}, not {wanted.specifier}"


def test_lock_pins_one_version_of_each_package_with_hashes(locked: list[tuple[Requirement, list[str]]]) -> None:
    assert len(locked) > 50
    assert len({canonicalize_name(entry.name) for entry, _ in locked}) == len(locked)
    for entry, hashes in locked:
        assert re.fullmatch(r"==[\w.!+]+", str(entry.specifier)), entry
        assert entry.url is None
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value.strip()) for value in hashes), entry


def test_lock_has_no_option_but_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", text)) == {"--hash"}


def test_no_configuration_file_names_an_index_or_a_machine() -> None:
    paths = list(files(CONFIG_NAMES, CONFIG_SUFFIXES))
    assert {ROOT / name for name in ("requirements.lock", "pyproject.toml", "Makefile", ".ci/run")} <= set(paths)
    found = {str(path.relative_to(ROOT)): foreign_addresses(path.read_text(encoding="utf-8")) for path in paths}
    assert {name: bad for name, bad in found.items() if bad} == {}


@pytest.mark.parametrize(
    "line",
    [
        "--index-url x",
        "--extra-index-url=x",
        "PIP_INDEX_URL=x",
        "--find-links wheels",
        "numpy @ https://packages.example.org/simple/numpy",
        "numpy @ https://user:secret@packages.example.org:8080/numpy",
        "pcpo @ git+https://example.org/pcpo",
        "file:///wheels",
        "cache: /home/someone/cache",
        "CACHE=/opt/wheels",
    ],
)
def test_addresses_are_recognised(line: str) -> None:
    assert foreign_addresses(line)


@pytest.mark.parametrize(
    "line",
    [
        "--no-emit-index-url",
        "$schema: https://json-schema.org/draft/2020-12/schema",
        "doc/home/x",
        "#!/usr/bin/env bash",
    ],
)
def test_harmless_lines_pass(line: str) -> None:
    assert not foreign_addresses(line)


def test_no_text_file_holds_the_path_of_this_checkout_or_interpreter() -> None:
    places = "|".join(re.escape(place) for place in {str(ROOT), sys.prefix, sys.base_prefix} if len(place) > 4)
    pattern = re.compile(rf"(?<![\w.~-])(?:{places})(?![\w-])")
    assert pattern.search(f"cache: {ROOT}/build")
    found = [path for path in files(CONFIG_NAMES, TEXT_SUFFIXES) if pattern.search(path.read_text(encoding="utf-8"))]
    assert [str(path.relative_to(ROOT)) for path in found] == []


def test_default_profile_names_options_of_snakemake() -> None:
    from snakemake.cli import get_argument_parser

    options = set(get_argument_parser()._option_string_actions)
    profile = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text(encoding="utf-8"))
    assert {f"--{name}" for name in profile} <= options
    assert "--no-such-option" not in options
    assert not profile.keys() & {"report", "report-after-run"}, "breaks a dry run on a fresh tree"
    assert profile["rerun-incomplete"] is True


def test_container_recipes_set_up_what_a_clone_does() -> None:
    """Compare the two recipes with each other and with the Makefile; no image is built here."""
    docker, apptainer = (
        (ROOT / "containers" / name).read_text(encoding="utf-8") for name in ("Dockerfile", "apptainer.def")
    )
    image = re.findall(r"^(?:FROM|From:) (\S+)$", docker + apptainer, re.MULTILINE)
    assert len(image) == 2
    assert len(set(image)) == 1
    oldest = re.fullmatch(r"python:(\d+\.\d+)-slim", image[0])
    assert oldest is not None
    python = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert f">={oldest[1]}" == python, "the Python of the lock"
    needed = [re.findall(r"--no-install-recommends (.+?)(?: \\)?$", text, re.MULTILINE) for text in (docker, apptainer)]
    assert needed == [["git make"]] * 2
    assert re.findall(r"^(?:RUN|   ) make (\w+)", docker + apptainer, re.MULTILINE) == ["setup"] * 2
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".venv", "build", "results", "dist"} <= set(ignored), "left out of the image"
    assert not {name.split("/")[0] for name in ignored} & {
        "pcpo",
        "config",
        "workflow",
        "notebooks",
        "docs",
        "profiles",
    }


def test_ci_script_can_be_executed() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert (ROOT / "pcpo" / "py.typed").is_file()


def test_jobs_import_nothing_slow_that_they_may_not_need() -> None:
    """Check what every job imports: each of these packages would take a second in each of hundreds of jobs."""
    slow = {"matplotlib", "scipy.optimize", "scipy.stats", "seaborn"}
    code = "import sys; from pcpo.evidence.registry import GROUPS, load_group; import pcpo.algorithms.registry; "
    code += f"[load_group(name) for name in GROUPS]; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
