"""Streams, noise laws and directions: exact properties, and moments judged by a computed standard error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcpo.errors import ConfigError
from pcpo.simulation.kernels import BLOCK, normalise
from pcpo.simulation.noise import (
    NOISE_LAWS,
    NoiseLaw,
    Purpose,
    draw_directions,
    noise_law,
    random_words,
    stream,
)
from pcpo.simulation.noise_formulas import reals
from pcpo.simulation.normals import normals, words_per_column

DRAWS = 200_000
LAWS = sorted(NOISE_LAWS.values(), key=lambda law: law.name)
every_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)


def largest_z(values: np.ndarray, expected: np.ndarray | float) -> float:
    """Largest |mean − expected| over the standard error, over columns; constant columns must be exact."""
    error = values.std(axis=0, ddof=1) / math.sqrt(values.shape[0])
    gap = np.abs(values.mean(axis=0) - expected)
    constant = error < 1e-12
    assert np.all(gap[constant] < 1e-12)
    return float(np.max(gap[~constant] / error[~constant], initial=0.0))


def outer(z: np.ndarray) -> np.ndarray:
    return np.einsum("ki,kj->kij", z, z).reshape(z.shape[0], -1)


def engine_draws(law: NoiseLaw, n: int, seed: int) -> np.ndarray:
    """Draws of the engine's own layout, as rows."""
    z = law.reals(law.draw(stream(seed, 1), DRAWS // BLOCK // 5, 5, n), n)
    return z.transpose(0, 1, 3, 2).reshape(-1, n)


def test_streams_repeat_and_differ() -> None:
    keys = [(), (0,), (1,), (1, 0), (0, 1), (Purpose.GLOBAL, 2)]
    first = [stream(7, *key).integers(0, 2**63, size=4).tolist() for key in keys]
    assert first == [stream(7, *key).integers(0, 2**63, size=4).tolist() for key in keys]
    values = [value for row in first for value in row]
    assert len(set(values)) == len(values)
    assert stream(8).integers(0, 2**63) != stream(7).integers(0, 2**63)


def test_purposes_are_stable() -> None:
    assert [(p.name, int(p)) for p in Purpose][:4] == [("FLEET", 0), ("LOCAL", 1), ("COST", 2), ("GLOBAL", 3)]
    assert len({int(p) for p in Purpose}) == len(Purpose.__members__)


@pytest.mark.parametrize("bad", [-1, 1.5, "1", None, True])
def test_stream_refuses(bad: object) -> None:
    with pytest.raises(ConfigError, match="seed: found"):
        stream(bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="stream key: found"):
        stream(0, 1, bad)  # type: ignore[arg-type]


def test_unknown_law_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'gauss'.*cube, signs, sphere"):
        noise_law("gauss")
    assert all(noise_law(name).name == name for name in NOISE_LAWS)


def test_narrow_bit_generators_are_refused() -> None:
    with pytest.raises(ConfigError, match="MT19937"):
        random_words(np.random.Generator(np.random.MT19937(1)), (2,))


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5))
def test_signs_are_the_bits_of_words(numbers: list[int]) -> None:
    found = reals("signs", np.array(numbers, dtype=np.uint64)[None, None], len(numbers))
    assert found.shape == (1, 1, len(numbers), BLOCK)
    for row, number in zip(found[0, 0], numbers, strict=True):
        assert row.tolist() == [-1.0 if number >> lane & 1 else 1.0 for lane in range(BLOCK)]


@every_law
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("source", ["sample", "draw"])
@pytest.mark.statistical
def test_law_moments_and_bound(law: NoiseLaw, n: int, source: str) -> None:
    z = law.sample(stream(1, n), (DRAWS,), n) if source == "sample" else engine_draws(law, n, n)
    square = np.sum(z * z, axis=1)
    assert np.all(square <= law.bound(n) * (1 + 1e-14))
    if law.name != "cube":
        np.testing.assert_allclose(square, n, rtol=1e-14)
    else:
        assert square.max() > 0.75 * law.bound(n)  # the bound is not vacuous
    assert largest_z(z, 0.0) < 4.5
    assert largest_z(outer(z), np.eye(n).ravel()) < 4.5


