"""Laws of noise: moments to the last digit by enumeration, and samples judged by tests that see small defects."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from pcpo.simulation import designs, noise_formulas
from pcpo.simulation.designs import POINTS, circle, split
from pcpo.simulation.kernels import BLOCK, MAX_STATES
from pcpo.simulation.noise import NOISE_LAWS, NoiseLaw, many_words, noise_law, random_words, stream
from pcpo.simulation.noise_formulas import CUBE_POINTS, reals, words_per_step
from pcpo.simulation.words import SEEDS, expand

CUBE, SPHERE = noise_law("cube"), noise_law("sphere")
BLOCKS, STEPS = 300, 40
LIMIT = 5.5  # standard errors: of thousands of tests at once, each of fixed seed


def form(n: int) -> np.ndarray:
    P = np.random.default_rng(n).standard_normal((n, n))
    return P + P.T


# --- exact moments ---------------------------------------------------------------------------------------------------


def test_the_cube_has_the_moments_it_states() -> None:
    """All 2^16 pieces, through the formula of the kernels."""
    pieces = np.arange(CUBE_POINTS, dtype=np.uint16).view(np.uint64)
    z = reals("cube", pieces.reshape(-1, 1, 16), 1).ravel()
    assert len(np.unique(z)) == CUBE_POINTS
    assert abs(z.mean()) < 1e-16
    assert np.mean(z**2) == pytest.approx(1.0, rel=1e-14)
    assert np.mean(z**4) - 3 == pytest.approx(0.5 * CUBE.quartic_term(np.eye(1)) * 2 - 2, rel=1e-14)
    assert np.max(z**2) == pytest.approx(CUBE.bound(1), rel=1e-15)
    assert CUBE.bound(1) < 3.0


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of 8 points each, whose products can be enumerated."""
    monkeypatch.setattr(designs, "POINTS", 8)
    monkeypatch.setattr(noise_formulas, "POINTS", 8)
    monkeypatch.setattr(noise_formulas, "circle", circle.__wrapped__)
    monkeypatch.setattr(noise_formulas, "split", split.__wrapped__)


