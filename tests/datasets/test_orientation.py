import numpy as np
import pytest
from PIL import Image, ImageOps

from pysal.datasets.orientation import stored_frame, upright
from pysal.errors import InputError
from pysal.truth import Region, Truth


def box_of(mask):
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def save(path, mask, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(mask.astype(np.uint8) * 255).save(path, exif=exif)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_and_masks_turn_as_pillow_turns_the_photo(tmp_path, orientation, suffix):
    mask = np.zeros((24, 40), bool)
    mask[3:9, 20:25] = mask[4, 20:33] = True
    path = tmp_path / f"photo.{suffix}"
    save(path, mask, orientation)
    size, found = stored_frame(path)
    assert (size, found) == ((24, 40), orientation)
    region = Region("thing", frozenset({1}), np.array([box_of(mask)], float), mask)
    turned = upright(Truth(size, 1, (region,)), found)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image)) > 127
    assert turned.size == expected.shape
    np.testing.assert_array_equal(turned.regions[0].mask, expected)
    np.testing.assert_array_equal(turned.regions[0].boxes, [box_of(expected)])
    assert turned.label == 1


def test_no_or_odd_orientation_is_upright(tmp_path):
    mask = np.zeros((4, 6), bool)
    Image.fromarray(mask).save(tmp_path / "plain.png")
    assert stored_frame(tmp_path / "plain.png") == ((4, 6), 1)
    save(tmp_path / "odd.png", mask, 9)
    assert stored_frame(tmp_path / "odd.png") == ((4, 6), 1)


def test_errors_name_the_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        stored_frame(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no photo")
    with pytest.raises(InputError, match=r"text\.png: cannot be read"):
        stored_frame(tmp_path / "text.png")
