"""Declare the claims on what Algorithm 1's parts are for: partitions, (8), two sequences, the radius of larger sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings, power
from pcpo.claims.contract import Claim, Control, Finding, Tables
from pcpo.claims.judging import AtMost, Never
from pcpo.errors import ResultsError

__all__ = ["NECESSITY"]

#: A part is needed if what is promised without it holds on at most this fraction of fleets.
_FEW = 0.25
#: Without (8) a gap counts as larger if it is at least this multiple of PCPO's.
_LARGER = 2.0
#: Fleets that support what always holds; two kinds of partitions are averaged over on each.
_FLEETS = 20


def _sets(tables: Tables, *names: str) -> pd.DataFrame:
    """Select the rows of some kinds of sets; ResultsError if there are none."""
    frame = tables["partitions"]
    found = frame[frame["sets"].isin(names)]
    if found.empty:
        raise ResultsError(f"partitions: found no rows with the sets {', '.join(names)}, expected some")
    return found


def _leaves(tables: Tables) -> Finding:
    """Count partitions over which averaging raises the sum of costs or makes a cost infinite."""
    rows = _sets(tables, "everyone", "blocks")
    return findings.violated(~rows["finite"] | (rows["rises"] > 0), rows["cell"], rows["seed"])


def _adopted(tables: Tables) -> Finding:
    """Count fleets without a common gain whose costs are all finite after (8) over everybody."""
    rows = _sets(tables, "everyone_sync")
    rows = rows[rows["common_gain"] == "excluded"]
    return findings.violated(rows["finite"], rows["cell"], rows["seed"])


def _stable_linked(tables: Tables) -> Finding:
    """Count fleets at whose optimal gains averaging over linked clusters is stable."""
    rows = _sets(tables, "linked")
    return findings.violated(rows["growth"] <= 1 + 1e-9, rows["cell"], rows["seed"])


def _finite_linked(tables: Tables) -> Finding:
    """Count fleets whose costs stay finite over linked clusters."""
    rows = _sets(tables, "linked")
    return findings.failures(int(rows["finite"].sum()), len(rows), _FEW)


def _paired(tables: Tables, column: str) -> pd.DataFrame:
    """Return a column of the study `necessities`, a row per fleet and a column per method."""
    return tables["necessities"].pivot(index=["cell", "seed"], columns="algorithm", values=column)


def _one_sequence(tables: Tables) -> Finding:
    """Count fleets on which PCPO with one sequence ends with exact sets."""
    exact = _paired(tables, "exact")["pcpo_one_sequence"].astype(bool)
    return findings.failures(int(exact.sum()), len(exact), _FEW)


def _as_good_without_8(tables: Tables) -> Finding:
    """Count fleets on which the gap without (8) is below twice that of PCPO."""
    gaps = _paired(tables, "gap")
    good = gaps["pcpo_no_reinit"] < _LARGER * gaps["pcpo"]
    return findings.failures(int(good.sum()), len(good), _FEW)


def _unscaled(tables: Tables) -> Finding:
    """Compare the log of (gap with r̃_l)/(gap with r̃_l/|N_i|^¼), mean over fleets, with 0."""
    gaps = _paired(tables, "gap")
    logs: FloatArray = np.log((gaps["pcpo_no_radius_scaling"] / gaps["pcpo"]).to_numpy(dtype=float))
    return findings.jackknife(logs, lambda values: float(values.mean()), 0.0, "mean log ratio of gaps")


def _as(study: str, column: str, wanted: str, **stand_in: str) -> Callable[[Tables], Tables]:
    """Return tables in which the rows of other kinds stand in for those of `wanted`."""
    (other,) = stand_in.values()

    def apply(tables: Tables) -> Tables:
        frame = tables[study]
        rows = frame[frame[column] == other].assign(**{column: wanted})
        return {**tables, study: pd.concat([frame[frame[column] != wanted], rows], ignore_index=True)}

    return apply


def _sets_as(wanted: str, other: str, what: str) -> Control:
    return Control(other, what, _as("partitions", "sets", wanted, by=other))


def _method_as(wanted: str, other: str, what: str) -> Control:
    return Control(other, what, _as("necessities", "algorithm", wanted, by=other))


def _gap_times(factor: float) -> Control:
    """Return the control in which the gap without (8) is a multiple of PCPO's."""

    def apply(tables: Tables) -> Tables:
        frame = tables["necessities"]
        rows = frame[frame["algorithm"] == "pcpo"].assign(algorithm="pcpo_no_reinit", gap=lambda r: factor * r["gap"])
        others = frame[frame["algorithm"] != "pcpo_no_reinit"]
        return {**tables, "necessities": pd.concat([others, rows], ignore_index=True)}

    return Control(f"times_{factor:g}".replace(".", "_"), f"gaps {factor:g} times those of PCPO", apply)


def _exchanged(tables: Tables) -> Tables:
    """Exchange the two radii."""
    names = {"pcpo": "pcpo_no_radius_scaling", "pcpo_no_radius_scaling": "pcpo"}
    frame = tables["necessities"]
    return {**tables, "necessities": frame.assign(algorithm=frame["algorithm"].replace(names))}


_FIGURE = "necessities"

#: The claims; `claims.py` lists them with the others of the group.
NECESSITY = [
    Claim(
        id="partition_finite",
        measure=_leaves,
        rule=Never(_FLEETS),
        controls=[
            _sets_as("blocks", "linked", "the clusters with one pair of agents linked, which is no partition"),
            _sets_as("everyone", "everyone_sync", "the same averages, begun with (8)"),
        ],
        power=power.share(_leaves, 0.1),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="adoption_loses",
        measure=_adopted,
        rule=Never(_FLEETS // 2),
        controls=[_sets_as("everyone_sync", "clusters_sync", "(8) within the true clusters")],
        power=power.share(_adopted, 0.2),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="overlap_unstable",
        measure=_stable_linked,
        rule=Never(_FLEETS),
        controls=[_sets_as("linked", "blocks", "two random blocks, which are a partition")],
        power=power.share(_stable_linked, 0.1),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="overlap_loses",
        measure=_finite_linked,
        rule=AtMost(),
        controls=[_sets_as("linked", "blocks", "two random blocks, which are a partition")],
        power=power.probability(_finite_linked, 0.75, "finite costs on 75 % of fleets"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="one_sequence",
        measure=_one_sequence,
        rule=AtMost(),
        controls=[_method_as("pcpo_one_sequence", "pcpo", "PCPO, with two sequences")],
        power=power.probability(_one_sequence, 0.75, "exact sets on 75 % of fleets"),
        figure=_FIGURE,
        mode="calibrated",
    ),
    Claim(
        id="reinitialisation",
        measure=_as_good_without_8,
        rule=AtMost(),
        controls=[_method_as("pcpo_no_reinit", "pcpo", "PCPO, with (8)"), _gap_times(1.9)],
        power=power.probability(_as_good_without_8, 0.75, "gaps below twice PCPO's on 75 % of fleets"),
        figure=_FIGURE,
        mode="calibrated",
    ),
    Claim(
        id="radius",
        measure=_unscaled,
        rule=AtMost(),
        controls=[Control("exchanged", "the two radii exchanged", _exchanged)],
        power=power.shift(_unscaled, float(np.log(1.5)), "gaps 1.5 times as large"),
        figure=_FIGURE,
        mode="calibrated",
    ),
]
