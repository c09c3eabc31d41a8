"""Hold the neighbourhood sets N_i of all agents, and average, prune and search over them without an N × N matrix.

A set of Algorithm 1 is an intersection of intervals of estimated costs, N_i = {j : |Ĉ_j^k − Ĉ_i^k| ≤ Δ_k/2 for all k},
so the estimates and the Δ_k say everything.  A partition is the same with labels for costs and 0 for Δ.  Sets of
another kind are a boolean matrix.

Sums over sets need each distinct set once.  It is a list of agents where the lists are short together.  Where they are
not (many agents with sets that overlap), it is a list of blocks: the agents are the leaves of a binary tree that halves
them by the cost that varies most, and a set is the union of the largest blocks that lie in it.  Sums of blocks are
sums of halves and a set adds its own blocks only: nothing is ever subtracted, so that an enormous gradient changes no
digit of a set to which its agent does not belong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import PcpoError

__all__ = ["Cover", "Neighbourhoods"]

_LISTED = 64  # agents of all distinct sets together, per agent, up to which sets are lists of agents
_SMALL = 512  # number of agents up to which sets always are lists, added up agent after agent
_PAIRS = 1 << 21  # pairs of a set and a block that are looked at together


@dataclass(frozen=True, eq=False)
class Cover:
    """Write every distinct set as a union of disjoint blocks of agents.

    Attributes:
        inner: block h of 1 … inner − 1 is the union of the blocks 2h and 2h + 1; 0 if there are no such blocks, and
            every block is an agent, in ascending order within a set.
        leaf: the block that is agent i alone, ``(N,)``; 0 for an agent in no set, if inner > 0.
        starts: set s has the blocks ``blocks[starts[s]:starts[s + 1]]``.
        blocks: the blocks of all distinct sets, one set after the other.
        sizes: number of agents of every distinct set.
        which: the distinct set of every agent, ``(N,)``.
    """

    inner: int
    leaf: IntArray
    starts: IntArray
    blocks: IntArray
    sizes: IntArray
    which: IntArray

    @property
    def arrays(self) -> tuple[int, IntArray, IntArray, IntArray, IntArray, IntArray]:
        """Return the fields in their order, for compiled code."""
        return self.inner, self.leaf, self.starts, self.blocks, self.sizes, self.which

    @property
    def set_of_block(self) -> IntArray:
        """Return the distinct set to which each entry of `blocks` belongs."""
        return np.repeat(np.arange(len(self.sizes)), np.diff(self.starts))

    def by_block(self, values: Any, join: np.ufunc, empty: Any) -> Any:
        """Return values ``(N, …)`` joined over every block of agents, such as their sums, ``(blocks, …)``."""
        if self.inner == 0:
            return values
        joined = np.full((2 * self.inner, *values.shape[1:]), empty, dtype=values.dtype)
        joined[self.leaf] = values
        joined[0] = empty
        width = self.inner
        while width > 1:
            halves = joined[width : 2 * width]
            joined[width // 2 : width] = join(halves[0::2], halves[1::2])
            width //= 2
        return joined

    def check_occupied(self) -> None:
        """Raise PcpoError if a set is empty, which only estimates that are no numbers cause."""
        if not self.sizes.all():
            agent = int(np.flatnonzero(self.sizes[self.which] == 0)[0])
            raise PcpoError(f"neighbourhoods: found an empty set for agent {agent}, expected it to hold an agent")


def _nothing() -> BoolArray:
    """Return the matrix of sets that are intervals alone."""
    return np.zeros((0, 0), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Hold the sets N_i of N agents; never changed in place.

    NumPy takes them as the boolean matrix ``(N, N)``, true where j ∈ N_i.

    Attributes:
        estimates: Ĉ_i^k (or labels) that bound the sets, ``(k, N)``; no row means N_i = [N].
        half_widths: Δ_k/2, ``(k,)``.
        given: a boolean matrix ``(N, N)`` with which the intervals are intersected; ``(0, 0)`` for none.
    """

    estimates: FloatArray
    half_widths: FloatArray
    given: BoolArray = field(default_factory=_nothing)

    @classmethod
    def everyone(cls, n_agents: int) -> Neighbourhoods:
        """Make N_i = [N] for every agent."""
        return cls(np.zeros((0, n_agents)), np.zeros(0))

    @classmethod
    def partition(cls, labels: IntArray) -> Neighbourhoods:
        """Make the sets of a partition: agents with the same label ``(N,)`` are in the same set."""
        return cls(np.unique(labels, return_inverse=True)[1].reshape(1, -1).astype(np.float64), np.zeros(1))

    @classmethod
    def of(cls, sets: Neighbourhoods | BoolArray) -> Neighbourhoods:
        """Return the sets themselves, or those of a boolean matrix ``(N, N)``.

        Raises:
            PcpoError: for another shape or type.
        """
        if isinstance(sets, Neighbourhoods):
            return sets
        matrix = np.asarray(sets)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.dtype != np.bool_:
            raise PcpoError(
                f"neighbourhoods: found shape {matrix.shape} of type {matrix.dtype}, expected a boolean (N, N)"
            )
        found = cls(np.zeros((0, len(matrix))), np.zeros(0), matrix.copy())
        return found._settled()

    @property
    def n_agents(self) -> int:
        """Return N."""
        return int(self.estimates.shape[1])

    @cached_property
    def cover(self) -> Cover:
        """Return the distinct sets as blocks of agents, found when they are first needed."""
        N = self.n_agents
        if self.given.size:
            return _listed(self.given & self._intervals())
        if len(self.half_widths) == 0:
            which = np.zeros(N, dtype=np.int64)
        elif len(self.half_widths) == 1 and self.half_widths[0] == 0 and np.isfinite(self.estimates).all():
            which = np.unique(self.estimates[0], return_inverse=True)[1].reshape(-1).astype(np.int64)
        else:
            return _covered(self.estimates, self.half_widths)
        sizes = np.bincount(which)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        return Cover(0, np.arange(N), starts, np.argsort(which, kind="stable"), sizes, which)

    @property
    def sizes(self) -> IntArray:
        """Return |N_i|, ``(N,)``."""
        return self.cover.sizes[self.cover.which]

    @property
    def count(self) -> int:
        """Return how many different sets there are."""
        return len(self.cover.sizes)

    @property
    def classes(self) -> IntArray:
        """Return numbers that are equal for agents with the same set, ``(N,)``, from 0."""
        return self.cover.which

    def members(self, agent: int) -> IntArray:
        """Return the agents of N_i, ascending."""
        if self.given.size:
            return np.flatnonzero(self.given[agent] & self._row(agent))
        return np.flatnonzero(self._row(agent))

    def lists(self) -> list[IntArray]:
        """Return the agents of every N_i, ascending; agents with the same set share an array."""
        cover = self.cover
        if cover.inner == 0:
            parts = np.split(cover.blocks, cover.starts[1:-1])
        else:
            parts = [self.members(int(agent)) for agent in np.unique(cover.which, return_index=True)[1]]
        return [parts[k] for k in cover.which]

    def pruned(self, cost_estimates: FloatArray, Delta: float) -> Neighbourhoods:
        """Return N_i^(l) = {j ∈ N_i^(l−1) : |Ĉ_j − Ĉ_i| ≤ Δ_l/2} (paper, eq. (7)).

        Symmetric but not transitive: the sets need not form a partition until the clusters are separated.
        """
        half = Delta / 2
        with np.errstate(invalid="ignore", over="ignore"):
            if np.max(cost_estimates) - np.min(cost_estimates) <= half:
                return self
        estimates = np.concatenate([self.estimates, cost_estimates[None]])
        return Neighbourhoods(estimates, np.append(self.half_widths, half), self.given)._settled()

    def within(self, points: FloatArray, distance: float) -> Neighbourhoods:
        """Return {j ∈ N_i : ‖p_j − p_i‖ ≤ distance}, Euclidean norms of the points ``(N, …)``, such as gains.

        An agent whose point is not finite is alone.  Unlike intervals of costs, the sets are a matrix until they are a
        partition.
        """
        flat = points.reshape(self.n_agents, -1)
        if np.linalg.norm(flat.max(axis=0) - flat.min(axis=0)) <= distance:
            return self
        near = np.eye(self.n_agents, dtype=np.bool_)
        finite = np.flatnonzero(np.isfinite(flat).all(axis=1))
        chunk = max(1, _PAIRS // self.n_agents)
        for rows in (finite[k : k + chunk] for k in range(0, len(finite), chunk)):
            near[np.ix_(rows, finite)] = cdist(flat[rows], flat[finite]) <= distance
        given = near & self.given if self.given.size else near
        return Neighbourhoods(self.estimates, self.half_widths, given)._settled()

    def released(self, agents: BoolArray) -> Neighbourhoods:
        """Return the sets with some agents ``(N,)`` back in all sets, and with [N] as theirs."""
        if not agents.any():
            return self
        if agents.all():
            return Neighbourhoods.everyone(self.n_agents)
        return Neighbourhoods.of(self.dense() | agents[:, None] | agents[None, :])

    def average(self, values: FloatArray) -> FloatArray:
        """Return G_i = (1/|N_i|) Σ_{j ∈ N_i} g_j (paper, eq. (6)); agents with the same set get the same bits.

        Args:
            values: g_j, ``(N, …)``.
        """
        cover = self.cover
        cover.check_occupied()
        if cover.inner == 0 and self.n_agents <= _SMALL:
            parts = (cover.blocks[a:b] for a, b in zip(cover.starts[:-1], cover.starts[1:], strict=True))
            return np.stack([values[part].sum(axis=0) / len(part) for part in parts])[cover.which]
        sums = cover.by_block(values.reshape(self.n_agents, -1), np.add, 0.0)
        owner, count = cover.set_of_block, len(cover.sizes)
        totals = [np.bincount(owner, weights=column[cover.blocks], minlength=count) for column in sums.T]
        means = np.stack(totals, axis=1) / cover.sizes[:, None]
        return means[cover.which].reshape(values.shape)

    def cheapest(self, cost_estimates: FloatArray) -> IntArray:
        """Return argmin_{j ∈ N_i} Ĉ_j for every agent (paper, eq. (8)); ties go to the lowest index; ``(N,)``."""
        cover = self.cover
        cover.check_occupied()
        order = np.argsort(cost_estimates, kind="stable")
        rank = np.empty(self.n_agents, dtype=np.int64)
        rank[order] = np.arange(self.n_agents)
        lowest = cover.by_block(rank, np.minimum, self.n_agents)
        best: IntArray = order[np.minimum.reduceat(lowest[cover.blocks], cover.starts[:-1])[cover.which]]
        return best

    def correct(self, labels: IntArray) -> BoolArray:
        """Return whether N_i is the true cluster, the agents with the label of agent i, ``(N,)``."""
        cover = self.cover
        lowest, highest = (
            join.reduceat(np.append(cover.by_block(labels, join, empty)[cover.blocks], empty), cover.starts[:-1])
            for join, empty in ((np.minimum, np.iinfo(np.int64).max), (np.maximum, -1))
        )
        _, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        alike = (lowest == highest)[cover.which] & (lowest[cover.which] == labels)
        found: BoolArray = alike & (self.sizes == sizes[own.reshape(-1)])
        return found

    def pairs(self, labels: IntArray) -> FloatArray:
        """Count the pairs of an agent of cluster a and a member of its set of cluster b, ``(H, H)``.

        Args:
            labels: the cluster of every agent, 0 … H − 1, ``(N,)``.
        """
        cover, H = self.cover, int(labels.max()) + 1
        owner, count = cover.set_of_block, len(cover.sizes)
        columns = []
        for cluster in range(H):
            inside = cover.by_block((labels == cluster).astype(np.float64), np.add, 0.0)
            of_set = np.bincount(owner, weights=inside[cover.blocks], minlength=count)
            columns.append(np.bincount(labels, weights=of_set[cover.which], minlength=H))
        return np.stack(columns, axis=1)

    def dense(self) -> BoolArray:
        """Return the boolean matrix ``(N, N)``, true where j ∈ N_i."""
        matrix = self._intervals()
        return np.asarray(matrix & self.given) if self.given.size else matrix

    def copy(self) -> Neighbourhoods:
        """Return the sets themselves, which never change."""
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the boolean matrix, for functions of NumPy."""
        return self.dense().astype(np.bool_ if dtype is None else dtype)

    def _row(self, agent: int) -> BoolArray:
        """Return which agents the intervals of one agent hold, ``(N,)``."""
        with np.errstate(invalid="ignore", over="ignore"):
            far = np.abs(self.estimates - self.estimates[:, agent : agent + 1])
            return np.asarray((far <= self.half_widths[:, None]).all(axis=0))

    def _intervals(self) -> BoolArray:
        """Return the intersection of the intervals as a matrix."""
        N = self.n_agents
        matrix: BoolArray = np.ones((N, N), dtype=np.bool_)
        with np.errstate(invalid="ignore", over="ignore"):
            for values, half in zip(self.estimates, self.half_widths, strict=True):
                np.logical_and(matrix, np.abs(values[:, None] - values[None, :]) <= half, out=matrix)
        return matrix

    def _settled(self) -> Neighbourhoods:
        """Return the sets as a partition, if they are one: each then is a class of agents with that very set."""
        cover = self.cover
        classes = np.bincount(cover.which, minlength=len(cover.sizes))
        reflexive = bool(self.given.diagonal().all())  # as is an empty matrix
        if reflexive and np.isfinite(self.estimates).all() and np.array_equal(classes, cover.sizes):
            return Neighbourhoods.partition(cover.which)
        return self


def _listed(matrix: BoolArray) -> Cover:
    """Return the cover of any sets by single agents."""
    first: dict[bytes, int] = {}
    packed = np.packbits(matrix, axis=1)
    which = np.array([first.setdefault(row.tobytes(), len(first)) for row in packed], dtype=np.int64)
    distinct = matrix[np.unique(which, return_index=True)[1]]
    sizes = distinct.sum(axis=1, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return Cover(0, np.arange(len(matrix)), starts, np.nonzero(distinct)[1].astype(np.int64), sizes, which)


@dataclass(frozen=True, eq=False)
class _Tree:
    """Hold a binary tree over some agents: block 1 is all of them, 2h and 2h + 1 are the halves of block h.

    Attributes:
        inner: the first block of the lowest level; blocks from there on hold one agent or none.
        order: the agents, those of every block side by side.
        first: place in `order` of a block's first agent.
        size: number of agents of a block.
        low: smallest estimate of a block by row of estimates, ``(k, blocks)``.
        high: largest estimate.
    """

    inner: int
    order: IntArray
    first: IntArray
    size: IntArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def over(cls, agents: IntArray, estimates: FloatArray, half_widths: FloatArray) -> _Tree:
        """Halve the agents again and again, by the row of estimates that varies most for its half-width."""
        count, order = len(agents), agents
        depth = max(0, count - 1).bit_length()
        blocks = 2 << depth
        first, size = np.zeros(blocks, dtype=np.int64), np.zeros(blocks, dtype=np.int64)
        low, high = np.full((len(estimates), blocks), np.inf), np.full((len(estimates), blocks), -np.inf)
        scale = np.where(half_widths > 0, half_widths, 1.0)[:, None]
        for level in range(depth + 1):
            edges = (np.arange((1 << level) + 1) * count) >> level
            own = slice(1 << level, 2 << level)
            first[own], size[own] = edges[:-1], np.diff(edges)
            filled = np.flatnonzero(np.diff(edges))
            block = (1 << level) + filled
            low[:, block] = np.minimum.reduceat(estimates[:, order], edges[filled], axis=1)
            high[:, block] = np.maximum.reduceat(estimates[:, order], edges[filled], axis=1)
            if level < depth:
                with np.errstate(over="ignore"):
                    widest = np.argmax((high[:, own] - low[:, own]) / scale, axis=0)
                of = np.repeat(np.arange(1 << level), np.diff(edges))
                order = order[np.lexsort((estimates[widest[of], order], of))]
        return cls(1 << depth, order, first, size, low, high)

    def inside(self, agents: IntArray, estimates: FloatArray, half_widths: FloatArray) -> tuple[IntArray, IntArray]:
        """Return the largest blocks that lie in the sets of these agents, as pairs (agent, block).

        Differences are rounded as those of (7), and rounding keeps their order: the smallest and the largest estimate
        of a block decide for all of it, bit by bit.
        """
        half = half_widths[:, None]
        owner, block = agents, np.ones(len(agents), dtype=np.int64)
        owners, blocks = [], []
        while len(owner):
            with np.errstate(over="ignore"):
                below, above = (bound[:, block] - estimates[:, owner] for bound in (self.low, self.high))
            within = ((below >= -half) & (above <= half)).all(axis=0)
            owners.append(owner[within])
            blocks.append(block[within])
            split = ~within & ((below <= half) & (above >= -half)).all(axis=0) & (block < self.inner)
            owner, block = np.repeat(owner[split], 2), np.repeat(2 * block[split], 2)
            block[1::2] += 1
        return np.concatenate(owners), np.concatenate(blocks)

    def agents_of(self, blocks: IntArray) -> IntArray:
        """Return the agents of some blocks, one block after the other."""
        lengths = self.size[blocks]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.asarray(self.order[offsets + np.repeat(self.first[blocks], lengths)])


def _covered(estimates: FloatArray, half_widths: FloatArray) -> Cover:
    """Return the cover of intersections of intervals; agents with an estimate that is not finite are in no set."""
    N = estimates.shape[1]
    agents = np.flatnonzero(np.isfinite(estimates).all(axis=0))
    tree = _Tree.over(agents, estimates, half_widths)
    first: dict[bytes, int] = {b"": 0} if len(agents) < N else {}
    which, lists = np.zeros(N, dtype=np.int64), [np.zeros(0, dtype=np.int64)] * len(first)
    chunk = max(1, _PAIRS // N)
    for part in (agents[k : k + chunk] for k in range(0, len(agents), chunk)):
        owner, block = tree.inside(part, estimates, half_widths)
        order = np.lexsort((block, owner))
        edges = np.searchsorted(owner[order], [*part, N])
        for agent, a, b in zip(part, edges[:-1], edges[1:], strict=True):
            mine = block[order[a:b]]
            s = which[agent] = first.setdefault(mine.tobytes(), len(first))
            if s == len(lists):
                lists.append(mine)
    starts = np.concatenate([[0], np.cumsum([len(blocks) for blocks in lists])])
    blocks = np.concatenate(lists)
    of = np.repeat(np.arange(len(lists)), np.diff(starts))
    sizes = np.bincount(of, weights=tree.size[blocks], minlength=len(lists)).astype(np.int64)
    if sizes.sum() <= max(_SMALL**2, _LISTED * N):
        members = tree.agents_of(blocks)
        order = np.lexsort((members, np.repeat(of, tree.size[blocks])))
        return Cover(0, np.arange(N), np.concatenate([[0], np.cumsum(sizes)]), members[order], sizes, which)
    leaf = np.zeros(N, dtype=np.int64)
    occupied = tree.inner + np.flatnonzero(tree.size[tree.inner :])
    leaf[tree.order] = occupied
    return Cover(tree.inner, leaf, starts, blocks, sizes, which)
