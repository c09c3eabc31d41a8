"""What the claims on hierarchical actor-critic have in common: their figures, and two forms.

The claims on hierarchical actor-critic, with their negative controls and powers.

The claims with estimated critics: Algorithm 3 by itself, and what it takes in the place of exact ones.

Claims of the companion study: hierarchical actor-critic for LQR with partial exchangeability (Luo et al.).
"""

from __future__ import annotations

from collections.abc import Sequence

from pcpo.claims.contract import Claim, Control, Mode, Power, Tables
from pcpo.claims.controls import Measure, normal_power, rare, scaled, swapped
from pcpo.claims.judging import AtMost, Never
from pcpo.evidence.hierarchical import measures as measures
from pcpo.evidence.hierarchical.studies_exact import DESCENT, GAINS, SYSTEMS
from pcpo.evidence.hierarchical.studies_learning import ACTORS, COMPLEXITY, CRITIC, LEARNING, SAMPLES

__all__ = ["CLAIMS", "COMPLEXITY_FIGURE", "CONVERGENCE_FIGURE", "ESTIMATED", "always", "power"]

COMPLEXITY_FIGURE, CONVERGENCE_FIGURE = "hierarchical_complexity", "hierarchical_convergence"


def power(measure: Measure, shift: float, alternative: str) -> Power:
    def value(tables: Tables) -> float:
        found = measure(tables)
        return normal_power(found, shift) if found.high > found.low else float(found.high == found.low)

    return Power(alternative, value)


def always(
    id: str,
    title: str,
    text: tuple[str, str, str],
    measure: Measure,
    least: int,
    controls: Sequence[Control],
    mode: Mode = "exact",
) -> Claim:
    """A claim that one violation refutes; text: source, statement, quantity."""
    source, statement, quantity = text
    return Claim(
        id=id,
        measure=measure,
        rule=Never(least),
        controls=controls,
        power=rare(measure),
        figure=CONVERGENCE_FIGURE,
        mode=mode,
    )


_UNDECOMPOSED = "natural gradient on the undecomposed problem, with its own step of (15)"
_bounds, _descent = measures.gain_ratio("lower", "upper"), measures.gain_ratio("descent")

_ON_SIZES = [
    Claim(
        id="complexity",
        measure=measures.exponent,
        rule=AtMost(),
        controls=[Control("undecomposed", _UNDECOMPOSED, swapped(COMPLEXITY.name, "control:undecomposed", "printed"))],
        power=power(measures.exponent, 0.1, "a quarter more iterations for ten times the agents (exponent 0.1)"),
        figure=COMPLEXITY_FIGURE,
        mode="exact",
        primary=True,
    ),
    Claim(
        id="growth",
        measure=measures.growth,
        rule=AtMost(),
        controls=[
            Control("undecomposed", _UNDECOMPOSED, swapped(COMPLEXITY.name, "control:undecomposed", "shrinking"))
        ],
        power=power(measures.growth, 1.0, "twice the bound"),
        figure=COMPLEXITY_FIGURE,
        mode="exact",
    ),
    always(
        "theorem-2",
        "Iterations are within the number of Theorem 2",
        (
            "Theorem 2",
            r"$N>2M\log\{[C(K_0)-C(K^*)](L+1)/\varepsilon\}$ iterations give $C(K_N)-C(K^*)\leq\varepsilon$",
            "instances and sizes that need more iterations, exact critics",
        ),
        measures.iteration_bound,
        100,
        [Control("slow", "steps of a hundredth of (15)", swapped(COMPLEXITY.name, "control:slow", "printed"))],
    ),
    Claim(
        id="samples",
        measure=measures.sample_exponent,
        rule=AtMost(),
        controls=[
            Control(
                "undecomposed",
                "the same critic on the undecomposed problem",
                swapped(SAMPLES.name, "control:undecomposed", "decomposed"),
            )
        ],
        power=power(measures.sample_exponent, 2.0, "an error in proportion to the unknowns of the whole system (2)"),
        figure=COMPLEXITY_FIGURE,
    ),
]

