"""Test the claims on communication: on tables made from formulas, and on one small simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pcpo import lqr
from pcpo.claims.contract import ALPHA, Finding, Study, Verdict
from pcpo.claims.findings import bounded, law_of
from pcpo.claims.judging import VERDICT_COLUMNS, judge
from pcpo.claims.options import cells_of
from pcpo.claims.power import violation_power
from pcpo.errors import ConfigError, ResultsError
from pcpo.evidence.communication import measures as measured
from pcpo.evidence.communication.studies import cells
from pcpo.evidence.registry import load_group
from pcpo.experiments.messages import COLUMNS, separation_at, simulate
from pcpo.figures.style import save
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.oracles.rollout import ExactOracle
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.noise import stream

C2, C3, D = 25.0, 2304.0, 2  # rounding up changes R_l by half a per cent
GROUP = load_group("communication")
STUDY: Study = GROUP.studies[0]


def made(seeds: int = 10) -> pd.DataFrame:
    """Make the rows of all conditions from the formulas of the paper and of the controls, without a simulation."""
    rows = []
    for name, cell in cells(STUDY.defaults).items():
        N, epochs, sweep = cell.agents, cell.epochs, cell.sweep
        for seed in range(seeds):
            c2 = C2 + 0.37 * seed
            rounds = gradients = T = 0
            for epoch in range(1, epochs + 1):
                R = math.ceil(c2 * math.log(C3 * N / (12 / 2**epoch) ** 2))
                first = math.ceil(c2 * math.log(C3 * N / 36))
                M = 100 if cell.schedule == "constant_minibatch" else 100 * 4**epoch
                R = {"constant_minibatch": 5 * 2 ** (epoch - 1), "constant_iterations": first}.get(cell.schedule, R)
                T += (2 * R + 1) * M
                steps = {"fedlqr": math.ceil((2 * R + 1) / 5), "fedlqr_one_step": 2 * R + 1}.get(cell.algorithm, R)
                gradients += {"every_step": 2 * R}.get(cell.algorithm, steps)
                rounds = gradients + epoch
                counted = rounds * (N if cell.algorithm == "polling" else 1)
                done = int(epoch >= cell.separation_epoch)
                lost, twice = (int(cell.algorithm == kind) for kind in ("losing", "repeating"))
                rows.append(
                    {
                        "cell": name, "seed": seed, "sweep": sweep, "mode": "calibrated",
                        "algorithm": "pcpo" if cell.algorithm == "pcpo" else cell.algorithm,
                        "schedule": cell.schedule, "agents": N, "unknowns": D, "Delta0": 12.0,
                        "separation": separation_at(cell.separation_epoch), "c2": c2, "c3": C3, "epoch": epoch,
                        "minibatch": M, "rollouts": float(T), "rounds": counted,
                        "messages_up": N * rounds - lost, "messages_down": N * rounds + twice,
                        "bytes_up": 8 * (N * (D * gradients + (D + 1) * epoch) - D * lost),
                        "bytes_down": 8 * (N * (D * gradients + epoch + D * done) + D * twice),
                        "reinitialisations": done, "separated": done,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)[["cell", *COLUMNS]]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"communication": made()}


def test_every_claim_is_supported_and_every_control_refuted(tables: dict[str, pd.DataFrame]) -> None:
    found = judge("communication", GROUP.claims, tables)
    assert list(found.columns) == VERDICT_COLUMNS
    claims, controls = (found[found["role"] == role] for role in ("claim", "negative_control"))
    assert dict(zip(claims["claim"], claims["verdict"], strict=True)) == {c.id: "supported" for c in GROUP.claims}
    assert (controls["verdict"] == controls["expected"]).all()
    powers = found[found["role"] == "power"]
    assert (powers["verdict"] == "supported").all()


def test_one_wrong_count_is_one_violation(tables: dict[str, pd.DataFrame]) -> None:
    for column, measure in [
        ("rounds", measured.rounds), ("messages_up", measured.messages), ("bytes_down", measured.bytes_)
    ]:  # fmt: skip
        frame = tables["communication"].copy()
        row = frame.index[(frame["cell"] == "agents_12") & (frame["epoch"] == 3) & (frame["seed"] == 1)]
        frame.loc[row, column] += 1
        assert measure(tables).estimate == 0
        assert measure({"communication": frame}).estimate == 1


def test_runs_that_never_separate_refute_the_gap(tables: dict[str, pd.DataFrame]) -> None:
    frame = tables["communication"].assign(separated=0)
    claim = next(c for c in GROUP.claims if c.id == "communication.gap_degree_two")
    found = claim.measure({"communication": frame})
    assert claim.rule.verdict(found, found.p_value) is Verdict.REFUTED


def test_power() -> None:
    assert violation_power(3, 0.5) == pytest.approx(0.875)
    wide, narrow = (bounded("", 1.0, 1 - w, 1 + w, 1.0, 3) for w in (2.0, 0.1))
    assert law_of(wide).power(1.0, 2.0, ALPHA / 9) == 0.0
    assert law_of(narrow).power(1.0, 2.0, ALPHA / 9) == 1.0
    sampled = Finding("", 1.0, 0.5, 1.5, 1.0, 0.9, 10)
    assert 0.9 < law_of(sampled).power(1.0, 2.0, ALPHA) < 1.0
    assert math.isnan(law_of(replace(sampled, low=math.nan)).power(1.0, 2.0, ALPHA))


def test_the_exact_oracle_answers_all_agents_as_it_would_each_alone() -> None:
    """Check this also where one agent's gain has infinite cost."""
    spec = FleetSpec(n=2, m=1, sizes=(2, 1), gamma=0.8, separation=2.0, optimal_cost=20.0, initial_gap=1.0)
    fleet = random_fleet(spec, stream(3, 0))
    gains = fleet.initial_gains.copy()
    gains[1] = 100.0
    assert not np.isfinite(fleet.costs(gains)[1])
    oracle = ExactOracle(fleet)
    g = oracle.gradients(gains, 10, np.full(3, 0.1), purpose=1, epoch=1)
    found = (g.values, g.nonfinite, oracle.costs(gains, 5, purpose=2, epoch=1).values, oracle.nonfinite)
    assert oracle.rollouts == 15
    systems = [fleet.system_of(agent) for agent in range(3)]
    finite = [lqr.has_finite_cost(system, K) for system, K in zip(systems, gains, strict=True)]
    assert finite == [True, False, True]
    alone = (
        [lqr.gradient(s, K) if ok else np.zeros_like(K) for s, K, ok in zip(systems, gains, finite, strict=True)],
        [0, 10, 0],
        [lqr.cost(s, K) if ok else SATURATION for s, K, ok in zip(systems, gains, finite, strict=True)],
        [0, 15, 0],
    )
    for a, b in zip(found, alone, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    ("option", "value"), [("epochs", 3), ("agents", [3, 4]), ("agents", [4]), ("gaps", [1, 2]), ("gaps", ["a"])]
)
def test_wrong_options_are_refused(option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"evidence\.communication\.options\.{option}"):
        cells_of(STUDY, {option: value})


