"""A small pooled network as an ONNX file, and everything that a classifier can compute of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pysal.classifier import Classifier
from pysal.types import Noise, Target

CLASSES, SIZE, BATCH = 5, 20, 6
RNG = np.random.default_rng(11)
X = RNG.normal(size=(BATCH, 3, SIZE, SIZE)).astype(np.float32)
BASELINE = RNG.normal(size=X.shape).astype(np.float32)
INDEX = np.arange(BATCH) % CLASSES


def write_network(
    path: Path, end: str = "Softmax", unknown: bool = False, width: int = 8, lift: float = 0.0
) -> Path:
    """Conv, Relu, MaxPool, Conv, mean, Gemm and an end.

    `unknown` puts an operator without rule, `lift` adds to the logit of class 0.
    """
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(width, 3, 3, 3)) / 3,
        "w2": rng.normal(size=(width, width, 3, 3)) / width,
        "fc": rng.normal(size=(CLASSES, width)),
        "bias": rng.normal(size=CLASSES),
    }
    weights["bias"][0] += lift
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1"], ["c1"], name="conv1", pads=[1, 1, 1, 1]),
        node("Asinh" if unknown else "Relu", ["c1"], ["r1"], name="relu1"),
        node("MaxPool", ["r1"], ["m1"], name="pool", kernel_shape=[3, 3], strides=[2, 2]),
        node("Conv", ["m1", "w2"], ["c2"], name="conv2"),
        node("Relu", ["c2"], ["r2"], name="relu2"),
        node("GlobalAveragePool", ["r2"], ["a"], name="mean"),
        node("Flatten", ["a"], ["f"], name="flat"),
        node("Gemm", ["f", "fc", "bias"], ["z"], name="gemm", transB=1),
        node(end or "Identity", ["z"], ["p"], name="end"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def masks(*shape: int) -> np.ndarray:
    return np.random.default_rng(2).uniform(size=shape).astype(np.float32)


def noise(rows: int = BATCH) -> Noise:
    return Noise(np.full(3, 0.3, np.float32), np.arange(rows, dtype=np.uint64) + 7, 2)


def every_result(net: Classifier, rows: list[int] | slice) -> dict[str, np.ndarray]:
    """All that a classifier computes, for some of the images."""
    x, base = np.ascontiguousarray(X[rows]), np.ascontiguousarray(BASELINE[rows])
    target, m = Target(INDEX[rows]), masks(BATCH, 3, 5, 5)[rows]
    every = Noise(noise().std, noise().seed[rows], 2)
    found = {"score": net.score(x), **net.activations(x, ["r1", "z"])}
    found["value"], found["grad"] = net.value_and_grad(x, target)
    found["layer"] = net.value_and_grad(x, target, wrt="m1")[1]
    found["masked"] = net.score_masked(x, base, m, target, noise=every)
    grid = dict(nodes=np.array([0.2, 0.9], np.float32), weights=np.array([0.5, 0.5], np.float32))
    found["path_value"], found["path"] = net.path_grad(
        x, base, m[:, 0], target, **grid, noise=every
    )
    return found
