from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pysal.errors import InputError, ShapeError
from pysal.photos import load_photos
from pysal.preprocess import Preprocess
from pysal.probe import candidates, probe

COLORS = np.float32([(0.8, 0.2, 0.2), (0.2, 0.7, 0.2), (0.2, 0.3, 0.9), (0.8, 0.8, 0.1)])


def colour_network(record: Preprocess):
    """Names the hue of the picture; a linear network that grows surer with saturation."""
    hues = COLORS - COLORS.mean(axis=1, keepdims=True)
    hues /= np.linalg.norm(hues, axis=1, keepdims=True)

    def score(batch):
        rgb = record.denormalize(batch, clip=False).mean(axis=(1, 2))
        logits = np.clip(12 * (rgb - 0.45) @ hues.T, -50, 50)
        logits -= 5 * np.abs(rgb.mean(axis=1) - 0.5)[:, None] * np.arange(4)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    return score


@pytest.fixture
def pictures():
    noise = np.random.default_rng(0).normal(0, 0.05, (4, 24, 24, 3))
    return np.clip(COLORS[:, None, None] + noise, 0, 1).astype(np.float32)


@pytest.mark.parametrize("right", ["rgb_imagenet", "bgr_caffe"])
def test_rows_are_sorted_and_describe_the_answers(pictures, right):
    records = candidates((3, 24, 24))
    rows = probe(colour_network(records[right]), records, pictures)
    assert {row.name for row in rows} == set(records)
    values = [row.plausibility for row in rows]
    assert values == sorted(values, reverse=True)
    row = next(row for row in rows if row.name == right)
    assert row.record == records[right]
    np.testing.assert_array_equal(row.index, np.arange(4))
    expected = colour_network(records[right])(records[right].normalize(pictures))
    assert row.probability == pytest.approx(expected.max(axis=1).mean(), abs=1e-6)
    entropy = -(expected * np.log(expected)).sum(axis=1).mean()
    assert row.entropy == pytest.approx(entropy, abs=1e-6)
    mirrored = next(
        r for r in rows if r.name == {"rgb": "bgr", "bgr": "rgb"}[right[:3]] + right[3:]
    )
    assert mirrored.plausibility < row.plausibility


def test_a_network_that_always_says_the_same_is_not_plausible(pictures):
    sane, stuck = Preprocess.default((3, 24, 24)), candidates((3, 24, 24))["rgb_raw"]
    network = colour_network(sane)

    def score(batch):
        out = network(batch)
        out[np.abs(batch).max(axis=(1, 2, 3)) > 10] = (1, 0, 0, 0)
        return out

    rows = probe(score, {"stuck": stuck, "sane": sane}, pictures)
    assert rows[0].name == "sane"
    assert rows[1].probability == 1


def test_grey_models_and_unusable_ones():
    assert set(candidates((1, 8, 8))) == {"gray_imagenet", "gray_tf", "gray_unit", "gray_raw"}
    assert all(r.input_shape == (3, 8, 9) for r in candidates((3, 8, 9)).values())
    assert not any(record.assumed for record in candidates((3, 8, 8)).values())
    with pytest.raises(ShapeError):
        candidates((2, 8, 8))


def test_nothing_to_compare_is_refused(pictures):
    with pytest.raises(InputError, match="at least one"):
        probe(np.sum, {}, pictures)
    with pytest.raises(InputError, match="0 photos"):
        probe(np.sum, candidates((3, 24, 24)), pictures[:0])
    with pytest.raises(ShapeError):
        probe(np.sum, candidates((3, 24, 24)), pictures[0])


@pytest.mark.data
def test_the_real_squeezenet_is_recognized():
    ort = pytest.importorskip("onnxruntime")
    data = Path(os.environ.get("PYSAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    model = data / "models" / "squeezenet1.1.onnx"
    if not model.exists():
        pytest.skip(f"{model} is not there; set PYSAL_DATA")
    session = ort.InferenceSession(str(model))
    name = session.get_inputs()[0].name

    def score(batch):
        return session.run(None, {name: batch})[0].reshape(len(batch), -1)

    card = Preprocess.beside(model)
    assert card is not None
    assert not card.assumed
    records = candidates((3, 224, 224))
    assert records["bgr_caffe"].to_dict() == card.to_dict()
    photos = load_photos(sorted((data / "photos").glob("*.jpg"))[::12], card, (3, 224, 224))
    names = ("rgb_imagenet", "bgr_caffe", "rgb_caffe", "bgr_unit")
    rows = probe(score, {key: records[key] for key in names}, photos.rgb)
    assert rows[0].name == "bgr_caffe"
