"""Claims of the companion study: hierarchical actor-critic for LQR with partial exchangeability (Luo et al.)."""

from __future__ import annotations

from .contract import FigureSpec, Group
from .hierarchical_actors import ACTORS
from .hierarchical_claims import CLAIMS
from .hierarchical_critics import CRITIC, SAMPLES
from .hierarchical_descent import DESCENT
from .hierarchical_figures import complexity_table, convergence_table, draw_complexity, draw_convergence
from .hierarchical_forms import COMPLEXITY_FIGURE, CONVERGENCE_FIGURE
from .hierarchical_iterations import COMPLEXITY, LEARNING
from .hierarchical_systems import GAINS, SYSTEMS

__all__ = ["GROUP"]

_INTRODUCTION = r"""“Hierarchical actor-critic for LQR with partial exchangeability”, by Y. Luo, Z. Yang, Z. Wang and M.
Kolar, is the counterpart of clustered LQR with clusters that are known: agents of a subpopulation $\mathcal{N}^l$ are
exchangeable and coupled through mean fields. In the coordinates $\tilde x^i = x^i - \bar x^l$ and
$\bar{\mathbf{x}}$ the problem falls apart into $L+1$ small ones (Lemma 1, Propositions 1 and 2), each solved by a
natural actor-critic whose cost must not grow with the number of agents. Here the decomposition is checked to rounding,
the inequalities behind the linear rate on random gains, the critic's rate on long trajectories, and the published
Figure 1 is made again, beside the same method on the undecomposed problem. Numbers of equations, lemmas and theorems in
this group are those of that paper; docs/hierarchical.md lists the readings of its text."""

_COMPLEXITY = r"""Iterations of Algorithm 2 with exact critics to $\varepsilon = 10^{-5}$, against the size of each of
the two subpopulations of section 6, by instance (dashed), their mean (red) and one standard deviation (band). (a) With
$\varepsilon$ on the total cost, as in Theorem 2. (b) With $\varepsilon$ on the cost per agent. (c) Means of (b) and of
natural gradient on the undecomposed problem with its own step of (15), on the sizes for which it was run. (d) Means
with estimated critics, to an $\varepsilon$ per agent that they can reach (Algorithm 3 a coarser one than least squares;
docs/hierarchical.md), beside the exact critic to the same. A run that was cut short counts as it stood then."""

_CONVERGENCE = r"""(a) Gap per agent against iterations of the first instance: natural and plain gradients with exact
critics at the smallest size that was simulated, and natural gradients with least-squares critics on simulated agents,
at that size and at the largest. (b) Squared
relative error of the value vector against iterations of Algorithm 3, geometric mean over trajectories, with its two
controls and least-squares TD on the same trajectories; dotted: $\propto T^{-1/2}$, the bound without logarithms.
(c) Gap per agent that Algorithm 2 comes to in a fixed number of iterations, against the steps of its critic: Algorithm
3, least squares on the same chains, a control; geometric mean over the later half of a run, median over instances."""

GROUP = Group(
    name="hierarchical",
    title="A companion: hierarchical actor-critic with exchangeable agents",
    introduction=_INTRODUCTION,
    studies=[SYSTEMS, GAINS, DESCENT, CRITIC, SAMPLES, COMPLEXITY, LEARNING, ACTORS],
    claims=CLAIMS,
    figures={
        COMPLEXITY_FIGURE: FigureSpec(complexity_table, draw_complexity, _COMPLEXITY),
        CONVERGENCE_FIGURE: FigureSpec(convergence_table, draw_convergence, _CONVERGENCE),
    },
)
