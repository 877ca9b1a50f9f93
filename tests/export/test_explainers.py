"""Explainers as one file say what `pysal.explain` says, with ONNX Runtime and numpy alone."""

from __future__ import annotations

import functools
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from tiny import write_model

import pysal
from pysal.baselines import BASELINES
from pysal.errors import ModelFormatError, OptionError
from pysal.export import EXPLAINERS, build_explainer, prepare
from pysal.methods import METHODS
from pysal.photos import load_photos
from pysal.types import Array

pytestmark = pytest.mark.filterwarnings("ignore:.*probability below:UserWarning", "ignore:.*miss")

DEMO = Path(pysal.__file__).parent / "demo"
FLOWER = DEMO / "flower.onnx"
SHORT: dict[str, dict[str, Any]] = {
    "igos": {"size": 7, "preset": "fast", "iterations": 3},
    "integrated_gradients": {"steps": 6},
    "gradcam": {},
}
METHOD = pytest.mark.parametrize("method", sorted(EXPLAINERS))
TOLERANCE = 1e-3


def python_only(method: str) -> dict[str, Any]:
    """What the classes of pysal need besides to do the same."""
    return {"noise": "off"} if method == "igos" else {}


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    """One thread, and no line about the optional input."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(model.SerializeToString(), options)


def run(model: onnx.ModelProto, **feeds: Any) -> dict[str, Any]:
    """Outputs by name."""
    opened = session(model)
    names = [output.name for output in opened.get_outputs()]
    return dict(zip(names, opened.run(names, feeds), strict=True))


def compare(path: Path, method: str, batch: Array, options: dict[str, Any], **build: Any) -> None:
    """Assert that file and library agree, for one image and for all of them in the same file."""
    explainer = pysal.Explainer(path, method, **options, **python_only(method))
    record = explainer.classifier.preprocess
    model = build_explainer(prepare(path), method, preprocess=record, **options, **build)
    for images in (batch[:1], batch):
        found, wanted = run(model, image=images), explainer(images)
        np.testing.assert_allclose(found["map"], wanted.map, atol=TOLERANCE)
        np.testing.assert_allclose(found["native"], wanted.native, atol=TOLERANCE)
        np.testing.assert_allclose(found["score"], wanted.score, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(found["class"], wanted.target.index)
        assert np.abs(found["map"] - wanted.map).max() < 0.01 * wanted.map.max()


@functools.cache
def flowers() -> Array:
    """Three of the demo's pictures, as its network takes them."""
    classifier = pysal.Explainer(FLOWER).classifier
    paths = sorted((DEMO / "images").glob("*.png"))[:3]
    return load_photos(paths, classifier.preprocess, classifier.info.input_shape).batch


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_model(tmp_path_factory.mktemp("explainers") / "tiny.onnx")
    record = pysal.Preprocess.default((3, 16, 16)).to_dict()
    path.with_suffix(".json").write_text(json.dumps(record))
    return path


@pytest.fixture(scope="module")
def noise() -> Array:
    """Weak enough that no probability of the tiny network is saturated."""
    return np.random.default_rng(1).normal(scale=0.2, size=(3, 3, 16, 16)).astype(np.float32)


@METHOD
def test_equals_the_library_on_the_demo_network(method: str) -> None:
    compare(FLOWER, method, flowers(), SHORT[method])


