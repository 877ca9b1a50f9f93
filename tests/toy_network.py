"""A small convolutional network in numpy with inner layers, and ways back from any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pysal.classifier import Classifier
from pysal.prepared import INPUT
from pysal.preprocess import Preprocess
from pysal.types import Array, ModelInfo, Passes, ScoreKind

FIELDS = {
    "conv1": (3, 2, 0.0),
    "relu1": (3, 2, 0.0),
    "conv2": (7, 2, 2.0),
    "relu2": (7, 2, 2.0),
    "mean": None,
    "hidden": None,
}
"""Layer -> size, jump and centre of its receptive field, by hand; None for the whole image."""


class ToyNetwork(Classifier):
    """conv 3x3 stride 2 pad 1, ReLU, conv 3x3, ReLU, mean, linear, ReLU (hidden), linear.

    Every image is computed by itself, so a batch gives exactly what its images give alone.
    """

    def __init__(self, size: int = 16, classes: int = 4, channels: int = 3, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.w1 = rng.normal(size=(6, channels, 3, 3)) / 3
        self.w2 = rng.normal(size=(5, 6, 3, 3)) / 4
        self.fc1 = rng.normal(size=(7, 5))
        self.fc2 = 0.1 * rng.normal(size=(classes, 7))
        self.w2[4] = -np.abs(self.w2[4])  # behind a ReLU: this channel never answers
        self.info = ModelInfo(
            "toy network", (channels, size, size), classes, layers=(*FIELDS, "logits")
        )
        self.preprocess = Preprocess.default((channels, size, size))
        self.passes = Passes()

    def score(self, batch: Array, kind: ScoreKind = "probability") -> Array:
        self.passes += Passes(len(batch), 0)
        logits = np.array([self._forward(x)["logits"] for x in batch])
        logits = logits.reshape(len(batch), self.info.num_classes)
        if kind == "logit":
            return logits.astype(np.float32)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)

    def activations(self, batch: Array, layers: Sequence[str]) -> Mapping[str, Array]:
        self.passes += Passes(len(batch), 0)
        rows = [self._forward(x) for x in batch]
        return {name: np.array([row[name] for row in rows], np.float32) for name in layers}

    def backward(
        self,
        batch: Array,
        layer: str,
        signal: Array,
        *,
        wrt: str = INPUT,
        rules: str = "gradient",
    ) -> Array:
        assert wrt == INPUT
        self.passes += Passes(len(batch), len(batch))
        deconv = {"gradient": False, "stride1_deconv": True}[rules]
        pairs = zip(batch, signal, strict=True)
        found = [self._back(self._forward(x), layer, g.astype(float), deconv) for x, g in pairs]
        return np.array(found, np.float32).reshape(batch.shape)

    def _forward(self, x: Array) -> dict[str, np.ndarray]:
        values = {INPUT: x.astype(np.float64)}
        values["conv1"] = convolve(values[INPUT], self.w1, 2, 1)
        values["relu1"] = np.maximum(values["conv1"], 0)
        values["conv2"] = convolve(values["relu1"], self.w2, 1, 0)
        values["relu2"] = np.maximum(values["conv2"], 0)
        values["mean"] = values["relu2"].mean(axis=(1, 2))
        values["hidden"] = np.maximum(self.fc1 @ values["mean"], 0)
        values["logits"] = self.fc2 @ values["hidden"]
        return values

    def _back(self, values: dict, layer: str, g: np.ndarray, deconv: bool) -> np.ndarray:
        """Walk back from a layer's output; with `deconv` by the rules of the published method."""

        def relu(g: np.ndarray, output: str) -> np.ndarray:
            return g * (values[output] > 0) * ((g > 0) | (not deconv))

        order = (INPUT, *FIELDS)
        start = order.index(layer)
        if start >= order.index("hidden"):
            g = self.fc1.T @ relu(g, "hidden")
        if start >= order.index("mean"):
            shape = values["relu2"].shape
            g = np.broadcast_to(g[:, None, None] / shape[1] / shape[2], shape)
        if start >= order.index("relu2"):
            g = relu(g, "relu2")
        if start >= order.index("conv2"):
            g = spread(g, self.w2, 1, 0, values["relu1"].shape)
        if start >= order.index("relu1"):
            g = relu(g, "relu1")
        size = values[INPUT].shape
        if not deconv:
            return spread(g, self.w1, 2, 1, size)
        wide = size[1] + 2 - 3 + 1
        near = np.floor((np.arange(wide) + 0.5) * g.shape[1] / wide).astype(int)
        return spread(g[:, near[:, None], near], self.w1, 1, 1, size)


def convolve(x: np.ndarray, w: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """Correlation of (C, H, W) with (Q, C, k, k)."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(1, 2))
    return np.einsum("chwij,qcij->qhw", windows[:, ::stride, ::stride], w)


def spread(
    g: np.ndarray, w: np.ndarray, stride: int, pad: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Adjoint of `convolve`: (Q, h, w) -> `shape`."""
    channels, height, width = shape
    out = np.zeros((channels, height + 2 * pad, width + 2 * pad))
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            rows = slice(i, i + stride * g.shape[1], stride)
            columns = slice(j, j + stride * g.shape[2], stride)
            out[:, rows, columns] += np.einsum("qhw,qc->chw", g, w[:, :, i, j])
    return out[:, pad : pad + height, pad : pad + width]
