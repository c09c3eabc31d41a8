"""Compute the paper's bounds with their constants, and the widths β_t as printed and calibrated.

Natural logarithms; T episodes, M agents, H steps, d features, threshold S, failure probability α.
"""

from __future__ import annotations

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError

__all__ = [
    "BETAS",
    "betas",
    "lemma_1",
    "lemma_1_counted",
    "lemma_3",
    "lemma_3_counted",
    "lemma_9",
    "lemma_14",
    "remark_2_threshold",
    "remark_4",
]

#: Kinds of β_t: the theorems' statements times a scale, the same unscaled, or those of the proofs with c_β = 1.
BETAS = ("calibrated", "theorem", "proof")


def betas(
    mode: str, T: int, M: int, H: int, d: int, *, scale: float, xi: float = 0.0, alpha: float = 0.05
) -> FloatArray:
    """Return β_1, …, β_T ``(T,)``, in units of reward.

    "theorem": H√(d log(tMH)) + ξ√(dMT) (Theorems 1 to 4), where log(tMH) is at least log 2.  "calibrated": the same
    times `scale`.  "proof": dH(√log(2dMHT/α) + ξ√(dMT)) (Lemmas 5 and 12, c_β = 1).

    Args:
        mode: one of `BETAS`.
        T: episodes.
        M: agents.
        H: steps of an episode.
        d: features.
        scale: factor of "calibrated", dimensionless.
        xi: ξ, the deviation of the agents' MDPs that β allows for.
        alpha: α of "proof".

    Raises:
        ConfigError: for an unknown mode.
    """
    if mode not in BETAS:
        raise ConfigError(f"beta: found {mode!r}, expected one of {', '.join(BETAS)}")
    if mode == "proof":
        return np.full(T, d * H * (np.sqrt(np.log(2 * d * M * H * T / alpha)) + xi * np.sqrt(d * M * T)))
    t = np.arange(1, T + 1)
    printed = H * np.sqrt(d * np.log(np.maximum(t * M * H, 2))) + xi * np.sqrt(d * M * T)
    return np.asarray(printed if mode == "theorem" else scale * printed)


def lemma_1(T: float, M: float, H: float, d: float, S: float) -> float:
    """Return the bound 2H√(d(T/S) log(MT)) + 4H on the episodes with communication of Algorithm 1."""
    return float(2 * H * np.sqrt(d * T / S * np.log(M * T)) + 4 * H)


def lemma_1_counted(log_det: FloatArray, T: float, S: float) -> float:
    """Return Σ_h √(T log det/S), the bound of Lemma 1's proof with the information that was gathered.

    A round that step h asks for ends an interval of Δ episodes in which log det grew by at least S/Δ, and √(Δ·growth)
    sums to at most √(T log det) (Cauchy and Schwarz).

    Args:
        log_det: log det Λ_h − log det λI of all agents' data ``(H,)``.
        T: episodes.
        S: threshold.
    """
    return float(np.sqrt(T * np.asarray(log_det) / S).sum())


def lemma_3_counted(log_det: FloatArray, S: float) -> float:
    """Return Σ_h log det/log S, the bound of Lemma 3's proof with the information gathered ``(H,)``, for S > 1."""
    return float(np.asarray(log_det).sum() / np.log(S))


def remark_4(d: float, k: float) -> float:
    """Return the factor (1 + k/d)√(1 + 1/d) that Algorithm 3 loses to Algorithm 1 on identical MDPs (Remark 4)."""
    return float((1 + k / d) * np.sqrt(1 + 1 / d))


def lemma_3(T: float, M: float, H: float, d: float, S: float) -> float:
    """Return the bound dH log_S(1 + MT/d) + H on the episodes with communication of Algorithm 2; T if S ≤ 1."""
    return float(d * H * np.log(1 + M * T / d) / np.log(S) + H) if S > 1 else float(T)


def lemma_9(log_det: FloatArray, T: FloatArray | float, M: float, S: float) -> FloatArray:
    """Return the bound (48) on the sum of widths, 2 log det·(M/log 2)√S + 2√(2MT log det).

    Args:
        log_det: log det Λ_h^T − log det λI.
        T: episodes.
        M: agents.
        S: threshold.
    """
    return np.asarray(2 * log_det * M / np.log(2) * np.sqrt(S) + 2 * np.sqrt(2 * M * T * log_det))


def lemma_14(T: float, M: float, d: float, chi: float, lam: float = 1.0) -> float:
    """Return the bound (d + λ + χ) log(MT) on log det Λ̃_h^T."""
    return float((d + lam + chi) * np.log(M * T))


def remark_2_threshold(T: float, M: float, d: float) -> float:
    """Return S = T log(MT)/(dM²) of Remark 2."""
    return float(T * np.log(M * T) / (d * M**2))
