"""Claims on PCPO in practice: first experiments, sensitivity, failure signatures, the choice of Δ_0, and Δ → 0."""

from __future__ import annotations

from . import practice_first, practice_guess, practice_tuning
from .contract import Group
from .practice_figures import FIRST_EXPERIMENTS, SENSITIVITY_FIGURE
from .practice_guess_figures import FAILURE_SIGNATURES, INITIAL_GUESS, SEPARATION_LIMIT
from .practice_studies import FAILURES, FIRST, GUESS, LIMIT, ROBUSTNESS, RULE, SENSITIVITY

__all__ = ["GROUP"]

GROUP = Group(
    name="practice",
    title="In practice: what to try first, what breaks, and how to tell",
    introduction=(
        r"The experiments that one would run first with PCPO, and those that break it on purpose, on fleets of two "
        r"states, "
        r"one input and at most 16 agents. One cluster shows what $N$ agents gain; two clusters show the sets; forced "
        r"averaging shows what the sets are for. Then one constant at a time is multiplied: the mean local gap is "
        r"predicted without a fitted parameter by the iteration linearised at the minimiser of $C_r$, with its "
        r"transient, "
        r"so the sweep tests the formula and not a trend. A signature is a test on what agents and server see: the "
        r"cost "
        r"estimates $\hat C_i$, rollouts beyond all numbers (saturated), and how often (8) is applied. It must appear "
        r"in "
        r"the runs whose condition was violated and not in sound ones. The initial guess $\Delta_0$ has a window. "
        r"Below "
        r"it epoch 1 costs $M_1\propto\Delta_0^{-2}$ and no epoch is left to collaborate. Above it the first epochs "
        r"are "
        r"not merely cheap: they promise gaps of $\Delta_l/8$, and where that exceeds what the cost may rise before "
        r"it is "
        r"infinite, local policies are lost for good. The printed $c_{(p,4)}\ge\Delta_0^2$ would prevent it at the "
        r"price "
        r"of $T\propto\Delta_0^2$; the calibrated constant does not. Last, clusters of nearly equal optimal cost but "
        r"different dynamics merge: PCPO's global policy then is the one policy for all, silently. All runs are "
        "calibrated; a replicate is a seed."
    ),
    studies=[FIRST, SENSITIVITY, ROBUSTNESS, FAILURES, GUESS, RULE, LIMIT],
    claims=[*practice_first.CLAIMS, *practice_tuning.CLAIMS, *practice_guess.CLAIMS],
    figures={
        "first_experiments": FIRST_EXPERIMENTS,
        "sensitivity": SENSITIVITY_FIGURE,
        "failure_signatures": FAILURE_SIGNATURES,
        "initial_guess": INITIAL_GUESS,
        "separation_limit": SEPARATION_LIMIT,
    },
)
