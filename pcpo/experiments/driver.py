"""Run any algorithm, epoch by epoch, until the budget of rollouts would be exceeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pcpo.algorithms.protocol import Algorithm, EpochReport, RunResult, Setting, Traffic
from pcpo.algorithms.server import Server
from pcpo.arrays import IntArray
from pcpo.errors import BudgetError, ConfigError, PcpoError
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle
from pcpo.storage.checkpoints import Checkpoint

__all__ = ["Snapshot", "run"]


@dataclass(frozen=True)
class Snapshot:
    """Hold a run between two epochs, which is all that a resumed run needs.

    Streams of random numbers are not part of it: they are keyed by epoch, so the next epoch opens new ones.

    Attributes:
        state: the algorithm's state.
        neighbourhoods: the server's neighbourhood sets.
        traffic: communication counted so far.
        rollouts: rollouts spent by each agent.
        nonfinite: saturated rollouts by agent, ``(N,)``.
        epochs: reports of all finished epochs.
    """

    state: Any
    neighbourhoods: Neighbourhoods
    traffic: Traffic
    rollouts: int
    nonfinite: IntArray
    epochs: Sequence[EpochReport]


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

    Of the side information in `setting` the algorithm receives only the fields that it declares in `uses`.  The run
    never fails for what happens to a policy: infinite costs are statuses of the records.  An algorithm with a `mode`
    has a schedule of its own, and that of the setting is not read.  Where the setting has no gains of finite cost, the
    run begins by finding some, and its mode says so.

    Args:
        algorithm: what is run.
        oracle: answers its questions and counts the rollouts.
        setting: initial gains, schedule and side information.
        budget: rollouts per agent.
        on_epoch: called after every epoch (progress, logs).
        checkpoint: with one, the state is saved after every epoch, and the run resumes from the last save with the
            same bits, since the streams of random numbers are keyed by epoch.

    Raises:
        BudgetError: if not even the first epoch fits; the message says how many rollouts it needs.
        ConfigError: without gains of finite cost, for an algorithm that cannot find some.
    """
    name = algorithm.name
    if not setting.gains_known:
        algorithm = _finding_gains(algorithm)
    setting = replace(setting, side=setting.side.only(algorithm.uses), budget=budget)
    server = Server(oracle.n_agents)
    state, epochs = _begin(algorithm, oracle, server, setting, checkpoint)
    while oracle.rollouts + (needed := algorithm.next_rollouts(state)) <= budget:
        before = oracle.rollouts
        state, report = algorithm.step(state, oracle, server)
        if not oracle.rollouts > before:
            raise PcpoError(
                f"algorithm {algorithm.name!r}: found an epoch without rollouts, expected at least one: it "
                "would never end"
            )
        epochs.append(report)
        if checkpoint is not None:
            now = Snapshot(state, server.neighbourhoods, server.traffic, oracle.rollouts, oracle.nonfinite, epochs)
            checkpoint.write(now, len(epochs), {"setting": setting})
        if on_epoch is not None:
            on_epoch(report)
    if not epochs:
        raise BudgetError(
            f"budget: found {budget:,} rollouts per agent, expected at least {needed:,}, "
            f"which the first epoch of {algorithm.name} needs"
        )
    mode = getattr(algorithm, "mode", None) or setting.schedule.mode
    findings = algorithm.findings(state) if hasattr(algorithm, "findings") else None
    return RunResult(name, mode, tuple(epochs), findings)


def _finding_gains(algorithm: Algorithm) -> Algorithm:
    """Return the algorithm that finds gains of finite cost first; ConfigError if there is none."""
    if not hasattr(algorithm, "finding_gains"):
        raise ConfigError(
            f"initial_gains: found unknown with the method {algorithm.name!r}, expected gains of finite cost, or "
            "pcpo_auto, which finds some first"
        )
    found: Algorithm = algorithm.finding_gains()
    return found


def _begin(
    algorithm: Algorithm, oracle: Oracle, server: Server, setting: Setting, checkpoint: Checkpoint | None
) -> tuple[Any, list[EpochReport]]:
    """Return the algorithm's state and the reports at the start, or after the last saved epoch."""
    saved = None if checkpoint is None else checkpoint.read(Snapshot, {"setting": setting})
    if saved is None:
        return algorithm.init(setting), []
    server.neighbourhoods, server.traffic = saved.neighbourhoods, saved.traffic
    oracle.resume(saved.rollouts, saved.nonfinite)
    return saved.state, list(saved.epochs)
