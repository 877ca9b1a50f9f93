from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.baselines import BASELINES, folded_weights, make_baseline
from pysal.errors import InputError, OptionError, PysalError, ShapeError
from pysal.preprocess import Preprocess

RECORD = Preprocess(size=(9, 12), resize_shorter_side=None)
UNIT = RECORD.replace(mean=(0, 0, 0), std=(1, 1, 1))


def batch_of(n=2, size=(9, 12), seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3, *size)).astype(np.float32)


def gaussian():
    weights = np.array([np.exp(-(k * k) / 5000) for k in range(-25, 26)])
    return weights / weights.sum()


def reflect(index: int, length: int) -> int:
    while not 0 <= index < length:
        index = -index if index < 0 else 2 * (length - 1) - index
    return index if length > 1 else 0


@settings(max_examples=10, deadline=None)
@given(h=st.integers(2, 9), w=st.integers(2, 60))
def test_blur_is_the_naive_convolution_with_a_mirrored_border(h, w):
    image = batch_of(1, (h, w), seed=h * w)
    weights = gaussian()
    rows = np.zeros((3, h, w))
    for y in range(h):
        for k, weight in enumerate(weights):
            rows[:, y] += weight * image[0, :, reflect(y + k - 25, h)]
    expected = np.zeros((3, h, w))
    for x in range(w):
        for k, weight in enumerate(weights):
            expected[:, :, x] += weight * rows[:, :, reflect(x + k - 25, w)]
    np.testing.assert_allclose(make_baseline("blur", image, RECORD)[0], expected, atol=1e-5)


def test_blur_weights_are_those_of_the_specification():
    impulse = np.zeros((1, 3, 101, 1), np.float32)
    impulse[:, :, 50] = 1
    profile = make_baseline("blur", impulse, RECORD)[0, 0, :, 0]
    assert np.count_nonzero(profile) == 51
    assert profile[25] == pytest.approx(0.0181, abs=5e-5)
    assert profile[50] == pytest.approx(0.0205, abs=5e-5)
    assert profile.sum() == pytest.approx(1, abs=1e-6)


def test_blur_on_the_picture_and_on_the_batch_are_the_same():
    rgb = np.random.default_rng(0).random((1, 30, 40, 3)).astype(np.float32)
    blurred = make_baseline("blur", UNIT.normalize(rgb), UNIT)
    expected = RECORD.normalize(UNIT.denormalize(blurred))
    found = make_baseline("blur", RECORD.normalize(rgb), RECORD)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_folded_blur_is_the_reference_recipe():
    filters = pytest.importorskip("scipy.ndimage")
    impulse = np.zeros((11, 11))
    impulse[5, 5] = 1
    kernel = filters.gaussian_filter(impulse, 5)
    np.testing.assert_allclose(np.outer(folded_weights(), folded_weights()), kernel, atol=1e-12)
    assert folded_weights().sum() == pytest.approx(1, abs=1e-12)
    assert folded_weights().min() == pytest.approx(0.0880, abs=5e-5)
    assert folded_weights().max() == pytest.approx(0.0940, abs=5e-5)

    image = batch_of(2, (14, 9))
    padded = np.pad(image, ((0, 0), (0, 0), (5, 5), (5, 5)))
    expected = np.zeros(image.shape)
    for (j, i), weight in np.ndenumerate(kernel):
        expected += weight * padded[:, :, j : j + 14, i : i + 9]
    np.testing.assert_allclose(make_baseline("blur11", image, RECORD), expected, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(BASELINES))
def test_every_kind_is_a_new_float32_batch_that_ignores_its_neighbours(kind):
    batch = batch_of(3)
    before = batch.copy()
    found = make_baseline(kind, batch, RECORD, seed=np.array([4, 5, 6]))
    assert found.shape == batch.shape
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.isfinite(found).all()
    for i in range(3):
        alone = make_baseline(kind, batch[i : i + 1], RECORD, seed=4 + i)
        np.testing.assert_array_equal(alone[0], found[i])
    found += 1
    np.testing.assert_array_equal(batch, before)
    assert make_baseline(kind, batch[:0], RECORD).shape == (0, 3, 9, 12)
    assert make_baseline(kind, batch[:, :, :1, :1], RECORD).shape == (3, 3, 1, 1)


def test_colours():
    batch = batch_of(1)
    assert not make_baseline("mean", batch, RECORD).any()
    assert not make_baseline("zero", batch, UNIT).any()
    color = UNIT.denormalize(make_baseline("mean", batch, UNIT))[0, 0, 0]
    np.testing.assert_allclose(color, (0.485, 0.456, 0.406), atol=1e-6)
    for kind, value in (("black", 0), ("white", 1)):
        rgb = RECORD.denormalize(make_baseline(kind, batch, RECORD))
        np.testing.assert_allclose(rgb, value, atol=1e-6)


