"""Methods side by side: divergence is counted and shown, the replicate is a run, and figures draw their tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pcpo.experiments.comparison import curves, final_table, rollouts_saved
from pcpo.figures import methods, negative_transfer, variance_reduction
from pcpo.figures.style import save

GAPS = {"pcpo": 0.1, "naive_average": 2.0, "local": 0.3, "pcpo_centred": 0.01, "pcpo_two_point": 0.02}


def runs(diverging: str | None = None) -> pd.DataFrame:
    """Two scenarios, four seeds, two epochs, two clusters of one agent; one run of `diverging` ends infinite."""
    rows = []
    for scenario in ("s", "t"):
        for algorithm, gap in GAPS.items():
            for seed in range(4):
                for epoch in (1, 2):
                    for agent in (0, 1):
                        infinite = algorithm == diverging and seed == 3 and epoch == 2 and agent == 1
                        rows.append(
                            {
                                "scenario": scenario, "algorithm": algorithm, "mode": "calibrated", "seed": seed,
                                "epoch": epoch, "agent": agent, "cluster": agent, "rollouts": 100.0 * epoch,
                                "global_gap": np.inf if infinite else gap * (1 + 0.1 * seed) * (1 + agent) / epoch,
                                "set_correct": True, "rounds": 7 * epoch, "bytes_up": 1000 * epoch,
                                "bytes_down": 500 * epoch,
                            }
                        )  # fmt: skip
    return pd.DataFrame(rows)


def test_the_table_is_taken_at_the_end_of_each_run() -> None:
    row = final_table(runs()).set_index(["scenario", "algorithm"]).loc[("s", "local")]
    assert row["gap"] == pytest.approx(np.mean([0.3 * (1 + 0.1 * s) * 1.5 / 2 for s in range(4)]), rel=1e-14)
    assert (row["rounds"], row["kilobytes"], row["rollouts"], row["failed"]) == (14.0, 3.0, 200.0, 0)
    assert row["fail_low"] == 0.0
    assert 0 < row["fail_high"] < 1


def test_one_diverged_run_is_counted_and_makes_the_mean_infinite() -> None:
    row = final_table(runs("local")).set_index(["scenario", "algorithm"]).loc[("s", "local")]
    assert (row["gap"], row["failed"], row["fail_fraction"]) == (np.inf, 1, 0.25)


def test_curves_keep_the_clusters_apart() -> None:
    numbers = curves(runs("local")).set_index(["scenario", "algorithm", "cluster", "epoch"])
    assert numbers.loc[("s", "local", 0, 2), "diverged"] == 0
    assert numbers.loc[("s", "local", 1, 2), "diverged"] == 1
    assert numbers.loc[("s", "pcpo", 1, 1), "gap"] == pytest.approx(2 * numbers.loc[("s", "pcpo", 0, 1), "gap"])


def draw_all(folder: Path) -> dict[str, bytes]:
    titles = {"s": "shared gain", "t": "no shared gain"}
    frame = runs("naive_average")
    named = {
        "pcpo": ("PCPO", "rollout costs"),
        "local": ("Local", "trajectories"),
        "naive_average": ("All", "rollout costs"),
    }
    save(methods.table(frame, named, titles), methods.draw, folder / "baselines")
    plateaus = pd.DataFrame(
        {"scenario": ["s", "s", "t", "t"], "cluster": [0, 1, 0, 1], "plateau": [1.0, 2.0, None, None]}
    )
    shown = {name: title for name, (title, _) in named.items()}
    save(negative_transfer.table(frame, plateaus, shown, titles), negative_transfer.draw, folder / "negative_transfer")
    predicted = pd.DataFrame(
        [{"algorithm": a, "epoch": e, "predicted": GAPS[a] / e} for a in variance_reduction.ESTIMATORS for e in (1, 2)]
    )
    one = frame[frame["scenario"] == "s"]
    extensions = {"pcpo": "PCPO", "pcpo_centred": "centred", "pcpo_two_point": "two-point"}
    numbers = variance_reduction.table(one, predicted, extensions)
    ratio = numbers[(numbers["algorithm"] == "pcpo_centred") & (numbers["epoch"] == 2)].iloc[0]
    assert ratio["ratio"] == pytest.approx(0.1, rel=1e-12)
    assert ratio["predicted_ratio"] == pytest.approx(0.1, rel=1e-12)
    save(numbers, variance_reduction.draw, folder / "variance_reduction")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_figures_depend_on_their_numbers_alone(tmp_path: Path) -> None:
    first, second = draw_all(tmp_path / "a"), draw_all(tmp_path / "b")
    assert len(first) == 9
    assert first == second


def test_methods_keep_the_order_of_the_registry() -> None:
    titles = {"t": "T", "s": "S"}
    named = {"local": ("Local", "trajectories"), "pcpo": ("PCPO", "rollout costs")}
    numbers = methods.table(runs(), named, titles)
    assert numbers["scenario"].tolist() == ["t", "t", "s", "s"]
    assert numbers["method"].tolist() == ["Local", "PCPO", "Local", "PCPO"]


def test_rollouts_saved_interpolates_and_never_extrapolates() -> None:
    rollouts = np.array([1.0, 10.0, 100.0])
    base, method = np.array([1.0, 0.1, 0.01]), np.array([0.1, 0.01, 0.001])
    found = rollouts_saved(base, method, rollouts)
    assert np.isnan(found[0])  # the method is below that gap from its first epoch on
    np.testing.assert_allclose(found[1:], 10.0, rtol=1e-12)
    np.testing.assert_allclose(rollouts_saved(np.stack([base, base]), np.stack([base, method]), rollouts)[0], 1.0)
