"""Group `coop_lsvi`: cooperative least-squares value iteration (Dubey and Pentland, arXiv:2103.04972), in small."""

from __future__ import annotations

from .contract import Group
from .coop_lsvi_communication import COMMUNICATION
from .coop_lsvi_figures import COMMUNICATION_FIGURE, HETEROGENEITY_FIGURE, REGRET_FIGURE
from .coop_lsvi_heterogeneity import HETEROGENEITY
from .coop_lsvi_joint import JOINT
from .coop_lsvi_joint_figures import PARETO_FIGURE
from .coop_lsvi_parallel import PARALLEL
from .coop_lsvi_pareto import EXACT, FRONT, PARETO
from .coop_lsvi_regret import REGRET

__all__ = ["GROUP"]

_INTRODUCTION = r"""The same question in episodic MDPs: how much do $M$ agents gain by sharing, under heterogeneity,
with how little communication? CoopLSVI answers with optimism, least squares on everybody's transitions, and a round of
communication only once the determinant of an agent's own data has grown by (7). The paper has no experiments. Here are
some, in random finite MDPs that are linear exactly, with values by dynamic programming: regrets have no sampling error
of their own. Rates that hold for all MDPs are tested on a worst one: the rewards of every MDP come in several
contrasts, and at each $M$ and $T$ the contrast with the largest mean regret counts. With the widths $\beta$ of the
proofs no agent leaves exploration at such sizes, and with those of the theorems it takes long; the calibrated ones have
the theorems' form times a named scale. Numbers of rounds are what the server counted."""

GROUP = Group(
    name="coop_lsvi",
    title="A companion: cooperative least-squares value iteration",
    introduction=_INTRODUCTION,
    studies=[REGRET, COMMUNICATION, HETEROGENEITY, PARETO, EXACT, FRONT],
    claims=[*PARALLEL, *JOINT],
    figures={
        "coop_regret": REGRET_FIGURE,
        "coop_communication": COMMUNICATION_FIGURE,
        "coop_heterogeneity": HETEROGENEITY_FIGURE,
        "coop_pareto": PARETO_FIGURE,
    },
)
