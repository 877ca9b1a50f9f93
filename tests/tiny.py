"""A tiny ONNX classifier and photos for it, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

CLASSES, SIZE = 4, 16


def write_model(path: Path, activation: str = "Relu", channels: int = 3) -> Path:
    """Conv, activation, mean, Gemm, Softmax: (N, channels, 16, 16) -> (N, 4)."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(8, channels, 3, 3)),
        "fc": 4 * rng.normal(size=(CLASSES, 8)),
        "bias": np.zeros(CLASSES),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node(activation, ["a"], ["b"], name="act"),
        helper.make_node("GlobalAveragePool", ["b"], ["c"], name="pool"),
        helper.make_node("Flatten", ["c"], ["d"], name="flat"),
        helper.make_node("Gemm", ["d", "fc", "bias"], ["z"], name="gemm", transB=1),
        helper.make_node("Softmax", ["z"], ["p"], name="softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", channels, SIZE, SIZE])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in weights.items()],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def write_photo(path: Path, seed: int = 0) -> Path:
    """A smooth random picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    Image.fromarray(coarse).resize((50, 40), Image.Resampling.BICUBIC).save(path)
    return path
