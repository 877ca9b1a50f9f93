"""What every filler promises, whatever it does inside."""

from __future__ import annotations

import numpy as np
import pytest
from filler_cases import RECORDS, STATIC, images, masks, open_or_skip, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.baselines import make_baseline
from pysal.errors import InputError, OptionError, ShapeError
from pysal.fillers import FILLERS, open_filler
from pysal.preprocess import Preprocess

RANDOM = {"noise", "random_color"}
NAMES = list(FILLERS)
BY_MASK = [name for name in NAMES if name not in STATIC]


@pytest.mark.parametrize("colors", list(RECORDS))
@pytest.mark.parametrize("name", NAMES)
def test_known_pixels_are_pasted_and_holes_are_filled(name, colors):
    record = RECORDS[colors]
    filler, x, keep = open_or_skip(name, record), images(4, record), masks(4)
    filled = filler.fill(x, keep, seeds(4))
    assert (filled.dtype, filled.shape) == (np.float32, x.shape)
    assert np.isfinite(filled).all()
    known = np.broadcast_to(keep[:, None], x.shape)
    np.testing.assert_array_equal(filled[known], x[known])
    assert (filled[~known] != x[~known]).mean() > 0.9
    rgb = record.denormalize(filled, clip=False)
    assert rgb.min() > -0.01
    assert rgb.max() < 1.01


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_what_its_images_give_alone(name):
    filler, x, keep, keys = open_or_skip(name), images(5), masks(5), seeds(5)
    together = filler.fill(x, keep, keys)
    own = filler.unpasted(x, keep, keys)
    for row in range(5):
        one = slice(row, row + 1)
        np.testing.assert_array_equal(filler.fill(x[one], keep[one], keys[one]), together[one])
        if own is not None:
            np.testing.assert_array_equal(filler.unpasted(x[one], keep[one], keys[one]), own[one])
    np.testing.assert_array_equal(filler.fill(x, keep, keys), together)
    order = [3, 0, 4]
    np.testing.assert_array_equal(filler.fill(x[order], keep[order], keys[order]), together[order])


@pytest.mark.parametrize("name", NAMES)
def test_unpasted_outputs_are_what_is_pasted(name):
    filler, x, keep = open_or_skip(name), images(4), masks(4)
    own = filler.unpasted(x, keep, seeds(4))
    assert (own is None) == (not filler.has_unpasted)
    if own is None:
        assert name in ("telea", "navier_stokes", "biharmonic", "learnt")
        return
    pasted = np.where(keep[:, None], x, own)
    np.testing.assert_array_equal(pasted, filler.fill(x, keep, seeds(4)))


@pytest.mark.parametrize("name", BY_MASK)
def test_what_is_hidden_does_not_matter(name):
    filler, x, keep = open_or_skip(name), images(4), masks(4)
    other = np.where(keep[:, None], x, images(4, seed=9))
    np.testing.assert_array_equal(
        filler.fill(other, keep, seeds(4)), filler.fill(x, keep, seeds(4))
    )


@pytest.mark.parametrize("name", NAMES)
def test_images_kept_whole_come_back(name):
    filler, x = open_or_skip(name), images(3)
    keep = masks(3)
    keep[1] = True
    np.testing.assert_array_equal(filler.fill(x, keep, seeds(3))[1], x[1])
    everything = np.ones_like(keep)
    np.testing.assert_array_equal(filler.fill(x, everything, seeds(3)), x)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_known_gives_the_mean_color_unless_static(name):
    filler, x, keep = open_or_skip(name), images(3), masks(3)
    keep[1] = False
    filled = filler.fill(x, keep, seeds(3))
    assert np.isfinite(filled).all()
    if not filler.static:
        np.testing.assert_array_equal(filled[1], make_baseline("mean", x, filler.preprocess)[1])
    np.testing.assert_array_equal(
        filled[[0, 2]], filler.fill(x[[0, 2]], keep[[0, 2]], seeds(3)[[0, 2]])
    )


@pytest.mark.parametrize("name", NAMES)
def test_one_known_pixel_is_enough(name):
    filler, x = open_or_skip(name), images(2)
    keep = np.zeros((2, *x.shape[2:]), bool)
    keep[0, 0, 0] = keep[1, 20, 20] = True
    filled = filler.fill(x, keep, seeds(2))
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("name", NAMES)
def test_static_means_one_image_for_all_masks(name):
    filler, x, keep = open_or_skip(name), images(4), masks(4)
    assert filler.static == (name in STATIC)
    if not filler.static:
        with pytest.raises(OptionError, match=f"{name}: the filling depends on the mask"):
            filler.image(x, seeds(4))
        return
    image = filler.image(x, seeds(4))
    for row_masks in (keep, keep[::-1], ~keep):
        np.testing.assert_array_equal(
            filler.fill(x, row_masks, seeds(4)), np.where(row_masks[:, None], x, image)
        )


@pytest.mark.parametrize("name", NAMES)
def test_seeds_matter_to_random_fillers_only(name):
    filler, x, keep = open_or_skip(name), images(2), masks(2)
    same = filler.fill(x, keep, np.array([3, 3])) == filler.fill(x, keep, np.array([3, 4]))
    assert same[0].all()
    assert same[1].all() == (name not in RANDOM)


