"""The one driver of all algorithms: epochs until the budget of rollouts would be exceeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pcpo.algorithms.protocol import Algorithm, EpochReport, RunResult, Setting
from pcpo.algorithms.server import Server
from pcpo.errors import BudgetError
from pcpo.oracles.protocol import Oracle
from pcpo.storage.checkpoints import Checkpoint, Snapshot

__all__ = ["run"]


def run(
    algorithm: Algorithm,
    oracle: Oracle,
    setting: Setting,
    budget: int,
    *,
    on_epoch: Callable[[EpochReport], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> RunResult:
    """Run `algorithm` until its next epoch would exceed `budget` rollouts per agent.

    Of the side information in `setting` the algorithm receives only the fields that it declares in `uses`.

    on_epoch is told of every finished epoch (progress, logs).  With a checkpoint the run is kept after every epoch, and
    goes on after the last one kept; the streams of random numbers are keyed by epoch, so the bits are the same.  The
    run never fails for what happens to a policy: infinite costs are statuses of the records.
    Raises BudgetError if not even the first epoch fits, and says how many rollouts it needs.
    """
    setting = replace(setting, side=setting.side.only(algorithm.uses))
    server = Server(oracle.n_agents)
    state, epochs = _begin(algorithm, oracle, server, setting, checkpoint)
    while oracle.rollouts + (needed := algorithm.next_rollouts(state)) <= budget:
        state, report = algorithm.step(state, oracle, server)
        epochs.append(report)
        if checkpoint is not None:
            kept = Snapshot(state, server.neighbourhoods, server.traffic, oracle.rollouts, oracle.nonfinite, epochs)
            checkpoint.write(kept, {"setting": setting})
        if on_epoch is not None:
            on_epoch(report)
    if not epochs:
        raise BudgetError(
            f"budget: found {budget:,} rollouts per agent, expected at least {needed:,}, "
            f"which the first epoch of {algorithm.name} needs"
        )
    return RunResult(algorithm.name, setting.schedule.mode, tuple(epochs))


def _begin(
    algorithm: Algorithm, oracle: Oracle, server: Server, setting: Setting, checkpoint: Checkpoint | None
) -> tuple[Any, list[EpochReport]]:
    """State before the first epoch, or after the last one that was kept."""
    kept = None if checkpoint is None else checkpoint.read({"setting": setting})
    if kept is None:
        return algorithm.init(setting), []
    server.neighbourhoods, server.traffic = kept.neighbourhoods, kept.traffic
    oracle.resume(kept.rollouts, kept.nonfinite)
    return kept.state, list(kept.epochs)
