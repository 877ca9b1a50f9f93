"""One cell of the coverage table: an architecture, exported in one way. Prints one line of JSON.

`coverage.py` starts it as a process of its own, so that a crash or a hang ends nothing else.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import coverage_nets
import numpy as np
import torch
from torch import Tensor, nn

from pysal.errors import PysalError
from pysal.export import build_gradient, prepare

IMAGES, ROUNDINGS = 2, 2


def main() -> None:
    """Run the cell that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("exporter", choices=["dynamo", "torchscript"])
    parser.add_argument("opset", type=int)
    parser.add_argument("--rules", default="gradient")
    parser.add_argument("--sm", default="")
    parser.add_argument("--openvino", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(json.dumps(cell(options)), flush=True)


def cell(options: argparse.Namespace) -> dict[str, Any]:
    """Everything about one export; what fails is a line of text in its place."""
    start = time.perf_counter()
    net, size = coverage_nets.build(options.name)
    x = coverage_nets.images(IMAGES, size, seed=3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            export(net, x, path, options.exporter, options.opset)
        except Exception as error:  # exporters raise all sorts of things
            return {"export": line(error)}
        found: dict[str, Any] = {"export": "ok", "size": size}
        found["operators"] = operators(path)
        try:
            prepared = prepare(path)
        except PysalError as error:
            return {**found, "prepare": line(error)}
    with torch.no_grad():
        target = net(x).argmax(1)
    exact, own = (gradient(net, x, target, kind) for kind in (torch.float64, torch.float32))
    found["torch_float32"] = relative(own.numpy(), exact.numpy())
    found["rounded_weights"] = max(
        relative(gradient(rounded(net, seed), x, target, torch.float64).numpy(), exact.numpy())
        for seed in range(ROUNDINGS)
    )
    sms = [int(sm) for sm in options.sm.split(",") if sm]
    found["rules"] = {}
    for rules in options.rules.split(","):
        truth = exact.numpy() if rules == "gradient" else None
        try:
            found["rules"][rules] = table(prepared, rules, x, target, truth, sms, options.openvino)
        except PysalError as error:
            found["rules"][rules] = {"refused": line(error)}
    found["seconds"] = round(time.perf_counter() - start, 1)
    return found


def table(
    prepared: Any,
    rules: str,
    x: Tensor,
    target: Tensor,
    exact: np.ndarray | None,
    sms: list[int],
    openvino: bool,
) -> dict[str, Any]:
    """Figures of one rule table: of the gradient both lowerings on their engines."""
    seed = np.eye(prepared.num_classes, dtype=np.float32)[target.numpy()]
    feeds = {prepared.input_name: x.numpy(), "pysal/seed": seed, "pysal/seed_probability": 0 * seed}
    ours = on_ort(build_gradient(prepared, rules=rules).SerializeToString(), feeds)
    found: dict[str, Any] = {"finite": bool(np.isfinite(ours).all())}
    if exact is None:
        return found
    found["error"] = relative(ours, exact)
    portable = build_gradient(prepared, rules=rules, lowering="portable").SerializeToString()
    found["portable"] = relative(on_ort(portable, feeds), exact)
    if openvino:
        try:
            found["openvino"] = relative(on_openvino(portable, feeds), exact)
        except Exception as error:  # the engine's own types
            found["openvino"] = line(error)
    found["tensorrt"] = tensorrt(portable, sms)
    return found


def export(net: nn.Module, x: Tensor, path: Path, exporter: str, opset: int) -> None:
    """Write the file with an open batch axis."""
    if exporter == "torchscript":
        axes = {"x": {0: "batch"}}
        options: dict[str, Any] = {"dynamic_axes": axes, "input_names": ["x"]}
        torch.onnx.export(net, (x,), path, dynamo=False, opset_version=opset, **options)
        return
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.onnx.export(
        net, (x,), dynamo=True, verbose=False, opset_version=opset, dynamic_shapes=shapes
    )
    program.save(path)


def operators(path: Path) -> list[str]:
    """Operator types of a file."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    return sorted({node.op_type for node in model.graph.node})


def gradient(net: nn.Module, x: Tensor, target: Tensor, dtype: torch.dtype) -> Tensor:
    """Input gradient of the top logit by torch."""
    wide = copy.deepcopy(net).to(dtype)
    given = x.detach().clone().to(dtype).requires_grad_()
    wide(given).gather(1, target[:, None]).sum().backward()
    assert given.grad is not None
    return given.grad.double()


def rounded(net: nn.Module, seed: int) -> nn.Module:
    """The network in float64 with weights off by about one rounding of float32."""
    moved, draw = copy.deepcopy(net).double(), torch.Generator().manual_seed(seed)
    for weight in moved.parameters():
        weight *= 1.0 + 2.0**-24 * torch.randn(weight.shape, generator=draw, dtype=torch.float64)
    return moved


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest relative error of an image's gradient."""
    rows = (a.reshape(len(a), -1).astype(np.float64) for a in (found, exact))
    given, truth = rows
    norms = np.linalg.norm(truth, axis=1) + 1e-30
    return float(f"{(np.linalg.norm(given - truth, axis=1) / norms).max():.2e}")


def on_ort(model: bytes, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Input gradient on ONNX Runtime, one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["pysal/input_gradient"], feeds)[0])


def on_openvino(model: bytes, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Input gradient on OpenVINO, float32."""
    import openvino as ov

    core = ov.Core()
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(model, b""), "CPU", options)
    return np.asarray(compiled(feeds)["pysal/input_gradient"])


def tensorrt(model: bytes, sms: list[int]) -> dict[str, str]:
    """Whether TensorRT parses the model, and builds engines for some compute capabilities."""
    import tensorrt_rtx_bindings as trt

    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, builder.logger)
    if not parser.parse(model):
        error = parser.get_error(0)
        return {"parse": line(f"{error.node_operator()}: {error.desc()}")}
    found = {"parse": "ok"}
    for sm in sms:
        config, profile = builder.create_builder_config(), builder.create_optimization_profile()
        for i in range(network.num_inputs):
            tensor = network.get_input(i)
            sizes = list(tensor.shape)[1:]
            profile.set_shape(tensor.name, (1, *sizes), (IMAGES, *sizes), (IMAGES, *sizes))
        config.add_optimization_profile(profile)
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{sm}"), 0)
        built = builder.build_serialized_network(network, config)
        found[f"sm{sm}"] = "ok" if built is not None else "no engine was built"
    return found


def line(error: object) -> str:
    """The first line that says something; torch's exporter has that in a summary at the end."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).partition("## Exception summary")
    lines = [part.strip() for part in (text[2] or text[0]).splitlines() if part.strip()]
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}".removeprefix("str: ")


if __name__ == "__main__":
    main()
