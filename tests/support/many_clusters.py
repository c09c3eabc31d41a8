"""Fleets of many clusters, and the numbers that the figures of runs would draw of them, without simulating."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pcpo.figures import elimination, fleets, learning_curves, negative_transfer
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.random import with_optimal_cost

__all__ = ["METHODS", "fleet_of", "numbers_of"]

EPOCHS = [1, 2, 3, 4]
METHODS = {"naive_average": "Naive average", "pcpo": "PCPO", "local": "Local PO"}


@functools.cache
def fleet_of(H: int, per_cluster: int = 1, *, spread: float = 1.0) -> Fleet:
    """Draw H systems of two states with optimal costs around 20, `per_cluster` agents each."""
    rng = np.random.default_rng(H)
    costs = 20 + spread * np.cumsum(rng.uniform(0.5, 1.5, H))
    A = rng.normal([[0.9, 0.2], [0.0, 0.8]], 0.05, (H, 2, 2))
    B = rng.normal([[0.0], [1.0]], 0.05, (H, 2, 1))
    systems = [LinearSystem(a, b, np.eye(2), np.eye(1), 0.8) for a, b in zip(A, B, strict=True)]
    order = rng.permutation(H)
    scaled = tuple(with_optimal_cost(systems[j], float(costs[k])) for j, k in enumerate(order))
    labels = np.repeat(np.arange(H), per_cluster)
    return Fleet("many", scaled, labels, np.zeros((len(labels), 1, 2)))


def runs_of(fleet: Fleet, *, seeds: int = 2, first: float = 8.0) -> pd.DataFrame:
    """Make up rows of runs: in each epoch the agents within Δ_l of an agent's optimal cost are its neighbours."""
    rng = np.random.default_rng(1)
    labels, stars = fleet.labels, fleet.optimal_costs[fleet.labels]
    rows = []
    for seed in range(seeds):
        for epoch in EPOCHS:
            Delta = first / 2 ** (epoch - 1)
            estimates = stars + rng.uniform(-Delta / 4, Delta / 4, fleet.N)
            near = np.abs(estimates[:, None] - estimates) <= Delta
            for agent, cluster in enumerate(labels):
                neighbours = np.flatnonzero(near[agent])
                right = np.array_equal(neighbours, np.flatnonzero(labels == cluster))
                rows.append(
                    {
                        "scenario": "many", "algorithm": "pcpo", "mode": "calibrated", "seed": seed, "epoch": epoch,
                        "agent": agent, "cluster": int(cluster), "Delta": Delta, "rollouts": 1000.0 * 4**epoch,
                        "local_gap": rng.uniform(0.5, 1.5) / 2**epoch, "global_gap": rng.uniform(0.2, 0.6) / 3**epoch,
                        "cost_estimate": estimates[agent], "set_correct": right, "neighbours": neighbours,
                        "rounds": 10 * epoch, "bytes_up": 8.0, "bytes_down": 8.0,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def numbers_of(figure: str, fleet: Fleet, title: str = "many") -> tuple[pd.DataFrame, Callable[[pd.DataFrame], Figure]]:
    """Return the numbers that a figure draws of a fleet, and what draws them."""
    titles = {"many": title}
    if figure == "fleets":
        return fleets.table({"many": fleet}, titles), fleets.draw
    runs = runs_of(fleet)
    if figure == "elimination":
        stars = pd.DataFrame({"cluster": range(fleet.H), "optimal_cost": fleet.optimal_costs})
        return elimination.table(runs, stars), elimination.draw
    if figure == "learning_curves":
        predicted = pd.DataFrame({"scenario": "many", "epoch": EPOCHS, "local": 0.2, "global": 0.1})
        return learning_curves.table(runs, predicted, titles), learning_curves.draw
    methods = pd.concat([runs.assign(algorithm=name) for name in METHODS])
    plateaus = pd.DataFrame({"scenario": "many", "cluster": range(fleet.H), "plateau": 0.05})
    return negative_transfer.table(methods, plateaus, METHODS, titles), negative_transfer.draw
