"""Windows: what a unit sees of the image, by hand and by trying; crops at the border."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_network import FIELDS, ToyNetwork

from pysal.features.windows import Field, Window, crop, find_fields, shift_inside, window_of


@pytest.fixture
def clf():
    return ToyNetwork()


@pytest.fixture
def photos():
    return np.random.default_rng(3).normal(size=(1, 3, 16, 16)).astype(np.float32)


@pytest.mark.parametrize("layer", ["conv1", "relu1", "conv2", "relu2"])
def test_a_unit_sees_its_window_and_nothing_else(clf, photos, layer):
    """The fields by hand are those of the network: noise outside changes nothing, inside does."""
    fields = find_fields(clf.info, [layer], FIELDS)[layer]
    before = clf.activations(photos[:1], ["conv1", "conv2"])["conv" + layer[-1]]
    height, width = before.shape[2:]
    for row, column in ((0, 0), (1, 2), (height - 1, width - 1)):
        window = window_of(fields, row, column, (16, 16))
        inside = crop(np.ones((16, 16), np.float32), window, 0.0)
        assert inside.shape == (FIELDS[layer][0],) * 2
        shown = np.zeros((16, 16), bool)
        top, left = max(window.top, 0), max(window.left, 0)
        shown[top : window.top + window.height, left : window.left + window.width] = True
        for part, same in ((~shown, True), (shown, False)):
            changed = photos[:1] + 5 * part
            after = clf.activations(changed.astype(np.float32), ["conv1", "conv2"])
            after = after["conv" + layer[-1]]
            equal = np.array_equal(before[0, :, row, column], after[0, :, row, column])
            assert equal == same


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    top=st.integers(-9, 9),
    left=st.integers(-9, 9),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
)
def test_crops(top, left, height, width):
    image = np.arange(5 * 7 * 3, dtype=np.float32).reshape(5, 7, 3)
    fill = np.array([-1, -2, -3], np.float32)
    window = Window(top, left, height, width)
    found = crop(image, window, fill)
    for i in range(height):
        for j in range(width):
            y, x = top + i, left + j
            expected = image[y, x] if 0 <= y < 5 and 0 <= x < 7 else fill
            np.testing.assert_array_equal(found[i, j], expected)
    moved = shift_inside(window, (5, 7))
    assert 0 <= moved.top <= moved.top + moved.height <= 5
    assert 0 <= moved.left <= moved.left + moved.width <= 7
    assert (moved.height, moved.width) == (min(height, 5), min(width, 7))
    if 0 <= top <= 5 - height and 0 <= left <= 7 - width:
        assert moved == window


def test_fields_per_axis_and_with_a_half():
    rows, columns = Field(4, 2, 0.5), Field(1, 3, 0)
    assert window_of((rows, columns), 2, 1, (9, 9)) == Window(3, 3, 4, 1)
