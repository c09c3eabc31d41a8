"""Plant known faults in a copy of the checkout and report who notices: `python -m tools.mutations`.

Each fault of `tools.faults` is one change of a text.  The tests named for it and the small studies of its claims run on
the copy without any fault first, where they must pass, and then with it.  It takes up to ten minutes, by the number of
faults: `python -m tools.mutations dearest_in_8 memoryless` tries two, `--out FILE` keeps the table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pcpo.claims.contract import Verdict
from pcpo.claims.options import cells_of
from pcpo.errors import ConfigError, ResultsError, command
from pcpo.evidence.registry import load_claims, study_named
from tools.faults import FAULTS, Fault

__all__ = ["Noticed", "judged", "main", "mutated", "planted", "table", "tried"]

#: Runs of the studies that claims are judged on here; their first seed is used by no configuration.
_RUNS = {"lemmas_rules": 3, "lemmas_horizon": 4, "lemmas_draws": 60, "lemmas_mean": 40, "communication": 2}
_OPTIONS = {"communication": {"epochs": 4, "agents": [2, 4]}}
_FIRST = 6_000_000
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".snakemake", "__pycache__", "build", "results", "notebooks", ".*_cache"
)
_PASSED, _FAILED = 0, 1  # exit codes of pytest
_TIMEOUT = 1800.0  # of one run of tests or verdicts (seconds)


@dataclass(frozen=True)
class Noticed:
    """Say who noticed a fault: the first test of those named that failed, and the claims that were refuted."""

    fault: Fault
    test: str
    claims: Sequence[str]

    @property
    def enough(self) -> bool:
        """Return whether a test noticed, and every claim that is named."""
        return bool(self.test) and set(self.claims) == set(self.fault.claims)


def mutated(source: str, fault: Fault) -> str:
    """Return the source with the fault; ConfigError unless its text is found exactly once."""
    if (found := source.count(fault.text)) != 1:
        raise ConfigError(
            f"fault {fault.name}: found its text {found} times in {fault.path}, expected it once: {fault.text!r}"
        )
    return source.replace(fault.text, fault.replacement)


@contextmanager
def planted(copy: Path, fault: Fault) -> Iterator[None]:
    """Plant a fault in a copy, and restore the file with its time, by which compiled code is looked up."""
    path = copy / fault.path
    source, status = path.read_bytes(), path.stat()
    path.write_text(mutated(source.decode(), fault), encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(source)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


class _Simulated(Mapping[str, pd.DataFrame]):
    """Hold tables of studies, each simulated when it is first asked for, without the cells of controls."""

    def __init__(self) -> None:
        self._known: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._known:
            study = study_named(name)
            seeds = range(_FIRST, _FIRST + _RUNS[name])
            cells = {
                cell: one
                for cell, one in cells_of(study, _OPTIONS.get(name, {})).items()
                if not str(cell).startswith("control:")
            }
            frames = [study.simulate(one, seeds).assign(cell=cell) for cell, one in cells.items()]
            self._known[name] = pd.concat(frames, ignore_index=True)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_RUNS)

    def __len__(self) -> int:
        return len(_RUNS)


def judged(claims: Iterable[str]) -> dict[str, str]:
    """Return the verdicts of claims on small studies, each at the level of the hardest place of its group's family."""
    tables, found = _Simulated(), {}
    for name in claims:
        group = load_claims(name.partition(".")[0])
        (claim,) = (one for one in group if one.id == name)
        family = 1 if claim.primary else sum(not one.primary for one in group)
        finding = claim.measure(tables)
        found[name] = claim.rule.verdict(finding, min(1.0, family * finding.p_value)).value
    return found


