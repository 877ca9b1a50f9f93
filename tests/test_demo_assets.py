import json

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from pysal import demo
from pysal.errors import OptionError
from pysal.preprocess import Preprocess

PICTURES = demo.load_pictures()


@pytest.fixture(scope="module")
def metadata():
    return {entry.key: entry.value for entry in onnx.load(demo.MODEL).metadata_props}


@pytest.fixture(scope="module")
def session():
    return onnxruntime.InferenceSession(demo.MODEL, providers=["CPUExecutionProvider"])


def _probabilities(session, record, images):
    size = tuple(record["size"])[::-1]
    small = [np.asarray(image.resize(size, Image.Resampling.BILINEAR)) for image in images]
    pixels = np.stack(small).transpose(0, 3, 1, 2).astype(np.float32) / 255
    mean, std = (np.array(record[k], np.float32)[:, None, None] for k in ("mean", "std"))
    return session.run(None, {record["input"]: (pixels - mean) / std})[0]


def test_model_classifies_its_pictures(session, metadata):
    record = json.loads(metadata["pysal.preprocess"])
    images = [Image.open(picture.path) for picture in PICTURES]
    together = _probabilities(session, record, images)
    assert together.shape == (6, 6)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(together.argmax(axis=1), [p.label for p in PICTURES])
    np.testing.assert_allclose(_probabilities(session, record, images[:1]), together[:1], atol=1e-5)


def test_hiding_the_flower_takes_the_class(session, metadata):
    record = json.loads(metadata["pysal.preprocess"])
    hidden = []
    for picture in PICTURES:
        pixels = np.array(Image.open(picture.path))
        pixels[picture.mask] = pixels[0, 0]
        hidden.append(Image.fromarray(pixels))
    p = _probabilities(session, record, hidden)[np.arange(6), [q.label for q in PICTURES]]
    assert p.mean() < 0.4


def test_metadata_is_what_pysal_reads(metadata):
    labels = json.loads(metadata["pysal.labels"])
    assert labels == demo.load_assets()["labels"]
    assert [labels[picture.label] for picture in PICTURES] == [p.name for p in PICTURES]
    record = Preprocess.from_text(metadata["pysal.preprocess"])
    assert record.size == (112, 112)
    assert record.channels == "RGB"


def test_model_ends_in_softmax_with_free_batch():
    model = onnx.load(demo.MODEL)
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.node[-1].op_type == "Softmax"
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    kinds = {node.op_type for node in model.graph.node}
    assert kinds <= {"Conv", "Relu", "MaxPool", "Flatten", "Reshape", "Gemm", "Softmax"}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.name)
def test_masks_fit_their_pictures(picture):
    pixels = np.asarray(Image.open(picture.path)).astype(int)
    assert pixels.shape == (*picture.mask.shape, 3)
    assert 0.05 < picture.mask.mean() < 0.3
    # The flower is the colourful part: it is where the masks are.
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    assert spread[picture.mask].mean() > 2 * spread[~picture.mask].mean()


def test_files_are_small():
    assert demo.MODEL.stat().st_size < 1_000_000
    files = [p for p in demo.FOLDER.rglob("*") if p.suffix in {".onnx", ".png", ".json"}]
    assert len(files) == 14
    assert sum(path.stat().st_size for path in files) < 1_200_000


def test_record_says_where_the_files_come_from():
    record = demo.load_assets()
    assert "Apache-2.0" in record["license"]
    assert record["accuracy"] > 0.98
    assert record["probability_flower_blurred"] < 0.5 < record["probability"]
    for entry in record["images"]:
        assert (
            int(entry["source"].split("/")[1].removeprefix("img")) - 1 in record["held_out_frames"]
        )


def test_number_of_pictures_is_checked():
    assert len(demo.load_pictures(2)) == 2
    with pytest.raises(OptionError, match="images is 7"):
        demo.load_pictures(7)
