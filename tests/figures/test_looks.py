"""A method looks the same in every figure: one table of colours, markers and lines, which every figure uses."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from support.many_clusters import METHODS, fleet_of, numbers_of

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.evidence.practice.figures_necessity import _METHODS, _SETS
from pcpo.evidence.registry import load_figure as load_evidence
from pcpo.figures import registry, style
from pcpo.figures.style import METHOD_LOOKS, method_look

#: Linear RGB to XYZ (sRGB), and to the linear RGB that colour-blind eyes see (Machado, Oliveira and Fernandes, 2009).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
EYES = {
    "normal": np.eye(3),
    "no red cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue cones": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def test_every_method_of_the_package_has_a_look_of_its_own() -> None:
    looks = {name: method_look(name)[:2] for name in ALGORITHMS}
    assert set(ALGORITHMS) - set(METHOD_LOOKS) == set()
    assert set(METHOD_LOOKS) - set(ALGORITHMS) == set(), "a look of a method that there is no more"
    assert len(set(looks.values())) == len(looks)


@pytest.mark.parametrize("kinds", [("method",), ("ablation",), ("extension",)])
def test_methods_that_are_compared_differ_in_colour_and_in_marker(kinds: tuple[str, ...]) -> None:
    """Variants that begin with (8), or have another exponent of the radius, share the colour of their method."""
    names = [name for name, entry in ALGORITHMS.items() if name == "pcpo" or entry.group in kinds]
    for one, other in combinations(names, 2):
        a, b = method_look(one), method_look(other)
        assert a.marker != b.marker, (one, other)
        bases = [name.removesuffix("_sync").removesuffix("_radius_1_6") for name in (one, other)]
        related = bases[0] == bases[1] or {one, other} == {"least_squares", "cluster_sysid"}
        assert (a.colour == b.colour) == related, (one, other)
        assert not related or a.line != b.line, (one, other)


def linear(colour: str) -> np.ndarray:
    """Return the linear RGB of a colour."""
    c = np.asarray(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIELAB coordinates, white D65, of linear RGB."""
    t = XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(axis=1)
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours: set[str], seen: np.ndarray) -> float:
    """Return the smallest distance in CIELAB of two colours as an eye sees them."""
    shown = [lab(seen @ linear(colour)) for colour in sorted(colours)]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(shown, 2))


@pytest.mark.parametrize("eye", list(EYES))
@pytest.mark.parametrize("kinds", [("method",), ("ablation",), ("extension",)])
def test_colours_of_methods_are_told_apart_by_every_eye(kinds: tuple[str, ...], eye: str) -> None:
    """A distance of about 2 is just seen side by side."""
    colours = {method_look(name).colour for name, entry in ALGORITHMS.items() if name == "pcpo" or entry.group in kinds}
    assert nearest(colours, EYES[eye]) > 10


def test_colours_of_methods_show_on_white() -> None:
    contrast = {look.colour: 1.05 / (float(XYZ[1] @ linear(look.colour)) + 0.05) for look in METHOD_LOOKS.values()}
    assert min(contrast.values()) > 2, contrast


def test_colours_that_some_eyes_confuse_are_noticed() -> None:
    assert nearest({"#882255", style._DARK}, EYES["normal"]) > 30
    assert nearest({"#882255", style._DARK}, EYES["no green cones"]) < 3


def test_learning_alone_and_together_have_the_colours_of_local_and_global_gains() -> None:
    assert method_look("local").colour == style.LOCAL_COLOUR
    assert method_look("pcpo").colour == style.GLOBAL_COLOUR


def test_a_users_method_has_a_look_that_depends_on_its_name_alone() -> None:
    names = [f"mine_{k}" for k in range(40)]
    looks = [method_look(name) for name in names]
    assert looks == [method_look(name) for name in names]
    assert len({look[:2] for look in looks}) > 25
    assert style.GLOBAL_COLOUR not in {look.colour for look in looks}


