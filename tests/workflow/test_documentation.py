"""Run every command of the pages as it is written: in a copy of the checkout, dry where the real thing takes long."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_args

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/**/*.md",
    *(f"{name}/README.md" for name in ("config", "benchmarks", "figures")),
)
LEFT_OUT = (".git", ".venv", ".snakemake", "build", "results", "dist", "tests", "*.pdf", "__pycache__", ".*_cache")

#: Variables that are set for a command.
SETTINGS = r"(?:[A-Z_]+=(?:\$\([^)]*\)|\S+) )*"
#: What a command begins with. The names in the second line are also names of things: something has to follow them.
COMMAND = re.compile(
    rf"{SETTINGS}(?:(?:make|snakemake)(?=\s|$)|\.ci/run|"
    r"(?:python3?|pip3?|conda|mamba|apt|apt-get|jupyter|sbatch|squeue|scancel|srun|git|sed|sh|bash|uv|docker|\.) +\S)"
)

#: Commands that are not run here, and why.
NOT_RUN = {
    r"python3 -m venv \.venv|\. \.venv/bin/activate": "an environment exists, the one of this test",
    r"git clone .*|cd pcpo": "a clone of this checkout exists, the one of this test",
    r"pip install .*": "needs the network; files and extras are checked below",
    r"conda (env create|activate) .*": "conda is not a requirement; the file is checked below",
    r"(PCPO_ROOT=\S+ )?jupyter lab notebooks/": "a server that does not end; test_lab_browser.py has one",
    r"scancel --name=<id>": "needs Slurm; test_slurm.py has one",
    r"snakemake --report report\.html": "needs a finished run; test_quality.py has one",
    r"snakemake build/quick/figures/histogram\.pdf .*": "needs the new figure; test_adding.py writes and draws it",
    r"sed 's/scaling/noise/g' .*": "test_adding.py runs it",
    r"python -m tools\.sizes .*": "a pilot takes minutes; the tests of the tool run small ones",
    r"python -m tools\.mutations.*": "it takes ten minutes; the tests of the tool plant single faults",
}

#: Commands that need a finished run: that they understand their arguments is seen from the sentence they end with.
WITHOUT_RESULTS = r"python -m (pcpo\.(report\.reference|storage\.verify) .*|tools\.jobs)"
#: Targets of make that are short enough to be made.
SHORT = ("help", "status", "setup")


def pages(root: Path) -> list[Path]:
    return sorted(page for pattern in PAGES for page in root.glob(pattern))


def commands(text: str) -> Iterator[str]:
    """Yield the commands of fenced blocks of shell, and of inline code and indented lines that begin like a command."""
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if command := " ".join(re.sub(r"(^|\s+)#.*$", "", line).split()):
                yield command
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(line.split()) for line in re.findall(r"^ {4}(.*)$", text, re.MULTILINE) if COMMAND.match(line))
    for paragraph in re.split(r"\n\s*\n|\n(?=[|-])", text):
        for _, code in re.findall(r"(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)", paragraph, re.DOTALL):
            if COMMAND.match(code):
                yield " ".join(code.split())


def all_commands(root: Path) -> list[str]:
    return sorted({command for page in pages(root) for command in commands(page.read_text(encoding="utf-8"))})


def exception(command: str) -> str | None:
    """Return the reason why a command is not run, if there is one."""
    return next((reason for pattern, reason in NOT_RUN.items() if re.fullmatch(pattern, command)), None)


def runnable(command: str) -> str | None:
    """Return what to run for a command; None if this test knows no way to run it."""
    settings, words = re.fullmatch(f"({SETTINGS})(.*)", command).groups()  # type: ignore[union-attr]
    match words.split():
        case ["snakemake", *rest] if {"--unlock", "--version"} & set(rest):
            return command
        case ["snakemake", *_]:
            return f"{settings}snakemake -n{words.removeprefix('snakemake')}"
        case ["make", target] if target in SHORT:
            return command
        case ["make", *_]:
            return f"{settings}make -n{words.removeprefix('make')}"
        case [".ci/run"]:
            return "bash -n .ci/run"
        case ["python", "-m", "pytest", *_]:
            return f"{command} --collect-only -q"
        case ["pcpo", *_]:
            return f"python -m {command}"
        case ["python", *_]:
            return command.replace("<clone>", ".")
    return None


@pytest.fixture(scope="module")
def checkout(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with an environment, and with configurations that the pages tell the reader to write."""
    root = tmp_path_factory.mktemp("documented") / "checkout"
    shutil.copytree(repository, root, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    shutil.copytree(repository / "tests/support", root / "tests/support")
    (root / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name != ".installed":
            (root / ".venv" / part.name).symlink_to(part)
    (root / ".venv/.installed").touch()
    text = (repository / "README.md").read_text(encoding="utf-8")
    (mine,) = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    for name in ("mine", "adding"):
        (root / f"{name}.yaml").write_text(yaml.safe_dump({**mine, "name": name}), encoding="utf-8")
    return root


def run(command: str, root: Path) -> str | None:
    """Run a command in the shell; return what is wrong with its end, if anything."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # What a run of pytest tells its own processes, no shell of a reader has.
    shell = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**shell, "PATH": path, "PYTHONPATH": str(root), "PCPO_ROOT": ""}
    done = subprocess.run(
        ["bash", "-euc", command], cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if re.fullmatch(WITHOUT_RESULTS, command):
        good = done.returncode == 1 and re.fullmatch(r"ResultsError: .*\n", done.stderr)
    else:
        good = done.returncode == 0
    return None if good else f"$ {command}\n(ends with {done.returncode})\n{done.stdout[-1500:]}{done.stderr[-1500:]}"


@pytest.mark.slow
@pytest.mark.workflow
def test_every_command_of_every_page_works(repository: Path, checkout: Path) -> None:
    found = [command for command in all_commands(repository) if exception(command) is None]
    assert len(found) > 30
    ways = {command: runnable(command) for command in found}
    assert [command for command, way in ways.items() if way is None] == [], "run it, or say in NOT_RUN why not"
    before = {page: page.read_bytes() for page in pages(checkout)}
    faults = both_stages(sorted({str(way) for way in ways.values()}), checkout)
    assert [page for page, content in before.items() if page.read_bytes() != content] == []
    assert "\n".join(faults) == ""


def both_stages(ways: list[str], checkout: Path) -> list[str]:
    """Run Python's commands, then those of the workflow on small configurations of the same names; return faults."""
    python = [way for way in ways if way.startswith("python ")]
    # The generators rewrite pages that the others of them read: one after another.
    writing = [way for way in python if " -m tools." in way]
    faults = in_parallel([writing, *([way] for way in python if way not in writing)], checkout)
    mine = yaml.safe_load((checkout / "mine.yaml").read_text(encoding="utf-8"))
    # A command of config/README.md sets a key of this scenario of the main configuration.
    small = {**mine, "scenarios": {**mine["scenarios"], "two_inputs": next(iter(mine["scenarios"].values()))}}
    for file, name in {"config": "main", "full": "full", "cluster": "cluster"}.items():
        (checkout / f"config/{file}.yaml").write_text(yaml.safe_dump({**small, "name": name}), encoding="utf-8")
    # A second -n changes nothing.
    others = {way.replace("-n -n", "-n").replace("-n --dry-run", "-n") for way in ways if way not in python}
    return faults + in_parallel([[way] for way in sorted(others)], checkout)


def in_parallel(tasks: list[list[str]], checkout: Path) -> list[str]:
    """Run lists of commands, the commands of a list one after another; return faults."""
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        done = pool.map(lambda task: [fault for way in task if (fault := run(way, checkout))], tasks)
        return [fault for task in done for fault in task]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write")
@pytest.mark.parametrize("target", ["quick", "all"])
def test_a_home_that_cannot_be_written_is_named_by_make(target: str, checkout: Path) -> None:
    fault = run(f"HOME=/proc/nohome XDG_CACHE_HOME= make {target}", checkout)
    assert fault is not None
    sentence = (
        'HOME: found "/proc/nohome", which cannot be written, expected a folder for caches: HOME=$(mktemp -d) make '
    )
    assert f"{sentence}{target}\n" in fault
    assert "Traceback" not in fault
    assert "==" not in fault, "something was started"


def test_a_command_that_fails_is_found(tmp_path: Path) -> None:
    assert run("python -c 'raise SystemExit(3)'", tmp_path) is not None
    assert run("python -m pcpo.storage.verify --unheard-of", Path.cwd()) is not None
    assert runnable("kubectl apply") is None
    text = "```sh\nmake quick   # quick\nsnakemake a \\\n  --cores 2\n```\n"
    text += "    python -m pytest x\n\nsay `make\ntest` or `pip`.\n"
    assert list(commands(text)) == ["make quick", "snakemake a --cores 2", "python -m pytest x", "make test"]


def test_every_exception_is_needed_and_what_it_names_exists(repository: Path) -> None:
    found = all_commands(repository)
    assert [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, command) for command in found)] == []
    project = (repository / "pyproject.toml").read_text(encoding="utf-8")
    for command in found:
        if re.match("(pip|conda) ", command):
            for name in re.findall(r"(?:-r|--file) (\S+)", command):
                assert (repository / name).is_file()
            for extra in re.findall(r"\[(\w+)\]", command):
                assert re.search(rf"^{extra} = \[", project, re.MULTILINE), command
                assert '".[' in command, "the package is installed from the checkout"
    for name in re.findall(r"test_\w+\.py", " ".join(NOT_RUN.values())):
        assert (repository / "tests/workflow" / name).is_file()