def enumerated(n: int) -> np.ndarray:
    """All 8^(n−1) points of the sphere, as rows."""
    draws = np.array(list(itertools.product(range(8), repeat=n - 1)), dtype=np.uint16)
    blocks = -(-len(draws) // BLOCK)
    pieces = np.resize(draws, (blocks * BLOCK, n - 1)).reshape(blocks, BLOCK, n - 1).swapaxes(1, 2)
    words = np.ascontiguousarray(pieces).view(np.uint64).reshape(blocks, 1, -1)
    return reals("sphere", words, n)[:, 0].swapaxes(1, 2).reshape(-1, n)[: len(draws)]


def moments_differ_by(z: np.ndarray) -> float:
    """The largest error of mean, covariance and variance of a quadratic form, from those of the sphere."""
    n, P = z.shape[1], form(z.shape[1])
    values = np.einsum("ki,ij,kj->k", z, P, z)
    truth = float(SPHERE.quartic_term(P))
    cubic = np.einsum("ki,kj,kl->ijl", z, z, z) / len(z)
    errors = (np.abs(z.mean(axis=0)).max(), np.abs(z.T @ z / len(z) - np.eye(n)).max(), np.abs(cubic).max(),
              abs(np.mean((values - np.trace(P)) ** 2) / truth - 1))  # fmt: skip
    return float(max(errors))


@pytest.mark.usefixtures("few_points")
@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_products_of_tables_have_the_moments_of_the_sphere(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    z = enumerated(n)
    assert len(np.unique(z.round(9), axis=0)) == 8 ** (n - 1)
    np.testing.assert_allclose(np.sum(z * z, axis=1), n, rtol=1e-14)
    assert moments_differ_by(z) < 1e-13
    if n > 2:  # control: quantiles whose moments are left as they are
        raw, one = designs._grid(), designs.Decimal(1)
        monkeypatch.setattr(designs, "_uniform", lambda: raw)
        monkeypatch.setattr(designs, "_shares", lambda k: [1 - ((1 - x) / 2) ** (2 * one / (k - 2)) for x in raw])
        assert moments_differ_by(enumerated(n)) > 1e-4


@pytest.mark.parametrize("n", range(3, MAX_STATES + 1))
def test_splits_have_the_moments_they_are_made_for(n: int) -> None:
    first, rest = np.array(split(n)).T
    np.testing.assert_allclose(first**2 + rest**2, 1.0, rtol=1e-15)
    assert len(first) == POINTS
    if n == 3:
        assert (np.mean(rest**2), np.mean(rest**4)) == pytest.approx((1 / 3, 1 / 5), rel=1e-15)
        truth = stats.uniform(-1, 2).cdf(rest)
    else:
        b, B = (n - 2) / 2, first**2
        assert (B.mean(), np.mean(B * B)) == pytest.approx((1 / (1 + b), 2 / ((1 + b) * (2 + b))), rel=1e-14)
        truth = stats.beta(1, b).cdf(B)
    assert np.abs(truth - (np.arange(POINTS) + 0.5) / POINTS).max() < 1 / POINTS  # they are quantiles


def test_the_circle_is_equispaced() -> None:
    angles = 2 * np.pi * (np.arange(POINTS) + 0.5) / POINTS
    np.testing.assert_allclose(circle(), np.stack([np.cos(angles), np.sin(angles)], axis=1), rtol=0, atol=1e-15)


# --- words -----------------------------------------------------------------------------------------------------------


def test_words_are_those_of_numpys_generator() -> None:
    seeds, words = random_words(stream(0), (3, *SEEDS)), np.empty((3, 1000), dtype=np.uint64)
    expand(seeds, words)
    for block, lane in itertools.product(range(3), range(SEEDS[1])):
        generator = np.random.SFC64()
        state = generator.state
        state["state"]["state"] = np.array([*seeds[block, :, lane], 1], dtype=np.uint64)
        generator.state = state
        np.testing.assert_array_equal(words[block, lane :: SEEDS[1]], generator.random_raw(12 + 125)[12:])


# --- samples ---------------------------------------------------------------------------------------------------------

Words = np.ndarray


def drawn(law: NoiseLaw, n: int) -> Words:
    return law.draw(stream(31, n), BLOCKS, STEPS, n)


def of_bits(words: Words) -> float:
    """The bit whose frequency is furthest from ½, in standard errors."""
    bits = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1)
    return float(np.abs(bits.mean(axis=0) - 0.5).max() * 2 * math.sqrt(len(bits)))


def of_lanes(z: np.ndarray) -> float:
    """The largest correlation of two lanes, or of the squares of their first coordinates, in standard errors."""
    worst = 0.0
    for rows in (z.reshape(-1, BLOCK), z[:, :, 0].reshape(-1, BLOCK) ** 2):
        correlation = np.corrcoef(rows, rowvar=False) - np.eye(BLOCK)
        worst = max(worst, float(np.abs(correlation).max() * math.sqrt(len(rows))))
    return worst


def of_axis(z: np.ndarray, axis: int) -> float:
    """The largest correlation of neighbours along an axis (blocks 0, steps 1, coordinates 2), or of their squares."""
    worst, squares = 0.0, z[:, :, :1] ** 2  # squares of different coordinates of a sphere depend on each other
    for values in (z, squares - squares.mean()) if axis < 2 else (z,):
        last = values.shape[axis]
        for lag in range(1, min(4, last)):
            product = values.take(range(last - lag), axis) * values.take(range(lag, last), axis)
            worst = max(worst, abs(float(product.mean() / product.std())) * math.sqrt(product.size))
    return worst


def of_marginal(z: np.ndarray, law: NoiseLaw) -> float:
    """The probability that a Kolmogorov–Smirnov test against the law of z·u is as extreme, u any direction."""
    n = z.shape[2]
    rows = z.swapaxes(2, 3).reshape(-1, n)[::23]
    if law is CUBE:
        return float(stats.kstest(rows.ravel(), stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)).cdf).pvalue)
    u = np.random.default_rng(n).standard_normal(n)

    def cdf(t: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 + 0.5 * np.sign(t) * stats.beta(0.5, (n - 1) / 2).cdf(t * t))

    return float(stats.kstest(rows @ u / (np.linalg.norm(u) * math.sqrt(n)), cdf).pvalue)


def of_covariance(z: np.ndarray) -> float:
    """The largest error of E zzᵀ = I in standard errors."""
    n, worst = z.shape[2], 0.0
    for i, j in itertools.combinations_with_replacement(range(n), 2):
        product = z[:, :, i] * z[:, :, j]
        worst = max(worst, abs(float(product.mean()) - (i == j)) / float(product.std()) * math.sqrt(product.size))
    return worst


def of_fourth_moment(z: np.ndarray, law: NoiseLaw) -> float:
    """The error of E z⁴ in standard errors, coordinates of a draw taken together."""
    n, values = z.shape[2], np.mean(z**4, axis=2)
    truth = 3 * n / (n + 2) if law is SPHERE else 9 / 5
    return abs(float(values.mean()) - truth) / float(values.std()) * math.sqrt(values.size)


#: Whether words, real numbers z and a law fail a test.
FAILS: dict[str, Callable[[Words, np.ndarray, NoiseLaw], bool]] = {
    "bits": lambda words, z, law: of_bits(words) > LIMIT,
    "bound": lambda words, z, law: bool((np.sum(z * z, axis=2) > law.bound(z.shape[2]) * (1 + 1e-14)).any()),
    "mean": lambda words, z, law: abs(z.mean()) * math.sqrt(z.size) > LIMIT,
    "fourth moment": lambda words, z, law: of_fourth_moment(z, law) > LIMIT,
    "covariance": lambda words, z, law: of_covariance(z) > LIMIT,
    "marginal": lambda words, z, law: of_marginal(z, law) < 1e-5,
    "lanes": lambda words, z, law: of_lanes(z) > LIMIT,
    "blocks": lambda words, z, law: of_axis(z, 0) > LIMIT,
    "steps": lambda words, z, law: of_axis(z, 1) > LIMIT,
    "coordinates": lambda words, z, law: of_axis(z, 2) > LIMIT,
}