def drawn(axes: Axes) -> set[tuple[str, str]]:
    """List the colours and markers of the points of a panel."""
    return {(to_hex(line.get_color()).upper(), line.get_marker()) for line in axes.lines if line.get_marker() != "None"}


def looks_of(*names: str) -> set[tuple[str, str]]:
    return {(method_look(name).colour.upper(), method_look(name).marker) for name in names}


def rows(**columns: object) -> pd.DataFrame:
    """Make a table with a column for each argument; the mode, and intervals around `y`, are the same in all rows."""
    table = pd.DataFrame(columns).assign(mode="calibrated", runs=9)
    return table.assign(ci_low=0.5 * table["y"], ci_high=1.5 * table["y"]) if "y" in table else table


def final_gaps(*names: str) -> pd.DataFrame:
    """Make the numbers of `baselines` and `ablations`."""
    known = {"failed": 0, "fail_fraction": 0.0, "fail_low": 0.0, "fail_high": 0.3, "rollouts": 1e5, "kilobytes": 2.0}
    methods = {"scenario": "pair", "title": "pair", "sees": "rollout costs", "rounds": 9, "correct": 1.0}
    gaps = rows(algorithm=list(names), method=list(names), gap=np.arange(1.0, 1 + len(names)))
    return gaps.assign(ci_low=0.5, ci_high=9.0, **known, **methods)


@pytest.mark.parametrize(
    ("figure", "names"), [("baselines", ("pcpo", "local", "ifca")), ("ablations", ("pcpo", "pcpo_no_reinit"))]
)
def test_rows_of_methods(figure: str, names: tuple[str, ...]) -> None:
    found = drawn(registry.load_figure(figure).draw(final_gaps(*names)).axes[0])
    assert found == looks_of(*names)


def test_the_order_of_methods_does_not_change_their_looks() -> None:
    numbers, draw = numbers_of("negative_transfer", fleet_of(2, 2))
    for table in (numbers, numbers.iloc[::-1].reset_index(drop=True)):
        assert drawn(draw(table).axes[-1]) == looks_of(*METHODS)


