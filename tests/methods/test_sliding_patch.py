"""SP against a loop written from its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy import ToyClassifier

from pysal.errors import InputError, OptionError
from pysal.methods import METHODS
from pysal.methods.sliding_patch import sliding_patch
from pysal.types import Target


@pytest.fixture
def clf():
    return ToyClassifier(size=20)


def naive(clf, x, c, fill, patch, stride):
    """Methods specification 5.1, steps 1 and 2."""
    whole = clf.score(x[None])[0, c]
    rows = []
    for top in range(0, x.shape[1] - patch[0] + 1, stride[0]):
        row = []
        for left in range(0, x.shape[2] - patch[1] + 1, stride[1]):
            xb = x.copy()
            part = (slice(None), slice(top, top + patch[0]), slice(left, left + patch[1]))
            xb[part] = fill[part]
            row.append(whole - clf.score(xb[None])[0, c])
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(("patch", "stride"), [(5, 3), ((4, 7), (2, 5)), (1, 6), (20, 1)])
def test_is_the_loop(clf, patch, stride):
    batch = clf.photos(2)
    target = clf.top(batch)
    fill = np.random.default_rng(0).normal(size=batch.shape).astype(np.float32)
    result = sliding_patch(clf, batch, target, patch=patch, stride=stride, baseline=fill)
    pairs = [value if isinstance(value, tuple) else (value, value) for value in (patch, stride)]
    for i, c in enumerate(target.index):
        expected = naive(clf, batch[i], c, fill[i], *pairs)
        assert result.native[i].shape == expected.shape
        np.testing.assert_allclose(result.native[i], expected, atol=1e-6)
    assert (result.native >= -1).all()
    assert (result.native <= 1).all()
    assert result.options["baseline"] == "given"


def test_negative_values_stay(clf):
    """Hiding another class's evidence raises the score."""
    batch = clf.photos(4)
    other = Target((clf.top(batch).index + 1) % 4)
    with pytest.warns(UserWarning, match="below 0.01"):
        result = sliding_patch(clf, batch * 2, other, patch=7, stride=2)
    assert (result.native < 0).any()


def test_published_sizes():
    """29 and 3 on 224 give 66 x 66; the classifier is not asked here."""
    from pysal.perturb.windows import make_windows

    windows = make_windows("sliding_patch", 29, 3, (224, 224))
    assert windows.shape == (66, 66)
    defaults = METHODS["sliding_patch"].load().__kwdefaults__
    assert (defaults["patch"], defaults["stride"], defaults["baseline"]) == (29, 3, "mean")


@pytest.mark.parametrize(("upsampling", "align"), [("centred", False), ("aligned", True)])
def test_upsampling_is_that_of_torch(clf, upsampling, align):
    batch = clf.photos(2)
    result = sliding_patch(clf, batch, clf.top(batch), patch=6, stride=3, upsampling=upsampling)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(result.native)[:, None], (20, 20), mode="bilinear", align_corners=align
    )
    np.testing.assert_allclose(result.map, expected[:, 0].numpy(), atol=1e-6)


def test_placed_values_stand_at_the_centres(clf):
    batch = clf.photos(2)
    result = sliding_patch(clf, batch, clf.top(batch), patch=5, stride=3, upsampling="placed")
    np.testing.assert_allclose(result.map[:, 2:18:3, 2:18:3], result.native, atol=1e-6)
    np.testing.assert_allclose(
        result.map[:, :2, :2], result.map[:, 2:3, 2:3].repeat(2, 1).repeat(2, 2)
    )
    between = (result.native[:, :1, :1] + 2 * result.native[:, :1, 1:2]) / 3
    np.testing.assert_allclose(result.map[:, 2:3, 4:5], between, atol=1e-6)


def test_baselines_are_checked(clf):
    batch = clf.photos(1)
    with pytest.raises(OptionError, match='baseline "grey" is unknown'):
        sliding_patch(clf, batch, clf.top(batch), patch=3, baseline="grey")
    with pytest.raises(InputError, match="NaN"):
        sliding_patch(clf, batch, clf.top(batch), patch=3, baseline=np.full(batch.shape, np.nan))
