"""Define a fleet of inverted pendulums of two kinds: nonlinear plants, and their linearisations.

θ'' = (g/L) sin θ + τ/(mL²) from upright, in steps of 0.05 s.  States are (θ, θ') over NOISE, inputs are torques over
TORQUE, so that the process noise has covariance I, as PCPO assumes; the stage cost is ‖x‖² + ‖u‖².
`python examples/pendulums.py` writes the linearised fleet to pendulums.yaml and pendulums.npz, beside this file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcpo import Fleet, LinearSystem, write_fleet
from pcpo.lqr.optimum import riccati
from pcpo.simulation.noise import noise_law

GRAVITY, STEP, GAMMA = 9.81, 0.05, 0.6
NOISE = np.array([0.02, 0.06])  # rad and rad/s in each step
TORQUE = 0.2  # N m


@dataclass(frozen=True)
class Pendulum:
    """Simulate a rod of length L (m) with mass m (kg) at its end, for many rollouts at once."""

    length: float
    mass: float
    n = 2
    m = 1

    def reset(self, rng, count):
        """Start upright and at rest."""
        return np.zeros((count, 2))

    def step(self, states, actions, rng):
        """Take a step of semi-implicit Euler and add noise; return next states and the costs of the present states."""
        after = self.moved(states, actions) + noise_law("signs").sample(rng, (len(states),), 2)
        return after, (states**2).sum(axis=1) + (actions**2).sum(axis=1)

    def moved(self, states, actions):
        """Return the next states without noise."""
        angle, velocity = (states * NOISE).T
        torque = TORQUE * actions[:, 0]
        acceleration = GRAVITY / self.length * np.sin(angle) + torque / (self.mass * self.length**2)
        velocity = velocity + STEP * acceleration
        return np.stack([angle + STEP * velocity, velocity], axis=1) / NOISE

    def linearised(self):
        """Return (A, B) about upright, derived by hand."""
        pull, push = GRAVITY / self.length, TORQUE / (self.mass * self.length**2)
        A = np.array([[1 + STEP**2 * pull, STEP], [STEP * pull, 1.0]])
        B = np.array([[STEP**2 * push], [STEP * push]])
        return A * NOISE / NOISE[:, None], B / NOISE[:, None]


KINDS = (Pendulum(length=1.0, mass=0.2), Pendulum(length=0.5, mass=2.0))
LABELS = np.array([0, 1, 0, 1])


def linear_fleet():
    """Return the fleet of linearised systems, which defines optimal costs, clusters and gaps."""
    systems = tuple(LinearSystem(*kind.linearised(), np.eye(2), np.eye(1), GAMMA) for kind in KINDS)
    gains = np.stack([1.1 * riccati(systems[label]).K for label in LABELS])
    return Fleet("pendulums", systems, LABELS, gains, "examples/pendulums.py, linearised about upright")


def pendulum_of(fleet, agent):
    """Return the plant of an agent, one of the two kinds, by cluster."""
    return KINDS[fleet.labels[agent]]


PLANTS = {"pendulums": pendulum_of}

if __name__ == "__main__":
    for suffix in (".yaml", ".npz"):
        write_fleet(linear_fleet(), Path(__file__).with_suffix(suffix))
