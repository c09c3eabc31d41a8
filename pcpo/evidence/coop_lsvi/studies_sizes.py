"""Declare the study `coop_lsvi_sizes`: regret against d, H and S of Theorem 1, k and M of Theorem 3; Lemma 9.

One size varies at a time.  As in `coop_lsvi_regret` the claims take the contrast of rewards with the largest mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.coop_lsvi.model.bounds import betas, lemma_9
from pcpo.evidence.coop_lsvi.model.draws import random_contexts, random_mdp
from pcpo.evidence.coop_lsvi.model.mdp import ParallelMDP, contextual, homogeneous, with_contrast
from pcpo.evidence.coop_lsvi.model.parallel import ALONE, noise, run
from pcpo.evidence.coop_lsvi.streams import CONTRASTS, SIZES, instance_stream, noise_stream

__all__ = ["SIZES_STUDY", "STUDIES"]

#: Size of the contexts where k does not vary, their rank χ, their weight in the features, and M where k varies.
_CONTEXTS, _CHI, _WEIGHT, _MIXED = 4, 2, 0.6, 8
#: Threshold of the cell with many agents, which communicates nearly always, and its episodes.
_EAGER, _SHORT = 0.01, 250


@dataclass(frozen=True)
class SizesCell:
    """Describe a condition of `coop_lsvi_sizes`.

    Args:
        varied: the size that varies: "d", "H" or "S" of Theorem 1, "k" or "M" of Theorem 3, or "many" for Lemma 9.
        alone: whether agents never communicate, whatever S is.
        agents, episodes, horizon, dimension: M, T, H and d.
        contexts: k, 0 for homogeneous agents.
        threshold: S.
        contrast: factor of the differences between rewards.
        states, actions: of the MDP.
        scale: factor of the calibrated β_t.
    """

    varied: str
    alone: bool
    agents: int
    episodes: int
    horizon: int
    dimension: int
    contexts: int
    threshold: float
    contrast: float
    states: int
    actions: int
    scale: float


def _sizes_cells(options: Mapping[str, Any]) -> dict[str, SizesCell]:
    """Return cells that vary one size each, and those without communication that controls need."""
    common = {name: options[name] for name in ("states", "actions", "horizon", "dimension", "scale", "episodes")}
    base = SizesCell("", False, options["agents"], contexts=0, threshold=1.0, contrast=1.0, **common)
    mixed = replace(base, agents=_MIXED, contexts=_CONTEXTS)
    large = replace(base, varied="S", agents=options["threshold_agents"])
    points = [replace(base, varied="d", dimension=d) for d in options["dimensions"]]
    points += [replace(base, varied="H", horizon=H) for H in options["horizons"]]
    points += [replace(large, threshold=float(S)) for S in options["thresholds"]]
    points += [replace(large, threshold=float(min(options["thresholds"])), alone=True)]
    points += [replace(mixed, varied="k", contexts=k) for k in options["contexts"]]
    points += [
        replace(mixed, varied="M", agents=M, alone=alone) for M in options["group_sizes"] for alone in (False, True)
    ]
    wanted = [replace(point, contrast=float(g)) for point in points for g in options["contrasts"]]
    many = replace(base, varied="many", agents=options["many"], threshold=_EAGER, episodes=_SHORT)
    return {_name(cell): cell for cell in [*wanted, many, replace(many, alone=True)]}


def _name(cell: SizesCell) -> str:
    """Return the name of a condition: what varies, its value, the contrast, and whether agents are alone."""
    value = {"d": cell.dimension, "H": cell.horizon, "S": cell.threshold, "k": cell.contexts}
    return f"{cell.varied}{value.get(cell.varied, cell.agents):g}_{cell.contrast:g}{'_alone' if cell.alone else ''}"


def _sizes(cell: SizesCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each run."""
    return pd.DataFrame([_sizes_run(cell, seed) for seed in seeds])


def _agents(cell: SizesCell, seed: int) -> ParallelMDP:
    """Draw the agents' MDPs."""
    rng, S, H, k = instance_stream(seed), cell.states, cell.horizon, cell.contexts
    base = with_contrast(random_mdp(rng, S, cell.actions, H, cell.dimension), cell.contrast)
    if not k:
        return homogeneous(base, cell.agents)
    nu, alpha = rng.dirichlet(np.full(S, 0.1), (H, k)), rng.integers(0, 2, (H, k)).astype(np.float64)
    return contextual(base, nu, alpha, random_contexts(rng, cell.agents, k, _CHI), _WEIGHT)


def _sizes_run(cell: SizesCell, seed: int) -> dict[str, Any]:
    """Run Algorithm 1, or 3 with contexts, once and return its row."""
    T, M, H, S = cell.episodes, cell.agents, cell.horizon, cell.states
    D = cell.dimension + cell.contexts
    beta = betas("calibrated", T, 1 if cell.alone else M, H, D, scale=cell.scale)
    drawn = noise(noise_stream(seed), T, M, H, S)
    found = run(_agents(cell, seed), drawn, beta, ALONE if cell.alone else cell.threshold, use_contexts=True)
    return {
        "seed": seed,
        "varied": cell.varied,
        "alone": int(cell.alone),
        "agents": M,
        "episodes": T,
        "horizon": H,
        "dimension": cell.dimension,
        "contexts": cell.contexts,
        "threshold": cell.threshold,
        "contrast": cell.contrast,
        "beta": float(beta[-1]),
        "rounds": len(found.rounds),
        "regret": float(found.regret.sum()),
        "width": float(found.width.sum()),
        "width_bound": float(lemma_9(found.log_det, T, M, cell.threshold).sum()),
    }


SIZES_STUDY = Study(
    name="coop_lsvi_sizes",
    title="CoopLSVI: regret against the other sizes",
    cells=_sizes_cells,
    simulate=_sizes,
    columns={
        "seed": "run: MDPs and noise",
        "varied": "what varies: d, H, S of Theorem 1; k, M of Theorem 3; many: Lemma 9",
        "alone": "1: agents never communicate, whatever S is",
        "agents": "M",
        "episodes": "T",
        "horizon": "H",
        "dimension": "d",
        "contexts": "k; 0: homogeneous agents",
        "threshold": "S",
        "contrast": "factor of the differences between rewards, no unit",
        "beta": "β_T, units of reward",
        "rounds": "episodes with communication",
        "regret": "group regret, units of reward",
        "width": "Σ ‖φ‖ in the norm of Λ⁻¹ along the way of all agents, no unit",
        "width_bound": "Lemma 9 with log det Λ_h of the run, sum over the steps h, no unit",
    },
    options={
        **SIZES,
        "episodes": whole(500, least=2),
        "agents": whole(4),
        "contrasts": CONTRASTS,
        "dimensions": several([4, 8, 12], whole(least=2)),
        "horizons": several([1, 2, 4], whole()),
        "thresholds": several([1, 4, 16], number()),
        "threshold_agents": whole(16),
        "contexts": several([2, 8], whole(least=_CHI)),
        "group_sizes": several([2, 16], whole(least=_CHI)),
        "many": whole(64),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "coop_lsvi_sizes": SIZES_STUDY,
}