def test_missing_runs_are_named() -> None:
    with pytest.raises(ResultsError, match="agents"):
        measured.rounds({"communication": made().query("sweep == 'time'")})


@pytest.fixture(scope="module")
def simulated() -> dict[str, pd.DataFrame]:
    """Simulate the smallest grid on which the claims can be measured."""
    small = {"epochs": 4, "agents": [2, 4]}
    parts = [simulate(cell, [7]).assign(cell=name) for name, cell in cells_of(STUDY, small).items()]
    return {"communication": pd.concat(parts, ignore_index=True)}


def test_simulation(simulated: dict[str, pd.DataFrame], tmp_path: object) -> None:
    """Check that counts at the server obey the identities, simulated controls are refuted, and the figure is drawn."""
    frame = simulated["communication"]
    assert sorted(frame.columns) == sorted(["cell", *COLUMNS])
    assert not frame.isna().any().any()
    found = judge("communication", GROUP.claims, simulated).set_index(["claim", "role"])
    for claim in ("rounds", "messages", "bytes", "gap_nothing", "per_minibatch", "fedlqr"):
        assert found.loc[(f"communication.{claim}", "claim"), "estimate"] == 0
        assert (found.loc[[(f"communication.{claim}", "negative_control")], "verdict"] == "refuted").all()
    assert found.loc[("communication.degree_two", "claim"), "ci_high"] <= measured.SQUARE_MARGIN
    for claim in ("agents", "gap_degree_two"):
        row = found.loc[(f"communication.{claim}", "claim")]
        assert row["ci_low"] <= 1 <= row["ci_high"]
    for claim in ("degree_two", "agents", "gap_degree_two"):
        assert (found.loc[[(f"communication.{claim}", "negative_control")], "verdict"] == "refuted").all()
    figure = GROUP.figures["communication"]
    save(figure.table(simulated), figure.draw, f"{tmp_path}/communication")


def test_a_run_depends_on_its_seed_alone() -> None:
    cell = cells(STUDY.defaults)["rollouts"]
    together = simulate(cell, [4, 7])
    pd.testing.assert_frame_equal(together[together["seed"] == 7].reset_index(drop=True), simulate(cell, [7]))