@pytest.mark.parametrize("page", ["pages", "workflow"])
def test_targets_stand_before_options(page: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Snakemake itself reads a command: --configfile and others take every word after them."""
    monkeypatch.chdir(repository)
    found = all_commands(repository)
    if page == "workflow":
        files = [*repository.glob("workflow/rules/*.smk"), *repository.glob("profiles/*/config.yaml")]
        found = [command for file in files for command in commands(file.read_text(encoding="utf-8"))]
    words = [shlex.split(command, comments=True) for command in found if re.match("snakemake (?!--version)", command)]
    assert words
    assert [line for line in words if not leading(line)] == []
    assert not leading(["snakemake", "--cores", "all", "verify", "--configfile", "config/quick.yaml"])
    assert not leading(["snakemake", "--cores", "all", "--configfile", "config/quick.yaml", "verify"])


def leading(words: list[str]) -> bool:
    """Return whether the targets of a command are the first words after snakemake, and options take no further one."""
    _, read = parse_args(words[1:])
    targets = list(read.targets)
    bare = [word for word in words[1:] if re.search(r"^(verify|.*\.(pdf|png|csv))$", word)]
    return words[1 : 1 + len(targets)] == targets == bare


def test_commands_say_on_how_many_cores(repository: Path) -> None:
    """Check what a dry run does not: jobs need --cores, --jobs or a profile that has one of them."""
    found = [command for command in all_commands(repository) if re.match(rf"{SETTINGS}snakemake \S", command)]
    idle = {"-n", "--dry-run", "--unlock", "--version", "--report"}
    assert len(found) > 10
    for command in found:
        words = set(command.split())
        assert words & (idle | {"--cores", "--jobs"}) or "--workflow-profile profiles/slurm" in command, command
    profile = yaml.safe_load((repository / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    assert "jobs" in profile
