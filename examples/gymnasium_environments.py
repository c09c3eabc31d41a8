"""Learn gains for Gymnasium's own environments: cart-poles with a continuous force, and Pendulum-v1 near upright.

`python examples/gymnasium_environments.py` learns the gains of four cart-poles, two with a short pole and two with a
long one, from rollouts alone, and prints which belong together; it takes a minute or two.  Required: gymnasium.
"""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv

from pcpo import Plants, VectorEnvironment, learn

GAMMA = 0.8
FORCE = 10.0  # newtons of one unit of input
#: Half lengths of the poles (m), one for each agent.
LENGTHS = (0.1, 0.1, 2.0, 2.0)
#: A first gain, of finite cost for both poles; found by hand.
START = np.array([[-0.1, -0.2, -3.0, -0.6]])
#: Weights of position (m), velocity (m/s), angle (rad), angular velocity (rad/s) and input in the stage cost.
WEIGHTS, INPUT = np.array([1.0, 0.1, 40.0, 1.0]), 0.5


class ContinuousCartPoles(CartPoleVectorEnv):
    """Move Gymnasium's vectorised cart-poles by any force, at a quadratic cost; a fallen pole still terminates."""

    def __init__(self, num_envs: int, length: float) -> None:
        super().__init__(num_envs=num_envs)
        self.length, self.polemass_length = length, self.masspole * length
        self.single_action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float64)
        self.pushes = gymnasium.spaces.MultiDiscrete([2] * num_envs)

    def step(self, actions):
        """Push with |u| to the left or to the right: the environment multiplies its direction by `force_mag`."""
        inputs = np.asarray(actions, dtype=np.float64).reshape(-1)
        self.force_mag = FORCE * np.abs(inputs)
        cost = WEIGHTS @ np.square(self.state) + INPUT * np.square(inputs)
        self.action_space = self.pushes
        states, _, terminated, truncated, info = super().step((inputs > 0).astype(np.int64))
        return states, -cost, terminated, truncated, info


def cart_poles(copies: int = 64) -> Plants:
    """Return a fleet of cart-poles of two lengths."""
    made = [VectorEnvironment(ContinuousCartPoles(copies, length)) for length in LENGTHS]
    return Plants(made, gamma=GAMMA, initial_gains=START)


def pendulums(copies: int = 64, masses: tuple[float, ...] = (1.0, 1.0, 2.0, 2.0)) -> Plants:
    """Return a fleet of Pendulum-v1 that start near upright; states are (cos θ, sin θ, θ')."""
    made = []
    for mass in masses:
        env = gymnasium.make_vec("Pendulum-v1", num_envs=copies, vectorization_mode="sync")
        env.set_attr("m", mass)
        made.append(VectorEnvironment(env, options={"x_init": 0.2, "y_init": 0.2}))
    return Plants(made, gamma=GAMMA, initial_gains=np.array([[0.0, 12.0, 3.0]]))


if __name__ == "__main__":
    print(learn(cart_poles(), budget=40_000, seed=1))
