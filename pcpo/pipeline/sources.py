"""Say what every kind of job is made of: the closure of its script and of the modules that the script loads by name.

The digest is a parameter of the job's rule, so another content reruns the job and a touch does not.  It covers the
versions of Python and of the libraries that compute and draw, so results of other versions are not taken for present.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from pcpo.algorithms.extensions import extensions_of
from pcpo.algorithms.registry import module_of
from pcpo.evidence.registry import GROUPS, group_drawing, group_of, modules_of
from pcpo.figures.registry import entry_of, module_drawing
from pcpo.storage.provenance import environment_versions
from pcpo.storage.sources import PACKAGE, closure, digest

__all__ = ["Scripts"]

#: What can change a number.
_NUMERICS = ("python", "numpy", "scipy", "numba", "llvmlite")
#: What can change a table or a picture beside them.
_OUTPUT = ("pandas", "pyarrow", "matplotlib")


class Scripts:
    """Compute the digests of the jobs of a workflow whose scripts are in one folder.

    Args:
        folder: the folder of the scripts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def made_of(self, script: str, *modules: str | Path) -> str:
        """Return the digest of a script, the modules that it loads by name, all that these import, and of versions."""
        return _with_versions(_digest(self.folder / script, *modules), _NUMERICS)

    def shown(self, script: str, *modules: str | Path) -> str:
        """Return the digest of a script that draws or writes pages; it covers the versions of all libraries."""
        return _with_versions(self.made_of(script, *modules), _OUTPUT)

    def runs(self, script: str, algorithm: str, plants: Iterable[str] = ()) -> str:
        """Return the digest of a job that runs an algorithm, with the user's own files that define it or a plant."""
        own = [Path(path) for path in extensions_of(algorithms=[algorithm], plants=plants)]
        module = module_of(algorithm)
        return self.made_of(script, *([module] if module.startswith(PACKAGE.name + ".") else []), *own)

    def study(self, script: str, study: str) -> str:
        """Return the digest of a job that simulates a study."""
        return self.made_of(script, GROUPS[group_of(study)].studies[study])

    def verdicts(self, script: str, group: str) -> str:
        """Return the digest of a job that judges a group; the texts of the claims are in its table."""
        return self.made_of(script, *modules_of(group, "claims"), _texts(group))

    def evidence_figure(self, script: str, figure: str) -> str:
        """Return the digest of a job that draws a figure of evidence."""
        return self.shown(script, *modules_of(group_drawing(figure), "figures"))

    def comparison_figure(self, script: str, figure: str, algorithms: Iterable[str]) -> str:
        """Return the digest of a job that draws a figure of runs, with the user's own files of the algorithms."""
        own = [Path(path) for path in extensions_of(algorithms=algorithms)]
        return self.shown(script, module_drawing(entry_of(figure)), *own)

    def film(self, script: str) -> str:
        """Return the digest of a job that makes the film of a run."""
        return self.shown(script, f"{PACKAGE.name}.figures.film")

    def report(self, script: str) -> str:
        """Return the digest of a job that shows results of all groups and figures."""
        parts = [module for group in GROUPS for part in ("claims", "figures") for module in modules_of(group, part)]
        figures = [f"{PACKAGE.name}.figures.{path.stem}" for path in sorted((PACKAGE / "figures").glob("*.py"))]
        return self.shown(
            script, *parts, *map(_texts, GROUPS), *[name for name in figures if not name.endswith("__init__")]
        )


def _texts(group: str) -> Path:
    """Return the file of the texts of a group's claims."""
    return PACKAGE / "evidence" / group / "claims.md"


@functools.cache
def _digest(*starts: str | Path) -> str:
    """Return the digest of all that modules and files are made of; hundreds of jobs ask for the same ones."""
    return digest(closure(*starts))


@functools.cache
def _with_versions(digest: str, names: tuple[str, ...]) -> str:
    """Return the SHA-256 of a digest and of the versions of Python or of libraries."""
    versions = _versions()
    return hashlib.sha256("\n".join([digest, *(f"{name} {versions[name]}" for name in names)]).encode()).hexdigest()


@functools.cache
def _versions() -> dict[str, str]:
    """Return the versions, looked up once."""
    return environment_versions()