@pytest.mark.parametrize("build", [{"compact": True}, {"lowering": "portable"}, {"kind": "logit"}])
@METHOD
def test_equals_the_library_in_every_form(
    method: str, build: dict[str, Any], tiny: Path, noise: Array
) -> None:
    kind = {"kind": build["kind"]} if "kind" in build else {}
    others = {k: v for k, v in build.items() if k != "kind"}
    compare(tiny, method, noise, {**SHORT[method], **kind}, **others)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("igos", {"size": (5, 7), "baseline": "noise", "iterations": 4, "steps": 5, "chunk": 1}),
        ("igos", {"size": 6, "iterations": 4, "steps": 4, "momentum": 0.4, "chunk": 3}),
        ("igos", {"size": 1, "iterations": 2, "steps": 2, "baseline": "white"}),
        ("igos", {"size": 16, "iterations": 2, "steps": 2, "search": "fixed", "step_size": 5.0}),
        ("igos", {"size": 4, "iterations": 5, "steps": 3, "l1": 0.1, "l2": 0, "warm_start": True}),
        ("integrated_gradients", {"steps": 5, "nodes": "gauss-legendre", "reduce": "sum"}),
        ("integrated_gradients", {"steps": 4, "nodes": "right", "reduce": "max_abs"}),
        ("integrated_gradients", {"steps": 2, "reduce": "sum_abs", "baseline": "noise", "seed": 3}),
        ("integrated_gradients", {"steps": 2, "reduce": "max", "baseline": "white"}),
        ("gradcam", {"normalize": False, "layer": "a"}),
    ],
)
def test_equals_the_library_with_options(
    method: str, options: dict[str, Any], tiny: Path, noise: Array
) -> None:
    if method == "igos":  # a strong score, so that masks become something
        compare(tiny, method, 10 * noise, {"kind": "logit", **options})
    else:
        compare(tiny, method, noise, options)


@pytest.mark.parametrize("points", [2, 3, 4, 100])
def test_points_that_run_together_change_nothing(points: int, tiny: Path, noise: Array) -> None:
    options = {"steps": 6, "nodes": "right"}
    one, several = (
        run(build_explainer(prepare(tiny), "integrated_gradients", **options, **more), image=noise)
        for more in ({}, {"points_per_run": points})
    )
    np.testing.assert_allclose(several["map"], one["map"], atol=1e-6)


@pytest.mark.parametrize("baseline", [*BASELINES])
def test_every_baseline_is_the_library_s_or_refused(
    baseline: str, tiny: Path, noise: Array
) -> None:
    options = {"steps": 2, "baseline": baseline}
    if baseline in ("blur10", "median11"):
        with pytest.raises(OptionError, match=f'"{baseline}" is a filter.*use one of blur'):
            build_explainer(prepare(tiny), "integrated_gradients", **options)
    else:
        compare(tiny, "integrated_gradients", noise, options)


def test_a_given_baseline_is_a_constant(tiny: Path, noise: Array) -> None:
    compare(tiny, "integrated_gradients", noise, {"steps": 2, "baseline": 0.5 * noise[0]})


@METHOD
def test_target_names_the_class(method: str, tiny: Path, noise: Array) -> None:
    explainer = pysal.Explainer(tiny, method, **SHORT[method], **python_only(method))
    for ask in (False, True):
        model = build_explainer(prepare(tiny), method, ask_target=ask, **SHORT[method])
        found = run(model, image=noise, target=np.array([2, -1, 0]))
        wanted = explainer(noise, [2, int(found["class"][1]), 0])
        np.testing.assert_array_equal(found["class"], wanted.target.index)
        np.testing.assert_allclose(found["map"], wanted.map, atol=TOLERANCE)
        assert found["class"][1] == found["scores"][1].argmax()
    one = run(model, image=noise, target=np.array([1]))
    assert one["class"].tolist() == [1, 1, 1]


def test_a_class_that_does_not_exist_is_an_error(tiny: Path, noise: Array) -> None:
    opened = session(build_explainer(prepare(tiny), "gradcam"))
    for target in ([4], [0, 1]):
        with pytest.raises(Exception, match=r"indices|GatherElements|broadcast"):
            opened.run(None, {"image": noise, "target": np.array(target)})


