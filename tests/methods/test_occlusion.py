"""Occlusion against loops written from its two definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import ToyClassifier

from pysal.methods.occlusion import occlusion


def naive(clf, x, c, patch, stride, overlap, border):
    """Every window by itself, on zeros."""
    height, width = x.shape[1:]
    whole = clf.score(x[None])[0, c]
    total, count = np.zeros((height, width)), np.zeros((height, width))

    def starts(length, size, step):
        if border == "inside":
            return range(0, length - size + 1, step)
        return [k * step for k in range(-(-(length - size) // step) + 1)]

    for top in starts(height, patch[0], stride[0]):
        for left in starts(width, patch[1], stride[1]):
            rows, columns = slice(top, top + patch[0]), slice(left, left + patch[1])
            xb = x.copy()
            xb[:, rows, columns] = 0
            total[rows, columns] += whole - clf.score(xb[None])[0, c]
            count[rows, columns] += 1
    return total if overlap == "add" else total / np.where(count > 0, count, 1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    patch=st.tuples(*[st.integers(1, 11)] * 2),
    stride=st.tuples(*[st.integers(1, 13)] * 2),
    overlap=st.sampled_from(["add", "average"]),
    border=st.sampled_from(["inside", "cut"]),
)
def test_is_the_loop(patch, stride, overlap, border):
    clf = ToyClassifier(size=12)
    batch = clf.photos(2)
    options = {"patch": patch, "stride": stride, "overlap": overlap, "border": border}
    result = occlusion(clf, batch, clf.top(batch), **options)
    for i, c in enumerate(result.target.index):
        expected = naive(clf, batch[i], c, patch, stride, overlap, border)
        np.testing.assert_allclose(result.native[i], expected, atol=1e-5)
    np.testing.assert_array_equal(result.map, result.native)


def test_pixels_without_a_window_have_zero():
    clf = ToyClassifier(size=12)
    batch = clf.photos(1)
    for overlap in ("add", "average"):
        options = {"patch": 2, "stride": 5, "overlap": overlap}
        result = occlusion(clf, batch, clf.top(batch), **options)
        assert not result.native[0, 2:5].any()
        assert not result.native[0, :, 7:10].any()
        assert result.native[0, :2, :2].all()


def test_drops_are_kept():
    clf = ToyClassifier(size=12)
    batch = clf.photos(2)
    result = occlusion(clf, batch, clf.top(batch), patch=12, stride=3)
    assert result.trace["drop"].shape == (2, 1, 1)
    np.testing.assert_allclose(
        result.native, np.broadcast_to(result.trace["drop"], (2, 12, 12)), rtol=1e-6
    )
