import numpy as np
import pytest

from pysal.errors import OptionError

pytest.importorskip("pyvista")

from pysal.datasets import an8flower
from pysal.datasets.an8flower_scene import BACKGROUND

VARIANT = "single-6c"


@pytest.fixture(scope="module")
def view():
    return an8flower.render(VARIANT, "red", 3)


def test_same_call_gives_identical_pixels(view):
    again = an8flower.render(VARIANT, "red", 3)
    np.testing.assert_array_equal(view[0], again[0])
    np.testing.assert_array_equal(view[1], again[1])


def test_sizes_and_background(view):
    rgb, mask = view
    assert rgb.shape == (300, 300, 3)
    assert rgb.dtype == np.uint8
    assert mask.shape == (300, 300)
    assert mask.dtype == bool
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    assert (border == BACKGROUND).all()
    assert an8flower.render(VARIANT, "red", 3, size=64)[0].shape == (64, 64, 3)


@pytest.mark.parametrize("frame", [3, 24])
def test_mask_lies_on_the_plant_and_covers_the_class_colour(frame):
    rgb, mask = an8flower.render(VARIANT, "red", frame)
    assert 0.05 < mask.mean() < 0.2
    assert (rgb[mask] != BACKGROUND).any(axis=1).all()
    r, g, b = rgb.astype(int).transpose(2, 0, 1)
    red = (r > 2.5 * g) & (r > 2.5 * b)
    assert (red & mask).sum() > 0.95 * red.sum()
    # Mask pixels are those whose centre is on the flower: only its outline is blended.
    assert (red & mask).sum() > 0.95 * mask.sum()


def test_classes_differ_in_the_mask_only(view):
    rgb, mask = view
    other, other_mask = an8flower.render(VARIANT, "blue", 3)
    np.testing.assert_array_equal(mask, other_mask)
    differs = (rgb != other).any(axis=2)
    assert differs[mask].all()
    near = np.zeros_like(mask)
    for dy, dx in np.ndindex(3, 3):
        near |= np.roll(mask, (dy - 1, dx - 1), axis=(0, 1))
    assert not differs[~near].any()


def test_views_differ(view):
    assert (an8flower.render(VARIANT, "red", 4)[1] != view[1]).mean() > 0.002


def test_25_augmentations_of_250_pixels(view):
    pairs = list(an8flower.augment(*view))
    assert len(pairs) == 25
    assert {(rgb.shape, mask.shape) for rgb, mask in pairs} == {((250, 250, 3), (250, 250))}
    assert all(mask.dtype == bool and mask.any() for _, mask in pairs)
    assert len({rgb.tobytes() for rgb, _ in pairs}) == 25
    corners = np.array([rgb[(0, 0, -1, -1), (0, -1, 0, -1)] for rgb, _ in pairs[4::5]])
    assert (corners == BACKGROUND).all()


def test_image_and_mask_are_turned_alike():
    rgb = np.zeros((300, 300, 3), np.uint8)
    mask = np.zeros((300, 300), bool)
    rgb[120:170, 130:180] = 255
    mask[120:170, 130:180] = True
    for turned, shape in an8flower.augment(rgb, mask):
        white = turned[..., 0] > 200
        assert (white & shape).sum() > 0.95 * max(white.sum(), shape.sum()) - 250


def test_folds_part_the_frames():
    folds = an8flower.folds()
    assert len(folds) == 5
    assert sorted(frame for _, test in folds for frame in test) == list(range(40))
    for train, test in folds:
        assert not set(train) & set(test)
        assert len(train) == 32
    with pytest.raises(OptionError, match="k is 1"):
        an8flower.folds(k=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("triple", "red", 0), 'variant "triple"'),
        ((VARIANT, "green", 0), 'class "green"'),
        ((VARIANT, "red", 40), "frame is 40"),
        ((VARIANT, "red", 0, 3), "size is 3"),
    ],
)
def test_errors_name_what_was_given(arguments, message):
    with pytest.raises(OptionError, match=message):
        an8flower.render(*arguments)
    with pytest.raises(OptionError, match="at least 250"):
        next(an8flower.augment(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool)))


def test_many_frames_are_the_same_as_one_by_one(view):
    pairs = list(an8flower.render_frames(VARIANT, "red", [7, 3, 3]))
    for rgb, mask in pairs[1:]:
        np.testing.assert_array_equal(rgb, view[0])
        np.testing.assert_array_equal(mask, view[1])
    assert (pairs[0][1] != view[1]).any()
    with pytest.raises(OptionError, match="frame is 40"):
        an8flower.render_frames(VARIANT, "red", [0, 40])


def dominant(rgb, channels, others, factor=1.8):
    """Where some channels are all much stronger than the others."""
    strong, weak = rgb[..., channels].min(axis=2), rgb[..., others].max(axis=2)
    return strong.astype(float) > factor * weak


@pytest.mark.parametrize("frame", [24])
def test_stem_classes_show_their_colour_on_the_stem(frame):
    rgb, mask = an8flower.render("double-12c", "blue-stem", frame)
    flower_rgb, flower = an8flower.render("double-12c", "blue-flower", frame)
    assert 0.008 < mask.mean() < 0.025
    assert not (mask & flower).any()
    blue = dominant(rgb, [2], [0, 1])
    assert (blue & mask).sum() > 0.95 * blue.sum() > 0
    assert (blue & mask).sum() > 0.8 * mask.sum()
    # The stem is below the flower, which is plain.
    assert np.flatnonzero(mask.any(axis=1)).mean() > np.flatnonzero(flower.any(axis=1)).mean() + 30
    assert not dominant(rgb, [2], [0, 1])[flower].any()
    assert dominant(flower_rgb, [2], [0, 1])[flower].mean() > 0.9


def test_stem_classes_differ_in_the_mask_only():
    rgb, mask = an8flower.render("double-12c", "red-stem", 10)
    other, other_mask = an8flower.render("double-12c", "pink-stem", 10)
    np.testing.assert_array_equal(mask, other_mask)
    differs = (rgb != other).any(axis=2)
    assert differs[mask].all()
    assert (differs & ~mask).sum() < 0.6 * mask.sum()


@pytest.mark.parametrize("frame", [3])
def test_parts_are_what_the_classes_of_the_third_variant_have(frame):
    balls, on_flower = an8flower.render("part-2c", "balls", frame)
    thorns, on_stem = an8flower.render("part-2c", "thorns", frame)
    assert 0.01 < on_flower.mean() < 0.05
    assert 0.004 < on_stem.mean() < 0.02
    assert not (on_flower & on_stem).any()
    # Away from both parts and their smooth edges, the plants are the same.
    near = on_flower | on_stem
    for dy, dx in np.ndindex(3, 3):
        near |= np.roll(on_flower | on_stem, (dy - 1, dx - 1), axis=(0, 1))
    # Slivers thinner than a pixel colour it without holding its centre.
    assert (balls != thorns).any(axis=2)[~near].sum() < 20
    assert (balls != thorns).any(axis=2)[on_flower | on_stem].mean() > 0.95


def test_variants_have_the_classes_of_the_paper():
    assert [len(an8flower.classes(variant)) for variant in an8flower.VARIANTS] == [6, 12, 2]
    regions = {
        cls: look.region for table in an8flower.VARIANTS.values() for cls, look in table.items()
    }
    assert regions["red"] == regions["red-flower"] == ("flower",)
    assert regions["red-stem"] == ("stout_stem",)
    assert (regions["balls"], regions["thorns"]) == (("balls",), ("thorns",))