@pytest.mark.parametrize("form", ["uint8", "uint8-nchw"])
@pytest.mark.parametrize("channels", ["RGB", "BGR", "GRAY"])
def test_takes_pixels(channels: str, form: str, tmp_path: Path) -> None:
    count = 1 if channels == "GRAY" else 3
    path = write_model(tmp_path / "tiny.onnx", channels=count)
    record = pysal.Preprocess(
        (16, 16), 16, channels=channels, scale=255.0, mean=(90.0,) * count, std=(50.0,) * count
    )
    pixels = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3), np.uint8)
    build = functools.partial(build_explainer, prepare(path), "gradcam", preprocess=record)
    plain = run(build(), image=record.normalize(pixels / np.float32(255)))
    given = pixels if form == "uint8" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    found = run(build(input=form), image=given)
    np.testing.assert_allclose(found["scores"], plain["scores"], atol=1e-5)
    np.testing.assert_allclose(found["map"], plain["map"], atol=1e-5)


SCRIPT = """
import sys
import numpy as np
import onnxruntime as ort

options = ort.SessionOptions()
options.log_severity_level = 3
session = ort.InferenceSession("explainer.onnx", options)
maps, classes = session.run(["map", "class"], {"image": np.load("batch.npy")})
np.savez("found.npz", maps=maps, classes=classes)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"pysal", "onnx", "torch"}))
"""


@METHOD
def test_runs_where_there_is_only_onnxruntime(
    method: str, tiny: Path, noise: Array, tmp_path: Path
) -> None:
    model = build_explainer(prepare(tiny), method, **SHORT[method])
    onnx.save(model, tmp_path / "explainer.onnx")
    np.save(tmp_path / "batch.npy", noise)
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    found = np.load(tmp_path / "found.npz")
    wanted = pysal.explain(tiny, noise, method=method, **SHORT[method], **python_only(method))
    np.testing.assert_allclose(found["maps"], wanted.map, atol=TOLERANCE)