def test_estimators_of_smaller_variance() -> None:
    names = ("pcpo", "pcpo_centred", "pcpo_two_point")
    epochs = pd.concat([rows(algorithm=names, method=names, gap=(3.0, 2.0, 1.0)).assign(epoch=k) for k in (1, 2)])
    numbers = epochs.reset_index(drop=True).assign(cluster=0, rollouts=lambda t: 10.0 ** (3 + t["epoch"]), clean=True)
    ratios = {"ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6, "predicted_ratio": 0.5, "predicted": 1.0}
    saved = {"saved": 3.0, "saved_low": 2.0, "saved_high": 4.0, "predicted_saved": 3.0}
    numbers = numbers.assign(ci_low=0.5, ci_high=4.0, diverged=0, scenario="pair", **ratios, **saved)
    found = drawn(registry.load_figure("variance_reduction").draw(numbers).axes[0])
    assert looks_of(*names) <= found


def communication() -> pd.DataFrame:
    parts = [
        rows(panel=["time"] * 4 + ["agents"] * 2 + ["gap"] * 2, algorithm=["pcpo", "fedlqr"] * 2 + ["pcpo"] * 4),
        pd.DataFrame({"schedule": ["table2"] * 2 + ["constant_minibatch"] * 2 + ["table2"] * 4, "epoch": 3}),
        pd.DataFrame({"agents": [4] * 4 + [4, 12, 4, 4], "separation": [2.0] * 6 + [2.0, 1.0], "seed": 0}),
        pd.DataFrame({"rollouts": 1e5, "rounds": np.arange(10, 18), "closed": 12.0, "Delta0": 12.0}),
    ]
    return pd.concat(parts, axis=1).assign(runs=9)


def first_experiments() -> pd.DataFrame:
    kinds = {"ratio": ["measured"] * 2, "sets": ["PCPO", "without (7)"], "gap": ["PCPO", "averaging over all"]}
    parts = [rows(kind=kind, series=series, x=[1, 2], y=[0.9, 0.5], overlay=0.5) for kind, series in kinds.items()]
    return pd.concat([*parts, rows(kind="mirror", series=["PCPO"], x=[11], y=[0.0])], ignore_index=True)


def separation_limit() -> pd.DataFrame:
    series = {"gap": "pcpo", "exact": "pcpo", "gap ": "local"}
    parts = [
        rows(kind=kind.strip(), series=name, x=[0.5, 4.0], last=2, overlay=0.9, y=[0.3, 0.8])
        for kind, name in series.items()
    ]
    return pd.concat(parts, ignore_index=True)


def necessities() -> pd.DataFrame:
    sets = rows(kind="lost", series=list(_SETS.values()), x=range(len(_SETS)), y=0.5)
    methods = {"series": list(_METHODS.values()), "x": range(len(_METHODS))}
    return pd.concat([sets, *[rows(kind=kind, y=0.7, **methods) for kind in ("exact", "gap")]], ignore_index=True)


def defects() -> pd.DataFrame:
    cells = {
        "gap": ("single", "single_sync"),
        "destabilised": ("forked", "forked_no_reinit"),
        "rounds": ("agents_4", "constant_iterations"),
        "late": ("late", "late_touched"),
    }
    parts = [
        rows(panel=panel, cell=cell, x=[1, 2], y=[0.9, 0.5], low=0.4, high=0.95, reference=0.7)
        for panel, both in cells.items()
        for cell in both
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("make", "panel", "names"),
    [
        (communication, 0, ("pcpo", "fedlqr")),
        (first_experiments, 1, ("pcpo", "naive_average")),
        (separation_limit, 0, ("pcpo", "local")),
        (necessities, 2, ("pcpo", "pcpo_one_sequence", "pcpo_no_reinit", "pcpo_no_radius_scaling")),
        (defects, 1, ("pcpo", "pcpo_no_reinit")),
    ],
)
def test_evidence_with_methods(make: Callable[[], pd.DataFrame], panel: int, names: tuple[str, ...]) -> None:
    found = drawn(load_evidence(make.__name__).draw(make()).axes[panel])
    assert looks_of(*names) <= found
    dots = {(colour, marker) for colour, marker in found if marker not in ("_", "|")}
    assert dots <= looks_of(*ALGORITHMS), "a point that is drawn like no method"


def test_who_wins_draws_every_method_as_elsewhere() -> None:
    names = ["pcpo", "oracle_clusters", "local", "one_shot, told 0.25 Δ", "cluster_sysid"]
    kinds = ["rollout costs alone", "also told Δ, H or the clusters"]
    numbers = rows(algorithm=names, method=names, ratio=[1.0, 1.2, 2.6, 2.7, 9.0]).assign(
        kind=[kinds[0], kinds[1], kinds[0], kinds[1], "sees trajectories"], cell="base", label="base", pcpo_lost=0
    )
    numbers = numbers.assign(ratio_finite=numbers["ratio"], ci_low=0.9, ci_high=12.0, finite=9, lost=0, fleets=9)
    numbers = numbers.assign(pcpo_better=0.6, better_low=0.4, better_high=0.8, rollouts=1e6, base="base: $N=8$")
    figure = load_evidence("who_wins").draw(numbers)
    assert looks_of(*[name.partition(", ")[0] for name in names]) == drawn(figure.axes[2])
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert [label.endswith((" †", " ‡")) for label in shown] == [kind != kinds[0] for kind in numbers["kind"]]
    assert np.isin(["†", "‡"], list(figure.get_suptitle())).all()


def test_a_method_drawn_in_a_colour_of_its_own_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another table of looks in one module, the test of rows of methods would fail."""
    monkeypatch.setattr("pcpo.figures.methods.method_look", lambda _: style.Look("#123456", "o", "-"))
    found = drawn(registry.load_figure("baselines").draw(final_gaps("pcpo", "local")).axes[0])
    assert found != looks_of("pcpo", "local")
