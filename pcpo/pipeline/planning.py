"""Run a check between the reading of the Snakefile and the planning of its jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from snakemake_interface_common.exceptions import ApiError

from pcpo.errors import PcpoError

__all__ = ["before_planning"]


def before_planning(workflow: Any, check: Callable[[Any], None]) -> None:
    """Call `check` with Snakemake's DAGSettings once they are known: after all rules, before any job is planned.

    Snakemake has no hook there, and while it reads a Snakefile it does not know the targets yet; it stores the settings
    in the workflow right afterwards.  They may be changed in place.

    Args:
        workflow: the object `workflow` of a Snakefile.
        check: may raise a PcpoError, which ends the command with its sentence and nothing else.
    """
    known = type(workflow)

    class Checked(known):  # type: ignore[misc, valid-type]
        """Extend the workflow by the check."""

        def __setattr__(self, name: str, value: Any) -> None:
            """Store an attribute; run the check if it is the settings."""
            super().__setattr__(name, value)
            if name == "dag_settings" and value is not None:
                try:
                    check(value)
                except PcpoError as error:
                    raise ApiError(f"{type(error).__name__}: {error}") from None

    workflow.__class__ = Checked