_EXACT = [
    always(
        "decomposition",
        "The problem decomposes",
        (
            "Lemma 1, Propositions 1 and 2, Definition 5",
            r"(6) to (10), and $C(K)=\bar C(\bar K)+\sum_l|\mathcal{N}^l|\tilde C(K_l)$ with Lemma 2's $\tilde C$",
            "identities on full systems of twelve agents that are missed by more than rounding",
        ),
        measures.decomposition,
        100,
        [
            Control("broken", "one agent is not exchangeable", scaled(SYSTEMS.name, "residual", 1.0, "broken")),
            Control(
                "unweighted",
                "Lemma 2's cost of one agent once for each subpopulation, as Proposition 2 is printed",
                scaled(SYSTEMS.name, "residual", 1.0, "unweighted"),
            ),
        ],
    ),
    always(
        "lemma-3",
        "Gradient domination",
        (
            "Lemma 3, equation (18)",
            r"$\frac{\sigma_{\min}(\Phi)}{\|R+B^\top P_KB\|}\|E_K\|_F^2\leq C(K)-C(K^*)"
            r"\leq\frac{\|\Sigma_{K^*}\|}{\sigma_{\min}(R)}\|E_K\|_F^2$",
            "inequalities that fail at random stable gains, gaps from C*/1000 to 10 C*",
        ),
        _bounds,
        200,
        [
            Control("lower", "‖Σ_K‖/σ_min(R) in the lower bound", scaled(GAINS.name, "lower", 1.0, "lower_loose")),
            Control("upper", "σ_min(Σ_K*) in the upper bound", scaled(GAINS.name, "upper", 1.0, "upper_narrow")),
        ],
    ),
    always(
        "lemma-4",
        "One exact step lowers the cost in proportion to the gap",
        (
            "Lemma 4, equation (19)",
            r"$C(K')-C(K)\leq-\eta\sigma_{\min}(\Phi)\sigma_{\min}(R)\|\Sigma_{K^*}\|^{-1}[C(K)-C(K^*)]$, "
            r"$K'=K-\eta E_K$, $\eta$ of (15) with $K_0=K$",
            "steps from random stable gains that lower it by less",
        ),
        _descent,
        100,
        [Control("far", "20 times the step", scaled(GAINS.name, "descent", 1.0, "descent_far"))],
    ),
    always(
        "lemma-5",
        "An error that Assumption 4 allows changes the next cost by less than half of the promised decrease",
        (
            "Lemma 5, equation (21), Assumption 4",
            r"$|C(K_{n+1})-C(K'_{n+1})|\leq\frac\epsilon2\eta\sigma_{\min}(\Phi)\sigma_{\min}(R)\|\Sigma_{K^*}\|^{-1}$ "
            r"for $\|\hat E_{K_n}-E_{K_n}\|=\delta_n$, with the $\Lambda$ of the proof",
            "random errors at random stable gains that change it by more",
        ),
        measures.gain_ratio("estimated"),
        100,
        [Control("blind", "errors as large as E_K", scaled(GAINS.name, "estimated", 1.0, "estimated_blind"))],
    ),
    always(
        "theorem-3",
        "The cost falls monotonously",
        (
            "Theorems 2 and 3",
            r"$\{C(K_n)\}_{n\geq0}$ is monotonously decreasing",
            "steps with exact critics that do not lower the cost",
        ),
        measures.monotone,
        1000,
        [Control("far", "20 times the step of (15)", swapped(DESCENT.name, "control:far", "general"))],
    ),
    always(
        "theorem-3-rate",
        "… by the predicted factor at least",
        (
            "Lemma 4, equation (20)",
            r"$C(K_{n+1})-C(K^*)\leq[1-\eta\sigma_{\min}(\Phi)\sigma_{\min}(R)\|\Sigma_{K^*}\|^{-1}][C(K_n)-C(K^*)]$",
            "steps with exact critics that remove less",
        ),
        measures.contraction,
        1000,
        [Control("short", "a hundredth of the step of (15)", swapped(DESCENT.name, "control:short", "section6"))],
    ),
    always(
        "theorem-3-number",
        "… and in the predicted number of iterations",
        (
            "Theorem 3",
            r"$N>2\|\Sigma_{K^*}\|\eta^{-1}\sigma_{\min}^{-1}(\Phi)\sigma_{\min}^{-1}(R)\log\{[C(K_0)-C(K^*)]/\varepsilon\}$",
            "paths that need more iterations to 1e-5 of the first gap",
        ),
        measures.allowed,
        30,
        [Control("short", "a hundredth of the step of (15)", swapped(DESCENT.name, "control:short", "section6"))],
    ),
    always(
        "local-rate",
        "Near the optimum the gap falls at least at the local rate",
        (
            "Algorithm 2 with exact critics; not stated in the paper",
            r"$\lim[C(K_{n+1})-C(K^*)]/[C(K_n)-C(K^*)]\leq\max_\lambda(1-\eta\lambda)^2$, "
            r"$\lambda$ of $R+B^\top P_{K^*}B$; equality while the slowest part is there",
            "paths that fall more slowly between gaps of 1e-12 and 1e-16 of the first",
        ),
        measures.local_rate,
        30,
        [Control("double", "twice the rate", scaled(DESCENT.name, "predicted", 2.0))],
    ),
    always(
        "lemma-15",
        "The perturbation bound fails at small gains",
        (
            "Lemma 15, used in (37) for Lemma 5",
            r"$|C(K')-C(K)|\leq6(\|\Phi\|+\sigma^2\|B\|^2)\sigma_{\min}^{-1}(\Phi)\|\Sigma_K\|\|K\|\cdots\|K'-K\|$ "
            r"cannot hold as $K\to0$: its right side vanishes, the left does not",
            "gains of norm 1e-6 at which it holds",
        ),
        measures.perturbation_fails,
        100,
        [Control("usual", "gains of ordinary size", scaled(GAINS.name, "perturbation_tiny", 1.0, "perturbation"))],
    ),
]


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
        id="complexity_estimated",
        measure=measures.estimated_exponent,
        rule=AtMost(),
        controls=[Control("undecomposed", "exact natural gradient on the undecomposed problem", _undecomposed)],
        power=power(measures.estimated_exponent, 0.2, "twice as many iterations for ten times the agents (0.3)"),
        figure=COMPLEXITY_FIGURE,
        mode="calibrated",
    ),
    Claim(
        id="theorem_4",
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
        id="theorem_2_gtd",
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
        id="assumption_4",
        measure=measures.assumption_4,
        rule=AtMost(),
        controls=[Control("exact", "exact critics, known to rounding", _exact)],
        power=power(measures.assumption_4, 2.0, "errors of a hundredth of δ_n"),
        figure=CONVERGENCE_FIGURE,
        mode="calibrated",
    ),
]


CLAIMS: Sequence[Claim] = [*_ON_SIZES, *_EXACT, *ESTIMATED]
