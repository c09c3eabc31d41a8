"""Run a job of the workflow: a log, one clear message instead of a traceback, provenance, checksums."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pcpo.errors import PcpoError
from pcpo.pipeline.seals import seal
from pcpo.storage.provenance import git_commit, package_version

__all__ = ["COMPUTED", "computing", "config_hash", "job", "job_provenance"]

#: The line of a log that says when a job computed, in seconds since its process started; its parts by name.
COMPUTED = re.compile(r"^computed from (?P<start>[\d.]+) s to (?P<end>[\d.]+) s after the start$", re.MULTILINE)


def config_hash(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of the settings that a file depends on."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def job_provenance(settings: Mapping[str, Any]) -> dict[str, object]:
    """Return what a results file records of its origin: hash of the settings, version of the package, commit."""
    return {"config_hash": config_hash(settings), "version": package_version(), "commit": git_commit()}


@contextmanager
def job(log: str | Path, outputs: Iterable[str | Path] = ()) -> Iterator[logging.Logger]:
    """Run a job that logs to <results>/logs/…; at its end the checksums of its outputs are written.

    A PcpoError, or an error of the operating system such as a full disk, is printed as one sentence and ends the job
    with exit code 1.  Warnings are printed too.  The traceback of any other error is in the log as well, since the log
    is what Snakemake shows of a failed job.

    Args:
        log: the job's log file.
        outputs: the files that the job makes.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    loggers = [logging.getLogger("pcpo.job"), logging.getLogger("pcpo.planning")]
    file = logging.FileHandler(log, mode="w", encoding="utf-8")
    handlers: list[logging.Handler] = [file, logging.StreamHandler(sys.stderr)]
    handlers[1].setLevel(logging.WARNING)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
    for logger in loggers:
        logger.setLevel(logging.INFO)
        for handler in handlers:
            logger.addHandler(handler)
    try:
        yield loggers[0]
        seal(_results_of(Path(log)), outputs)
    except (PcpoError, OSError) as error:
        loggers[0].error("%s: %s", type(error).__name__, error)
        raise SystemExit(1) from None
    except Exception:
        file.handle(logging.makeLogRecord({"msg": traceback.format_exc().rstrip()}))
        raise
    finally:
        for handler in handlers:
            for logger in loggers:
                logger.removeHandler(handler)
            handler.close()


@contextmanager
def computing(log: logging.Logger) -> Iterator[None]:
    """Log how long after the start of the process a computation began and ended: what lies outside is overhead."""
    start = _age()
    yield
    log.info("computed from %.2f s to %.2f s after the start", start, _age())


def _age() -> float:
    """Return the seconds since the process started; of a fork, since it was forked."""
    import psutil

    return max(0.0, time.time() - psutil.Process().create_time())


def _results_of(log: Path) -> Path:
    """Return the folder results that holds the folder logs."""
    logs = [parent for parent in log.parents if (parent.name, parent.parent.name) == ("logs", "results")]
    return logs[-1].parent if logs else log.parent
