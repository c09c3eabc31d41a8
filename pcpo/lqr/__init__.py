"""Compute exact quantities of a discounted linear-quadratic system and a gain; this package re-exports four modules.

Notation of the formulas: c = γ/(1-γ), A_K = A - BK, W_K = Q + KᵀRK,
P_K = W_K + γ A_Kᵀ P_K A_K, S_K = I + γ A_K S_K A_Kᵀ, G* = R + γBᵀP*B, C(K) = c tr P_K = c tr(W_K S_K), D = mn.
With a cross term 2xᵀNu of the stage cost, W_K has −NK − KᵀNᵀ besides; S_K, G* and C are as written.

- `pcpo.lqr.cost`      closed loops, finite-cost test, P_K, S_K, C, ∇C, ∇²C
- `pcpo.lqr.optimum`    Riccati solution with its residual, exact gaps, h_i, PL constant, ∇(tr ∇²C)(K*)
- `pcpo.lqr.moments`    variance of a rollout, truncation, almost-sure bound
- `pcpo.lqr.smoothing`  ∇C_r, V_r and the moments of the one-point estimator, by quadrature

No algorithm uses any of this: it serves evaluation, calibration, predictions and tests.
"""

from __future__ import annotations

from pcpo.lqr.cost import (
    closed_loop,
    cost,
    cost_array,
    cost_scale,
    gradient,
    has_finite_cost,
    hessian_at,
    spectral_radius,
    stage_weight,
    state_gramian,
    value_matrix,
)
from pcpo.lqr.moments import (
    cost_and_variance,
    rollout_bound,
    rollout_variance,
    truncated_cost,
    truncated_cost_array,
    truncated_variance_array,
    truncation_bias,
    truncation_horizon,
    variance_array,
)
from pcpo.lqr.optimum import (
    Optimum,
    hessian_eigenvalues,
    hessian_trace_gradient,
    pl_constant,
    riccati,
    suboptimality_gap,
)
from pcpo.lqr.smoothing import (
    EstimatorMoments,
    Smoothed,
    estimator_moments,
    second_moment,
    simplex_rule,
    smoothed_gradient,
    sphere_nodes,
    sphere_rule,
)

__all__ = [
    "EstimatorMoments",
    "Optimum",
    "Smoothed",
    "closed_loop",
    "cost",
    "cost_and_variance",
    "cost_array",
    "cost_scale",
    "estimator_moments",
    "gradient",
    "has_finite_cost",
    "hessian_at",
    "hessian_eigenvalues",
    "hessian_trace_gradient",
    "pl_constant",
    "riccati",
    "rollout_bound",
    "rollout_variance",
    "second_moment",
    "simplex_rule",
    "smoothed_gradient",
    "spectral_radius",
    "sphere_nodes",
    "sphere_rule",
    "stage_weight",
    "state_gramian",
    "suboptimality_gap",
    "truncated_cost",
    "truncated_cost_array",
    "truncated_variance_array",
    "truncation_bias",
    "truncation_horizon",
    "value_matrix",
    "variance_array",
]
