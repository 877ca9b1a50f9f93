from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.errors import InputError, OptionError, PysalError, ShapeError
from pysal.preprocess import LUMA, Preprocess

CAFFE = Preprocess(channels="BGR", scale=255, mean=(103.939, 116.779, 123.68), std=(1, 1, 1))
GRAY = Preprocess(channels="GRAY", mean=(0.5,), std=(0.25,))


def naive(record: Preprocess, rgb: np.ndarray) -> np.ndarray:
    out = np.zeros((len(rgb), record.num_channels, *rgb.shape[1:3]))
    for n, y, x in np.ndindex(rgb.shape[:3]):
        red, green, blue = map(float, rgb[n, y, x])
        pixel = {
            "RGB": (red, green, blue),
            "BGR": (blue, green, red),
            "GRAY": (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue,),
        }[record.channels]
        for c, value in enumerate(pixel):
            out[n, c, y, x] = (record.scale * value - record.mean[c]) / record.std[c]
    return out


@pytest.mark.parametrize("record", [Preprocess(), CAFFE, GRAY])
@settings(max_examples=15, deadline=None)
@given(n=st.integers(0, 2), h=st.integers(1, 5), w=st.integers(1, 5), seed=st.integers(0, 99))
def test_normalize_is_the_formula(record, n, h, w, seed):
    rgb = np.random.default_rng(seed).random((n, h, w, 3)).astype(np.float32)
    batch = record.normalize(rgb)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    np.testing.assert_allclose(batch, naive(record, rgb), rtol=1e-5, atol=1e-5)
    back = record.denormalize(batch)
    if record.channels == "GRAY":
        rgb = np.repeat((rgb @ np.float32(LUMA))[..., None], 3, axis=3)
    np.testing.assert_allclose(back, rgb, atol=1e-5)


def test_denormalize_clips_only_on_request():
    batch = np.full((1, 3, 2, 2), 10, np.float32)
    assert Preprocess().denormalize(batch).max() == 1
    assert Preprocess().denormalize(batch, clip=False).min() > 2


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 3, 2, 2), (1, 2, 2, 1)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match="expected"):
        Preprocess().normalize(np.zeros(shape, np.float32))
    with pytest.raises(ShapeError, match="expected"):
        GRAY.denormalize(np.zeros((1, 3, 2, 2), np.float32))


def test_noise_of_the_papers_is_the_same_picture_noise_in_every_model():
    np.testing.assert_allclose(Preprocess().noise_std(0.2), [0.2] * 3, rtol=1e-6)
    expected = [0.2 * 255 * s for s in (0.225, 0.224, 0.229)]
    np.testing.assert_allclose(CAFFE.noise_std(0.2), expected, rtol=1e-6)
    assert GRAY.noise_std(0.2).shape == (1,)
    assert (Preprocess().red_channel, CAFFE.red_channel, GRAY.red_channel) == (0, 2, 0)


@pytest.mark.parametrize(
    "record",
    [Preprocess(), CAFFE, GRAY, Preprocess(crop="none", resize_shorter_side=None, labels=("a",))],
)
def test_dictionary_round_trip_is_strict_json(record):
    text = json.dumps(record.to_dict(), allow_nan=False)
    assert Preprocess.from_text(text) == record
    assert not Preprocess.from_text(text).assumed
    assert hash(Preprocess.from_text(text)) == hash(record)


def test_unknown_keys_are_ignored_and_absent_colours_are_assumed():
    record = Preprocess.from_dict({"note": "x", "input": "data", "output": "prob", "size": [8, 9]})
    assert record.size == (8, 9)
    assert record.assumed
    assert record == Preprocess(size=(8, 9))
    assert "assumed" not in record.to_dict()
    assert not Preprocess.from_dict({"crop": "none"}).resize_shorter_side


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"size": 224}, ["size", "224", "two positive integers"]),
        ({"size": [224, 0]}, ["size", "[224, 0]"]),
        ({"size": [224.5, 224]}, ["size"]),
        ({"size": [True, 224]}, ["size", "true"]),
        ({"resize_shorter_side": "256"}, ["resize_shorter_side", '"256"', "null"]),
        ({"resize_shorter_side": 256, "crop": "none"}, ["crop", "null"]),
        ({"crop": "left"}, ["crop", '"left"', "center, none"]),
        ({"crop": ["center"]}, ["crop", "center, none"]),
        ({"interpolation": "lanczos"}, ["interpolation", "bicubic"]),
        ({"channels": "rgb"}, ["channels", "RGB, BGR, GRAY"]),
        ({"scale": 0}, ["scale", "positive"]),
        ({"scale": None}, ["scale", "null"]),
        ({"mean": [0.5]}, ["mean", "[0.5]", "3 numbers", "RGB"]),
        ({"mean": "0.5"}, ["mean"]),
        ({"mean": [0, 0, float("nan")]}, ["mean"]),
        ({"std": [1, 0, 1]}, ["std", "positive"]),
        ({"layout": "CHW"}, ["layout", "NHWC"]),
        ({"labels": "cat"}, ["labels", "list"]),
        ({"labels": [1]}, ["labels"]),
        ({"chanels": "BGR"}, ["chanels", "channels"]),
        ({"Mean": [0, 0, 0]}, ["Mean", '"mean"']),
        ([1, 2], ["list", "object"]),
    ],
)
def test_wrong_records_name_file_key_given_and_expected(tmp_path: Path, record, words):
    path = tmp_path / "card.json"
    path.write_text(json.dumps(record))
    with pytest.raises(InputError) as caught:
        Preprocess.from_json(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    for word in words:
        assert word in message


def test_unreadable_files_are_one_line(tmp_path: Path):
    broken, binary = tmp_path / "broken.json", tmp_path / "binary.json"
    broken.write_text('{"size": [1,')
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (broken, binary, tmp_path / "missing.json", tmp_path):
        with pytest.raises(InputError, match="expected") as caught:
            Preprocess.from_json(path)
        assert "\n" not in str(caught.value)


def test_constructor_and_replace_refuse_as_options():
    with pytest.raises(OptionError, match="mean"):
        Preprocess(mean=(0.5,))
    with pytest.raises(OptionError, match="colour"):
        Preprocess().replace(colour="RGB")
    assert Preprocess().replace(size=(8, 8)).size == (8, 8)


def test_beside_takes_the_same_stem(tmp_path: Path):
    assert Preprocess.beside(tmp_path / "net.onnx") is None
    (tmp_path / "net.v1.json").write_text(json.dumps(CAFFE.to_dict()))
    assert Preprocess.beside(tmp_path / "net.v1.onnx") == CAFFE


def test_default_fits_the_input_and_says_that_it_is_assumed():
    assert Preprocess.default() == Preprocess()
    assert Preprocess.default().assumed
    assert Preprocess.default((3, 299, 299)).resize_shorter_side == 342
    assert Preprocess.default((1, 28, 30)).input_shape == (1, 28, 30)
    with pytest.raises(PysalError, match="4 channels"):
        Preprocess.default((4, 224, 224))
