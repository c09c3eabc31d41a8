"""Types that the simulation and its callers share; this module imports arrays alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from pcpo.arrays import FloatArray, IntArray

__all__ = ["Estimator", "System", "Trajectories"]

#: Gradient estimators that the simulation offers; "one_point" is the paper's, equation (5).
Estimator = Literal["one_point", "two_point"]


class System(Protocol):
    """Name what the simulation reads of a system: x' = A x + B u + z, stage cost xᵀQx + uᵀRu, discount gamma."""

    @property
    def A(self) -> FloatArray: ...
    @property
    def B(self) -> FloatArray: ...
    @property
    def Q(self) -> FloatArray: ...
    @property
    def R(self) -> FloatArray: ...
    @property
    def gamma(self) -> float: ...


@dataclass(frozen=True)
class Trajectories:
    """Hold trajectories of all agents.

    Attributes:
        states: x_0 … x_h, ``(N, count, h + 1, n)``.
        inputs: u_0 … u_{h−1}, ``(N, count, h, m)``.
        nonfinite: how many trajectories of each agent left the range of numbers, ``(N,)``; those are all zeros, so
            that they have no weight in a regression.
    """

    states: FloatArray
    inputs: FloatArray
    nonfinite: IntArray
