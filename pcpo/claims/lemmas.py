"""Claims on the lemmas and inequalities behind Theorems 1 and 2: (11)/(29), (16), (17), (19), (20), Lemmas 4 to 9."""

from __future__ import annotations

from .contract import AtMost, Claim, Control, FigureSpec, Finding, Group, Never, Tables
from .lemmas_claims import FIGURE, ON_ESTIMATES
from .lemmas_controls import binomial, rare, scaled, swapped
from .lemmas_descent import DESCENT
from .lemmas_estimates import ESTIMATES, MEAN
from .lemmas_figures import draw, table
from .lemmas_measures import lemma_9, pairs, recursion
from .lemmas_pairs import BIAS, PAIRS

__all__ = ["GROUP"]


def _calibrated(tables: Tables) -> Finding:
    return lemma_9(tables, "rollouts")


def _literal(tables: Tables) -> Finding:
    return lemma_9(tables, "moments")


def _pair_claim(number: int, title: str, text: tuple[str, str, str], column: str, control: Control) -> Claim:
    """Lemma 4, 5 or 6; text: source, statement, quantity."""

    def measure(tables: Tables) -> Finding:
        return pairs(tables, column)

    source, statement, quantity = text
    return Claim(
        id=f"lemma_{number}",
        title=title,
        source=source,
        statement=statement,
        quantity=quantity,
        measure=measure,
        rule=Never(1000),
        controls=[control],
        power=rare(measure),
        figure=FIGURE,
        mode="exact",
    )


_PAIR_CLAIMS = [
    _pair_claim(
        4,
        "The cost is locally Lipschitz",
        (
            "Lemma 4, equation (13)",
            r"$|C_j(K)-C_j(K')| \leq \lambda\|K-K'\|$ for $K, K' \in \mathcal{G}_j^0$, $\|K-K'\| \leq \rho$",
            "pairs that violate (13), λ from an independent search on a set half as large again",
        ),
        "lipschitz",
        Control("half", "λ halved", scaled(PAIRS.name, "lipschitz", 2.0)),
    ),
    _pair_claim(
        5,
        "The gradient is locally Lipschitz",
        (
            "Lemma 5, equation (14)",
            r"$\|\nabla C_j(K)-\nabla C_j(K')\| \leq \phi\|K-K'\|$ for $K, K' \in \mathcal{G}_j^0$, "
            r"$\|K-K'\| \leq \rho$",
            "pairs that violate (14), φ from an independent search on a set half as large again",
        ),
        "smoothness",
        Control("half", "φ halved", scaled(PAIRS.name, "smoothness", 2.0)),
    ),
    _pair_claim(
        6,
        "The gradient dominates the gap",
        (
            "Lemma 6, equation (15)",
            r"$\|\nabla C_j(K)\|^2 \geq \mu(C_j(K)-C_j(K_j^*))$, $\mu = 4c\,\sigma_{\min}(G^*)/\|S^*\|$",
            "gains of finite cost, gaps from C*/1000 to 10 C*, that violate (15)",
        ),
        "domination",
        Control(
            "local",
            "μ = 2h_min, the best constant near K*, everywhere",
            scaled(PAIRS.name, "domination", 1.0, "local_domination"),
        ),
    ),
]

