"""The claims with estimated critics: Algorithm 3 by itself, and what it takes in the place of exact ones."""

from __future__ import annotations

from . import hierarchical_measures as measures
from .contract import AtMost, Claim, Control, Tables
from .hierarchical_actors import ACTORS
from .hierarchical_critics import CRITIC
from .hierarchical_forms import COMPLEXITY_FIGURE, CONVERGENCE_FIGURE, always, power
from .hierarchical_iterations import COMPLEXITY, LEARNING
from .lemmas_controls import swapped

__all__ = ["ESTIMATED"]


def _few(tables: Tables) -> Tables:
    few = tables[LEARNING.name].query("cell == 'control:few'").assign(cell="least_squares")
    return {**tables, LEARNING.name: few}


def _exact(tables: Tables) -> Tables:
    frame = tables[ACTORS.name].query("kind in ('exact_gtd', 'exact_least_squares')")
    return {**tables, ACTORS.name: frame.assign(kind=frame["kind"].str.removeprefix("exact_"))}


def _harmonic(tables: Tables) -> Tables:
    harmonic = tables[ACTORS.name].query("kind == 'control:harmonic'").assign(kind="gtd")
    return {**tables, ACTORS.name: harmonic}


def _undecomposed(tables: Tables) -> Tables:
    frame = tables[COMPLEXITY.name].query("cell == 'control:undecomposed'")
    counts = frame[["seed", "size", "tried"]].assign(needed=frame["per_agent"], precision=1.0, kind="gtd")
    return {**tables, ACTORS.name: counts}


ESTIMATED = [
    Claim(
        id="complexity-estimated",
        title="Nor does it grow, by much, with estimated critics",
        source="Figure 1, section 6, with the critics of docs/hierarchical.md",
        statement=r"“the number of iterations needed are roughly fixed”",
        quantity="exponent of the size in the iterations to ε per agent, Algorithm 3 and least squares; bound 0.1: a "
        "quarter more iterations for ten times the agents",
        measure=measures.estimated_exponent,
        rule=AtMost(),
        controls=[Control("undecomposed", "exact natural gradient on the undecomposed problem", _undecomposed)],
        power=power(measures.estimated_exponent, 0.2, "twice as many iterations for ten times the agents (0.3)"),
        figure=COMPLEXITY_FIGURE,
        mode="calibrated",
    ),
    Claim(
        id="theorem-4",
        title="The error of Algorithm 3 falls at the promised rate",
        source="Theorems 1 and 4",
        statement=r"$\|\hat\delta_K-\delta_K^*\|^2\leq\Lambda\log^6T/\sqrt T$ for large $T$; here without logarithms",
        quantity="exponent of T in the squared error, later half of the checkpoints (in log T)",
        measure=measures.critic_exponent,
        rule=AtMost(),
        controls=[
            Control("harmonic", "steps α/t", swapped(CRITIC.name, "control:harmonic", "gtd")),
            Control("ball", "Γ² half of ‖δ*‖", swapped(CRITIC.name, "control:ball", "gtd")),
        ],
        power=power(measures.critic_exponent, 0.25, "an exponent of −1/4"),
        figure=CONVERGENCE_FIGURE,
        mode="calibrated",
    ),
    Claim(
        id="theorem-2-gtd",
        title="With Algorithm 3 as critic, Algorithm 2 comes closer the longer the critic runs",
        source="Theorems 1 and 2: δ_n of Assumption 4 is proportional to ε, and Algorithm 3 errs by T^(−1/4)",
        statement=r"$[C(K_n)-C(K^*)]/|\mathcal{N}|\leq cT^{-1/4}$, here without logarithms",
        quantity="exponent of T in the gap after a fixed number of iterations, instances of section 6",
        measure=measures.gap_exponent,
        rule=AtMost(),
        controls=[Control("harmonic", "steps α/t in Algorithm 3", _harmonic)],
        power=power(measures.gap_exponent, 0.25, "a gap that does not depend on T"),
        figure=CONVERGENCE_FIGURE,
        mode="calibrated",
    ),
    always(
        "theorem-2-estimated",
        "The cost falls monotonously with estimated critics",
        (
            "Theorem 2 with Assumption 4",
            r"$\{C(K_n)\}$ is monotonously decreasing while $[C(K_n)-C(K^*)]/|\mathcal{N}|>\varepsilon$",
            "steps with least-squares critics on simulated agents that do not lower the cost",
        ),
        measures.estimated_monotone,
        20,
        [Control("few", "critics from trajectories too short for Assumption 4", _few)],
        "calibrated",
    ),
    Claim(
        id="assumption-4",
        title="Assumption 4 asks for more exact critics than the algorithm needs",
        source="Assumption 4 (“rather weak”), with the Λ of Lemma 5's proof; a reading",
        statement=r"the cost falls while $\|\hat E_{K_n}-E_{K_n}\|>\delta_n$",
        quantity="log10 of δ_n over the error, at steps that lowered the cost, Algorithm 3 and least squares",
        measure=measures.assumption_4,
        rule=AtMost(),
        controls=[Control("exact", "exact critics, known to rounding", _exact)],
        power=power(measures.assumption_4, 2.0, "errors of a hundredth of δ_n"),
        figure=CONVERGENCE_FIGURE,
        mode="calibrated",
    ),
]
