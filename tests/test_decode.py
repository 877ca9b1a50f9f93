"""The part of a photo that a network sees, against what decoding really shows."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from pysal.decode import decode, visible_box
from pysal.preprocess import Preprocess


def coordinates(height, width):
    """A photo whose red tells where a pixel is across, and whose green tells where down."""
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    red, green = np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))
    return Image.fromarray(np.rint(255 * np.dstack([red, green, red])).astype(np.uint8))


def side(most):
    return st.integers(4, most)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(side(120), st.one_of(side(120), side(3000))),
    st.booleans(),
    st.tuples(side(24), side(24)),
    st.one_of(st.none(), side(40)),
)
@example((480, 640), False, (224, 224), 256)
@example((500, 333), False, (112, 112), 112)
@example((10, 2000), True, (8, 8), 10)
@example((30, 90), False, (24, 8), 12)
def test_box_is_where_the_decoded_pixels_come_from(photo, turned, size, shorter):
    photo = photo[::-1] if turned else photo
    record = Preprocess(size=size, resize_shorter_side=shorter)
    left, top, right, bottom = visible_box(photo, record)
    seen = decode(coordinates(*photo), "photo", record)
    for channel, first, last, length, pixels in (
        (0, left, right, photo[1], size[1]),
        (1, top, bottom, photo[0], size[0]),
    ):
        assert -1e-9 <= first < last <= length + 1e-9
        found = seen.mean(axis=channel)[:, channel]
        step = (last - first) / pixels
        expected = (first + step * (np.arange(pixels) + 0.5)) / length
        # Eight bits, and filters that are cut off at the border of the photo.
        np.testing.assert_allclose(found, expected, atol=1.5 / 255 + max(step, 1) / length)


def test_usual_crop_has_known_edges():
    record = Preprocess(size=(224, 224), resize_shorter_side=256)
    # 640 x 480 becomes 341 x 256 of which columns 58 to 282 and rows 16 to 240 are seen.
    box = visible_box((480, 640), record)
    np.testing.assert_allclose(box, (58 * 640 / 341, 30.0, 282 * 640 / 341, 450.0))


def test_a_box_drawn_on_the_photo_is_found_where_the_box_says():
    photo = np.full((400, 700, 3), 255, np.uint8)
    photo[100:250, 300:420] = (255, 0, 0)
    record = Preprocess(size=(100, 100), resize_shorter_side=120)
    left, top, right, bottom = visible_box((400, 700), record)
    red = decode(Image.fromarray(photo), "photo", record)[..., 1] < 0.5
    rows, columns = (np.flatnonzero(red.any(axis=axis)) for axis in (1, 0))
    found = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    scale = 100 / (right - left), 100 / (bottom - top)
    expected = [
        (edge - start) * factor
        for edge, start, factor in zip(
            (300, 100, 420, 250), (left, top) * 2, scale * 2, strict=True
        )
    ]
    np.testing.assert_allclose(found, expected, atol=1)


def test_no_resize_of_the_shorter_side_sees_everything():
    record = Preprocess(size=(30, 50), resize_shorter_side=None, crop="none")
    assert visible_box((70, 20), record) == (0, 0, 20, 70)
