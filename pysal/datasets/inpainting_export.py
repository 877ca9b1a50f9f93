"""The small inpainter as an ONNX file, with how it is fed and what it was trained on.

Weights are stored in 8 bits, with one scale per output channel; engines turn them into float32
once, when they load the file.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.datasets.an8flower_net import load_torch
from pysal.datasets.inpainting_net import MULTIPLE
from pysal.errors import ModelFormatError

RECORD = {
    **{"mask": "hole", "channels": "RGB", "low": 0.0, "high": 1.0},
    **{"multiple": MULTIPLE, "pastes": True},
}
"""How the file is fed; read by `pysal.fillers`."""


def export_onnx(net: Any, path: Path, training: Mapping[str, Any]) -> float:
    """Write the network; batch, height and width are free, the latter in multiples of 32.

    Parameters
    ----------
    net : torch.nn.Module
        Its weights are rounded to what 8 bits can tell apart.
    path : Path
    training : mapping
        What it was trained on, written into the file as `pysal.training`.

    Returns
    -------
    float
        Largest difference between ONNX Runtime's and torch's output, values 0 to 1.

    Raises
    ------
    ModelFormatError
        If they differ by more than 1e-4.
    """
    import onnx  # noqa: TID251

    torch = load_torch()
    _round_weights(net)
    net.pool = True
    sides = {k: MULTIPLE * torch.export.Dim(name) for k, name in ((2, "h"), (3, "w"))}
    shapes = {0: torch.export.Dim("N"), **sides}
    example = torch.rand(2, 3, 2 * MULTIPLE, 3 * MULTIPLE), torch.ones(2, 1, 64, 96)
    with warnings.catch_warnings():
        # The exporter warns of torch's own deprecated calls.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            example,
            input_names=["image", "mask"],
            output_names=["inpainted"],
            dynamic_shapes=(shapes, shapes),
            dynamo=True,
            opset_version=18,
            verbose=False,
        )
    model = program.model_proto
    for part in (model, model.graph, *model.graph.node):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.graph.ClearField("value_info")
    _pack_weights(model.graph)
    properties = {"pysal.inpainter": RECORD, "pysal.training": dict(training)}
    onnx.helper.set_model_props(model, {k: json.dumps(v) for k, v in properties.items()})
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    net.pool = False
    return _compare(net, path)


def _round_weights(net: Any) -> None:
    """Round the weights of convolutions to multiples of a 127th of their channel's largest."""
    torch = load_torch()
    with torch.no_grad():
        for weights in net.parameters():
            if weights.ndim == 4:
                step = weights.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-20) / 127
                weights.copy_(torch.round(weights / step) * step)


def _pack_weights(graph: Any) -> None:
    """Replace rounded weights by int8 times a scale; engines fold both nodes at loading."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: TID251

    large = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    nodes = []
    for tensor in [tensor for tensor in graph.initializer if tensor.name in large]:
        name, values = tensor.name, numpy_helper.to_array(tensor)
        step = np.maximum(np.abs(values).max(axis=(1, 2, 3), keepdims=True), 1e-20) / 127
        whole = np.rint(values / step).astype(np.int8)
        graph.initializer.remove(tensor)
        graph.initializer.extend(
            numpy_helper.from_array(part, f"{name}_{kind}")
            for kind, part in (("int8", whole), ("step", step.astype(np.float32)))
        )
        nodes += [
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_float", f"{name}_step"], [name]),
        ]
    rest = list(graph.node)
    graph.ClearField("node")
    graph.node.extend([*nodes, *rest])


def _compare(net: Any, path: Path) -> float:
    """Run the file and the network on the same images."""
    torch = load_torch()
    image, mask = torch.rand(3, 3, 128, 160), (torch.rand(3, 1, 128, 160) < 0.3).float()
    with torch.no_grad():
        wanted = net(image, mask).numpy()
    error = float(np.abs(run_onnx(path, image.numpy(), mask.numpy()) - wanted).max())
    if error > 1e-4:
        raise ModelFormatError(
            f"{path} differs from the torch network by {error:.2g}; expected at most 1e-4, try "
            "another version of torch or onnxruntime"
        )
    return error


def run_onnx(
    path: Path, image: NDArray[np.float32], mask: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Output of the file for images (N, 3, H, W) and masks (N, 1, H, W)."""
    import onnxruntime  # noqa: TID251

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run(None, {"image": image, "mask": mask})[0]
    return result
