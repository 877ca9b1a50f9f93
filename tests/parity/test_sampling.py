"""LIME against its own package, occlusion against PAIR's saliency and captum."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import skimage.data
import torch
from toy import ToyClassifier

from pysal.methods.lime import lime
from pysal.methods.occlusion import occlusion
from pysal.perturb.drawn import switches
from pysal.types import Target

MISSING = "{} is not installed; see tests/parity/requirements.txt"
LABELS = np.kron(np.arange(16).reshape(4, 4), np.ones((4, 4), int))


@pytest.fixture
def clf():
    return ToyClassifier()


class Given(np.random.RandomState):
    """Gives rows that have been drawn elsewhere."""

    rows = None

    def randint(self, low, high=None, size=None, dtype=int):
        if size is not None and self.rows is not None and size == self.rows.size:
            return self.rows.astype(int).ravel()
        return super().randint(low, high, size, dtype)


def explain_with_package(clf, x, c, samples, *, hide, rows=None, segments=None, seed=0, width=0.25):
    """Coefficients by segment, intercept, score and segments of the package `lime`."""
    image = pytest.importorskip("lime.lime_image", reason=MISSING.format("lime"))
    state = Given(seed)
    state.rows = rows
    explainer = image.LimeImageExplainer(kernel_width=width, random_state=state)
    explanation = explainer.explain_instance(
        x.transpose(1, 2, 0).astype(np.float64),
        lambda images: clf.score(images.transpose(0, 3, 1, 2).astype(np.float32)),
        labels=(c,),
        hide_color=hide,
        top_labels=None,
        num_samples=samples,
        segmentation_fn=None if segments is None else lambda _: segments,
        random_seed=42,
    )
    found = dict(explanation.local_exp[c])
    coefficients = np.array([found[s] for s in range(len(found))])
    return coefficients, explanation.intercept[c], explanation.score, explanation.segments


@pytest.mark.parametrize(("fill", "hide"), [("zero", 0), ("superpixel", None)])
@pytest.mark.parametrize("width", [0.25, 0.6])
def test_lime_is_the_package_with_the_same_rows(clf, fill, hide, width):
    batch = clf.photos(3)
    target = clf.top(batch)
    options = {"segments": LABELS, "samples": 120, "fill": fill, "kernel_width": width}
    result = lime(clf, batch, target, **options)
    rows = switches(0, 120, 16, 0.5)
    for i, c in enumerate(target.index):
        coefficients, intercept, r2, _ = explain_with_package(
            clf, batch[i], int(c), 120, hide=hide, rows=rows, segments=LABELS, width=width
        )
        np.testing.assert_allclose(result.trace["coefficients"][i], coefficients, atol=2e-6)
        np.testing.assert_allclose(result.trace["intercept"][i], intercept, atol=2e-6)
        np.testing.assert_allclose(result.trace["r2"][i], r2, atol=2e-5)


def test_lime_and_the_package_agree_with_rows_of_their_own(clf):
    """As far as their standard errors say."""
    batch = clf.photos(1)
    target = clf.top(batch)
    result = lime(clf, batch, target, segments=LABELS, samples=1000, fill="zero")
    coefficients, *_ = explain_with_package(
        clf, batch[0], int(target.index[0]), 1000, hide=0, segments=LABELS, seed=5
    )
    own, error = result.trace["coefficients"][0], result.trace["standard_error"][0]
    assert (np.abs(own - coefficients) < 4 * np.sqrt(2) * error).all()
    assert np.corrcoef(own, coefficients)[0, 1] > 0.98


def test_quickshift_is_that_of_the_package():
    """Of the same picture: ours is the RGB of 8 bits, so the package gets that."""
    clf = ToyClassifier(size=64)
    rgb = skimage.data.astronaut()[::8, ::8][None] / 255.0
    batch = clf.preprocess.normalize(rgb)
    *_, segments = explain_with_package(clf, rgb[0].transpose(2, 0, 1), 0, 2, hide=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = lime(clf, batch, Target([0]), segments="quickshift", samples=20, labels=True)
    _, labels = np.unique(segments, return_inverse=True)
    assert labels.max() >= 3
    np.testing.assert_array_equal(result.trace["labels"][0], labels.reshape(64, 64))


def test_occlusion_is_that_of_the_pair_library(clf):
    saliency = pytest.importorskip("saliency.core", reason=MISSING.format("saliency"))
    batch = clf.photos(2)
    target = clf.top(batch)
    result = occlusion(clf, batch, target, patch=5)
    for i, c in enumerate(target.index):

        def call(x, call_model_args=None, expected_keys=None, c=c):
            scores = clf.score(x.transpose(0, 3, 1, 2).astype(np.float32))
            return {saliency.base.OUTPUT_LAYER_VALUES: scores[:, c]}

        image = batch[i].transpose(1, 2, 0).astype(np.float64)
        expected = saliency.Occlusion().GetMask(image, call, size=5, value=0)
        np.testing.assert_allclose(result.native[i], expected[..., 0], atol=1e-5)


@pytest.mark.parametrize(("patch", "stride"), [(5, 1), (6, 4), ((3, 7), (2, 5))])
def test_occlusion_is_that_of_captum(clf, patch, stride):
    attr = pytest.importorskip("captum.attr", reason=MISSING.format("captum"))
    batch = clf.photos(2)
    target = clf.top(batch)
    options = {"patch": patch, "stride": stride, "overlap": "average", "border": "cut"}
    result = occlusion(clf, batch, target, **options)
    size, step = (
        value if isinstance(value, tuple) else (value, value) for value in (patch, stride)
    )
    peer = attr.Occlusion(lambda x: torch.from_numpy(clf.score(x.numpy())))
    expected = peer.attribute(
        torch.from_numpy(batch),
        sliding_window_shapes=(3, *size),
        strides=(3, *step),
        target=torch.from_numpy(target.index),
        baselines=0,
    )
    np.testing.assert_allclose(result.native, expected[:, 0].numpy(), atol=1e-5)
