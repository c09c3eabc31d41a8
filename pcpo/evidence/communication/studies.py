"""Declare the study `communication`: counted runs over a grid of budgets, numbers of agents and separations.

`pcpo.experiments.messages` simulates them.  Only the condition `rollouts` has simulated rollouts; the others have exact
answers, which makes many epochs cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pcpo.claims.contract import Study
from pcpo.claims.options import Option, several, whole
from pcpo.experiments.messages import COLUMNS, CountedRun, simulate

__all__ = ["STUDIES", "cells"]

_OPTIONS: Mapping[str, Option] = {
    "epochs": whole(7, least=4),
    "agents": several([4, 12, 36], {**whole(least=2), "multipleOf": 2}, fewest=2),  # two clusters of equal size
    "gaps": several([1, 2, 3, 4, 5], whole(), fewest=5),
    "noisy_epochs": whole(1),
}


def cells(options: Mapping[str, Any]) -> dict[str, CountedRun]:
    """Return the conditions by name: sweeps over N, Δ and T, comparisons with FedLQR, and negative controls."""
    epochs = options["epochs"]
    pcpo = CountedRun(agents=min(options["agents"]), epochs=epochs)
    grid = {f"agents_{N}": replace(pcpo, agents=N) for N in options["agents"]}
    for k in options["gaps"]:
        grid[f"gap_{k}"] = replace(pcpo, sweep="gap", separation_epoch=k, epochs=k + 1)
    for k in sorted(options["gaps"])[::2]:
        constant = replace(grid[f"gap_{k}"], schedule="constant_iterations")
        grid[f"gap_{k}_constant"] = replace(constant, sweep="control:gap_constant")
    grid["rollouts"] = replace(pcpo, sweep="rollouts", rollouts=True, epochs=options["noisy_epochs"])
    grid["fedlqr"] = replace(pcpo, sweep="time", algorithm="fedlqr")
    flat = replace(pcpo, sweep="time", schedule="constant_minibatch", epochs=min(epochs, 6))
    grid["fedlqr_constant"] = replace(flat, algorithm="fedlqr")
    grid["pcpo_constant"] = flat
    grid["constant_iterations"] = replace(pcpo, sweep="control:constant", schedule="constant_iterations")
    grid["one_step"] = replace(pcpo, sweep="control:one_step", algorithm="fedlqr_one_step", epochs=3)
    for name in ("every_step", "losing", "repeating", "polling"):
        grid[name] = replace(pcpo, sweep=f"control:{name}", algorithm=name, epochs=2)
    polled = replace(pcpo, sweep="control:polled", algorithm="polling", epochs=1)
    return grid | {f"polling_{N}": replace(polled, agents=N) for N in options["agents"]}


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "communication": Study(
        name="communication",
        title="Messages counted at the server",
        cells=cells,
        simulate=simulate,
        columns=COLUMNS,
        key=("seed", "epoch"),
        options=_OPTIONS,
    ),
}
