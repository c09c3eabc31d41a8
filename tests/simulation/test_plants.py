"""Kernels of nonlinear plants: the sine that vectorises, and signs that are bits of words."""

from __future__ import annotations

import numba
import numpy as np

from pcpo.simulation.noise import random_words, stream
from pcpo.simulation.plants import limited, signs, sine


@numba.njit
def _both(x):  # type: ignore[no-untyped-def]
    found = np.empty((2, len(x)))
    for k in range(len(x)):
        found[0, k], found[1, k] = sine(x[k]), limited(x[k], 2.0)
    return found


def test_the_sine_is_exact_to_rounding() -> None:
    x = np.concatenate([np.linspace(-1e4, 1e4, 100_001), np.pi * np.arange(-50, 51) / 2, [0.0, 1e-300, 1e5]])
    found, cut = _both(x)
    assert np.abs(found - np.sin(x)).max() <= 4e-16
    assert (found[np.abs(x) < 1e-8] == x[np.abs(x) < 1e-8]).all()
    assert (cut == np.clip(x, -2, 2)).all()


def test_signs_are_the_bits_of_words() -> None:
    words = random_words(stream(3, 1), (40, 3))
    found = signs(words)
    assert found.shape == (2560, 3)
    assert set(np.unique(found)) == {-1.0, 1.0}
    assert found[64 + 5, 2] == (1.0 if int(words[1, 2]) >> 5 & 1 else -1.0)
    assert np.abs(found.mean(axis=0)).max() < 4 / np.sqrt(2560)
    assert np.abs(found.T @ found / 2560 - np.eye(3)).max() < 4 / np.sqrt(2560)
