"""Simple fillers against loops, Pillow, OpenCV, and the baselines they share."""

from __future__ import annotations

import numpy as np
import pytest
from filler_cases import RECORDS, images, masks, seeds
from PIL import Image, ImageFilter

from pysal.baselines import BASELINES, make_baseline
from pysal.errors import OptionError
from pysal.fillers import FILLERS, open_filler
from pysal.fillers.simple import GaussianBlur, LocalMean, PillowBlur, RandomColor

RGB = RECORDS["RGB"]
NOTHING = np.zeros((2, 40, 48), bool)


@pytest.mark.parametrize("name", sorted(set(BASELINES) & set(FILLERS)))
def test_names_of_baselines_mean_the_baselines(name):
    for record in RECORDS.values():
        x = images(2, record)
        expected = make_baseline(name, x, record, seed=seeds(2).astype(np.int64))
        np.testing.assert_array_equal(open_filler(name, record).image(x, seeds(2)), expected)


@pytest.mark.parametrize("window", [1, 3, 15])
def test_local_mean_is_the_mean_of_known_neighbours(window):
    x, keep = images(2, size=(20, 23)), masks(2, size=(20, 23))
    own = LocalMean(RGB, window=window).unpasted(x, keep, seeds(2))
    half = window // 2
    for n, i, j in np.ndindex(2, 20, 23):
        near = [
            x[n, :, y, z].astype(np.float64)
            for y in range(max(i - half, 0), min(i + half + 1, 20))
            for z in range(max(j - half, 0), min(j + half + 1, 23))
            if keep[n, y, z]
        ]
        expected = np.mean(near, axis=0) if near else np.zeros(3)
        np.testing.assert_allclose(own[n, :, i, j], expected, atol=1e-6)


def test_local_mean_is_the_mean_color_where_nothing_is_near():
    record = RGB.replace(mean=(0.0,) * 3, std=(1.0,) * 3)  # zero is black here, not the mean
    x = images(1, record, size=(40, 40))
    keep = np.ones((1, 40, 40), bool)
    keep[0, 4:36, 4:36] = False
    filled = open_filler("local_mean", record).fill(x, keep, seeds(1))
    np.testing.assert_allclose(filled[0, :, 20, 20], (0.485, 0.456, 0.406), atol=1e-6)


def test_blur10_is_pillows_blur():
    x = images(2)
    made = open_filler("blur10", RGB).image(x, seeds(2))
    for row in range(2):
        rgb = np.rint(255 * RGB.denormalize(x[row : row + 1])[0]).astype(np.uint8)
        blurred = Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(10))
        expected = RGB.normalize(np.asarray(blurred)[None].astype(np.float32) / 255)[0]
        np.testing.assert_allclose(made[row], expected, atol=1e-6)


@pytest.mark.parametrize(("sigma", "size"), [(10, (40, 48)), (2.5, (31, 17)), (10, (90, 100))])
def test_gauss10_is_a_mirrored_gaussian(sigma, size):
    x = images(1, size=size)
    made = GaussianBlur(RGB, sigma=sigma).image(x, seeds(1))[0]
    reach = int(round(8 * sigma + 1) | 1) // 2
    weight = [np.exp(-(k**2) / (2 * sigma**2)) for k in range(-reach, reach + 1)]

    def mirrored(at, length):
        at = abs(at) % (2 * length - 2)
        return min(at, 2 * length - 2 - at)

    for i, j in ((0, 0), (size[0] // 2, size[1] // 3), (size[0] - 1, size[1] - 2)):
        rows = [mirrored(i + k, size[0]) for k in range(-reach, reach + 1)]
        columns = [mirrored(j + k, size[1]) for k in range(-reach, reach + 1)]
        window = x[0][:, rows][:, :, columns].astype(np.float64)
        expected = np.einsum("cij,i,j->c", window, weight, weight) / np.sum(weight) ** 2
        np.testing.assert_allclose(made[:, i, j], expected, atol=2e-5)


def test_gauss10_is_opencvs_with_its_own_kernel_size():
    cv2 = pytest.importorskip("cv2")
    x = images(1, size=(224, 200))
    made = open_filler("gauss10", RGB).image(x, seeds(1))[0]
    expected = cv2.GaussianBlur(np.ascontiguousarray(x[0].transpose(1, 2, 0)), (0, 0), 10)
    np.testing.assert_allclose(made.transpose(1, 2, 0), expected, atol=2e-5)


def test_random_color_is_one_color_with_noise():
    x = np.zeros((40, 3, 30, 30), np.float32)
    rgb = RGB.denormalize(RandomColor(RGB, noise=0).image(x, np.arange(40)))
    assert np.ptp(rgb, axis=(1, 2)).max() < 1e-6
    assert 0.35 < rgb[:, 0, 0].mean() < 0.65
    assert np.ptp(rgb[:, 0, 0], axis=0).min() > 0.8
    noisy = RGB.denormalize(RandomColor(RGB).image(x, np.arange(40)), clip=False)
    assert noisy.min() >= -1e-6
    assert noisy.max() <= 1 + 1e-6
    middle = np.abs(rgb[:, 0, 0] - 0.5) < 0.1
    spread = (noisy - rgb).std(axis=(1, 2))[middle]
    np.testing.assert_allclose(spread, 0.2, atol=0.015)


def test_zero_is_zero_and_mean_is_the_mean_color():
    record = RGB.replace(mean=(0.0,) * 3, std=(1.0,) * 3)
    x = images(2, record)
    assert not open_filler("zero", record).fill(x, NOTHING, seeds(2)).any()
    mean = open_filler("mean", record).fill(x, NOTHING, seeds(2))
    np.testing.assert_allclose(mean[1, :, 7, 9], (0.485, 0.456, 0.406), atol=1e-6)


def test_options_are_checked():
    with pytest.raises(OptionError, match="local_mean: window is 4; expected an odd number"):
        LocalMean(RGB, window=4)
    with pytest.raises(OptionError, match="local_mean: window is 0"):
        LocalMean(RGB, window=0)
    with pytest.raises(OptionError, match="blur10: radius is -1"):
        PillowBlur(RGB, radius=-1)
    with pytest.raises(OptionError, match="gauss10: sigma is nan"):
        GaussianBlur(RGB, sigma=float("nan"))
    with pytest.raises(OptionError, match=r"random_color: noise is -0\.1"):
        RandomColor(RGB, noise=-0.1)


def test_descriptions_name_the_options():
    assert LocalMean(RGB).description == "local_mean(window=15)"
    assert PillowBlur(RGB).description == "blur10(radius=10)"
    assert GaussianBlur(RGB, sigma=2.5).description == "gauss10(sigma=2.5)"
    assert RandomColor(RGB).description == "random_color(noise=0.2)"
    assert open_filler("zero", RGB).description == "zero"
