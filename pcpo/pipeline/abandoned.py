"""Find results that the configuration no longer asks for, and move them out of the folder of results.

After a change of seeds, of seeds per job, or of the name of a scenario, files of the earlier configuration would lie
among those of the present one, where a script that reads the whole folder counts them too.  Planning only looks for
them; when jobs start they are moved to build/<name>/abandoned, at the same paths below it, so that nothing is lost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from pcpo.pipeline.inputs import content_of
from pcpo.pipeline.seals import sealed

__all__ = ["abandoned", "move_away", "sentence", "waiting"]

#: Results by their paths below the folder results, for those that have no seal.
_RESULTS = re.compile(
    r"(runs/[A-Za-z]\w*/[a-z]\w*|evidence/[a-z]\w*)/\d+-\d+\.parquet"
    r"|fedlqr/runs/[\w.]+\.parquet|fedlqr/claims\.csv"
    r"|(plans|tuning/[A-Za-z]\w*)/\w+\.json|fleets/\w+\.yaml|verdicts/\w+\.csv|verdicts\.csv"
)
#: Folder of results → folder of their benchmarks, where the two differ.
_BENCHMARKS = {"fleets": "fleet", "plans": "plan", "tuning": "tune"}


def abandoned(results: Path, asked: Iterable[str | Path]) -> list[Path]:
    """List the outputs of earlier configurations: those that a job of the workflow wrote and nobody asks for.

    Args:
        results: the configuration's folder of results.
        asked: every file that the configuration asks for, or that the command does.

    Returns:
        Paths beside `results` and `asked`, sorted; files that no job wrote are never among them.
    """
    wanted = {Path(os.path.normpath(path)) for path in asked}
    found = {path for path in sealed(results) if path.is_file()}
    for folder in ("runs", "evidence", "fedlqr", "plans", "tuning", "fleets", "verdicts"):
        found |= {p for p in (results / folder).rglob("*") if _RESULTS.fullmatch(p.relative_to(results).as_posix())}
    if (joined := results / "verdicts.csv").is_file():
        found.add(joined)
    return sorted(found - wanted)


def move_away(results: Path, outputs: Collection[Path], folder: Path) -> None:
    """Move abandoned outputs, with their benchmarks, to the same paths below a folder.

    Args:
        results: the configuration's folder of results.
        outputs: what `abandoned` found.
        folder: where they go; a file there with the same name and another content is renamed and kept.
    """
    root = results.parent
    for output in outputs:
        for path in (output, _benchmark_of(results, output)):
            if path.is_file():
                place = folder / os.path.relpath(path, root)
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.is_file() and content_of(place) != content_of(path):
                    os.replace(place, _free(place))
                os.replace(path, place)
        _prune(output.parent, results)


def sentence(outputs: Collection[Path], folder: Path) -> str:
    """Say in one sentence what was moved away, and how it comes back."""
    first = sorted(outputs)[0]
    count = f"{first} is" if len(outputs) == 1 else f"{first} and {len(outputs) - 1} other files are"
    return f"{count} of an earlier configuration and no longer asked for: moved to {folder}, where nothing counts them"


def waiting(outputs: Iterable[str], root: Path, folder: Path) -> Iterator[str]:
    """Say in one sentence that files which are asked for and missing lie among those that were moved away.

    Args:
        outputs: every file that the configuration asks for.
        root: the folder that holds results and figures.
        folder: where abandoned outputs go.
    """
    if not folder.is_dir():
        return
    back = [p for p in outputs if not Path(p).is_file() and (folder / os.path.relpath(p, root)).is_file()]
    if back:
        yield (
            f"{len(back)} files that this configuration asks for are in {folder}, as an earlier command moved them "
            f"there ({back[0]} among them): they are made again, unless you first put them back with "
            f"`cp -pRn {folder}/. {root}/`"
        )


def _benchmark_of(results: Path, output: Path) -> Path:
    """Return the file of the benchmark of the job that wrote an output."""
    try:
        parts = output.relative_to(results).with_suffix("").parts
    except ValueError:
        parts = ("figures", output.stem)
    if parts[:2] == ("fedlqr", "runs"):
        parts = ("fedlqr", *parts[2:])
    return results.joinpath("benchmarks", _BENCHMARKS.get(parts[0], parts[0]), *parts[1:]).with_suffix(".tsv")


def _free(path: Path) -> Path:
    """Return a path beside `path` that is free."""
    number = 1
    while (found := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return found


def _prune(folder: Path, top: Path) -> None:
    """Remove folders that are empty now, up to `top`."""
    while folder != top and top in folder.parents and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
