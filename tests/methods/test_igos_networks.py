"""I-GOS on real networks and photos follows the naive torch implementation, noise off."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive_igos import blur51, naive_igos
from onnx_torch import to_torch

from pysal.methods.igos import igos
from pysal.photos import load_photos
from pysal.types import Target

NETWORKS = ("squeezenet1.1", "mobilenet_v2")
PHOTO = "000000000009"


@pytest.fixture
def single_thread():
    """Torch on one thread: on a busy machine its threads wait for each other far longer."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("single_thread")
@pytest.mark.parametrize("network", NETWORKS)
def test_mask_follows_the_naive_one(data, network):
    """15 iterations of 20 points; largest difference of any mask cell 1e-3.

    The judge is float64. Late steps change the objective by about 1e-6, so rounding picks among
    them, in the naive float32 run as well; where that alone goes further, twice as far is allowed.
    """
    backend = pytest.importorskip("pysal.backends.ort")
    model = data / "models" / f"{network}.onnx"
    clf = backend.OrtClassifier(model)
    batch = load_photos([data / "photos" / f"{PHOTO}.jpg"], clf.preprocess).batch
    target = Target(clf.score(batch).argmax(axis=1))
    result = igos(clf, batch, target, noise="off")
    masks, losses = [], []
    for dtype in (torch.float64, torch.float32):
        image = torch.from_numpy(batch).to(dtype)
        judge = to_torch(model, dtype)
        mask, trace = naive_igos(judge, image, blur51(image), int(target.index[0]))
        masks.append(mask[0, 0].numpy())
        losses.append(trace.losses)
    rounding = np.abs(masks[1] - masks[0]).max()
    difference = np.abs(1 - result.native[0] - masks[0]).max()
    assert difference <= max(1e-3, 2 * rounding)
    # The naive run does not evaluate a step that it takes untested.
    known = np.isfinite(losses[0])
    np.testing.assert_allclose(
        result.trace["loss"][0, known], np.array(losses[0])[known], atol=1e-4
    )
