"""Keep scripts and extensions that were written for version 0.1 working: old names of documented modules.

Importing an old name gives the module that holds its content now, with a DeprecationWarning that names it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import CodeType, ModuleType

__all__ = ["MOVED", "install"]

#: Old name → new name.
MOVED = {
    "pcpo.algorithms.common": "pcpo.algorithms.baselines.base",
    "pcpo.config": "pcpo.schema",
    "pcpo.contracts": "pcpo.algorithms.protocol",
    "pcpo.experiment": "pcpo.experiments.experiment",
    "pcpo.extensions": "pcpo.algorithms.extensions",
    "pcpo.fleet": "pcpo.fleets.fleet",
    "pcpo.fleet_io": "pcpo.fleets.files",
    "pcpo.generators": "pcpo.fleets.random",
    "pcpo.plants": "pcpo.oracles.plant",
    "pcpo.predictions": "pcpo.theory.predictions",
    "pcpo.randomness": "pcpo.simulation.noise",
    "pcpo.records": "pcpo.experiments.records",
    "pcpo.schedule": "pcpo.algorithms.schedule",
    "pcpo.server": "pcpo.algorithms.server",
    "pcpo.status": "pcpo.pipeline.status",
    "pcpo.systems": "pcpo.lqr.system",
    "pcpo.twin": "pcpo.simulation.reference",
    "pcpo.verify": "pcpo.storage.verify",
}


class _Moved(MetaPathFinder, InspectLoader):
    """Find old names, and load the modules that they are now."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a specification for an old name, None for any other name."""
        return spec_from_loader(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module itself, so that its classes are the same by either name."""
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is now {new}", DeprecationWarning, stacklevel=2)
        module = import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Restore the module's own specification, which the import system has replaced."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code of the module, for `python -m`."""
        spec = find_spec(MOVED[fullname])
        assert spec is not None
        loader = spec.loader
        assert isinstance(loader, InspectLoader)
        return loader.get_code(spec.name)

    def get_source(self, fullname: str) -> None:
        """Return nothing: the source belongs to the new name."""


def install() -> None:
    """Let old names be imported."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
