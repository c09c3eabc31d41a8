"""Test the studies of what Algorithm 1's parts are for: the linearised average, its runs, and PCPO without a part."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pcpo import lqr
from pcpo.claims.contract import Verdict
from pcpo.claims.options import cells_of
from pcpo.evidence.practice.claims_necessity import NECESSITY
from pcpo.evidence.practice.studies_necessity import NECESSITIES, PARTITIONS, Population, growth
from pcpo.fleets.fleet import Fleet

SMALL = Population("unstable", (2, 1), sizes=(2, 2), steps=600)
STEP = 1e-3


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return SMALL.draw(3).fleet


def related(rng: np.random.Generator, agents: int) -> np.ndarray:
    """Draw a relation that is reflexive and symmetric; about half of them are transitive."""
    if rng.random() < 0.5:
        labels = rng.integers(0, 3, agents)
        return np.equal.outer(labels, labels)
    found = rng.random((agents, agents)) < 0.5
    return found | found.T | np.eye(agents, dtype=bool)


def transitive(sets: np.ndarray) -> bool:
    return bool(((sets.astype(int) @ sets > 0) <= sets).all())


def test_growth_is_that_of_the_iteration_at_the_optimum(fleet: Fleet) -> None:
    """The Jacobian of one step of (6) by central differences has the same spectral radius."""
    sets = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]], dtype=bool)
    W, best, h = sets / sets.sum(axis=1, keepdims=True), fleet.optimal_gains[fleet.labels], 1e-6

    def after(flat: np.ndarray) -> np.ndarray:
        K = flat.reshape(best.shape)
        return np.asarray(K - STEP * np.einsum("ij,jab->iab", W, lqr.gradient(fleet.stacked, K))).ravel()

    basis = h * np.eye(best.size)
    J = np.stack([(after(best.ravel() + e) - after(best.ravel() - e)) / (2 * h) for e in basis], axis=1)
    assert growth(fleet, sets, STEP) == pytest.approx(np.abs(np.linalg.eigvals(J)).max(), abs=1e-6)
    assert growth(fleet, sets, STEP) > 1 + 1e-4


def test_the_optimum_is_unstable_exactly_where_the_sets_are_no_partition(fleet: Fleet) -> None:
    rng, kinds = np.random.default_rng(2), set()
    for _ in range(60):
        sets = related(rng, fleet.N)
        kinds.add(transitive(sets))
        assert (growth(fleet, sets, STEP) <= 1 + 1e-9) == transitive(sets), sets.astype(int)
    assert kinds == {True, False}


def test_partitions_keep_finite_costs_and_other_sets_and_starts_do_not() -> None:
    rows = PARTITIONS.simulate(SMALL, [3, 4]).set_index(["seed", "sets"])
    finite = rows["finite"].groupby("sets").mean().to_dict()
    assert finite.pop("linked") < 1, "most fleets lose a policy, not all"
    assert finite == {"everyone": 1, "blocks": 1, "clusters_sync": 1, "everyone_sync": 0}
    assert (rows.xs("everyone_sync", level="sets")["steps"] == 0).all()  # (8) itself, before any gradient
    assert (rows.xs("linked", level="sets")["steps"] > 0).all()
    others = rows.drop("linked", level="sets")
    assert (others.loc[others["finite"], "steps"] == SMALL.steps).all()
    assert (others.loc[others["finite"], "rises"] == 0).all()


def test_a_row_depends_on_its_seed_alone() -> None:
    cell = Population("unstable", (1, 1), sizes=(2, 2), steps=20)
    both, one = PARTITIONS.simulate(cell, [5, 6]), PARTITIONS.simulate(cell, [6])
    pd.testing.assert_frame_equal(both[both["seed"] == 6].reset_index(drop=True), one)


def test_the_claims_on_a_few_fleets() -> None:
    """Three fleets of two populations: nothing is refuted, and every control is."""
    tables = {}
    for study, options in ((PARTITIONS, {"steps": 500}), (NECESSITIES, {})):
        cells = {
            name: cell for name, cell in cells_of(study, options).items() if name in ("unstable_1x1", "unstable_2x1")
        }
        frames = {name: study.simulate(cell, [1, 2, 3]) for name, cell in cells.items()}
        tables[study.name] = pd.concat([f.assign(cell=name) for name, f in frames.items()], ignore_index=True)
        assert not tables[study.name].duplicated(["cell", *study.key]).any()
    assert (tables["partitions"]["common_gain"] == "excluded").all()
    for claim in NECESSITY:
        found = claim.measure(tables)
        assert claim.rule.verdict(found, found.p_value) is not Verdict.REFUTED, (claim.id, found)
        for control in claim.controls:
            wrong = claim.measure(control.tables(tables))
            assert claim.rule.verdict(wrong, wrong.p_value) is Verdict.REFUTED, (claim.id, control.name, wrong)
