"""The inpainter that comes with pysal: its file, its record, and how well it fills."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from filler_cases import RECORDS, masks, seeds

from pysal.baselines import make_baseline
from pysal.datasets.inpainting_images import PHOTOS
from pysal.datasets.inpainting_scenes import render_scene
from pysal.errors import MissingDependencyError
from pysal.fillers import open_filler
from pysal.fillers.learnt import MODEL
from pysal.photos import load_photos

RGB = RECORDS["RGB"]


@pytest.fixture(scope="module")
def learnt():
    pytest.importorskip("onnxruntime")
    return open_filler("learnt", RGB)


def errors(name, batch, keep):
    """Mean absolute error in the hole, per image, in grey levels."""
    filled = open_filler(name, RGB).fill(batch, keep, seeds(len(batch)))
    difference = 255 * np.abs(RGB.denormalize(filled) - RGB.denormalize(batch)).mean(axis=3)
    return np.array([d[~k].mean() for d, k in zip(difference, keep, strict=True)])


def test_file_is_small_standard_and_states_its_training(learnt):
    model = onnx.load(MODEL)
    onnx.checker.check_model(model, full_check=True)
    assert MODEL.stat().st_size < 500_000
    assert {entry.domain for entry in model.opset_import} == {""}
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    training = learnt.training()
    assert training["license"] == "Apache-2.0"
    assert training["photos"] == PHOTOS
    assert training["made_by"].endswith("pysal.datasets.inpainting_train")
    assert not learnt.record.assumed
    assert learnt.record.multiple == 32


@pytest.mark.parametrize("size", [(64, 64), (112, 112), (224, 224), (75, 130)])
def test_scenes_are_filled_better_than_with_one_color(learnt, size):
    side = max(size)
    scenes = np.stack([render_scene(np.random.default_rng((8, k)), side) for k in range(4)])
    batch = RGB.normalize(scenes[:, : size[0], : size[1]])
    keep = masks(4, size)
    made, flat = errors("learnt", batch, keep), errors("mean", batch, keep)
    assert made.mean() < 0.6 * flat.mean()


def test_constant_images_stay_nearly_constant(learnt):
    x = RGB.normalize(np.full((4, 64, 64, 3), 0.4, np.float32))
    filled = RGB.denormalize(learnt.fill(x, masks(4, (64, 64)), seeds(4)))
    assert np.abs(filled - 0.4).max() < 0.08


def test_photos_are_filled_better_than_with_one_color(learnt, data):
    batch = load_photos(sorted((data / "photos").glob("*.jpg"))[:8], RGB).batch
    keep = masks(8, (224, 224))
    keep[::4] = True
    keep[::4, 60:130, 80:150] = False
    made, flat = errors("learnt", batch, keep), errors("mean", batch, keep)
    assert made.mean() < 0.7 * flat.mean()


def test_nothing_known_is_the_mean_color(learnt):
    x = np.zeros((1, 3, 64, 64), np.float32)
    keep = np.zeros((1, 64, 64), bool)
    np.testing.assert_array_equal(learnt.fill(x, keep, seeds(1)), make_baseline("mean", x, RGB))


def test_it_hands_known_pixels_on_and_so_has_no_output_of_its_own(learnt):
    assert learnt.record.pastes
    x, keep = RGB.normalize(np.random.default_rng(0).random((4, 64, 64, 3))), masks(4, (64, 64))
    assert learnt.unpasted(x, keep, seeds(4)) is None


def test_absent_engine_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"need onnxruntime; .*\[cpu\]"):
        open_filler("learnt", RGB)
