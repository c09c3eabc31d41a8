"""Change the systems of agents between epochs: a timetable, and the fleet that is true in each epoch.

    changes:
      - {agent: 3, after_epoch: 3, cluster: 1}                              # from epoch 4 on, the system of cluster 1
      - {agent: 2, from_epoch: 3, until_epoch: 6, A: [[0.9, 0.1], [0, 0.8]]}  # A drifts, and stays from epoch 6 on

A drift is linear: in epoch l, A_l = A + min(1, (l − from)/(until − from))·(A′ − A), A that of epoch `from` and A′ the
one named; B, Q, R stay.  Systems stay the same within an epoch.  Clusters are the agents with the same system: an agent
that drifts has a cluster of its own, with the next free number, until its system equals another's bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from pcpo.errors import ConfigError, FleetError
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.cost import spectral_radius
from pcpo.lqr.optimum import riccati
from pcpo.lqr.system import Array, LinearSystem, real_array

__all__ = ["Change", "Drift", "Switch", "Timetable", "changes_of", "check_changes"]


@dataclass(frozen=True)
class Switch:
    """Give an agent the system of another cluster of the fleet at the start, from epoch `after_epoch` + 1 on."""

    agent: int
    after_epoch: int
    cluster: int

    @property
    def begins(self) -> int:
        """Return the last epoch before the change."""
        return self.after_epoch

    @property
    def ends(self) -> int:
        """Return the epoch from which on nothing changes any more."""
        return self.after_epoch + 1

    def system(self, fleet: Fleet, before: LinearSystem, epoch: int) -> LinearSystem:
        """Return the system of the agent in an epoch, which had another one before."""
        return fleet.systems[self.cluster] if epoch > self.after_epoch else before

    def to_dict(self) -> dict[str, Any]:
        """Return the change as configurations write it."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Drift:
    """Move A of an agent on a straight line, from that of epoch `from_epoch` to `A` in epoch `until_epoch`."""

    agent: int
    from_epoch: int
    until_epoch: int
    A: Array

    @property
    def begins(self) -> int:
        """Return the last epoch before the change."""
        return self.from_epoch

    @property
    def ends(self) -> int:
        """Return the epoch from which on nothing changes any more."""
        return self.until_epoch

    def system(self, fleet: Fleet, before: LinearSystem, epoch: int) -> LinearSystem:
        """Return the system of the agent in an epoch, which had another one before."""
        share = min(1.0, (epoch - self.from_epoch) / (self.until_epoch - self.from_epoch))
        if share <= 0:
            return before
        return replace(before, A=self.A if share == 1.0 else before.A + share * (self.A - before.A))

    def to_dict(self) -> dict[str, Any]:
        """Return the change as configurations write it."""
        return {**vars(self), "A": self.A.tolist()}


Change = Switch | Drift


