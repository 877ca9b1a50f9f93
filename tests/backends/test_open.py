"""How a model finds its engine and device, and what is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pooled import SIZE, X
from pooled_torch import pooled_module

from pysal import backends
from pysal.backends import BACKENDS, CUDA_ONLY, ON_CUDA, devices, engines, open_classifier
from pysal.backends.ort import OrtClassifier
from pysal.backends.pytorch import TorchClassifier
from pysal.errors import CapabilityError, MissingDependencyError, OptionError
from pysal.prepared import INPUT

SHAPE = (3, SIZE, SIZE)


@pytest.fixture
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a GPU."""
    monkeypatch.setattr(backends, "cuda_missing", lambda engine: "no GPU here")


@pytest.mark.usefixtures("without_cuda")
def test_auto_takes_the_engine_of_the_model_and_a_live_device(path: Path) -> None:
    file = open_classifier(path, threads=1)
    assert isinstance(file, OrtClassifier)
    module = open_classifier(pooled_module(path), input_shape=SHAPE, rows=3, precision=None)
    assert isinstance(module, TorchClassifier)
    assert not module.prefers_batches
    np.testing.assert_allclose(module.score(X), file.score(X), rtol=1e-4)
    assert open_classifier(file) is file
    assert isinstance(open_classifier(path, engine="ort", device="cpu"), OrtClassifier)


