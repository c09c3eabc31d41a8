"""A method looks the same in every figure: one table of colours, markers and lines, which every figure uses."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.evidence.registry import load_figure as load_evidence
from pcpo.figures import registry, style
from pcpo.figures.style import METHOD_LOOKS, method_look
from tools.figure_numbers import FOLDER


def test_every_method_of_the_package_has_a_look_of_its_own() -> None:
    looks = {name: method_look(name)[:2] for name in ALGORITHMS}
    assert set(ALGORITHMS) - set(METHOD_LOOKS) == set()
    assert set(METHOD_LOOKS) - set(ALGORITHMS) == set(), "a look of a method that there is no more"
    assert len(set(looks.values())) == len(looks)


@pytest.mark.parametrize("kinds", [("method",), ("ablation",), ("extension",)])
def test_methods_that_are_compared_differ_in_colour_and_in_marker(kinds: tuple[str, ...]) -> None:
    """Variants that begin with (8) share the colour of their method, and differ in marker and line."""
    names = [name for name, entry in ALGORITHMS.items() if name == "pcpo" or entry.group in kinds]
    for one, other in combinations(names, 2):
        a, b = method_look(one), method_look(other)
        assert a.marker != b.marker, (one, other)
        related = one.removesuffix("_sync") == other.removesuffix("_sync") or {one, other} == {
            "least_squares",
            "cluster_sysid",
        }
        assert (a.colour == b.colour) == related, (one, other)
        assert not related or a.line != b.line, (one, other)


def test_colours_are_safe_for_the_colour_blind() -> None:
    assert {look.colour for look in METHOD_LOOKS.values()} <= {*style._PALETTE, style._DARK}


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


def numbers_of(figure: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{figure}.csv")


def looks_of(*names: str) -> set[tuple[str, str]]:
    return {(method_look(name).colour.upper(), method_look(name).marker) for name in names}


def of_runs(figure: str, numbers: pd.DataFrame) -> Figure:
    return registry.load_figure(figure).draw(numbers)


@pytest.mark.parametrize("figure", ["baselines", "ablations"])
def test_rows_of_methods(figure: str) -> None:
    numbers = numbers_of(figure)
    found = drawn(of_runs(figure, numbers).axes[0])
    assert found == looks_of(*numbers["algorithm"])


def test_the_order_of_methods_does_not_change_their_looks() -> None:
    numbers = numbers_of("negative_transfer")
    mirrored = numbers.iloc[::-1].reset_index(drop=True)
    for table in (numbers, mirrored):
        found = drawn(of_runs("negative_transfer", table).axes[-1])
        assert found == looks_of(*numbers["algorithm"].dropna())


def test_estimators_of_smaller_variance() -> None:
    found = drawn(of_runs("variance_reduction", numbers_of("variance_reduction")).axes[0])
    assert looks_of("pcpo", "pcpo_centred", "pcpo_two_point") <= found


@pytest.mark.parametrize(
    ("figure", "panel", "names"),
    [
        ("communication", 0, ("pcpo", "fedlqr")),
        ("first_experiments", 1, ("pcpo", "naive_average")),
        ("separation_limit", 0, ("pcpo", "local")),
        ("necessities", 2, ("pcpo", "pcpo_no_reinit", "pcpo_no_radius_scaling")),
        ("defects", 1, ("pcpo", "pcpo_no_reinit")),
    ],
)
def test_evidence_with_methods(figure: str, panel: int, names: tuple[str, ...]) -> None:
    found = drawn(load_evidence(figure).draw(numbers_of(figure)).axes[panel])
    assert looks_of(*names) <= found
    methods = looks_of(*ALGORITHMS)
    dots = {(c, m) for c, m in found if m not in ("_", "|")}
    assert dots <= methods, "a point that is drawn like no method"


def test_who_wins_draws_every_method_as_elsewhere() -> None:
    numbers = numbers_of("who_wins")
    names = {name.partition(", ")[0] for name in numbers["algorithm"]}
    figure = load_evidence("who_wins").draw(numbers)
    assert looks_of(*names) == drawn(figure.axes[2])
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    kinds = numbers[numbers["cell"] == numbers["cell"].iloc[0]]["kind"]
    assert [label.endswith((" †", " ‡")) for label in shown] == [kind != "rollout costs alone" for kind in kinds]
    assert np.isin(["†", "‡"], list(figure.get_suptitle())).all()