def changes_of(documents: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Make the changes that a configuration lists.

    Raises:
        FleetError: naming the change, for other keys than those of a switch or of a drift, and for an A that is no
            matrix of numbers.
    """
    return tuple(_change(f"changes.{k}", dict(one)) for k, one in enumerate(documents))


def _change(where: str, document: dict[str, Any]) -> Change:
    """Make one change."""
    for kind in (Switch, Drift):
        if set(document) == set(kind.__dataclass_fields__):
            if kind is Switch:
                return Switch(**document)
            return Drift(**{**document, "A": real_array(f"{where}.A", document["A"])})
    raise FleetError(
        f"{where}: found the keys {', '.join(document)}, expected agent, after_epoch and cluster, or agent, "
        "from_epoch, until_epoch and A"
    )


@dataclass(frozen=True)
class Timetable:
    """Hold a fleet and the changes of its agents' systems, checked, and say which fleet is true in which epoch.

    Attributes:
        fleet: at the start.
        changes: in any order.
        epochs: of the run, which the changes have to lie within; None if nobody knows.

    Raises:
        FleetError: naming the change, what was found and what was expected: an agent or a cluster that is not there,
            an epoch outside the run, two changes of an agent at once, a cluster that is left by its last agent, a
            change after which the optimal gain of the epoch before has infinite cost, so that no rollout would tell
            the agent anything; and whatever `Fleet` and `LinearSystem` refuse.
    """

    fleet: Fleet
    changes: tuple[Change, ...]
    epochs: int | None = None
    _fleets: tuple[Fleet, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for k, change in enumerate(self.changes):
            self._check(f"changes.{k}", change)
        self._check_order()
        last = max((change.ends for change in self.changes), default=1)
        fleets = [self.fleet]
        for epoch in range(2, last + 1):
            changing = any(change.begins < epoch <= change.ends for change in self.changes)
            fleets.append(self._fleet_in(epoch) if changing else fleets[-1])
        object.__setattr__(self, "_fleets", tuple(fleets))
        for k, change in enumerate(self.changes):
            self._check_stability(f"changes.{k}", change)

    def at(self, epoch: int) -> Fleet:
        """Return the fleet that is true in epoch l ≥ 1: the one of the start, as it is, until something has changed.

        Later ones know no initial gains.
        """
        return self._fleets[min(epoch, len(self._fleets)) - 1]

    def _check(self, where: str, change: Change) -> None:
        """Check the numbers of a change."""
        N, H, last = self.fleet.N, self.fleet.H, self.epochs
        if not 0 <= change.agent < N:
            raise FleetError(f"{where}.agent: found {change.agent}, expected an agent of the fleet, 0 to {N - 1}")
        begins, ends = ("after_epoch",) * 2 if isinstance(change, Switch) else ("from_epoch", "until_epoch")
        if change.begins < 1:
            raise FleetError(f"{where}.{begins}: found {change.begins}, expected 1 or more, an epoch of the run")
        if last is not None and change.ends > last:
            found = change.begins if isinstance(change, Switch) else change.ends
            most = last - 1 if isinstance(change, Switch) else last
            raise FleetError(f"{where}.{ends}: found {found}, expected at most {most}, as the budget has {last} epochs")
        if isinstance(change, Switch) and not 0 <= change.cluster < H:
            raise FleetError(f"{where}.cluster: found {change.cluster}, expected a cluster of the fleet, 0 to {H - 1}")
        if isinstance(change, Drift):
            n = self.fleet.n
            if change.until_epoch <= change.from_epoch:
                raise FleetError(
                    f"{where}.until_epoch: found {change.until_epoch}, expected more than from_epoch, "
                    f"{change.from_epoch}"
                )
            if change.A.shape != (n, n):
                raise FleetError(f"{where}.A: found shape {change.A.shape}, expected (n, n) = ({n}, {n})")

    def _check_order(self) -> None:
        """Refuse two changes of an agent at once."""
        for agent in {change.agent for change in self.changes}:
            own = sorted((c for c in self.changes if c.agent == agent), key=lambda c: (c.begins, c.ends))
            for one, other in pairwise(own):
                if other.begins < one.ends:
                    raise FleetError(
                        f"changes: found two changes of agent {agent} at once, epochs {one.begins} to {one.ends} and "
                        f"{other.begins} to {other.ends}, expected one after the other"
                    )

    def _system(self, agent: int, epoch: int) -> LinearSystem:
        """Return the system of an agent in an epoch."""
        found = self.fleet.system_of(agent)
        for change in sorted(self.changes, key=lambda c: c.begins):
            if change.agent == agent:
                found = change.system(self.fleet, found, epoch)
        return found

    def _fleet_in(self, epoch: int) -> Fleet:
        """Return the fleet of an epoch."""
        fleet = self.fleet
        moved = {c.agent: self._system(c.agent, epoch) for c in self.changes if c.begins < epoch}
        if all(_same(system, fleet.system_of(agent)) for agent, system in moved.items()):
            return fleet
        systems, labels = list(fleet.systems), fleet.labels.copy()
        for agent, system in moved.items():
            known = [j for j, one in enumerate(systems) if _same(one, system)]
            if known:
                labels[agent] = known[0]
            elif np.count_nonzero(labels == labels[agent]) == 1:
                systems[int(labels[agent])] = system
            else:
                labels[agent] = len(systems)
                systems.append(system)
        empty = sorted(set(range(len(systems))) - set(labels.tolist()))
        if empty:
            raise FleetError(
                f"changes: found no agent left in cluster {empty[0]} in epoch {epoch}, expected one at least"
            )
        nothing = np.zeros_like(fleet.initial_gains)
        try:
            return Fleet(fleet.name, tuple(systems), labels, nothing, f"{fleet.source}; epoch {epoch}", False)
        except FleetError as error:
            raise FleetError(f"changes, epoch {epoch}: {error}") from error

    def _check_stability(self, where: str, change: Change) -> None:
        """Refuse a change that leaves the agent without a gain of finite cost."""
        for epoch in range(change.begins, change.ends):
            old, new = (self.at(e).system_of(change.agent) for e in (epoch, epoch + 1))
            discounted = float(np.sqrt(new.gamma) * spectral_radius(new, riccati(old).K))
            if not discounted < 1.0:
                raise FleetError(
                    f"{where}: found sqrt(gamma) rho(A - BK) = {discounted:.6g} in epoch {epoch + 1} at the optimal "
                    f"gain of agent {change.agent} in epoch {epoch}, expected less than 1: rollouts of infinite cost "
                    "tell an agent nothing"
                )


def _same(one: LinearSystem, other: LinearSystem) -> bool:
    """Return whether two systems are equal bit by bit."""
    return one is other or all(np.array_equal(getattr(one, k), getattr(other, k)) for k in ("A", "B", "Q", "R", "N"))


def check_changes(oracle: str, rows: str, where: str = "") -> None:
    """Raise ConfigError for what changes of systems exclude: an oracle "auto", and rows of clusters.

    Args:
        oracle: name of the oracle.
        rows: "agents" or "clusters".
        where: what the keys begin with in the error.
    """
    if oracle == "auto":
        raise ConfigError(
            f"{where}oracle: found 'auto' with changes, expected 'rollouts' or 'moments': the minibatch from which "
            "moments may stand for rollouts is computed from the systems of the start"
        )
    if rows != "agents":
        raise ConfigError(
            f"{where}rows: found {rows!r} with changes, expected 'agents': clusters change with the epochs"
        )
