"""Offer two nonlinear plants, compiled: a pendulum and a cart with a pole, both upright, with a limited input.

States and inputs are in units of the noise: with noise level s, a state 1 stands for s rad, s rad/s, s m or s m/s, and
an input 1 for s N·m or s N.  Then a plant is x_{t+1} = f(s·x_t, s·u_t)/s + z_t with z_t of random signs, the stage cost
xᵀQx + uᵀRu is in units of s², and s → 0 is the linearised plant, which `noise=0` gives.  Gains are the same in all
units.  The input is cut to its limit before it acts; the stage cost is that of the input that is asked for.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from pcpo.errors import ConfigError
from pcpo.lqr.system import LinearSystem
from pcpo.oracles.plants.compiled import CompiledPlant
from pcpo.simulation.plants import limited, sine

__all__ = ["CartPole", "Pendulum"]

GRAVITY = 9.81
_QUARTER = math.pi / 2


# Loops below read and write few rows each: LLVM checks that rows do not overlap, and of many it would not.


def _pendulum(x, u, p, after, costs):  # type: ignore[no-untyped-def]
    """Make one step of pendulums: sin and the limit with s > 0, neither with s = 0."""
    pull, drag, gain, dt, limit, s = p[0], p[1], p[2], p[3], p[4], p[5]
    force, lean = costs, after[0]
    _act(u[0], x[0], limit, s, force, lean)
    for k in range(x.shape[1]):
        after[1, k] = x[1, k] + dt * (pull * lean[k] - drag * x[1, k] + gain * force[k])
    for k in range(x.shape[1]):
        costs[k] = p[6] * x[0, k] * x[0, k] + p[7] * x[1, k] * x[1, k] + p[8] * u[0, k] * u[0, k]
        after[0, k] = x[0, k] + dt * after[1, k]


def _cart_pole(x, u, p, after, costs):  # type: ignore[no-untyped-def]
    """Make one step of carts with poles: all nonlinear terms and the limit with s > 0, none of them with s = 0."""
    total, moment, length, slide, swing = p[0], p[1], p[2], p[3], p[4]
    part, dt, limit, s = moment / (length * total), p[5], p[6], p[7]
    force, sin, push, cos, turn = costs, after[3], after[1], after[2], after[0]
    _act(u[0], x[2], limit, s, force, sin)
    for k in range(x.shape[1]):
        push[k] = (force[k] - slide * x[1, k] + moment * s * s * x[3, k] * x[3, k] * sin[k]) * (1.0 / total)
    for k in range(x.shape[1]):
        cos[k] = sine(s * x[2, k] + _QUARTER)  # exactly 1 for s = 0
    for k in range(x.shape[1]):
        pole = GRAVITY * sin[k] - cos[k] * push[k] - swing * x[3, k]
        turn[k] = pole / (length * (4.0 / 3.0 - part * cos[k] * cos[k]))
    for k in range(x.shape[1]):
        after[1, k] = x[1, k] + dt * (push[k] - moment / total * turn[k] * cos[k])
    for k in range(x.shape[1]):
        after[3, k] = x[3, k] + dt * turn[k]
    for k in range(x.shape[1]):
        costs[k] = p[12] * u[0, k] * u[0, k] + p[8] * x[0, k] * x[0, k] + p[9] * x[1, k] * x[1, k]
        after[0, k] = x[0, k] + dt * after[1, k]
    for k in range(x.shape[1]):
        costs[k] += p[10] * x[2, k] * x[2, k] + p[11] * x[3, k] * x[3, k]
        after[2, k] = x[2, k] + dt * after[3, k]


@numba.njit(error_model="numpy", inline="always")
def _act(u, angle, limit, s, force, lean):  # type: ignore[no-untyped-def]
    """Set `force` to the input that acts, and `lean` to sin(s·angle)/s, in units of the noise, or their limits."""
    if s == 0.0:
        for k in range(len(u)):
            force[k] = u[k]
            lean[k] = angle[k]
    else:
        most, unit = limit / s, 1.0 / s
        for k in range(len(u)):
            force[k] = limited(u[k], most)
        for k in range(len(u)):
            lean[k] = sine(s * angle[k]) * unit


class Pendulum(CompiledPlant):
    """Balance a pendulum by a torque at its pivot: ml²θ̈ = mgl sin θ − bθ̇ + u, |u| ≤ limit; θ = 0 is upright.

    The state is (θ, θ̇); θ̇ is advanced first and θ by the new θ̇, both by steps of dt.

    Args:
        mass: m (kg), all of it at the end of the rod.
        length: l (m).
        friction: b (N·m·s).
        limit: largest torque (N·m).
        noise: s, the noise level of both states (rad, rad/s); 0 is the linearised plant, without a limit.
        dt: time step (s).
        state_cost: diagonal of Q, 0 or more each.
        input_cost: R.

    Raises:
        ConfigError: for a number out of range.
    """

    def __init__(
        self,
        *,
        mass: float = 1.0,
        length: float = 1.0,
        friction: float = 0.1,
        limit: float = 10.0,
        noise: float = 0.0,
        dt: float = 0.1,
        state_cost: tuple[float, float] = (1.0, 1.0),
        input_cost: float = 0.1,
    ) -> None:
        _check(mass=mass, length=length, limit=limit, dt=dt, input_cost=input_cost)
        _check_from_zero(friction=friction, noise=noise)
        self.Q, self.R = _weights(state_cost, 2), input_cost
        inertia = mass * length**2
        numbers = (GRAVITY / length, friction / inertia, 1 / inertia, dt, limit, noise)
        super().__init__(2, 1, _pendulum, (*numbers, *self.Q, self.R))

    def linearised(self, gamma: float) -> LinearSystem:
        """Return the linearised plant with discount γ: what the plant is with `noise=0`."""
        pull, drag, gain, dt = self.parameters[:4]
        speed = np.array([dt * pull, 1 - dt * drag])
        A, B = np.stack([[1.0, 0.0] + dt * speed, speed]), np.array([[dt * dt * gain], [dt * gain]])
        return LinearSystem(A, B, np.diag(self.Q), np.array([[self.R]]), gamma)


class CartPole(CompiledPlant):
    """Balance a pole on a cart by a force on the cart, as Barto, Sutton and Anderson (1983), with |u| ≤ limit.

    The state is (x, ẋ, θ, θ̇), θ = 0 upright.  With M + m the total mass, l half the length of the pole and
    p = (u − bẋ + ml θ̇² sin θ)/(M + m):  θ̈ = (g sin θ − p cos θ − cθ̇)/(l(4/3 − m cos²θ/(M + m))),
    ẍ = p − ml θ̈ cos θ/(M + m).  Speeds are advanced first, then x and θ by the new speeds, by steps of dt.

    Args:
        mass: M, of the cart (kg).
        pole_mass: m (kg).
        length: l, half the length of the pole (m).
        friction: b, of the cart (N·s/m).
        pole_friction: c, of the pole, over ml (m/s).
        limit: largest force (N).
        noise: s, the noise level of the four states (m, m/s, rad, rad/s); 0 is the linearised plant, without a limit.
        dt: time step (s).
        state_cost: diagonal of Q, 0 or more each.
        input_cost: R.

    Raises:
        ConfigError: for a number out of range.
    """

    def __init__(
        self,
        *,
        mass: float = 1.0,
        pole_mass: float = 0.1,
        length: float = 0.5,
        friction: float = 0.1,
        pole_friction: float = 0.1,
        limit: float = 10.0,
        noise: float = 0.0,
        dt: float = 0.1,
        state_cost: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
        input_cost: float = 0.1,
    ) -> None:
        _check(mass=mass, pole_mass=pole_mass, length=length, limit=limit, dt=dt, input_cost=input_cost)
        _check_from_zero(friction=friction, pole_friction=pole_friction, noise=noise)
        self.Q, self.R = _weights(state_cost, 4), input_cost
        numbers = (mass + pole_mass, pole_mass * length, length, friction, pole_friction, dt, limit, noise)
        super().__init__(4, 1, _cart_pole, (*numbers, *self.Q, self.R))

    def linearised(self, gamma: float) -> LinearSystem:
        """Return the linearised plant with discount γ: what the plant is with `noise=0`."""
        total, moment, length, slide, swing, dt = self.parameters[:6]
        part = moment / total
        arm = length * (4 / 3 - part / length)
        push = np.array([0.0, -slide / total, 0.0, 0.0, 1 / total])  # of x, ẋ, θ, θ̇ and u
        turn = (np.array([0.0, 0.0, GRAVITY, -swing, 0.0]) - push) / arm
        rates = {1: push - part * turn, 3: turn}
        rows = np.eye(4, 5)
        for i, rate in rates.items():
            rows[i] += dt * rate
            rows[i - 1] += dt * rows[i]
        return LinearSystem(rows[:, :4], rows[:, 4:], np.diag(self.Q), np.array([[self.R]]), gamma)


def _check(**numbers: float) -> None:
    """Raise ConfigError unless all numbers are finite and above 0."""
    for name, value in numbers.items():
        if not (_real(value) and value > 0):
            raise ConfigError(f"{name}: found {value!r}, expected a number above 0")


def _check_from_zero(**numbers: float) -> None:
    """Raise ConfigError unless all numbers are finite and 0 or more."""
    for name, value in numbers.items():
        if not (_real(value) and value >= 0):
            raise ConfigError(f"{name}: found {value!r}, expected a number, 0 or more")


def _real(value: object) -> bool:
    """Say whether a value is a finite number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)


def _weights(costs: tuple[float, ...], n: int) -> tuple[float, ...]:
    """Return the diagonal of Q; ConfigError unless it has n numbers, 0 or more."""
    if len(costs) != n or not all(_real(cost) and cost >= 0 for cost in costs):
        raise ConfigError(f"state_cost: found {costs!r}, expected {n} numbers, 0 or more")
    return tuple(float(cost) for cost in costs)