CELLS = [(CUBE, 1), (CUBE, 2), (CUBE, 3), (SPHERE, 2), (SPHERE, 3), (SPHERE, 4), (SPHERE, 5)]
laws = pytest.mark.parametrize(("law", "n"), CELLS, ids=[f"{law.name} {n}" for law, n in CELLS])


@laws
@pytest.mark.statistical
def test_samples_follow_the_law(law: NoiseLaw, n: int) -> None:
    words = drawn(law, n)
    assert words.shape == (BLOCKS, STEPS, words_per_step(law.kind(n), n))
    z = law.reals(words, n)
    assert [name for name, fails in FAILS.items() if fails(words, z, law)] == []


def with_bit_cleared(words: Words, bit: int) -> Words:
    return words & ~np.uint64(1 << bit)


def with_halves_alike(words: Words, share: float) -> Words:
    """In some of the words, the upper half is the lower one."""
    chosen = np.random.default_rng(1).random(words.shape) < share
    low = words & np.uint64(2**32 - 1)
    return np.where(chosen, low | (low << np.uint64(32)), words)


def with_some_repeated(words: Words, axis: int) -> Words:
    """Along an axis, each twentieth entry is the one before."""
    index = np.arange(words.shape[axis])
    return words.take(np.where(index % 20 == 7, index - 1, index), axis)


def with_first_coordinate_repeated(words: Words, share: float) -> Words:
    """In some of the steps, the second number drawn is the first."""
    chosen = np.random.default_rng(2).random(words.shape[:2]) < share
    changed = words.copy()
    changed[chosen, 16:32] = words[chosen, :16]
    return changed


#: One bit of each 64 is missing (of 2^16 points one half, or of the points of a table); words whose halves agree.
DEFECTS: dict[str, tuple[str, Callable[[Words], Words]]] = {
    "the lowest bit of a word": ("bits", lambda words: with_bit_cleared(words, 0)),
    "the highest bit of a draw": ("marginal", lambda words: with_bit_cleared(words, 11) & ~np.uint64(1 << 15)),
    "halves of a word": ("lanes", lambda words: with_halves_alike(words, 0.1)),
    "steps": ("steps", lambda words: with_some_repeated(words, 1)),
    "blocks": ("blocks", lambda words: with_some_repeated(words, 0)),
}


@laws
@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.statistical
def test_defects_of_words_are_seen(law: NoiseLaw, n: int, defect: str) -> None:
    test, change = DEFECTS[defect]
    words = change(drawn(law, n))
    assert FAILS[test](words, law.reals(words, n), law)


@pytest.mark.statistical
def test_defects_of_numbers_are_seen() -> None:
    for law, n in ((CUBE, 1), (SPHERE, 2), (SPHERE, 5)):
        words = drawn(law, n)
        z = law.reals(words, n)
        assert FAILS["bound"](words, z * (1 + 1e-4), law)
        assert FAILS["mean"](words, z + 0.01, law)
        assert FAILS["fourth moment"](words, z * 1.01, law)
    words = with_first_coordinate_repeated(drawn(CUBE, 2), 0.02)
    assert FAILS["coordinates"](words, CUBE.reals(words, 2), CUBE)
    tilted = SPHERE.reals(drawn(SPHERE, 3), 3) * np.array([1.03, 1.0, 1.0])[:, None]
    tilted *= math.sqrt(3) / np.linalg.norm(tilted, axis=2, keepdims=True)
    assert FAILS["covariance"](words, tilted, SPHERE)


@pytest.mark.statistical
def test_one_state_of_the_sphere_has_signs() -> None:
    assert SPHERE.kind(1) == "signs"
    words = SPHERE.draw(stream(3), 4, 5, 1)
    np.testing.assert_array_equal(words, NOISE_LAWS["signs"].draw(stream(3), 4, 5, 1))


@pytest.mark.statistical
def test_more_states_than_kernels_have_normalised_normals() -> None:
    n = MAX_STATES + 1
    z = SPHERE.draw(stream(3), 40, 5, n)
    assert z.shape == (40, 5, n, BLOCK)
    assert SPHERE.reals(z, n) is z
    np.testing.assert_allclose(np.sum(z * z, axis=2), n, rtol=1e-13)


def test_words_of_a_block_are_its_own() -> None:
    rng = stream(5)
    parts = [many_words(rng, blocks, 64) for blocks in (1, 3)]
    np.testing.assert_array_equal(many_words(stream(5), 4, 64), np.concatenate(parts))