@every_law
@pytest.mark.statistical
def test_quartic_term_is_the_variance_of_the_form(law: NoiseLaw) -> None:
    P = np.array([[2.0, 0.4, -0.3], [0.4, 1.0, 0.2], [-0.3, 0.2, 0.5]])
    form = np.einsum("ki,ij,kj->k", z := engine_draws(law, 3, 11), P, z)
    deviation2 = (form - np.trace(P)) ** 2
    error = deviation2.std(ddof=1) / math.sqrt(form.size)
    assert abs(deviation2.mean() - law.quartic_term(P)) < 4 * error
    others = [other.quartic_term(P) for other in LAWS if other is not law]
    assert all(abs(deviation2.mean() - value) > 8 * error for value in others)  # the test can tell the laws apart


@every_law
def test_draws_do_not_depend_on_how_many_at_once(law: NoiseLaw) -> None:
    whole = law.draw(stream(5), 7, 4, 3)
    rng = stream(5)
    parts = [law.draw(rng, blocks, 4, 3) for blocks in (1, 4, 2)]
    assert np.array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("D", [1, 2, 3, 6])
@pytest.mark.statistical
def test_directions_are_uniform_on_the_sphere(D: int) -> None:
    U = np.empty((DRAWS // BLOCK, D, BLOCK))
    draw_directions(stream(2, D), U)
    rows = U.transpose(0, 2, 1).reshape(-1, D)
    np.testing.assert_allclose(np.sum(rows * rows, axis=1), 1.0, rtol=1e-14)
    assert largest_z(rows, 0.0) < 4.5
    assert largest_z(outer(rows), np.eye(D).ravel() / D) < 4.5
    # E U_1⁴ = 3/(D(D + 2)) holds for the sphere and fails for, say, a normalised cube.
    assert largest_z(rows**4, 3 / (D * (D + 2))) < 4.5


def test_normals_are_box_muller_of_their_words() -> None:
    words = random_words(stream(4), (50, 4, BLOCK))
    words[0, :, :4] = np.array([0, 2**64 - 1, 2**63, 1], dtype=np.uint64)
    out = np.empty((50, 4, BLOCK))
    normals(words, out)
    fraction = (words >> np.uint64(12)).astype(np.float64) / 2.0**52
    rho = np.sqrt(-2 * np.log(1 - fraction[:, 0::2])) * (1.0 - 2.0 * (words[:, 1::2] & np.uint64(1)))
    angle = (fraction[:, 1::2] - 0.5) * np.pi / 2
    swap = (words[:, 1::2] & np.uint64(2)) > 0
    np.testing.assert_allclose(out[:, 0::2], rho * np.where(swap, np.sin(angle), np.cos(angle)), rtol=3e-15)
    np.testing.assert_allclose(out[:, 1::2], rho * np.where(swap, np.cos(angle), np.sin(angle)), rtol=3e-15)


@pytest.mark.statistical
def test_normals_follow_the_normal_law() -> None:
    D, edges = 3, np.linspace(-4, 4, 33)
    out = np.empty((3000, D, BLOCK))
    normals(random_words(stream(6), (3000, words_per_column(D), BLOCK)), out)
    cdf = np.array([0.0, *(0.5 * math.erfc(-x / math.sqrt(2)) for x in edges), 1.0])
    for column in out.transpose(1, 0, 2).reshape(D, -1):
        counts = np.bincount(np.searchsorted(edges, column), minlength=edges.size + 1)
        expected = np.diff(cdf) * column.size
        chi2 = float(np.sum((counts - expected) ** 2 / expected))
        assert abs(chi2 - edges.size) < 4 * math.sqrt(2 * edges.size)
        assert largest_z(column[:-1] * column[1:], 0.0) < 4.5


def test_normalise_handles_zero_columns() -> None:
    columns = np.zeros((1, 3, BLOCK))
    columns[0, 1, 5] = 1e-3
    normalise(columns, 2.0)
    np.testing.assert_allclose(np.sum(columns**2, axis=1), 4.0, rtol=1e-15)
    assert columns[0, :, 5].tolist() == [0.0, 2.0, 0.0]
