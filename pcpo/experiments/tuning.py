"""Tune every method with the same budget: a grid of two multipliers of the calibrated schedule.

step_scale multiplies η and radius_scale every smoothing radius below the cap c_(p,6).  Neither touches R_l, M_l or T_l,
so every method, however tuned, has spent the same rollouts per agent at the end of every epoch.  A method that sees
trajectories identifies the systems and has neither step nor radius: all candidates are the same to it, and only the
first is tried.  The seeds are those of the tuning, which the comparison never uses.  The candidate with the fewest
diverged runs is chosen; among several, the candidate of smallest mean gap over the runs that did not diverge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.errors import ConfigError
from pcpo.experiments.cost import DEFAULT_LIMITS, Limits
from pcpo.experiments.experiment import Experiment

__all__ = ["Candidate", "Trial", "candidates", "choose", "final_gaps", "scaled", "try_candidate"]


@dataclass(frozen=True)
class Candidate:
    """Hold one point of the grid."""

    step_scale: float
    radius_scale: float


@dataclass(frozen=True)
class Trial:
    """Hold the result of a candidate: runs, how many diverged, mean final gap of those that did not (units of cost)."""

    candidate: Candidate
    runs: int
    diverged: int
    mean_gap: float

    def to_dict(self) -> dict[str, Any]:
        """Return a flat dictionary, for a JSON file."""
        return {**asdict(self.candidate), "runs": self.runs, "diverged": self.diverged, "mean_gap": self.mean_gap}


def candidates(grid: Mapping[str, Sequence[float]], algorithm: str) -> list[Candidate]:
    """List all points of {"step_scale": […], "radius_scale": […]}; (1, 1) for an algorithm that takes neither."""
    entry = ALGORITHMS[algorithm]
    if entry.sees == "trajectories" or entry.own_schedule:
        return [Candidate(1.0, 1.0)]
    return [Candidate(*point) for point in product(grid["step_scale"], grid["radius_scale"])]


def scaled(experiment: Experiment, candidate: Candidate) -> Experiment:
    """Return the experiment with c_(p,1) and c_(p,5) multiplied (r̃_l ∝ √c_(p,5)); all else stays the same."""
    c = experiment.planned.constants
    constants = replace(c, c1=c.c1 * candidate.step_scale, c5=c.c5 * candidate.radius_scale**2)
    # M* depends on the radii, not on the step.
    known = experiment.thresholds if candidate.radius_scale == 1 else None
    return replace(experiment, schedule=replace(experiment.planned, constants=constants), known_thresholds=known)


def final_gaps(runs: pd.DataFrame) -> pd.Series:
    """Return the mean over agents of the output policy's gap after the last epoch, by run (index: seed)."""
    last = runs[runs["epoch"] == runs.groupby("seed")["epoch"].transform("max")]
    gaps: pd.Series = last.groupby("seed")["global_gap"].mean()
    return gaps


def try_candidate(
    experiment: Experiment,
    algorithm: str,
    candidate: Candidate,
    seeds: Sequence[int],
    limits: Limits | None = DEFAULT_LIMITS,
) -> Trial:
    """Run a candidate on the tuning seeds; `limits` as in `Experiment.run`."""
    frames = [scaled(experiment, candidate).run(algorithm, seed=seed, limits=limits) for seed in seeds]
    gaps = final_gaps(pd.concat(frames)).to_numpy()
    finite = gaps[np.isfinite(gaps)]
    return Trial(candidate, len(gaps), len(gaps) - len(finite), float(finite.mean()) if len(finite) else np.inf)


def choose(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the fewest diverged runs, then the smallest mean gap; ties go to the first of the grid."""
    if not trials:
        raise ConfigError("tuning: found an empty grid, expected at least one candidate")
    return min(trials, key=lambda trial: (trial.diverged, trial.mean_gap))