_DESCENT = [
    Claim(
        id="recursion",
        title="One step of policy optimisation contracts the gap",
        source="Equations (29) and (11)",
        statement=(
            r"$S_{k+1} \leq (1-\eta\mu/4)S_k + (3\eta/4)\|e_k\|^2$, $e_k = g_k - \nabla C(Y_k)$, "
            r"for $Y_k \in \mathcal{G}^0$ and $\eta \leq 1/(4\phi)$"
        ),
        quantity="logged steps that violate it: rollouts, literal constants with exact moments, and worst-case errors",
        measure=recursion,
        rule=Never(1000),
        controls=[
            Control(
                "step",
                "rollouts with ten times the step size, η = 2.5/h_max, in the two-state system",
                swapped(DESCENT.name, "control:step", "rollouts:two"),
            ),
            Control(
                "coefficient",
                "η/4 in place of 3η/4, so that the check is seen to be sharp",
                scaled(DESCENT.name, "error", 1 / 3),
            ),
        ],
        power=rare(recursion),
        figure=FIGURE,
    ),
    Claim(
        id="lemma_9_calibrated",
        title="Local policy optimisation ends within its tolerance",
        source="Lemma 9, equation (24)",
        statement=(
            r"$K_R \in \mathcal{G}_j^0$ and $S_R \leq (\Delta_1^2/(16\tilde\Delta_0\Delta_0))S_0 + \Delta_1/16$ "
            r"with probability at least $1-\delta' R$: (24) with calibrated constants"
        ),
        quantity="probability of leaving the restricted set or ending too high; three systems pooled, against δ'R",
        measure=_calibrated,
        rule=AtMost(),
        controls=[
            Control(
                "minibatch",
                "minibatch divided by 300 in the two-state system",
                swapped(DESCENT.name, "control:minibatch", "rollouts:two"),
            )
        ],
        power=binomial(_calibrated, 3.0),
        figure=FIGURE,
    ),
    Claim(
        id="lemma_9_literal",
        title="Local policy optimisation with the printed constants ends within its bound",
        source="Lemma 9, equation (24), constants of (21)",
        statement=(
            r"$K_R \in \mathcal{G}_j^0$ and $S_R \leq (1-\eta\mu/4)^R S_0 "
            r"+ (c_{(p,9)}D/\sqrt{M})\sqrt{\log(2D/\delta')}$ with probability at least $1-\delta' R$"
        ),
        quantity="probability of leaving the restricted set or ending above (24); two systems pooled, against δ'R",
        measure=_literal,
        rule=AtMost(),
        controls=[
            Control(
                "step",
                "a thousand times the step size in the two-state system",
                swapped(DESCENT.name, "control:literal", "moments:two"),
            )
        ],
        power=binomial(_literal, 3.0),
        figure=FIGURE,
        mode="literal",
    ),
]

_INTRODUCTION = r"""The theorems rest on a few inequalities. The cost of a linear policy is smooth and
gradient-dominated on the restricted set $\mathcal{G}^0 = \{C(K)-C^* \leq 10\tilde\Delta_0\}$ (Lemmas 4 to 6). The
one-point estimate (5) is unbiased for the gradient of a smoothed cost (16), whose bias is at most $\phi r$ (17),
and it concentrates (Lemma 7, Corollary 8). Together they give the one-step recursion (29) and Lemma 9. Each is
tested here on systems with one, two and six unknowns, with $\lambda$, $\phi$ and $\rho$ from an independent search
on a larger set and $\mu$ proved. Beside the bounds stand the sharp statements that they hide: a bias of order
$r^2$, and the exact second moment of the error. A fourth system with $A = 0$ makes every rollout cost the same:
there the concentration bounds are nearly attained, and the absolute constant that (19) and (20) omit is seen to be
needed."""

_CAPTION = r"""(a) Bias of the smoothed gradient over its bound $\phi r$, median and range over random gains, by
quadrature; dotted: $\propto r$, the slope of a bias $\propto r^2$. (b) Every drawn step of logged trajectories
against the right-hand side of (29), in units of $10\tilde\Delta_0$. (c) Second moment of averaged estimates over
the exact value for one agent, 95 % bootstrap intervals over runs; the control shares directions and noise among
agents. (d) Fraction of estimates beyond (19), Clopper-Pearson 95 % intervals, against the nominal $\delta'$; where
no point is drawn none was beyond. (e) Left side over right side of (13), (14), (15) on random pairs, cumulative.
(f) Final gap over the right-hand side of (24), one dot per learner, with calibrated and with printed constants;
values above 1000 drawn there."""

GROUP = Group(
    name="lemmas",
    title="Lemmas and inequalities",
    introduction=_INTRODUCTION,
    studies=[PAIRS, BIAS, MEAN, ESTIMATES, DESCENT],
    claims=[*ON_ESTIMATES, *_PAIR_CLAIMS, *_DESCENT],
    figures={FIGURE: FigureSpec(table, draw, _CAPTION)},
)
