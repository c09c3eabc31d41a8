"""Count the rounds of communication of PCPO, with R_l of Table 2 and with R_l = R_1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pcpo.claims.contract import Study
from pcpo.claims.options import several, whole
from pcpo.experiments.messages import COLUMNS, CountedRun, simulate

__all__ = ["STUDIES"]


def _cells(options: Mapping[str, Any]) -> dict[str, CountedRun]:
    """Return PCPO with four agents, if the options have this number, and the fewest agents with R_l = R_1."""
    fewest = CountedRun(agents=min(options["agents"]), epochs=options["epochs"])
    grid = {"agents_4": replace(fewest, agents=4)} if 4 in options["agents"] else {}
    grid["constant_iterations"] = replace(fewest, sweep="control:constant", schedule="constant_iterations")
    return grid


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "defects_rounds": Study(
        name="defects_rounds",
        title="Rounds counted at the server",
        cells=_cells,
        simulate=simulate,
        columns=COLUMNS,
        key=("seed", "epoch"),
        options={  # those of the study `communication`; gaps and noisy_epochs have no effect here
            "epochs": whole(7, least=4),
            "agents": several([4, 12, 36], {**whole(least=2), "multipleOf": 2}, fewest=2),
            "gaps": several([1, 2, 3, 4, 5], whole(), fewest=5),
            "noisy_epochs": whole(1),
        },
    ),
}
