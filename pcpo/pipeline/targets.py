"""Check what a Snakemake command asks for: one sentence for a target that is not there, naming those that are."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath

from pcpo.errors import ConfigError

__all__ = ["check_known_run", "check_targets"]

_SHOWN = 12


def check_targets(
    targets: Iterable[str], files: Sequence[str], rules: Collection[str], figures: Iterable[str], *, many: Iterable[str]
) -> None:
    """Check that every target is a file that the configuration makes, or the name of a rule that can be a target.

    Args:
        targets: what the command asks for.
        files: all files that the configuration makes.
        rules: names of the rules that can be targets.
        figures: ids of all figures, drawn by this configuration or not.
        many: names of the rules that make many files, and so cannot be targets.

    Raises:
        ConfigError: naming the first target that is neither, and what there is: close matches first.
    """
    known, stems = set(files), {PurePath(path).stem for path in files}
    for target in sorted(targets):
        if target in rules or (not os.path.isabs(target) and os.path.normpath(target) in known):
            continue
        what = ""
        if target in many:
            what = ", a rule that makes many files"
        elif PurePath(target).stem in set(figures) - stems and PurePath(target).parent.name in ("", "figures"):
            what = ", a figure that this configuration does not draw"
        elif PurePath(target).suffix in (".yaml", ".yml") and os.path.isfile(target):
            what = ", a file that no rule makes (a configuration stands after --configfile)"
        elif os.path.isfile(target):
            what = ", a file that no rule makes"
        drawn = [path for path in files if PurePath(path).suffix == ".png"]
        offered = drawn if "figure" in what and "/" not in target else _offered(target, files, rules)
        raise ConfigError(f"target: found {target!r}{what}, expected {_listed(offered)}")


def check_known_run(name: str, path: str, known: Iterable[str]) -> None:
    """Check that there are reference results for `verify` to compare with.

    Args:
        name: name of the configuration.
        path: the file of its reference results.
        known: names of the configurations that have reference results.

    Raises:
        ConfigError: naming the file and the configurations that have one.
    """
    if not os.path.isfile(path):
        listed = ", ".join(sorted(known)) or "none"
        raise ConfigError(
            f"verify: found no reference results of configuration {name!r} ({path}), "
            f"expected a configuration that has some: {listed}"
        )


def _offered(target: str, files: Sequence[str], rules: Collection[str]) -> list[str]:
    """List what there is: close matches first, then files of the same kind, or the rules."""
    wanted = PurePath(os.path.relpath(target) if os.path.isabs(target) else os.path.normpath(target))
    if len(wanted.parts) == 1 and not wanted.suffix:
        near = difflib.get_close_matches(target, sorted(rules), n=3)
        stems = difflib.get_close_matches(target, sorted({PurePath(path).stem for path in files}), n=3)
        shown = [path for stem in stems for path in files if PurePath(path).stem == stem]
        return list(dict.fromkeys([*near, *shown, *sorted(rules)]))
    alike = [p for p in map(PurePath, files) if p.suffix == wanted.suffix]
    beside = [str(p) for p in alike if p.parent == wanted.parent]
    beside += [str(p) for p in alike if p.parent.name == wanted.parent.name]
    near = difflib.get_close_matches(str(wanted), beside or files, n=3, cutoff=0.5)
    return list(dict.fromkeys([*near, *beside] or [*sorted(rules), *files]))


def _listed(offered: Sequence[str]) -> str:
    """Join the first of what is offered."""
    more = f" and {len(offered) - _SHOWN} more" if len(offered) > _SHOWN else ""
    return f"{'' if len(offered) == 1 else 'one of '}{', '.join(offered[:_SHOWN])}{more}"
