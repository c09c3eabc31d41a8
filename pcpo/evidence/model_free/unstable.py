"""Draw fleets of unstable plants whose zero gain has infinite cost, and no other gain is known."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from pcpo import lqr
from pcpo.errors import FleetError
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import condition
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, stream

__all__ = ["draw_unstable"]

_GAMMAS = (0.8, 0.9, 0.95)
#: Range of ρ(A), and the least √γρ(A), above 1, so that the zero gain has infinite cost.
_RADIUS, _LEAST = (1.02, 1.5), 1.01
#: Range of log₁₀ of R, with Q = I, and the largest condition number of the Hessian at K*.
_INPUT_COST, _CONDITION = (-1.0, 1.0), 300.0
#: Systems of a fleet.
_CLUSTERS = 2
#: Key of the stream.
_KEY = 22
_TRIES = 10_000


@lru_cache(maxsize=64)
def draw_unstable(number: int, size: int) -> Fleet:
    """Draw a fleet of agents of two systems, A and B with normal entries and A scaled to a random ρ(A).

    Args:
        number: of the fleet; it decides n (1 to 4), m (1, 2), γ (.8, .9, .95) and the stream, so that any 24 successive
            numbers have each combination once.
        size: agents of each system.

    Raises:
        FleetError: if no systems within the limits were found.
    """
    n, m, gamma = 1 + number % 4, 1 + number // 4 % 2, _GAMMAS[number // 8 % 3]
    rng = stream(number, Purpose.FLEET, _KEY)
    systems: list[LinearSystem] = []
    for _ in range(_TRIES):
        if len(systems) == _CLUSTERS:
            break
        A = rng.standard_normal((n, n))
        rho = rng.uniform(*_RADIUS)
        A *= rho / np.abs(np.linalg.eigvals(A)).max()
        B, scale = rng.standard_normal((n, m)), 10 ** rng.uniform(*_INPUT_COST)
        if math.sqrt(gamma) * rho <= _LEAST:
            continue
        try:
            system = LinearSystem(A, B, np.eye(n), scale * np.eye(m), gamma)
            lqr.riccati(system)
        except FleetError:
            continue
        if condition(system) <= _CONDITION:
            systems.append(system)
    if len(systems) < _CLUSTERS:
        raise FleetError(f"fleet {number}: found {len(systems)} systems in {_TRIES:,} draws, expected {_CLUSTERS}")
    labels = np.repeat(np.arange(_CLUSTERS), size)
    zeros = np.zeros((len(labels), m, n))
    return Fleet(f"unstable fleet {number}", tuple(systems), labels, zeros, gains_known=False)
