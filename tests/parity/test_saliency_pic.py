"""AIC and SIC against the PAIR library, and areas against scikit-learn, where installed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from toy import ToyClassifier

from pysal.metrics.performance_information import THRESHOLDS, aggregate_aic_sic, aic_sic
from pysal.metrics.performance_pictures import to_pictures
from pysal.metrics.performance_reveal import interpolated, random_mask
from pysal.ranking import area_under
from pysal.types import Target

SIZE = 20
SHARES = THRESHOLDS[:-2]
"""Of the last two, pictures may be as large as the image: where levels are equal, the library's
curve depends on the order of the points, and pysal's has the best of them."""


def scene(seed):
    """A coloured picture with detail, which no interpolation keeps: information levels differ."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8))
    rgb = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) / 255
    return np.rint(255 * np.clip(rgb + rng.normal(scale=0.1, size=rgb.shape), 0, 1))


class Detail(ToyClassifier):
    """Surer the more detail there is: classes differ in how much of it they ask for."""

    def _logits(self, x):
        rough = np.abs(np.diff(x.astype(np.float64), axis=2)).mean()
        return np.array([12 * (rough - 0.25), 0.0, -5.0, -5.0])


@pytest.fixture
def library(monkeypatch):
    peer = pytest.importorskip("saliency.metrics.pic")
    # The library calls a function that numpy 2 has renamed.
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    return peer


@pytest.mark.parametrize("monotone", [True, False])
def test_curves(library, monotone):
    clf = Detail(size=SIZE)
    rgb = np.stack([scene(seed) for seed in range(4)]).astype(np.float32)
    batch = clf.preprocess.normalize(rgb / np.float32(255))
    pictures = to_pictures(clf, batch)
    np.testing.assert_array_equal(pictures, rgb)
    maps = np.random.default_rng(0).normal(size=(4, SIZE, SIZE))
    maps[1] = np.rint(maps[1])
    target = Target(np.zeros(4, int))
    options = {"thresholds": SHARES, "keep_monotonous": monotone, "min_score": 0.5, "seed": 7}
    found = aic_sic(clf, batch, maps, target, **options)
    compared = {"sic": [], "aic": []}
    for i, picture in enumerate(pictures):
        for name, curves in compared.items():

            def predict(shown, name=name):
                values = shown.astype(np.float32) / np.float32(255)
                scores = clf.score(clf.preprocess.normalize(values))
                return scores[:, 0] if name == "sic" else (scores.argmax(axis=1) == 0) * 1.0

            try:
                theirs = library.compute_pic_metric(
                    picture,
                    maps[i],
                    random_mask(picture, 0.01, 7),
                    predict,
                    SHARES,
                    min_pred_value=0.5,
                    keep_monotonous=monotone,
                )
            except library.ComputePicMetricError:
                assert np.isnan(found.values[name][i])
                continue
            np.testing.assert_allclose(found.curves["information"], theirs.curve_x, atol=1e-15)
            np.testing.assert_allclose(found.curves[name][i], theirs.curve_y, atol=1e-6)
            assert found.values[name][i] == pytest.approx(theirs.auc, abs=1e-6)
            curves.append(theirs)
    for name, curves in compared.items():
        assert len(curves) >= 3, "too few images count: the comparison says nothing"
        whole = library.aggregate_individual_pic_results(curves)
        assert aggregate_aic_sic(found)[f"{name}_median"] == pytest.approx(whole.auc, abs=1e-6)


@pytest.mark.parametrize("share", [0, 0.03, 0.4, 0.9, 1])
def test_pictures(library, share):
    picture = scene(0).astype(np.uint8)
    known = np.random.default_rng(1).random((SIZE, SIZE)) < share
    theirs = library.create_blurred_image(picture, known)
    np.testing.assert_array_equal(interpolated(picture, known), theirs)


def test_bytes(library):
    from pysal.similarity.entropy import webp_bytes

    for seed in range(3):
        picture = scene(seed).astype(np.uint8)
        assert webp_bytes(picture) == library.estimate_image_entropy(picture)


def test_areas():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    abscissa = np.sort(rng.random(30))
    curves = rng.random((5, 30))
    expected = [metrics.auc(abscissa, curve) for curve in curves]
    np.testing.assert_allclose(area_under(curves, abscissa), expected, rtol=1e-12)
