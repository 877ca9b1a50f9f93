import json

import numpy as np
import pytest

from pysal.datasets import an8flower_net as net_module
from pysal.datasets import an8flower_train
from pysal.datasets.an8flower_fit import Views, evaluate, train
from pysal.errors import OptionError

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
    return Views(images, masks, labels, np.arange(24))


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
    parts = {f"_{part}" for part in ("region_blurred", "rest_blurred", "all_blurred")}
    parts |= {"", "_region_grey", "_rest_grey"}
    assert set(result) == {"accuracy", *(f"probability{part}" for part in parts)}
    assert all(0 <= value <= 1 for value in result.values())


@pytest.mark.slow
def test_folds_are_trained_once(views, tmp_path, monkeypatch):
    monkeypatch.setattr(an8flower_train, "load_views", lambda variant: views)
    options = {"epochs": 6, "batch_size": 4}
    (record,) = an8flower_train.train_folds(tmp_path, ["part-2c"], [0], **options)
    place = tmp_path / "part-2c" / "fold0"
    assert json.loads((place / "metrics.json").read_text()) == record
    assert record["held_out_frames"] == list(range(8))
    assert record["held_out_images"] == 8
    assert record["hide"] == 0
    assert record["accuracy"] == 1
    assert record["probability_region_grey"] < record["probability"]
    names = (place / "held_out.txt").read_text().splitlines()
    assert len(names) == 2 * 8 * 25
    assert names[:2] == ["balls/img1/p1/r1.png", "balls/img1/p1/r2.png"]

    def missing(variant):
        raise AssertionError("rendered again")

    monkeypatch.setattr(an8flower_train, "load_views", missing)
    assert an8flower_train.train_folds(tmp_path, ["part-2c"], [0], **options) == [record]
    with pytest.raises(OptionError, match="made with epochs = 6; expected 2"):
        an8flower_train.train_folds(tmp_path, ["part-2c"], [0], epochs=2, batch_size=4)


@pytest.mark.parametrize("folds", ["5", "0,x", "", "1,,2", "-1"])
def test_command_line_says_which_folds_there_are(folds, capsys):
    with pytest.raises(SystemExit):
        an8flower_train.main(["--out", "nowhere", f"--folds={folds}"])
    assert "numbers from 0 to 4" in capsys.readouterr().err


def test_defaults_do_not_use_masks_but_the_demo_does():
    asked = an8flower_train.settings("double-12c", 2)
    assert asked["hide"] == 0
    assert asked["held_out_frames"] == list(range(16, 24))
    assert asked["labels"][::6] == ["red-flower", "red-stem"]
    assert an8flower_train.DEMO["hide"] > 0


def test_views_are_chosen_by_frame(views):
    chosen = views.of([5, 2])
    assert chosen.frames.tolist() == [2, 5]
    np.testing.assert_array_equal(chosen.images, views.images[[2, 5]])
    assert len(chosen) == 2


def test_hidden_evidence_is_taught_as_unsure(views):
    torch.manual_seed(0)
    pixels = torch.from_numpy(views.images).permute(0, 3, 1, 2).float() / 255
    masks = torch.from_numpy(views.masks)[:, None].float()
    wanted = torch.nn.functional.one_hot(torch.from_numpy(views.labels), 2).float()
    before = pixels.clone()
    varied, weights = net_module.augment_batch((pixels, masks, wanted), hide=0.5)
    assert torch.equal(pixels, before)
    assert varied.shape == pixels.shape
    assert float(varied.min()) >= 0
    assert float(varied.max()) <= 1
    assert torch.all(weights == 0.5)
    _, weights = net_module.augment_batch((pixels, None, wanted))
    assert torch.equal(weights, wanted)


def test_blur_keeps_constants_and_the_mean():
    flat = torch.full((1, 3, 40, 40), 0.3)
    assert torch.allclose(net_module.blur(flat, 6.0), flat, atol=1e-6)
    noise = torch.rand(1, 3, 40, 40)
    assert float(net_module.blur(noise, 3.0).std()) < 0.2 * float(noise.std())


def test_blur_is_a_convolution_mirrored_at_the_borders():
    rng = np.random.default_rng(0)
    line, sigma = rng.uniform(0, 1, 30), 2.0
    at = np.arange(-6, 7)
    weights = np.exp(-(at**2) / (2 * sigma**2))
    padded = np.pad(line, 6, mode="reflect")
    expected = np.convolve(padded, weights / weights.sum(), mode="valid")
    image = torch.from_numpy(line).float().expand(1, 3, 20, 30)
    np.testing.assert_allclose(net_module.blur(image, sigma)[0, 1, 7], expected, atol=1e-6)
    turned = net_module.blur(image.transpose(2, 3), sigma)
    np.testing.assert_allclose(turned[0, 1, :, 7], expected, atol=1e-6)
