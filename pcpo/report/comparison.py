"""The comparison with other methods, and the experiment of FedLQR: what their figures show."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from markupsafe import Markup

from pcpo.report.html import figure
from pcpo.report.store import Store
from pcpo.report.tables import METHODS, RATIOS, TRANSFER, Numbers

__all__ = ["PICTURES", "Picture", "picture", "picture_alone", "picture_of", "pictured"]


@dataclass(frozen=True)
class Picture:
    """A figure of the comparison, and the table of its numbers if that is worth reading."""

    title: str
    caption: str
    numbers: Numbers | None = None


#: The figures of the comparison, in the order of the report.
PICTURES: Mapping[str, Picture] = {
    "fleets": Picture(
        "The fleets",
        r"Optimal costs $C^*$ of the clusters with their separation $\Delta$ (cost units), and the eigenvalues of $A$ "
        r"and of $A-BK^*$ in the complex plane, for every scenario.",
    ),
    "elimination": Picture(
        "Elimination, epoch by epoch",
        r"Fraction of runs in which agent $j$ is in the neighbourhood set $\mathcal{N}_i^{(l)}$, and the estimated "
        r"costs $\hat C_i$ of one run with the shrinking $\Delta_l$ (cost units).",
    ),
    "learning_curves": Picture(
        "Learning curves",
        r"Exact gap $C-C^*$ (cost units) of the local and the global gain against rollouts per agent: mean over runs "
        "with 95 % bootstrap interval, beside the predicted steady state, which has no fitted parameter.",
    ),
    "baselines": Picture(
        "Other methods",
        "All methods, tuned alike, at the same rollouts per agent: mean gap with 95 % bootstrap interval over runs; "
        "failed runs with Clopper-Pearson 95 %; communication. The gap is infinite if any run diverged.",
        METHODS,
    ),
    "ablations": Picture(
        "Ablations",
        "PCPO with one part taken away, on the same fleets and at the same rollouts: mean gap with 95 % bootstrap "
        "interval over runs; failed runs with Clopper-Pearson 95 %; communication.",
        METHODS,
    ),
    "negative_transfer": Picture(
        "Negative transfer",
        r"Averaging over everybody, beside the plateau $C_j(\bar K)-C_j^*$ that it must reach if a common gain of "
        r"finite cost exists, $\bar K=\operatorname{argmin}_K\sum_j|\mathcal{M}_j|\,C_j(K)$, and failed runs where "
        "none does.",
        TRANSFER,
    ),
    "variance_reduction": Picture(
        "Smaller variance",
        "What subtracting a baseline, or taking a difference of two rollouts, saves in the gradient estimate: gap, "
        "ratio to plain PCPO's at equal rollouts and rollouts saved for the same gap, with 95 % bootstrap intervals "
        "over runs.",
        RATIOS,
    ),
    "fedlqr_replication": Picture(
        "FedLQR's experiment in its own setting",
        r"Normalised gap of the nominal agent against rounds, by number of agents $M$ and by heterogeneity "
        r"$\varepsilon$, with the control of identical agents: mean over runs with 95 % bootstrap interval, and the "
        "run without noise.",
    ),
}


def picture_of(name: str) -> Picture:
    """The picture of that name; elimination_<scenario> is `elimination` of another scenario."""
    _, _, scenario = name.partition("elimination_")
    return replace(PICTURES["elimination"], title=f"Elimination: {scenario}") if scenario else PICTURES[name]


def pictured(figures: Collection[str]) -> list[str]:
    """Those of the figures that are pictures of the comparison, in the order of the report."""
    chosen: list[str] = []
    for name in PICTURES:
        chosen += [name] if name in figures else []
        chosen += [one for one in figures if one.startswith("elimination_")] if name == "elimination" else []
    return chosen


def picture_alone(store: Store, name: str) -> Markup:
    """A figure of the comparison with its caption."""
    return figure(store.figure_path(name), name, picture_of(name).title, picture_of(name).caption)


def picture(store: Store, name: str) -> Markup:
    """A figure of the comparison, and the table of its numbers, folded away, if it has one that is there."""
    numbers, path = picture_of(name).numbers, store.root / f"figures/{name}.csv"
    if numbers is None or not path.is_file():
        return picture_alone(store, name)
    made = numbers.html(path, f"figure {name}")
    folded = Markup("<details><summary>The numbers</summary>\n{}\n</details>").format(made)
    return picture_alone(store, name) + folded
