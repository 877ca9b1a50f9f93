"""The TensorRT engine around its computations, with stand-ins for the library and for CuPy."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from cupy_stand_in import Stream
from pooled import INDEX, SIZE, X, every_result, write_network
from trt_host import OnHost, use
from trt_stand_in import make_module

from pysal import export
from pysal.backends import tensorrt_library
from pysal.backends.ort import OrtClassifier
from pysal.backends.tensorrt import TensorrtClassifier
from pysal.backends.tensorrt_library import Library, _make_logger
from pysal.errors import (
    CapabilityError,
    InputError,
    MissingDependencyError,
    OptionError,
    ShapeError,
    UnsupportedOpError,
)
from pysal.types import Target


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Any:
    return use(monkeypatch, "tensorrt")


@pytest.fixture
def rtx(monkeypatch: pytest.MonkeyPatch) -> Any:
    return use(monkeypatch, "tensorrt_rtx")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def same_as_ort(net: TensorrtClassifier, path: Path) -> None:
    expected = every_result(OrtClassifier(path, threads=1), slice(None))
    for name, value in every_result(net, slice(None)).items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(
            value, expected[name], rtol=1e-4, atol=1e-5 * scale, err_msg=name
        )


# ---- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["tensorrt", "tensorrt_rtx"])
def test_results_are_those_of_onnx_runtime(
    monkeypatch: pytest.MonkeyPatch, path: Path, cache: Path, flavour: str
) -> None:
    module = use(monkeypatch, flavour)
    net = OnHost(path, rows=4, cache=cache)
    same_as_ort(net, path)
    label = {"tensorrt": "TensorRT 99.1", "tensorrt_rtx": "TensorRT-RTX 99.1"}[flavour]
    assert net.info.engine == f"tensorrt (cuda:0 Stand-in, {label}, fp32, batches of 4)"
    assert net.info.versions == {flavour: "99.1"}
    assert net.prefers_batches
    assert not any(config.flags for config in module.built)  # TF32 is off
    assert net.info.layers == ("c1", "r1", "m1", "c2", "r2", "a", "f", "z")


def test_a_run_is_a_captured_graph_between_the_events(trt: Any, path: Path, cache: Path) -> None:
    net = OnHost(path, rows=4, cache=cache)
    net.prepare(())
    assert trt.log[-5:] == [
        "current wait_event computed",
        "ours synchronize",
        "ours begin_capture",
        "execute on 77",
        "used record current",
    ]
    trt.log.clear()
    net.score(X[:1])
    assert trt.log == [
        "current wait_event used",
        "filled record current",
        "ours wait_event filled",
        "graph launch ours",
        "computed record ours",
        "current wait_event computed",
        "used record current",
    ]


def test_rtx_captures_its_graphs_itself(rtx: Any, path: Path, cache: Path) -> None:
    OnHost(path, rows=2, cache=cache).prepare(())
    assert "context WHOLE_GRAPH_CAPTURE" in rtx.log
    assert "ours begin_capture" not in rtx.log
    assert rtx.log.count("execute on 77") == 1
    OnHost(path, rows=2, cache=cache, cuda_graph=False).prepare(())
    assert rtx.log.count("context none") == 1


def test_a_network_that_cannot_be_captured_runs_without(
    trt: Any, path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "capturable", False)
    net = OnHost(path, rows=2, cache=cache)
    with pytest.warns(UserWarning, match="runs without: operation not permitted$"):
        net.prepare(())
    trt.log.clear()
    expected = OrtClassifier(path, threads=1).score(X[:3])
    np.testing.assert_allclose(net.score(X[:3]), expected, rtol=1e-4)
    assert trt.log.count("execute on 77") == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OnHost(path, rows=2, cache=cache, cuda_graph=False).prepare({"grad"})


def test_weights_can_be_drawn_anew_and_channels_scaled(trt: Any, path: Path, cache: Path) -> None:
    net, ort = OnHost(path, rows=4, cache=cache), OrtClassifier(path, threads=1)
    other, wanted = (n.randomized(["c2"], seed=3) for n in (net, ort))
    np.testing.assert_allclose(other.score(X), wanted.score(X), rtol=1e-4)
    assert other.info.sha256 == ""
    other.prepare({"grad"})
    assert not cache.exists()  # plans of drawn weights would fill it
    factors = {"r1": np.linspace(0, 2, 8, dtype=np.float32)}
    scaled = net.score_scaled(X, factors, "logit")
    np.testing.assert_allclose(scaled, ort.score_scaled(X, factors, "logit"), rtol=1e-4)


def test_16_bits_are_in_the_graph_and_numbers_stay_float32(
    trt: Any, path: Path, cache: Path
) -> None:
    net = OnHost(path, rows=4, cache=cache, precision="fp16")
    assert ", fp16, " in net.info.engine
    value, grad = net.value_and_grad(X, Target(INDEX))
    exact = OrtClassifier(path, threads=1).value_and_grad(X, Target(INDEX))[1]
    assert value.dtype == grad.dtype == np.float32
    assert 1e-5 < np.linalg.norm(grad - exact) / np.linalg.norm(exact) < 0.02


# ---- gradient models that were written before ----------------------------------------------------


@pytest.mark.parametrize("lowering", ["portable", "ort"])
def test_exported_gradient_models_run_as_they_are(
    trt: Any, path: Path, cache: Path, tmp_path: Path, lowering: str
) -> None:
    prepared = export.prepare(path)
    text = json.dumps({"rules": "gradient", "lowering": lowering})
    prepared.model.metadata_props.add(key="pysal.gradient", value=text)
    file = tmp_path / "prepared.onnx"
    export.save_model(export.build_gradient(prepared, lowering=lowering, taps=["r1"]), file)
    export.save_model(export.build_forward(prepared), tmp_path / "prepared.forward.onnx")
    net, ort = OnHost(file, rows=4, cache=cache), OrtClassifier(file, threads=1)
    target = Target(INDEX)
    for found, exact in zip(
        net.value_and_grad(X, target), ort.value_and_grad(X, target), strict=True
    ):
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(net.activations(X, ["r1"])["r1"], ort.activations(X, ["r1"])["r1"])
    net.score(X)
    assert len(trt.built) == 2  # the gradient model serves its tap
    with pytest.raises(CapabilityError, match='not "deconvnet"'):
        net.value_and_grad(X, target, rules="deconvnet")
    with pytest.raises(OptionError, match="--taps"):
        net.activations(X, ["c2"])
    if lowering == "ort":
        with pytest.raises(CapabilityError, match="--lowering portable"):
            OnHost(file, precision="fp16", cache=cache)
    else:
        OnHost(file, precision="fp16", cache=cache).score(X)


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"precision": "fp8"}, OptionError, "fp32, tf32, fp16, bf16"),
        ({"rows": 0}, OptionError, "rows is 0"),
        ({"workspace": 0}, OptionError, "workspace is 0"),
        ({"device": "cpu"}, OptionError, '"cuda:N"'),
        ({"device": "cuda:3"}, CapabilityError, 'the last one here is "cuda:0"'),
    ],
)
def test_wrong_options_are_one_line(trt: Any, path: Path, options, error, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        OnHost(path, cache=False, **options)
    assert "\n" not in str(caught.value)


def test_refusals_of_the_library_are_one_line(
    trt: Any, path: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="does not exist"):
        OnHost(tmp_path / "no.onnx")
    with pytest.raises(InputError, match="folder without plans"):
        OnHost(tmp_path)
    with pytest.raises(ShapeError, match="the arrays are of torch"):
        OnHost(path, cache=cache).score(torch.zeros(1, 3, SIZE, SIZE))
    monkeypatch.setattr(trt.Builder, "fails", "[a.cpp::b::1] Error Code 2: no memory\nfor it")
    with pytest.raises(CapabilityError, match=r"of net.onnx: Error Code 2: no memory for it$"):
        OnHost(path, rows=3, cache=cache).prepare(())
    with pytest.raises(CapabilityError, match=r"for it; give more workspace$"):
        OnHost(path, rows=3, cache=cache, workspace=1).prepare(())
    monkeypatch.undo()


def test_a_plan_that_the_library_does_not_open_is_one_line(
    trt: Any, path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", broken(trt))
    with pytest.raises(CapabilityError, match=r"cannot open the plan: the tag does not match$"):
        OnHost(path, rows=2, cache=cache).prepare(())


def test_a_run_that_is_not_enqueued_is_one_line(
    trt: Any, path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = OnHost(path, rows=2, cache=cache, cuda_graph=False)
    net.prepare(())

    def fail(context: Any, stream: int) -> bool:
        net._library.logger.log(trt.ILogger.Severity.ERROR, "an illegal\naddress")
        return False

    monkeypatch.setattr("trt_stand_in.Context.execute_async_v3", fail)
    with pytest.raises(CapabilityError, match=r"does not run the plan: an illegal address$"):
        net.score(X)


def broken(module: Any) -> Any:
    def deserialize(self: Any, data: bytes) -> None:
        self._logger.log(module.ILogger.Severity.ERROR, "the tag does\nnot match")

    return deserialize


def test_operators_without_an_importer_are_named(trt: Any, tmp_path: Path, cache: Path) -> None:
    odd = write_network(tmp_path / "odd.onnx", unknown=True)
    model = onnx.load(odd)
    model.graph.node[1].op_type = "Asinh"
    onnx.save(model, odd)
    net = OnHost(odd, rows=2, cache=cache)
    with pytest.raises(UnsupportedOpError, match=r'Asinh "relu1": no importer for it; use engine'):
        net.score(X)
    assert not list(cache.iterdir())


def test_missing_packages_are_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensorrt_library._load.cache_clear()
    for names in tensorrt_library.MODULES.values():
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"pysal-saliency\[tensorrt\]") as caught:
        TensorrtClassifier(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(OptionError, match="tensorrt or tensorrt_rtx"):
        TensorrtClassifier(path, flavour="rtx")
    tensorrt_library._load.cache_clear()


def test_cupy_that_is_missing_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = make_module("tensorrt")
    library = Library(module, "tensorrt", "99.1", _make_logger(module))
    monkeypatch.setattr("pysal.backends.tensorrt.find_library", lambda wanted=None: library)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingDependencyError, match=r"TensorRT keeps its arrays in CuPy"):
        TensorrtClassifier(path)