def every_node(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes of a graph and of all bodies in it."""
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found.extend(every_node(attribute.g))
    return found


@METHOD
def test_holds_standard_operators_and_each_network_once(method: str) -> None:
    prepared = prepare(FLOWER)
    model = build_explainer(prepared, method, **SHORT[method])
    assert [(o.domain, o.version <= 21) for o in model.opset_import] == [("", True)]
    nodes = every_node(model.graph)
    assert {node.domain for node in nodes} == {""}
    onnx.checker.check_model(model, full_check=True)
    longer = {"igos": {"steps": 12}, "integrated_gradients": {"steps": 30}, "gradcam": {}}
    options = {**SHORT[method], **longer[method]}
    assert len(every_node(build_explainer(prepared, method, **options).graph)) == len(nodes)


def test_compact_files_hold_weights_once() -> None:
    prepared = prepare(FLOWER)
    sizes = [
        build_explainer(prepared, "igos", compact=compact).ByteSize() for compact in (True, False)
    ]
    assert sizes[0] < 0.7 * sizes[1]


@METHOD
def test_says_what_it_is(method: str) -> None:
    model = build_explainer(prepare(FLOWER), method, **SHORT[method])
    props = {p.key: p.value for p in model.metadata_props}
    facts = json.loads(props["pysal.explainer"])
    assert (facts["method"], facts["model"]["name"]) == (method, "flower.onnx")
    assert facts["model"]["sha256"] == prepare(FLOWER).sha256 != ""
    assert facts["versions"]["pysal"] == pysal.__version__
    known = {"size": [7, 7], "layer": "max_pool2d_4", "steps": 6}
    assert any(facts["options"].get(name) == value for name, value in known.items())
    assert json.loads(props["pysal.preprocess"])["size"] == [112, 112]
    assert json.loads(props["pysal.labels"])[0] == "red"


def test_is_no_classifier(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "explainer.onnx"
    onnx.save(build_explainer(prepare(tiny), "gradcam"), path)
    for opens in (pysal.open_classifier, prepare):
        with pytest.raises(ModelFormatError, match="explainer in one file, not a classifier"):
            opens(path)


@METHOD
def test_defaults_are_those_of_the_method(method: str) -> None:
    own = inspect.signature(EXPLAINERS[method].load()).parameters
    wanted = inspect.signature(METHODS[method].load()).parameters
    both = (own.keys() & wanted.keys()) - {"progress"}
    assert {n: own[n].default for n in both} == {n: wanted[n].default for n in both}
    assert EXPLAINERS[method].kind == METHODS[method].kind
    assert own.keys() - wanted.keys() <= {"frame", "points_per_run"}


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("rise", {}, 'one-file explainer "rise" is unknown'),
        ("igos", {"noise": "gaussian"}, "noise is 'gaussian'; the one-file form has 'off' only"),
        ("igos", {"l1_schedule": True}, "l1_schedule is True; the one-file form"),
        ("integrated_gradients", {"idgi": True}, "idgi is True; the one-file form"),
        ("integrated_gradients", {"stepz": 3}, 'no option "stepz"; did you mean steps'),
        ("integrated_gradients", {"steps": 1}, "steps is 1; expected a whole number from 2 on"),
        ("integrated_gradients", {"points_per_run": 0}, "points_per_run is 0"),
        ("igos", {"size": 17}, "size is 17; expected .* 16 x 16"),
        ("igos", {"size": 4, "baseline": "blurr"}, 'baseline "blurr" is unknown'),
        ("igos", {"size": 4, "seed": [1, 2]}, "seed is"),
        ("gradcam", {"layer": "z"}, 'layer "z" has shape'),
        ("gradcam", {"layer": "nowhere"}, 'layer "nowhere" is not in'),
        ("gradcam", {"input": "jpeg"}, "input is 'jpeg'; use one of float, uint8, uint8-nchw"),
        ("gradcam", {"kind": "odds"}, "kind is 'odds'"),
        ("gradcam", {"lowering": "cuda"}, "lowering is 'cuda'"),
        ("gradcam", {"compact": 1}, "compact is 1; expected true or false"),
    ],
)
def test_refuses_in_one_line(
    method: str, options: dict[str, Any], message: str, tiny: Path
) -> None:
    with pytest.raises(OptionError, match=message) as caught:
        build_explainer(prepare(tiny), method, **options)
    assert "\n" not in str(caught.value)


def test_refuses_a_record_of_other_channels(tiny: Path) -> None:
    grey = pysal.Preprocess.default((1, 16, 16))
    with pytest.raises(OptionError, match=r"record is for GRAY; tiny\.onnx takes 3 channels"):
        build_explainer(prepare(tiny), "gradcam", preprocess=grey)


def test_refuses_a_network_without_a_layer_for_gradcam(tmp_path: Path) -> None:
    nodes = [
        onnx.helper.make_node("Flatten", ["x"], ["f"]),
        onnx.helper.make_node("MatMul", ["f", "w"], ["z"]),
    ]
    weight = onnx.numpy_helper.from_array(np.ones((12, 3), np.float32), "w")
    value = functools.partial(onnx.helper.make_tensor_value_info, elem_type=1)
    graph = onnx.helper.make_graph(
        nodes, "flat", [value("x", shape=["N", 3, 2, 2])], [value("z", shape=["N", 3])], [weight]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    with pytest.raises(OptionError, match="has no default layer for activation maps"):
        build_explainer(prepare(model), "gradcam")


@METHOD
def test_tensorrt_reads_it(method: str) -> None:
    trt = pytest.importorskip("tensorrt_rtx_bindings", exc_type=ImportError)
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, builder.logger)
    model = build_explainer(
        prepare(FLOWER), method, lowering="portable", ask_target=True, **SHORT[method]
    )
    read = parser.parse(model.SerializeToString())
    assert read, [parser.get_error(i).desc() for i in range(parser.num_errors)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["squeezenet1.1", "mobilenet_v2"])
@METHOD
def test_equals_the_library_on_real_networks(method: str, name: str, data: Path) -> None:
    path = data / "models" / f"{name}.onnx"
    record = pysal.Preprocess.from_json(path.with_suffix(".json"))
    photos = sorted((data / "photos").glob("*.jpg"))[:60:24]
    batch = load_photos(photos, record, (3, 224, 224)).batch
    options = {"igos": {"preset": "fast"}, "integrated_gradients": {"steps": 10}, "gradcam": {}}
    compare(path, method, batch, options[method])
