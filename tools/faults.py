"""List the faults that `python -m tools.mutations` plants in a copy of the checkout, and who should notice each.

A fault is one text of one file and what stands in its place.  The texts are those of the code as it is:
tests/tools/test_mutations.py fails where one is no longer found exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True)
class Fault:
    """Describe a fault.

    Args:
        name: short, of lower-case letters, digits and _.
        what: the fault in words.
        path: the file, from the root of the checkout.
        text: what is replaced; found exactly once.
        replacement: what stands in its place.
        tests: files or nodes of pytest, of which one at least must fail.
        claims: ids of claims, each of which must be refuted; none where no statement of the paper is touched.
    """

    name: str
    what: str
    path: str
    text: str
    replacement: str
    tests: Sequence[str]
    claims: Sequence[str] = ()


_SETS, _SERVER, _STEPS = "pcpo/neighbourhoods.py", "pcpo/algorithms/server.py", "pcpo/algorithms/baselines/base.py"
_TABLE_2, _CALIBRATION = "pcpo/algorithms/schedule.py", "pcpo/theory/calibration.py"
_ROLLOUTS, _KERNELS = "pcpo/oracles/rollout.py", "pcpo/simulation/minibatches.py"
_JUDGE, _INTERVALS = "pcpo/claims/judging.py", "pcpo/statistics.py"
_TEST_SERVER, _TEST_TABLE_2 = "tests/algorithms/test_server.py", "tests/algorithms/test_schedule.py"
_TEST_PCPO, _TEST_ORACLE = "tests/algorithms/test_pcpo.py::test_epochs_step_by_step", "tests/oracles/test_rollout.py"
_TEST_CALIBRATION, _TEST_JUDGE = "tests/theory/test_calibration.py", "tests/claims/test_contract.py"
_TEST_PLANTED = "tests/claims/test_faults.py"

_ELIMINATION = (
    Fault(
        "threshold_whole", "(7) with Δ_l", _SETS, "half = Delta / 2", "half = Delta", [_TEST_SERVER], ["lemmas.rule_7"]
    ),
    Fault(
        "threshold_quarter",
        "(7) with Δ_l/4",
        _SETS,
        "half = Delta / 2",
        "half = Delta / 4",
        [_TEST_SERVER],
        ["lemmas.rule_7"],
    ),
    Fault(
        "memoryless",
        "(7) from all agents in every epoch",
        _SERVER,
        "kept = before if remember else Neighbourhoods.everyone(self.n_agents)",
        "kept = Neighbourhoods.everyone(self.n_agents)",
        [_TEST_SERVER],
        ["lemmas.rule_7"],
    ),
    Fault(
        "mean_in_8",
        "(8) hands out the mean of the set",
        _SERVER,
        "fresh = local_gains[self.neighbourhoods.cheapest(cost_estimates)]",
        "fresh = self.neighbourhoods.average(local_gains)",
        [_TEST_SERVER],
        ["lemmas.rule_8"],
    ),
    Fault(
        "dearest_in_8",
        "(8) hands out the dearest of the set",
        _SERVER,
        "fresh = local_gains[self.neighbourhoods.cheapest(cost_estimates)]",
        "fresh = local_gains[self.neighbourhoods.cheapest(-cost_estimates)]",
        [_TEST_SERVER],
        ["lemmas.rule_8"],
    ),
    Fault(
        "old_sets_in_8",
        "(8) over the sets before (7)",
        _SERVER,
        "fresh = local_gains[self.neighbourhoods.cheapest(cost_estimates)]",
        "fresh = local_gains[before.cheapest(cost_estimates)]",
        [_TEST_SERVER],
        ["lemmas.rule_8"],
    ),
)

_AVERAGING = (
    Fault(
        "average_of_all",
        "(6) over all agents",
        _SERVER,
        "averaged = self.neighbourhoods.average(gradients)",
        "averaged = Neighbourhoods.everyone(self.n_agents).average(gradients)",
        [_TEST_SERVER],
        ["lemmas.rule_6"],
    ),
    Fault(
        "average_of_another_set",
        "(6) over another agent's set",
        _SETS,
        "for part in parts])[cover.which]",
        "for part in parts])[cover.which[::-1]]",
        [_TEST_SERVER],
        ["lemmas.rule_6"],
    ),
    Fault(
        "step_halved_in_iteration",
        "steps of half the size",
        _STEPS,
        "gains = gains - plan.step_size * (",
        "gains = gains - 0.5 * plan.step_size * (",
        [_TEST_PCPO],
        ["lemmas.rule_6"],
    ),
    Fault(
        "step_doubled_in_schedule",
        "twice the step size in Table 2",
        _TABLE_2,
        "step_size=c.c1,",
        "step_size=2 * c.c1,",
        [_TEST_TABLE_2],
        ["lemmas.table_2"],
    ),
    Fault(
        "step_doubled_in_calibration",
        "twice the step size in the calibration",
        _CALIBRATION,
        "eta = 1 / (4 * local.h_max)",
        "eta = 1 / (2 * local.h_max)",
        [_TEST_CALIBRATION],
        ["lemmas.table_2"],
    ),
    Fault(
        "radius_exponent",
        "the radius falls with the root of |N_i|",
        _TABLE_2,
        "np.asarray(set_sizes, dtype=np.float64) ** self.radius_exponent",
        "np.asarray(set_sizes, dtype=np.float64) ** 0.5",
        [_TEST_TABLE_2],
        ["lemmas.table_2"],
    ),
    Fault(
        "radius_of_all",
        "N in place of |N_i| in the radius",
        _TABLE_2,
        "np.asarray(set_sizes, dtype=np.float64) ** self.radius_exponent",
        "np.full(len(set_sizes), float(len(set_sizes))) ** 0.25",
        [_TEST_TABLE_2],
        ["lemmas.table_2"],
    ),
)

_STREAMS = "stream(seed, purpose, epoch, agent, kind) for kind in (0, 1)"
_SIMULATION = (
    Fault(
        "biased_directions",
        "directions of positive entries",
        "pcpo/simulation/noise.py",
        "    normalise(out, radius)\n",
        "    normalise(np.abs(out, out=out), radius)\n",
        ["tests/simulation/test_noise.py::test_directions_are_uniform_on_the_sphere"],
        ["lemmas.unbiased_for_smoothed"],
    ),
    Fault(
        "long_directions",
        "directions a tenth too long in the loop over agents",
        _KERNELS,
        "normalise(U[:blocks], 1.0)",
        "normalise(U[:blocks], 1.1)",
        ["tests/simulation/test_minibatches.py"],
        ["lemmas.answers"],
    ),
    Fault(
        "shared_by_all",
        "all agents have the random numbers of the first",
        _ROLLOUTS,
        _STREAMS,
        "stream(seed, purpose, epoch, 0, kind) for kind in (0, 1)",
        [_TEST_ORACLE],
        ["lemmas.own_rollouts"],
    ),
    Fault(
        "shared_by_cluster",
        "three agents at a time share their random numbers",
        _ROLLOUTS,
        _STREAMS,
        "stream(seed, purpose, epoch, agent // 3, kind) for kind in (0, 1)",
        [_TEST_ORACLE],
        ["lemmas.own_rollouts"],
    ),
    Fault(
        "noise_shared",
        "all agents have the noise of the first, with their own directions",
        _ROLLOUTS,
        _STREAMS,
        "stream(seed, purpose, epoch, agent * (1 - kind), kind) for kind in (0, 1)",
        [_TEST_ORACLE],
        ["lemmas.own_rollouts"],
    ),
    Fault(
        "moments_shared",
        "the moment oracle draws the same normals for all agents",
        "pcpo/oracles/moment.py",
        "stream(self._seed, purpose, epoch, agent, _NORMALS)",
        "stream(self._seed, purpose, epoch, 0, _NORMALS)",
        ["tests/oracles/test_moment.py::test_answers_are_draws_of_the_moments_from_the_agents_own_streams"],
        ["lemmas.own_rollouts"],
    ),
    Fault(
        "reused_rollouts",
        "costs and global gradients have the random numbers of the local gradients",
        _ROLLOUTS,
        _STREAMS,
        "stream(seed, 0, epoch, agent, kind) for kind in (0, 1)",
        [_TEST_ORACLE],
        ["lemmas.fresh_rollouts"],
    ),
    Fault(
        "reused_iterations",
        "every iteration of an epoch has the same random numbers",
        _ROLLOUTS,
        "if purpose not in self._open or self._open[purpose][0] != epoch:",
        "if purpose >= 0:",
        [_TEST_ORACLE],
        ["lemmas.fresh_rollouts"],
    ),
    Fault(
        "half_horizon_in_oracle",
        "rollouts of costs end after half the stages",
        _ROLLOUTS,
        "self._horizon = horizon\n",
        "self._horizon = max(1, horizon // 2)\n",
        [_TEST_ORACLE],
        ["lemmas.horizon"],
    ),
    Fault(
        "half_horizon_in_calibration",
        "a plan has rollouts of half the stages",
        _CALIBRATION,
        "found = max(longest_horizon_of_pairs(gains, radius, tolerance) for gains in displaced)",
        "found = max(longest_horizon_of_pairs(gains, radius, tolerance) for gains in displaced) // 2",
        [_TEST_CALIBRATION],
        ["lemmas.horizon"],
    ),
    Fault(
        "labels_off_by_one",
        "an agent has the system of the agent before it",
        "pcpo/fleets/fleet.py",
        "return self.systems[int(self.labels[agent])]",
        "return self.systems[int(self.labels[agent - 1])]",
        ["tests/fleets/test_fleet.py", _TEST_ORACLE],
        ["lemmas.answers"],
    ),
)

_COUNTS = (
    Fault(
        "a_message_lost",
        "a message less is counted in every round but the averages",
        _SERVER,
        "messages_up=self.traffic.messages_up + self.n_agents,",
        "messages_up=self.traffic.messages_up + self.n_agents - 1,",
        [_TEST_SERVER],
        ["communication.messages"],
    ),
)

_STATISTICS = (
    Fault(
        "another_interval",
        "the upper limit of a fraction is Jeffreys' in place of Clopper-Pearson's",
        _INTERVALS,
        "float(1 - betaincinv(failures, successes + 1, tail)) if failures",
        "float(1 - betaincinv(failures + 0.5, successes + 0.5, tail)) if failures",
        ["tests/test_statistics.py"],
    ),
    Fault(
        "skewness_reversed",
        "intervals of means are skewed to the wrong side",
        _INTERVALS,
        "a = float(np.mean(u**3)",
        "a = -float(np.mean(u**3)",
        ["tests/test_statistics.py"],
    ),
    Fault(
        "control_on_the_claim",
        "controls are measured on the tables of the claim",
        _JUDGE,
        "wrong = claim.measure(control.tables(tables))",
        "wrong = claim.measure(tables)",
        [_TEST_JUDGE],
    ),
    Fault(
        "control_without_family",
        "controls are judged without the correction of their claim",
        _JUDGE,
        "wrong = claim.measure(control.tables(tables))\n"
        "            row = _row(name, claim, wrong, min(1.0, sharing * claim.rule.against(wrong)))",
        "wrong = claim.measure(control.tables(tables))\n"
        "            row = _row(name, claim, wrong, claim.rule.against(wrong))",
        [_TEST_PLANTED],
    ),
    Fault(
        "conditioned_on_success",
        "collaborative epochs count only where they gain something",
        "pcpo/evidence/scaling/measures.py",
        'frame.assign(used=frame["clean"] & ',
        'frame.assign(used=frame["clean"] & (frame["global_gap"] < frame["local_gap"]) & ',
        [_TEST_PLANTED],
    ),
)

#: All faults, 30.
FAULTS: Sequence[Fault] = (*_ELIMINATION, *_AVERAGING, *_SIMULATION, *_COUNTS, *_STATISTICS)
