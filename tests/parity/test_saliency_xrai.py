"""XRAI against the library of its authors, where that is installed (pip install saliency)."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from toy import ToyClassifier

from pysal.methods.xrai import xrai
from pysal.methods.xrai_greedy import rank_regions
from pysal.segments import Regions, felzenszwalb
from pysal.types import Target

peer = pytest.importorskip("saliency.core.xrai")


def scene(size, seed):
    """A smooth coloured picture with detail, RGB in [0, 1]."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), np.uint8))
    rgb = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC)) / 255
    return np.clip(rgb + rng.normal(scale=0.02, size=rgb.shape), 0, 1)


@pytest.mark.parametrize("size", [(224, 224), (96, 130)])
@pytest.mark.parametrize("fast", [False, True])
def test_segments_values_and_ranks(size, fast):
    image = scene(size, 1)
    masks = peer._get_segments_felzenszwalb(image)
    regions = Regions.from_labels(felzenszwalb(image[None])[0], 5)
    np.testing.assert_array_equal(regions.masks(), masks)
    base = np.random.default_rng(2).normal(size=size).astype(np.float32)
    theirs = peer.XRAI._xrai_fast if fast else peer.XRAI._xrai
    value, rank = theirs(base.astype(float), list(masks), integer_segments=True)
    found = rank_regions(base, regions, fast=fast)
    np.testing.assert_allclose(found.value, value, atol=1e-12)
    np.testing.assert_array_equal(found.rank, rank)


@pytest.mark.parametrize("mode", ["full", "fast"])
def test_the_whole_method(mode):
    clf = ToyClassifier(size=48)
    batch = clf.preprocess.normalize(np.stack([scene((48, 48), k) for k in (3, 4)]))
    target = clf.top(batch)
    found = xrai(clf, batch, target, steps=20, mode=mode, ranks=True, resize=None, min_size=20)
    options = peer.XRAIParameters(algorithm=mode, steps=20, return_xrai_segments=True)
    rgb = clf.preprocess.denormalize(batch)
    labels = felzenszwalb(rgb, resize=None, min_size=20)
    for i, c in enumerate(target.index):

        def call(x_value_batch, call_model_args=None, expected_keys=None, c=c):
            x = np.ascontiguousarray(np.moveaxis(x_value_batch, -1, 1), np.float32)
            _, grad = clf.value_and_grad(x, Target(np.full(len(x), c)))
            return {expected_keys[0]: np.moveaxis(grad, 1, -1)}

        theirs = peer.XRAI().GetMaskWithDetails(
            np.moveaxis(batch[i], 0, -1).astype(float),
            call,
            segments=list(Regions.from_labels(labels[i], 5).masks()),
            extra_parameters=options,
            batch_size=8,
        )
        scale = np.abs(theirs.attribution_mask).max()
        np.testing.assert_allclose(found.native[i], theirs.attribution_mask, atol=1e-5 * scale)
        np.testing.assert_array_equal(found.trace["rank"][i], theirs.segments)