def test_auto_takes_cuda_where_it_is_live(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[dict] = []

    class Fake:
        def load(self):
            def opener(model, *, device=None, precision=None, rows=20, **rest):
                taken.append({"device": device, "precision": precision, "rows": rows})

            return opener

    monkeypatch.setattr(backends, "cuda_missing", lambda engine: "")
    monkeypatch.setattr(backends, "kernels_missing", lambda: "")
    monkeypatch.setattr(backends, "ON_CUDA", {"ort": Fake()})
    open_classifier(path, precision="tf32")
    open_classifier(path, device="cuda:1", rows=7)
    monkeypatch.setattr(backends, "kernels_missing", lambda: "not built")
    assert isinstance(open_classifier(path), OrtClassifier)
    assert taken == [
        {"device": "cuda", "precision": "tf32", "rows": 20},
        {"device": "cuda:1", "precision": "fp32", "rows": 7},
    ]


@pytest.mark.usefixtures("without_cuda")
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"engine": "tensorflow"}, OptionError, '"tensorflow" is unknown'),
        ({"engine": "pytorch"}, OptionError, "takes a torch nn.Module"),
        ({"device": "cuda"}, CapabilityError, 'cannot run on "cuda": no GPU here'),
        ({"engine": "tensorrt"}, CapabilityError, '"tensorrt" cannot run here: no GPU here'),
        ({"engine": "tensorrt", "device": "cpu"}, CapabilityError, "runs on CUDA only"),
        ({"device": "tpu"}, OptionError, '"cuda:N"'),
        ({"device": "cuda:x"}, OptionError, '"cuda:N"'),
        ({"engine": "ort", "precision": "bf16"}, CapabilityError, '"bf16" was given'),
        ({"engine": "openvino", "device": "cuda"}, CapabilityError, 'cannot run on "cuda"'),
        ({"engine": "openvino", "precision": "tf32"}, OptionError, "fp32, bf16, fp16"),
        ({"rows": 4}, OptionError, 'no option "rows"'),
        ({"input_shap": SHAPE}, OptionError, "did you mean input_shape"),
        ({"threads": 0}, OptionError, "threads is 0"),
    ],
)
def test_a_file_that_cannot_be_opened_so_says_why(path: Path, options, error, words: str) -> None:
    with pytest.raises(error) as caught:
        open_classifier(path, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_openvino_is_on_the_cpu(path: Path) -> None:
    assert "on the CPU" in backends.cuda_missing("openvino")
    assert open_classifier(path, engine="openvino").info.engine.startswith("openvino (CPU")


def test_models_of_the_wrong_kind_say_what_fits(path: Path) -> None:
    with pytest.raises(OptionError, match=r"torch\.onnx\.export"):
        open_classifier(pooled_module(path), engine="ort")
    with pytest.raises(OptionError, match="the model is a dict; expected the path"):
        open_classifier({})  # type: ignore[arg-type]
    opened = OrtClassifier(path, threads=1)
    for name, value in {"device": "cpu", "precision": "bf16", "rows": 2, "lowering": "ort"}.items():
        with pytest.raises(OptionError, match=f"{name} cannot be given with a classifier"):
            open_classifier(opened, **{name: value})


def test_missing_packages_are_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "pysal-saliency[cpu]" in engines()["ort"]
    assert "pysal-saliency[openvino]" in engines()["openvino"]
    assert "onnxruntime is not installed" in devices()["ort cuda"]
    with pytest.raises(MissingDependencyError, match="onnxruntime is not installed"):
        open_classifier(path)
    with pytest.raises(CapabilityError, match=r'"ort" cannot run here: onnxruntime is not'):
        open_classifier(path, engine="ort")


def test_an_engine_that_does_not_start_says_why(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        class Core:
            def __init__(self) -> None:
                raise RuntimeError("no plugins.xml\nand a long trace")

    monkeypatch.setattr(sys.modules["pysal.backends.devices"], "_installed", lambda name: True)
    monkeypatch.setitem(sys.modules, "openvino", Broken)
    assert engines()["openvino"] == "openvino does not start (no plugins.xml)"
    with pytest.raises(CapabilityError, match="cannot run here: openvino does not start"):
        open_classifier(path, engine="openvino")
    assert isinstance(open_classifier(path, device="cpu"), OrtClassifier)


def test_an_openvino_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(
        Core=lambda: SimpleNamespace(available_devices=["CPU"]), __version__="2024.6.0-17404-4c0f4"
    )
    monkeypatch.setitem(sys.modules, "openvino", old)
    monkeypatch.setattr(sys.modules["pysal.backends.devices"], "_installed", lambda name: True)
    expected = 'openvino 2024.6.0 is too old; pip install -U "openvino>=2025.0"'
    assert engines()["openvino"] == expected


def test_auto_takes_the_first_engine_that_can_run_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = {"ort": "", "openvino": ""}
    monkeypatch.setattr(backends, "engine_missing", lambda name, needs, extra: live[name])
    chosen = backends._fastest
    assert chosen("auto", "fp32") == chosen("cpu", None) == "ort"
    assert chosen("auto", "bf16") == chosen("cpu", "fp16") == "openvino"
    assert chosen("cuda:1", "fp16") == "ort"
    live["openvino"] = "is not installed"
    assert chosen("cpu", "bf16") == "ort"
    live |= {"ort": "is not installed", "openvino": ""}
    assert chosen("auto", "fp32") == "openvino"
    live["openvino"] = "is not installed"
    assert chosen("auto", "fp32") == "ort"  # whose absence is then the error


def test_states_are_of_every_engine() -> None:
    states = engines()
    assert list(states) == list(BACKENDS)
    assert {states[name] for name in states if name not in CUDA_ONLY} == {"available"}
    places = ["ort cuda", "pytorch cuda", "tensorrt cuda", "ort_tensorrt cuda", "kernels cuda"]
    assert list(devices()) == places
    assert all(state for state in devices().values())
    for entry in (*BACKENDS.values(), *ON_CUDA.values()):
        assert entry.summary
        assert entry.extra


FILE_ONLY = """
import sys
import pysal.backends as b
net = b.open_classifier(sys.argv[1], device="cpu")
net.prepare({"grad"})
print(sorted({"torch", "cupy"} & set(sys.modules)))
"""


def test_a_file_is_opened_without_torch(path: Path) -> None:
    command = [sys.executable, "-c", FILE_ONLY, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_image_has_one_name_in_every_run(path: Path) -> None:
    net = open_classifier(pooled_module(path), input_shape=SHAPE, device="cpu")
    with net._using("gradient", "gradient", INPUT) as run:
        assert list(run.run.inputs) == ["input", "pysal/seed", "pysal/seed_probability"]