def _run(copy: Path, arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a module of the copy with this interpreter; the copy's package comes before the installed one.

    Raises:
        ResultsError: if it takes longer than the timeout.
    """
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    call = [sys.executable, "-m", *arguments]
    try:
        return subprocess.run(call, cwd=copy, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ResultsError(
            f"{' '.join(arguments)}: found no end within {timeout:g} s, expected one; --timeout gives more time"
        ) from None


def _failing_test(copy: Path, tests: Sequence[str], timeout: float) -> str:
    """Run tests up to the first that fails and return its node, "" if none does; ResultsError if pytest cannot run."""
    done = _run(copy, ["pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests], timeout)
    if done.returncode not in (_PASSED, _FAILED):
        # A fault that stops the import of a test file is noticed, too.
        lines = [line for line in done.stdout.splitlines() if line.startswith("ERROR tests")]
        if not lines:
            raise ResultsError(f"pytest: found exit code {done.returncode} ({done.stdout[-300:]!r}), expected 0 or 1")
        return lines[0].removeprefix("ERROR ").partition(" - ")[0]
    if done.returncode == _PASSED:
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].partition(" ")[2].partition(" - ")[0]


def _refuted(copy: Path, claims: Sequence[str], timeout: float) -> list[str]:
    """Judge claims in the copy and return those that are refuted; ResultsError if they cannot be judged."""
    if not claims:
        return []
    done = _run(copy, ["tools.mutations", "--judge", *claims], timeout)
    if done.returncode != 0:
        raise ResultsError(f"verdicts: found exit code {done.returncode} ({done.stderr[-300:]!r}), expected 0")
    found = json.loads(done.stdout.splitlines()[-1])
    if not Path(found["package"]).is_relative_to(copy):
        raise ResultsError(f"verdicts: found the package {found['package']}, expected that of {copy}")
    return [claim for claim in claims if found["verdicts"][claim] == Verdict.REFUTED]


def tried(root: Path, faults: Sequence[Fault], timeout: float = _TIMEOUT) -> Iterator[Noticed]:
    """Try faults, one after the other, in one copy of a checkout.

    Args:
        root: the checkout, as it is on disk.
        faults: what to try.
        timeout: of one run of tests or verdicts (seconds).

    Raises:
        ConfigError: if a fault's text is not found exactly once.
        ResultsError: if a test fails, or a claim is refuted, without any fault.
    """
    for fault in faults:
        mutated((root / fault.path).read_text(encoding="utf-8"), fault)
    with tempfile.TemporaryDirectory(prefix="pcpo_mutations_") as folder:
        copy = Path(folder).resolve() / "checkout"
        shutil.copytree(root, copy, ignore=_LEFT_OUT)
        tests = sorted({test for fault in faults for test in fault.tests})
        claims = sorted({claim for fault in faults for claim in fault.claims})
        if failing := _failing_test(copy, tests, timeout) if tests else "":
            raise ResultsError(f"{failing}: found it to fail without any fault, expected tests that pass")
        if refuted := _refuted(copy, claims, timeout):
            raise ResultsError(f"{refuted[0]}: found it refuted without any fault, expected claims that are not")
        for fault in faults:
            with planted(copy, fault):
                yield Noticed(fault, _failing_test(copy, fault.tests, timeout), _refuted(copy, fault.claims, timeout))


def table(found: Sequence[Noticed]) -> str:
    """Return who noticed which fault, in Markdown."""
    lines = ["| fault | what | noticed by the test | refuted |", "|---|---|---|---|"]
    for one in found:
        missed = [claim for claim in one.fault.claims if claim not in one.claims]
        verdicts = [f"`{claim}`" for claim in one.claims] + [f"**not** `{claim}`" for claim in missed]
        test = f"`{one.test}`" if one.test else "**none**"
        what = one.fault.what.replace("|", r"\|")
        lines.append(f"| `{one.fault.name}` | {what} | {test} | {' '.join(verdicts) or '–'} |")
    return "\n".join([*lines, "", f"{sum(one.enough for one in found)} of {len(found)} faults are noticed.", ""])


def _chosen(names: Sequence[str]) -> list[Fault]:
    """Return the faults of these names, or all; ConfigError for an unknown name."""
    known = {fault.name: fault for fault in FAULTS}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"fault: found {unknown[0]!r}, expected one of {', '.join(known)}")
    return [known[name] for name in names] if names else list(FAULTS)


@command
def main(arguments: list[str] | None = None) -> int:
    """Try faults and print the table; the exit code is 1 if one is not noticed."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutations", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="faults, or claims with --judge; by default all faults")
    parser.add_argument("--out", type=Path, help="file of the table")
    parser.add_argument("--timeout", type=float, default=_TIMEOUT, help="seconds of one run (default: %(default)g)")
    parser.add_argument("--judge", action="store_true", help="judge claims on small studies and print the verdicts")
    given = parser.parse_args(arguments)
    if given.judge:
        print(json.dumps({"package": sys.modules["pcpo"].__file__, "verdicts": judged(given.names)}))
        return 0
    found: list[Noticed] = []
    for one in tried(Path.cwd(), _chosen(given.names), given.timeout):
        found.append(one)
        print(f"{one.fault.name}: {one.test or 'no test'}; refuted: {', '.join(one.claims) or 'nothing'}", flush=True)
        if given.out:
            given.out.write_text(table(found), encoding="utf-8")
    print(table(found))
    return 0 if all(one.enough for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
