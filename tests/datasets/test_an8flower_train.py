import json

import numpy as np
import pytest

from pysal.datasets import an8flower_net as net_module
from pysal.datasets.an8flower_train import Views, evaluate, train

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

LABELS = ("red", "blue")


@pytest.fixture(scope="module")
def views():
    """Two colours in a square: the task in small."""
    rng = np.random.default_rng(0)
    images = rng.integers(150, 200, (24, 112, 112, 3), np.uint8)
    labels = np.arange(24) % 2
    masks = np.zeros((24, 112, 112), bool)
    masks[:, 30:70, 40:90] = True
    images[masks] = 30
    for image, mask, label in zip(images, masks, labels, strict=True):
        image[mask, 2 * label] = 230
    return Views(images, masks, labels)


@pytest.mark.slow
def test_training_is_seeded_and_the_file_is_complete(views, tmp_path):
    first, again = (train(views, 2, epochs=2, seed=1, batch_size=8) for _ in range(2))
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    path = tmp_path / "net.onnx"
    assert net_module.export_onnx(first, path, LABELS) < 1e-5
    model = onnx.load(path)
    metadata = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert metadata["pysal.labels"] == list(LABELS)
    assert metadata["pysal.preprocess"]["output_kind"] == "probabilities, shape (N, 2)"
    assert not any(node.metadata_props for node in model.graph.node)
    result = evaluate(path, views, 2)
    assert set(result) >= {"accuracy", "probability", "probability_flower_blurred"}
    assert all(0 <= value <= 1 for value in result.values())


def test_hidden_evidence_is_taught_as_unsure(views, monkeypatch):
    monkeypatch.setattr(net_module, "HIDE", 0.5)
    torch.manual_seed(0)
    pixels = torch.from_numpy(views.images).permute(0, 3, 1, 2).float() / 255
    masks = torch.from_numpy(views.masks)[:, None].float()
    wanted = torch.nn.functional.one_hot(torch.from_numpy(views.labels), 2).float()
    before = pixels.clone()
    varied, weights = net_module.augment_batch((pixels, masks, wanted))
    assert torch.equal(pixels, before)
    assert varied.shape == pixels.shape
    assert float(varied.min()) >= 0
    assert float(varied.max()) <= 1
    assert torch.all(weights == 0.5)


def test_blur_keeps_constants_and_the_mean():
    flat = torch.full((1, 3, 40, 40), 0.3)
    assert torch.allclose(net_module.blur(flat, 6.0), flat, atol=1e-6)
    noise = torch.rand(1, 3, 40, 40)
    assert float(net_module.blur(noise, 3.0).std()) < 0.2 * float(noise.std())
