"""Blur IG on the analytic classifier; IDGI is in test_idgi.py."""

from __future__ import annotations

import numpy as np
import pytest
from naive_paths import naive_blur, naive_blur_ig
from toy import ToyClassifier

from pysal.methods import METHODS
from pysal.methods.blur_ig import blur_ig
from pysal.types import Passes


@pytest.fixture
def clf():
    return ToyClassifier(size=11)


@pytest.mark.parametrize("spacing", ["linear", "sqrt"])
def test_follows_the_naive_implementation_on_the_picture_itself(clf, spacing):
    """The naive one blurs RGB with black outside and normalizes what the network sees."""
    batch = clf.photos(2)
    target = clf.top(batch)
    clf.passes = Passes()
    options = {"steps": 22, "sigma_max": 6.0, "spacing": spacing, "channels": True}
    result = blur_ig(clf, batch, target, **options)
    assert result.passes == clf.passes == Passes(2 * 24, 2 * 22)
    pictures = clf.preprocess.denormalize(batch, clip=False).transpose(0, 3, 1, 2).astype(float)
    std = np.array(clf.preprocess.std).reshape(3, 1, 1)
    for i in range(2):

        def g(picture, one=target[i : i + 1]):
            x = clf.preprocess.normalize(picture.transpose(1, 2, 0)[None])
            return clf.value_and_grad(x, one)[1][0] / std

        root = spacing == "sqrt"
        expected, blurred = naive_blur_ig(pictures[i], 0.0, g, 22, 6.0, 0.01, root)
        np.testing.assert_allclose(result.trace["channels"][i], expected, atol=1e-5)
        x = clf.preprocess.normalize(blurred[-1].transpose(1, 2, 0)[None])
        start = clf.score(x)[0, target.index[i]]
        assert result.trace["score"][i, 0] == pytest.approx(start, abs=1e-6)


def test_residual(clf):
    batch = clf.photos(3)
    target = clf.top(batch)
    result = blur_ig(clf, batch, target, sigma_max=5.0, steps=400, reduce="sum")
    black = clf.preprocess.normalize(np.zeros((1, 11, 11, 3)))[0].astype(float)
    for i, c in enumerate(target.index):
        far = naive_blur(batch[i].astype(float), black, 5.0)
        change = result.score[i] - clf.score(far[None].astype(np.float32))[0, c]
        gap = abs(result.native[i].sum() - change)
        assert result.trace["residual"][i] == pytest.approx(gap / abs(change), abs=1e-4)
    assert (result.trace["residual"] < 0.05).all()


def test_a_black_image_is_its_own_blur(clf):
    black = clf.preprocess.normalize(np.zeros((1, 11, 11, 3)))
    with pytest.warns(UserWarning, match="zero everywhere"):
        result = blur_ig(clf, black, clf.top(black), steps=5)
    np.testing.assert_allclose(result.trace["score"][0], result.score[0], atol=1e-6)


def test_registry_line():
    assert METHODS["blur_ig"].load() is blur_ig
    assert METHODS["blur_ig"].kind == "probability"
