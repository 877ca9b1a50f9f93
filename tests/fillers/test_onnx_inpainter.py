"""Inpainters in ONNX files: what reaches them, what becomes of what they give, and bad files."""

from __future__ import annotations

import json
import warnings

import numpy as np
import onnx
import pytest
from filler_cases import RECORDS, images, masks, seeds
from onnx import TensorProto, helper, numpy_helper

from pysal.errors import CapabilityError, InputError, ModelFormatError
from pysal.fillers import open_filler
from pysal.fillers.record import KEY, InpainterRecord
from pysal.fillers.resize import resize, resize_known

RGB = RECORDS["RGB"]
STATED = {"mask": "hole", "channels": "RGB", "low": 0, "high": 1}
IMAGE, MASK = ("image", ["N", 3, "h", "w"]), ("mask", ["N", 1, "h", "w"])
OUTPUT = ("made", ["N", 3, "h", "w"])
FLOAT = TensorProto.FLOAT

IDENTITY = [helper.make_node("Identity", ["image"], ["made"])]
SHOW_MASK = [helper.make_node("Concat", ["mask", "mask", "mask"], ["made"], axis=1)]
ONLY_FIRST = [helper.make_node("Mul", ["image", "one"], ["made"])]
HALVED = [
    helper.make_node("AveragePool", ["image"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
    helper.make_node("Resize", ["small", "", "scales"], ["made"], mode="nearest"),
]
LOGARITHM = [helper.make_node("Log", ["image"], ["made"])]
CONSTANTS = {
    "one": np.float32([1, 0, 0]).reshape(1, 3, 1, 1),
    "scales": np.float32([1, 1, 4, 4]),
    "shape": np.int64([1, 3, 64, 64]),
}


def write(path, nodes, record=STATED, inputs=(IMAGE, MASK), outputs=(OUTPUT,), kind=FLOAT):
    """An ONNX file of these nodes; the record goes into its metadata."""
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "inpainter",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs],
        [numpy_helper.from_array(v, k) for k, v in CONSTANTS.items() if k in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if record is not None:
        helper.set_model_props(model, {KEY: json.dumps(record)})
    onnx.save(model, path)
    return path


@pytest.fixture
def model(tmp_path):
    """Function that writes a file."""
    return lambda *args, **options: write(tmp_path / "net.onnx", *args, **options)


def own_output(path, record=RGB, size=(40, 48), keep=None):
    """Images, masks, and the inpainter's own output, the first and last as RGB."""
    x = images(4, record, size)
    keep = masks(4, size) if keep is None else keep
    made = open_filler(path, record).unpasted(x, keep, seeds(4))
    return record.denormalize(x), keep, record.denormalize(made, clip=False)


@pytest.mark.parametrize("colors", list(RECORDS))
@pytest.mark.parametrize(
    ("low", "high", "blank", "shown"), [(0, 1, 0, 0.0), (-1, 1, 0, 0.5), (0, 255, 51, 0.2)]
)
def test_known_pixels_arrive_and_hidden_ones_are_blank(model, colors, low, high, blank, shown):
    path = model(IDENTITY, {**STATED, "low": low, "high": high, "blank": blank})
    rgb, keep, made = own_output(path, RECORDS[colors])
    np.testing.assert_allclose(made[keep], rgb[keep], atol=1e-5)
    np.testing.assert_allclose(made[~keep], shown, atol=1e-5)


@pytest.mark.parametrize("polarity", ["hole", "keep"])
def test_polarity_of_the_mask(model, polarity):
    _, keep, made = own_output(model(SHOW_MASK, {**STATED, "mask": polarity}))
    wanted = keep if polarity == "keep" else ~keep
    np.testing.assert_allclose(made[..., 1], wanted, atol=1e-5)


@pytest.mark.parametrize(("order", "channel"), [("RGB", 0), ("BGR", 2)])
def test_order_of_the_channels(model, order, channel):
    rgb, keep, made = own_output(model(ONLY_FIRST, {**STATED, "channels": order}))
    np.testing.assert_allclose(made[keep][:, channel], rgb[keep][:, channel], atol=1e-5)
    others = [k for k in range(3) if k != channel]
    assert np.abs(made[..., others]).max() < 1e-5


def test_range_of_the_output(model):
    record = {**STATED, "low": -1, "high": 1, "out_low": -3, "out_high": 1}
    rgb, keep, made = own_output(model(IDENTITY, record))
    np.testing.assert_allclose(made[keep], (2 * rgb[keep] - 1 + 3) / 4, atol=1e-5)


def test_networks_that_paste_have_no_output_of_their_own(model):
    filler = open_filler(model(IDENTITY, {**STATED, "pastes": True}), RGB)
    assert not filler.has_unpasted
    assert filler.unpasted(images(4), masks(4), seeds(4)) is None


def test_rounding_to_8_bits(model):
    rgb, keep, made = own_output(model(IDENTITY, {**STATED, "round": True}))
    np.testing.assert_allclose(made[keep], np.rint(255 * rgb[keep]) / 255, atol=1e-5)


def test_output_outside_of_the_colors_is_clipped(model):
    _, _, made = own_output(model(IDENTITY, {**STATED, "low": 1, "high": 0, "blank": 5}))
    assert made.min() > -1e-5
    assert made.max() < 1 + 1e-5


@pytest.mark.parametrize("stated", ["graph", "record"])
def test_other_sizes_are_reached_bilinearly_and_left_again(model, stated):
    torch = pytest.importorskip("torch")
    if stated == "graph":
        fixed = [1, 3, 64, 56]
        inputs = (("image", fixed), ("mask", [1, 1, 64, 56]))
        path = model(IDENTITY, STATED, inputs=inputs, outputs=(("made", fixed),))
    else:
        path = model(IDENTITY, {**STATED, "size": [64, 56]})
    rgb, _, made = own_output(path, keep=np.ones((4, 40, 48), bool))

    def bilinear(batch, size):
        options = {"mode": "bilinear", "align_corners": False}
        return torch.nn.functional.interpolate(torch.from_numpy(batch), size, **options).numpy()

    there = bilinear(np.ascontiguousarray(rgb.transpose(0, 3, 1, 2)), (64, 56))
    np.testing.assert_allclose(made.transpose(0, 3, 1, 2), bilinear(there, (40, 48)), atol=1e-5)


def test_resizing_mixes_nothing_hidden_into_what_is_known(model):
    filler = open_filler(model(IDENTITY, {**STATED, "size": [64, 56], "blank": 0.3}), RGB)
    x, keep = images(4), masks(4)
    other = np.where(keep[:, None], x, images(4, seed=3))
    np.testing.assert_array_equal(
        filler.unpasted(x, keep, seeds(4)), filler.unpasted(other, keep, seeds(4))
    )


@pytest.mark.parametrize("threshold", [0.25, 0.5, 1.0])
def test_threshold_of_the_resized_mask(model, threshold):
    path = model(SHOW_MASK, {**STATED, "mask": "keep", "size": [10, 12], "threshold": threshold})
    filler = open_filler(path, RGB)
    keep = masks(4)
    share = np.stack([resize(mask[None].astype(np.float32), (10, 12)) for mask in keep])
    wanted = (share >= threshold - 1e-5).astype(np.float32)
    made = RGB.denormalize(filler.unpasted(images(4), keep, seeds(4)))[..., 0]
    expected = np.stack([resize(w, (40, 48))[0] for w in wanted])
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_resize_known_is_the_weighted_mean_of_known_pixels():
    rng = np.random.default_rng(0)
    image, keep = rng.random((2, 7, 9)).astype(np.float32), rng.random((7, 9)) < 0.6
    made, share = resize_known(image, keep, (11, 5))
    for i, j in np.ndindex(11, 5):
        y, x = (i + 0.5) * 7 / 11 - 0.5, (j + 0.5) * 9 / 5 - 0.5
        y, x = min(max(y, 0), 6), min(max(x, 0), 8)
        near = np.maximum(1 - np.abs(np.arange(7) - y), 0)[:, None] * np.maximum(
            1 - np.abs(np.arange(9) - x), 0
        )
        weight = (near * keep).sum()
        np.testing.assert_allclose(share[i, j], weight, atol=1e-6)
        value = (image * near * keep).sum(axis=(1, 2)) / weight if weight > 1e-6 else [0, 0]
        np.testing.assert_allclose(made[:, i, j], value, atol=1e-4)


def test_sides_are_enlarged_to_a_multiple_by_hole(model):
    path = model(SHOW_MASK, {**STATED, "multiple": 32})
    _, keep, made = own_output(path)
    np.testing.assert_allclose(made[..., 0], ~keep, atol=1e-5)
    with pytest.raises(ModelFormatError, match=r"output has shape \(1, 3, 40, 44\) for an image"):
        own_output(model(HALVED), size=(40, 46))
    rgb, _, _ = own_output(model(HALVED, {**STATED, "multiple": 4}), size=(40, 46))
    assert rgb.shape == (4, 40, 46, 3)


def test_record_beside_the_file_and_names_where_shapes_are_open(tmp_path):
    free = ["N", "c", "h", "w"]
    path = tmp_path / "open.onnx"
    write(path, IDENTITY, None, (("mask", free), ("image", free)), (("made", free),))
    record = {**STATED, "image_input": "image", "mask_input": "mask", "output": "made"}
    path.with_suffix(".json").write_text(json.dumps(record))
    rgb, keep, made = own_output(path)
    np.testing.assert_allclose(made[keep], rgb[keep], atol=1e-5)
    path.with_suffix(".json").write_text(json.dumps(STATED))
    with pytest.raises(ModelFormatError, match=r"has inputs mask \(N, c, h, w\) float"):
        open_filler(path, RGB)


def test_what_nobody_stated_is_said_aloud(model):
    for record in (None, {"mask": "keep"}):
        with pytest.warns(UserWarning, match=r"net.onnx does not say how it is fed; assumed"):
            filler = open_filler(model(IDENTITY, record), RGB)
        assert filler.record.assumed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not open_filler(model(IDENTITY), RGB).record.assumed


@pytest.mark.parametrize(
    ("nodes", "inputs", "text"),
    [
        (IDENTITY, (IMAGE,), r"has inputs image \(N, 3, h, w\) float, outputs made"),
        (IDENTITY, (IMAGE, ("mask", ["N", 4, "h", "w"])), r"mask \(N, 4, h, w\) float"),
        (IDENTITY, (IMAGE, ("mask", [8, 1, "h", "w"])), r"mask \(8, 1, h, w\) float"),
        (IDENTITY, (IMAGE, MASK, ("more", ["N", 1, "h", "w"])), r"more \(N, 1, h, w\)"),
        (IDENTITY, (IMAGE, ("mask", ["N", 1, 64, 64])), None),
    ],
)
def test_files_that_are_no_inpainter_are_refused_in_one_line(model, nodes, inputs, text):
    path = model(nodes, inputs=inputs)
    if text is None:  # one input open, the other fixed: the fixed size holds
        own_output(path)
        return
    with pytest.raises(ModelFormatError, match=text) as caught:
        open_filler(path, RGB)
    assert "expected inputs image (N, 3, h, w) and mask (N, 1, h, w)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_bad_files(model, tmp_path):
    path = model(IDENTITY, kind=TensorProto.DOUBLE)
    with pytest.raises(ModelFormatError, match=r"image \(N, 3, h, w\) double"):
        open_filler(path, RGB)
    inputs = (("image", ["N", 3, 64, 64]), ("mask", ["N", 1, 32, 32]))
    with pytest.raises(ModelFormatError, match="expected one size for all"):
        open_filler(model(IDENTITY, inputs=inputs), RGB)
    inputs = (("image", ["N", 3, 64, 64]), ("mask", ["N", 1, 64, 64]))
    with pytest.raises(ModelFormatError, match=r"record says size \(32, 32\)"):
        open_filler(model(IDENTITY, {**STATED, "size": [32, 32]}, inputs=inputs), RGB)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nothing")
    with pytest.raises(
        ModelFormatError, match=r"broken.onnx: ONNX Runtime .* refuses it"
    ) as caught:
        open_filler(broken, RGB)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_bad_values_of_the_network_are_refused(model):
    filler = open_filler(model(LOGARITHM, {**STATED, "low": -2, "high": -1, "blank": -2}), RGB)
    with pytest.raises(CapabilityError, match=r"net.onnx: gives NaN or infinite values"):
        filler.fill(images(4), masks(4), seeds(4))


def test_failures_of_the_engine_are_one_line(model):
    nodes = [helper.make_node("Reshape", ["image", "shape"], ["made"])]
    filler = open_filler(model(nodes), RGB)
    with pytest.raises(CapabilityError, match=r"fails on an image of shape \(1, 3, 40, 48\)") as e:
        filler.fill(images(4), masks(4), seeds(4))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mask": "white"}, '"mask" is "white"; expected one of hole, keep'),
        ({"low": 1}, '"high" is 1.0; expected a number other than low'),
        ({"size": [0, 4]}, '"size" is .*; expected two positive integers'),
        ({"threshold": 2}, '"threshold" is 2; expected a number above 0, at most 1'),
        ({"multiple": 1.5}, '"multiple" is 1.5; expected a positive integer'),
        ({"blank": "grey"}, '"blank" is "grey"; expected a number'),
        ({"round": 1}, '"round" is 1; expected true or false'),
        ({"pastes": 0}, '"pastes" is 0; expected true or false'),
        ({"output": 3}, '"output" is 3; expected a name in the file'),
        ({"chanels": "BGR"}, 'key "chanels" is unknown; did you mean "channels"'),
    ],
)
def test_wrong_records_are_refused(model, change, text):
    record = {k: v for k, v in STATED.items() if k != "channels" or "chanels" not in change}
    with pytest.raises(InputError, match=rf"net.onnx: pysal.inpainter: {text}"):
        open_filler(model(IDENTITY, {**record, **change}), RGB)


def test_records_that_are_no_json(model, tmp_path):
    path = model(IDENTITY, None)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(InputError, match=r"net.json: is not JSON"):
        open_filler(path, RGB)
    with pytest.raises(InputError, match="holds a list; expected a JSON object"):
        InpainterRecord.from_dict([], "x.json")  # type: ignore[arg-type]


def test_description_identifies_the_file(model):
    first = open_filler(model(IDENTITY), RGB).description
    second = open_filler(model(SHOW_MASK), RGB).description
    assert first.startswith("net.onnx(sha256=")
    assert first != second
