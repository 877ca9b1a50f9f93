"""Pixel flipping, localization and the pointing game against Quantus."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from pooled import BATCH, CLASSES, INDEX, SIZE, X, write_network
from pooled_torch import pooled_module

from pysal.backends.ort import OrtClassifier
from pysal.metrics.insertion_deletion import insertion_deletion
from pysal.metrics.localization import weak_localization
from pysal.metrics.pointing_game import pointing_game
from pysal.truth import Region, Truth
from pysal.types import Target

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own imports
    quantus = pytest.importorskip(
        "quantus", reason="Quantus is not installed; see tests/parity/requirements.txt"
    )
    from quantus.helpers.utils import get_wrapped_model

RNG = np.random.default_rng(8)
MAPS = RNG.normal(size=(BATCH, SIZE, SIZE)).astype(np.float32)
BOXES = [
    (2, 3, 9, 12),
    (0, 0, 20, 5),
    (10, 10, 11, 11),
    (5, 1, 18, 19),
    (0, 7, 4, 20),
    (3, 3, 8, 8),
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[OrtClassifier, Any]:
    path = write_network(tmp_path_factory.mktemp("net") / "net.onnx")
    return OrtClassifier(path, threads=1), pooled_module(path).eval()


def masks() -> np.ndarray:
    found = np.zeros((BATCH, SIZE, SIZE), bool)
    for mask, (left, top, right, bottom) in zip(found, BOXES, strict=True):
        mask[top:bottom, left:right] = True
    return found


def truth() -> list[Truth]:
    return [
        Truth((SIZE, SIZE), None, (Region("thing", frozenset(range(CLASSES)), [box], mask),))
        for box, mask in zip(BOXES, masks(), strict=True)
    ]


def ask(metric: Any, pair: tuple[OrtClassifier, Any], **options: Any) -> np.ndarray:
    """What Quantus says of the maps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = metric(
            **{"model": pair[1], "x_batch": X, "y_batch": INDEX, "a_batch": MAPS[:, None]},
            **{"channel_first": True, "batch_size": BATCH, **options},
        )
    return np.asarray(found, np.float64)


@pytest.mark.parametrize("step", [7, 50])
def test_pixel_flipping_is_deletion_from_its_first_step_on(pair, step):
    # It flips single channels of pixels, so three times as many make whole pixels; its check of the
    # number of features forgets the channels, so the part behind the check is called.
    peer = quantus.PixelFlipping(
        features_in_step=3 * step, perturb_baseline=0.0, normalise=False, disable_warnings=True
    )
    model = get_wrapped_model(pair[1], channel_first=True, softmax=True, device=None)
    theirs = peer.evaluate_batch(model=model, x_batch=X, y_batch=INDEX, a_batch=MAPS[:, None])
    ours = insertion_deletion(
        pair[0], X, MAPS, Target(INDEX), protocol="rise", step=step, deletion_baseline="zero"
    )
    np.testing.assert_allclose(ours.curves["deletion"][:, 1:], theirs, rtol=1e-4, atol=1e-6)


def test_auc_of_localization(pair):
    peer = quantus.AUC(abs=False, normalise=False, disable_warnings=True)
    theirs = ask(peer, pair, s_batch=masks()[:, None])
    ours = weak_localization(pair[0], X, MAPS, Target(INDEX), truth=truth(), use="mask")
    np.testing.assert_allclose(ours.values["roc_auc"], theirs, rtol=1e-9)


def test_pointing_game(pair):
    peer = quantus.PointingGame(abs=False, normalise=False, disable_warnings=True)
    theirs = ask(peer, pair, s_batch=masks()[:, None])
    ours = pointing_game(
        pair[0], X, MAPS, Target(INDEX), truth=truth(), use="mask", tolerance=0, difficult="keep"
    )
    np.testing.assert_array_equal(ours.values["hit"], theirs)
    assert 0 < theirs.sum() < BATCH