@pytest.mark.parametrize("name", NAMES)
def test_sides_of_any_length(name):
    filler = open_or_skip(name)
    x = images(1, size=(9, 33))
    keep = masks(1, size=(9, 33))
    keep[0, 3:6, 4:20] = False
    assert filler.fill(x, keep, seeds(1)).shape == x.shape
    dot, hidden = images(1, size=(1, 1)), np.zeros((1, 1, 1), bool)
    assert np.isfinite(filler.fill(dot, hidden, seeds(1))).all()
    empty = filler.fill(x[:0], keep[:0], seeds(0))
    assert empty.shape == (0, *x.shape[1:])


@given(st.integers(5, 20), st.integers(5, 20), st.integers(0, 2**30))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_local_mean_and_gauss_keep_a_constant(height, width, seed):
    rng = np.random.default_rng(seed)
    x = np.full((1, 3, height, width), rng.normal(), np.float32)
    keep = rng.random((1, height, width)) < 0.8
    keep[0, 0, 0] = True
    for name in ("gauss10", "local_mean"):
        filled = open_filler(name, RECORDS["RGB"]).fill(x, keep, seeds(1))
        far = ~keep & (filled[:, 0] == 0)  # local mean: nothing known nearby
        np.testing.assert_allclose(filled[0][:, ~far[0]], x[0, 0, 0, 0], atol=1e-5)


def test_torch_tensors_stay_tensors():
    torch = pytest.importorskip("torch")
    filler, x, keep = open_filler("local_mean", RECORDS["RGB"]), images(2), masks(2)
    filled = filler.fill(torch.from_numpy(x), torch.from_numpy(keep), seeds(2))
    assert isinstance(filled, torch.Tensor)
    np.testing.assert_array_equal(filled.numpy(), filler.fill(x, keep, seeds(2)))


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("name", ["zero", "gauss10", "local_mean"])
def test_some_work_on_any_number_of_channels(name, channels):
    x = np.random.default_rng(0).normal(size=(2, channels, 40, 48)).astype(np.float32)
    keep = masks(2)
    keep[1] = False
    filled = open_filler(name, RECORDS["RGB"]).fill(x, keep, seeds(2))
    assert filled.shape == x.shape
    if channels == 4:
        first = open_filler(name, RECORDS["RGB"]).fill(x[:, :3], keep, seeds(2))
        np.testing.assert_array_equal(filled[:, :3], first)


@pytest.mark.parametrize("name", ["mean", "telea", "learnt"])
def test_wrong_inputs_are_refused_in_one_line(name):
    filler, x, keep = open_or_skip(name), images(2), masks(2)
    cases = [
        (x[:, :2], keep, seeds(2), ShapeError, r"\(2, 2, 40, 48\); expected float32"),
        (x.astype(np.float64), keep, seeds(2), ShapeError, "images are float64"),
        (x, keep.astype(np.float32), seeds(2), ShapeError, "keep is float32"),
        (x, keep[:1], seeds(2), ShapeError, r"keep is bool of shape \(1, 40, 48\)"),
        (x, keep, seeds(3), OptionError, "expected 2 whole numbers"),
        (x, keep, np.array([-1, 0]), OptionError, "seeds are int64"),
        (x, keep, np.array([0.5, 0]), OptionError, "seeds are float64"),
    ]
    for value in (np.nan, np.inf):
        bad = x.copy()
        bad[1, 0, 3, 3] = value
        cases.append((bad, keep, seeds(2), InputError, f"{name}: image 1 has NaN or infinite"))
    for given_images, given_keep, given_seeds, kind, text in cases:
        for call in (filler.fill, filler.unpasted) if filler.has_unpasted else (filler.fill,):
            with pytest.raises(kind, match=text) as caught:
                call(given_images, given_keep, given_seeds)
            assert "\n" not in str(caught.value)


def test_names_are_looked_up():
    with pytest.raises(OptionError, match=r'sp_g: filler "telae" is unknown; did you mean telea'):
        open_filler("telae", RECORDS["RGB"], owner="sp_g")
    with pytest.raises(OptionError, match="sp_g: filler is a int; give a name of zero"):
        open_filler(3, RECORDS["RGB"], owner="sp_g")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"nowhere.onnx: no such file"):
        open_filler("nowhere.onnx", RECORDS["RGB"])


def test_an_open_filler_passes_if_it_was_opened_for_these_colors():
    filler = open_filler("mean", RECORDS["RGB"])
    assert open_filler(filler, Preprocess(size=(32, 32))) is filler
    with pytest.raises(OptionError, match=r"sp_g: filler mean was opened for inputs with channels"):
        open_filler(filler, RECORDS["BGR"], owner="sp_g")


@pytest.mark.parametrize("name", NAMES)
def test_entries_are_complete(name):
    entry = FILLERS[name]
    assert entry.summary
    assert ("static" in entry.summary) == (name in STATIC)
    assert open_or_skip(name).description.startswith(name)