def test_noise_depends_on_the_seed_and_fills_the_colour_cube():
    batch = batch_of(2, (40, 40))
    rgb = RECORD.denormalize(make_baseline("noise", batch, RECORD, seed=3), clip=False)
    np.testing.assert_array_equal(rgb[0], rgb[1])
    assert rgb.min() > -1e-5
    assert rgb.max() < 1 + 1e-5
    assert abs(rgb.mean() - 0.5) < 0.02
    other = make_baseline("noise", batch, RECORD, seed=4)
    assert np.abs(other - make_baseline("noise", batch, RECORD, seed=3)).max() > 0.1
    big = np.array([2**64 - 1, 1], np.uint64)
    assert make_baseline("noise", batch, RECORD, seed=big).shape == batch.shape


@pytest.mark.parametrize("seed", [-1, 0.5, np.array([1, 2, 3])])
def test_noise_refuses_other_seeds(seed):
    with pytest.raises(OptionError, match="seed"):
        make_baseline("noise", batch_of(2), RECORD, seed=seed)


def test_given_images():
    batch = batch_of(2)
    rgb = np.random.default_rng(1).integers(0, 256, (9, 12, 3), np.uint8)
    expected = RECORD.normalize((rgb / 255.0)[None])
    for image in (rgb, (rgb / 255).astype(np.float32), rgb[None], np.stack([rgb, rgb])):
        found = make_baseline(image, batch, RECORD)
        assert found.shape == batch.shape
        np.testing.assert_allclose(found[1], expected[0], atol=1e-5)
    np.testing.assert_array_equal(make_baseline(batch, batch, RECORD), batch)
    np.testing.assert_array_equal(make_baseline(batch[1], batch, RECORD)[0], batch[1])


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((9, 11, 3), np.uint8), ShapeError),
        (np.zeros((3, 9, 12), np.uint8), ShapeError),
        (np.zeros((3, 3, 9, 12), np.float32), ShapeError),
        (np.zeros(3, np.float32), ShapeError),
        (np.full((9, 12, 3), 200.0), InputError),
        (np.full((9, 12, 3), np.nan), InputError),
    ],
)
def test_given_images_that_do_not_fit(image, error):
    with pytest.raises(error, match="baseline has") as caught:
        make_baseline(image, batch_of(2), RECORD)
    assert "\n" not in str(caught.value)


def test_unknown_names_list_near_ones_and_wrong_batches_are_refused():
    with pytest.raises(OptionError, match='"blurr" is unknown; did you mean blur'):
        make_baseline("blurr", batch_of(), RECORD)
    with pytest.raises(PysalError, match="expected"):
        make_baseline("blur", batch_of()[0], RECORD)


def test_weak_blur_is_the_naive_convolution():
    image = batch_of(1, (13, 17))
    weights = np.array([np.exp(-(k * k) / 50) for k in range(-5, 6)])
    weights /= weights.sum()
    expected = np.zeros((3, 13, 17))
    for (y, x), _ in np.ndenumerate(image[0, 0]):
        for j, i in np.ndindex(11, 11):
            at = reflect(y + j - 5, 13), reflect(x + i - 5, 17)
            expected[:, y, x] += weights[j] * weights[i] * image[0, :, at[0], at[1]]
    np.testing.assert_allclose(make_baseline("weak_blur", image, RECORD)[0], expected, atol=1e-5)


def test_median_is_that_of_the_window_in_eight_bits():
    rgb = np.random.default_rng(1).integers(0, 256, (1, 9, 12, 3)).astype(np.uint8)
    found = make_baseline("median11", RECORD.normalize(rgb / np.float32(255)), RECORD)
    padded = np.pad(rgb[0], ((5, 5), (5, 5), (0, 0)), mode="edge")
    expected = np.zeros(rgb.shape, np.float32)
    for y, x, c in np.ndindex(9, 12, 3):
        expected[0, y, x, c] = np.median(padded[y : y + 11, x : x + 11, c])
    np.testing.assert_allclose(found, RECORD.normalize(expected / 255), atol=1e-6)


def test_blur10_is_about_a_gaussian_and_stays_in_eight_bits():
    scipy = pytest.importorskip("scipy.ndimage")
    rgb = np.random.default_rng(2).random((1, 110, 130, 3)).astype(np.float32)
    found = UNIT.denormalize(make_baseline("blur10", UNIT.normalize(rgb), UNIT))
    np.testing.assert_array_equal(np.rint(found * 255), (found * 255).round(3))
    expected = scipy.gaussian_filter(rgb[0], (10, 10, 0), mode="nearest")
    # At the border Pillow repeats the edge before each of its passes.
    np.testing.assert_allclose(found[0, 35:-35, 35:-35], expected[35:-35, 35:-35], atol=6e-3)
