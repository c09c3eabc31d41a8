"""Choose which agents average their gradients by weighing bias against variance: a partition of the fleet.

Gradients averaged over a set S lead all its members to the same gain.  Near the optima, with H_i = ∇²C_i(K_i*),

    Σ_{i∈S} ∇C_i(K_S) = 0   gives   K_S = H_S⁻¹ Σ_{i∈S} H_i K_i*,   H_S = Σ_{i∈S} H_i,

and the members together lose b(S) = ½ Σ_{i∈S} ‖K_S − K_i*‖²_{H_i}: the bias of S.  It is the bias of one mean, smaller
than the mean of the pairwise distances.  In return each agent's noise falls from its local gap v_i to v_i·f(|S|).

K_i* is not known.  An estimate Z_i of covariance H_i⁻²/p_i (`Fit`) has its noise in the scatter:

    E ½ Σ_{i∈S} ‖Z_i − Z_S‖²_{H_i} = b(S) + Σ_{i∈S} (1/2p_i)(tr H_i⁻¹ − tr H_S⁻¹),

whatever the K_i* are, so the loss of S is estimated without bias by the scatter less the second term, plus
Σ_{i∈S} v_i f(|S|).  The partition of smallest estimated loss is searched by merging blocks (Ward's method in the metric
of the curvatures).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import PcpoError

__all__ = ["Fit", "Weights", "estimated_loss", "fitted", "partition"]

#: From numbers of agents |S| to f(|S|), the noise gap of an agent in a set of that size over that of an agent alone.
Relief = Callable[[IntArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Fit:
    """Hold what N agents know of their optima from gradients.

    Attributes:
        optima: Z_i, estimates of vec K_i*, ``(N, D)``.
        precisions: p_i, number of gradients over the variance of a coordinate of one, ``(N,)``.
        spreads: s_i², that variance in the present epoch, ``(N,)``.
    """

    optima: FloatArray
    precisions: FloatArray
    spreads: FloatArray

    def after(self, earlier: Fit | None) -> Fit:
        """Return the fit to the gradients of this one and of an earlier one: means weighted by precision."""
        if earlier is None:
            return self
        total = self.precisions + earlier.precisions
        with np.errstate(invalid="ignore"):
            share = np.where(np.isinf(self.precisions), 1.0, self.precisions / total)[:, None]
            return Fit(share * self.optima + (1 - share) * earlier.optima, total, self.spreads)


@dataclass(frozen=True)
class Weights:
    """Hold weights of the parts of the estimated loss, 1 each unless something is to be wrong on purpose.

    Attributes:
        bias: of the scatter less its noise.
        noise: of the noise that is subtracted from the scatter.
    """

    bias: float = 1.0
    noise: float = 1.0


def fitted(gains: FloatArray, gradients: FloatArray, hessians: FloatArray) -> Fit:
    """Estimate K_i* from gradients at the gains of a run, by least squares with known curvature.

    With g_t = H(K_t − K*) + noise of covariance s² I, Z = mean_t (K_t − H⁻¹g_t) has covariance (s²/T) H⁻² whatever the
    way of the gains: p = T/s², and s² is estimated by Σ_t ‖g_t − H(K_t − Z)‖²/(D(T − 1)).

    Args:
        gains: vec K_t of every agent, ``(T, N, D)``.
        gradients: their gradient estimates, ``(T, N, D)``.
        hessians: H_i, ``(N, D, D)``.

    Raises:
        PcpoError: for fewer than two iterates, from which no spread can be told.
    """
    T, _, D = gains.shape
    if T < 2:
        raise PcpoError(f"gains: found {T} iterates, expected 2 or more, from which a spread can be told")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        steps = np.linalg.solve(hessians, np.moveaxis(gradients, 0, -1))  # (N, D, T)
        optima = gains.mean(axis=0) - steps.mean(axis=-1)
        left = gradients - np.einsum("nij,tnj->tni", hessians, gains - optima)
        spreads = np.asarray((left**2).sum(axis=(0, 2)) / (D * (T - 1)))
        return Fit(optima, T / spreads, spreads)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Hold what the estimated loss of blocks of agents depends on: sums over members, one entry for each block.

    count |S|, hessian Σ H_i, moment Σ H_i Z_i, square Σ Z_iᵀH_iZ_i, spread Σ 1/2p_i, noise Σ (1/2p_i) tr H_i⁻¹,
    gap Σ v_i.
    """

    count: IntArray
    hessian: FloatArray
    moment: FloatArray
    square: FloatArray
    spread: FloatArray
    noise: FloatArray
    gap: FloatArray

    def at(self, which: IntArray | int) -> _Sums:
        """Return those of some blocks."""
        return _Sums(*(getattr(self, one.name)[which] for one in fields(self)))

    def plus(self, other: _Sums) -> _Sums:
        """Return those of unions of disjoint blocks."""
        return _Sums(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def put(self, place: int, other: _Sums) -> None:
        """Replace one block."""
        for one in fields(self):
            getattr(self, one.name)[place] = getattr(other, one.name)


def _sums(fit: Fit, hessians: FloatArray, gaps: FloatArray) -> _Sums:
    """Return the sums of every agent alone; optima are taken about their mean, which changes no loss."""
    N = len(gaps)
    Z = fit.optima - np.nan_to_num(fit.optima).mean(axis=0)
    moment = np.einsum("nij,nj->ni", hessians, Z)
    spread = 0.5 / fit.precisions
    traces = np.trace(np.linalg.inv(hessians), axis1=1, axis2=2)
    square = np.einsum("ni,ni->n", Z, moment)
    return _Sums(np.ones(N, dtype=np.int64), hessians.copy(), moment, square, spread, spread * traces, gaps.copy())


def _loss(sums: _Sums, relief: Relief, weights: Weights) -> FloatArray:
    """Return the estimated loss of blocks; infinite where it is no number."""
    inverse = np.linalg.inv(sums.hessian)
    scatter = 0.5 * (sums.square - np.einsum("...i,...ij,...j->...", sums.moment, inverse, sums.moment))
    noise = sums.noise - sums.spread * np.trace(inverse, axis1=-2, axis2=-1)
    bias = np.where(np.asarray(sums.count) == 1, 0.0, np.maximum(0.0, scatter - weights.noise * noise))
    loss = weights.bias * bias + sums.gap * relief(sums.count)
    return np.where(np.isnan(loss), np.inf, loss)


def estimated_loss(
    labels: IntArray,
    fit: Fit,
    hessians: FloatArray,
    gaps: FloatArray,
    relief: Relief,
    weights: Weights | None = None,
) -> float:
    """Return the estimated sum of the agents' gaps (units of cost) with the sets of a partition.

    Args:
        labels: the block of every agent, ``(N,)``.
        fit: what is known of the optima.
        hessians: H_i, ``(N, D, D)``.
        gaps: v_i, mean gap of agent i alone that is due to noise, ``(N,)``.
        relief: f.
        weights: of the parts.
    """
    alone, total = _sums(fit, hessians, gaps), 0.0
    for block in np.unique(labels):
        own = alone.at(np.flatnonzero(labels == block))
        whole = _Sums(*(getattr(own, one.name).sum(axis=0)[None] for one in fields(own)))
        total += float(_loss(whole, relief, weights or Weights())[0])
    return total


def partition(
    allowed: BoolArray,
    fit: Fit,
    hessians: FloatArray,
    gaps: FloatArray,
    relief: Relief,
    weights: Weights | None = None,
) -> IntArray:
    """Choose a partition of small estimated loss; the rest as in `estimated_loss`.

    Blocks begin as single agents; those two are merged whose union adds least to the loss, or takes most away, until no
    two may be merged; the best partition on this way is returned.  An agent whose fit is not finite stays alone.

    Args:
        allowed: which two agents may be in one set, ``(N, N)``; a set needs all its pairs.
        fit: what is known of the optima.
        hessians: H_i, ``(N, D, D)``.
        gaps: v_i, ``(N,)``.
        relief: f.
        weights: of the parts.

    Returns:
        The block of every agent, by the smallest agent in it, ``(N,)``.
    """
    parts = weights or Weights()
    usable = np.isfinite(fit.optima).all(axis=1) & np.isfinite(fit.spreads) & np.isfinite(gaps)
    may = allowed & allowed.T & usable & usable[:, None]
    np.fill_diagonal(may, False)
    with np.errstate(over="ignore", invalid="ignore"):
        return _merged(may, _sums(fit, hessians, gaps), relief, parts)


def _merged(may: BoolArray, sums: _Sums, relief: Relief, weights: Weights) -> IntArray:
    """Merge blocks, the cheapest union first, and return the best partition on the way."""
    N = len(may)
    labels, loss = np.arange(N), _loss(sums, relief, weights)
    added = np.full((N, N), np.inf)

    def renew(block: int) -> None:
        """Compute what the unions with a block would add."""
        others = np.flatnonzero(may[block])
        added[block] = added[:, block] = np.inf
        union = _loss(sums.at(np.full(len(others), block)).plus(sums.at(others)), relief, weights)
        added[block, others] = added[others, block] = union - loss[block] - loss[others]

    for block in range(N):
        renew(block)
    best, excess, least = labels.copy(), 0.0, 0.0
    while np.isfinite(added).any():
        a, b = sorted(int(k) for k in np.unravel_index(np.argmin(added), added.shape))
        excess += float(added[a, b])
        sums.put(a, sums.at(a).plus(sums.at(b)))
        loss[a] = _loss(sums.at(np.array([a])), relief, weights)[0]
        labels[labels == b] = a
        may[a] &= may[b]
        may[:, a] = may[a]
        may[b] = may[:, b] = False
        added[b] = added[:, b] = np.inf
        may[a, a] = False
        renew(a)
        if excess < least:
            best, least = labels.copy(), excess
    return best
