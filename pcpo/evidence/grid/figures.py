"""Declare the figures of the group "grid"."""

from __future__ import annotations

from pcpo.claims.contract import EvidenceFigure
from pcpo.evidence.grid.figures_methods import draw_winners, winners_table
from pcpo.evidence.grid.figures_phase import draw_phase, phase_table
from pcpo.evidence.grid.figures_population import draw_population, population_table
from pcpo.evidence.grid.figures_rounds import draw_rounds, rounds_table
from pcpo.evidence.grid.figures_scaling import draw_scaling, scaling_table

__all__ = ["FIGURES"]

#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "phase_diagram": EvidenceFigure(
        title="When all sets are exact",
        caption=r"Random fleets, per cent, whose sets are all exact after $T$ rollouts per agent, by separation "
        r"$\Delta/C^*$ and by number of agents $N$, everything else as in the base cell. The state at budget $T$ is "
        r"that of the last epoch that ends within $T$; before the first epoch the sets are $[N]$. Italic numbers: half "
        r"of the runs or more had ended before $T$; their last state counts. Lines are from theory: the median over "
        r"fleets of the rollouts that the schedule spends until exact costs separate the clusters ($\Delta_l<2\Delta$, "
        r"solid) and until the epoch $L$ of Theorem 1 (dashed). Clopper-Pearson 95 % intervals stand in the table.",
        inputs=("grid",),
        table=phase_table,
        draw=draw_phase,
    ),
    "population_scaling": EvidenceFigure(
        title="Measured over predicted gaps of random fleets",
        caption=r"Above: gap over predicted gap of every fleet (ticks; mean over its collaborative epochs without an "
        r"active cap) and the mean over fleets with 95 % t interval (dots), by cell; nothing is fitted. Fleets "
        r"without a collaborative epoch are counted beside the cell's name. Below: mean gap over fleets with 95 % "
        r"jackknife-t interval against the rollouts $|\mathcal{M}|T$ of a cluster. Each fleet has its own units, which "
        r"take out its constants: $T_1$, the rollouts per agent up to the end of its first collaborative epoch, and "
        r"the predicted gap of an agent alone in that epoch. Lines are predictions along $T$ (solid) and along "
        r"$|\mathcal{M}|$ (dashed). Slopes are least squares over the points, with jackknife 95 % intervals over "
        r"fleets, beside those of the predictions at the same points.",
        inputs=("grid",),
        table=scaling_table,
        draw=draw_scaling,
    ),
    "who_wins": EvidenceFigure(
        title="Which method is best, by how much",
        caption="By cell and method, best first: gap after the last epoch over that of PCPO on the same fleet, "
        "geometric mean over fleets with 95 % jackknife-t interval, and share of fleets in which PCPO has the smaller "
        "gap (Clopper-Pearson 95 %). A run that ends with an infinite cost counts as the larger gap; where a method "
        "lost runs, their number stands in brackets, and the hollow marker is the mean over the other fleets. Arrows: "
        "beyond the axis. Methods that see trajectories have a smaller number of rollouts, which is given above. "
        "All methods start from the agents' own gains. Naive averaging, FedLQR, CFL and MAML-LQR are published for a "
        "common first gain, which most of these fleets do not have: agents that average keep their offsets.",
        inputs=("grid_methods",),
        table=winners_table,
        draw=draw_winners,
    ),
    "population": EvidenceFigure(
        title="The random fleets",
        caption=r"The population by open loop and shape $(n,m)$, as drawn and accepted: largest $\rho(A)$ and "
        r"$\sqrt\gamma\,\rho(A)$ of a fleet, $C(K^0)/C^*$ (mean over agents), largest condition number of a Hessian at "
        r"$K^*$, smallest relative distance of two clusters' optimal gains, and $\Delta/\sigma$ with $\sigma$ the "
        r"largest standard deviation of one rollout's cost at $K^*$. Ticks are fleets, dots medians, bars 5 to 95 % of "
        r"the fleets. Last panel: draws (of systems, fleets or starts) that each limit rejects per accepted fleet, and "
        r"the share of fleets for which a certificate, which exists for one input only, excludes a common gain of "
        r"finite cost.",
        inputs=("grid",),
        table=population_table,
        draw=draw_population,
    ),
    "rounds_grid": EvidenceFigure(
        title="Rounds of communication",
        caption=r"Rounds of communication as counted (points; mean over fleets with 95 % jackknife-t interval) and "
        r"$\sum_l(R_l+1)$ (line) against the number of agents $N$ and the separation $\Delta/C^*$ up to epoch $L$, and "
        r"against the rollouts $T$ per agent by epoch in the base cell. Each fleet has its own constants; $c_2$ grows "
        r"with the farthest of the $N$ starts, so rounds grow with $N$ by more than the logarithm in $R_l$.",
        inputs=("grid",),
        table=rounds_table,
        draw=draw_rounds,
    ),
}
