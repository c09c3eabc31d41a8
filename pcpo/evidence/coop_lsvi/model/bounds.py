"""The paper's bounds with their constants, and the widths β_t as printed and calibrated.

Natural logarithms; T episodes, M agents, H steps, d features, threshold S, failure probability α.
"""

from __future__ import annotations

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError

__all__ = ["BETAS", "betas", "lemma_1", "lemma_3", "lemma_9", "lemma_14", "remark_2_threshold", "theorem_1"]

#: Where β_t comes from: the theorems' statements times a scale, the same unscaled, or the proofs' with c_β = 1.
BETAS = ("calibrated", "theorem", "proof")


def betas(
    mode: str, T: int, M: int, H: int, d: int, *, scale: float, xi: float = 0.0, alpha: float = 0.05
) -> FloatArray:
    """β_t ``(T,)``: "theorem" H√(d log(tMH)) + ξ√(dMT) (Theorems 1 to 4); "proof" dH(√(2 log(dMTH/α)) + 2ξ√(dMT))
    (Lemmas 5 and 12, c_β = 1); "calibrated" the first times `scale`.  log(tMH) is taken at least log 2.

    Raises ConfigError for another mode.
    """
    if mode not in BETAS:
        raise ConfigError(f"beta: found {mode!r}, expected one of {', '.join(BETAS)}")
    if mode == "proof":
        return np.full(T, d * H * (np.sqrt(2 * np.log(d * M * T * H / alpha)) + 2 * xi * np.sqrt(d * M * T)))
    t = np.arange(1, T + 1)
    printed = H * np.sqrt(d * np.log(np.maximum(t * M * H, 2))) + xi * np.sqrt(d * M * T)
    return np.asarray(printed if mode == "theorem" else scale * printed)


def lemma_1(T: float, M: float, H: float, d: float, S: float) -> float:
    """2H√(d(T/S) log(MT)) + 4H episodes with communication."""
    return float(2 * H * np.sqrt(d * T / S * np.log(M * T)) + 4 * H)


def lemma_3(T: float, M: float, H: float, d: float, S: float) -> float:
    """dH log_S(1 + MT/d) + H for S > 1, else T."""
    return float(d * H * np.log(1 + M * T / d) / np.log(S) + H) if S > 1 else float(T)


def lemma_9(log_det: FloatArray, T: FloatArray | float, M: float, S: float) -> FloatArray:
    """(48): 2 log det·(M/log 2)√S + 2√(2MT log det), with log det = log det Λ_h^T − log det λI."""
    return np.asarray(2 * log_det * M / np.log(2) * np.sqrt(S) + 2 * np.sqrt(2 * M * T * log_det))


def lemma_14(T: float, M: float, d: float, chi: float, lam: float = 1.0) -> float:
    """(d + λ + χ) log(MT), for log det Λ̃_h^T."""
    return float((d + lam + chi) * np.log(M * T))


def remark_2_threshold(T: float, M: float, d: float) -> float:
    """S = T log(MT)/(dM²) (Remark 2)."""
    return float(T * np.log(M * T) / (d * M**2))


def theorem_1(T: float, M: float, H: float, d: float, S: float, alpha: float = 0.05) -> float:
    """(64) with c_β = 1: the group regret with probability at least 1 − α."""
    noise = np.sqrt(2 * H**3 * M * T * np.log(2 / alpha))
    width = 2 * d * H**2 * np.sqrt(2 * np.log(d * M * T * H / alpha))
    return float(noise + width * (2 * np.log(d * M * T) * M * np.sqrt(S) + 2 * np.sqrt(2 * d * M * T * np.log(M * T))))
