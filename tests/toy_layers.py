"""An analytic classifier with a layer between image and scores, for activation maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from pysal.classifier import Classifier
from pysal.prepared import INPUT
from pysal.preprocess import Preprocess
from pysal.types import Array, ModelInfo, Passes, ScoreKind, Target


class LayeredToy(Classifier):
    """4 x 4 blocks of the image, averaged; K ReLU features of each; logits weigh them by place.

    `features` (N, K, h, w) is the layer, `logits` the scores. Every image is computed by itself.
    """

    BLOCK = 4

    def __init__(self, size: int = 16, classes: int = 4, features: int = 6, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        cells = size // self.BLOCK
        self.mix = rng.normal(size=(features, 3)) * 2
        self.bias = 0.3 * rng.normal(size=features)
        self.place = rng.normal(size=(classes, features, cells, cells)) / cells
        self.info = ModelInfo(
            "layered",
            (3, size, size),
            classes,
            engine="numpy",
            layers=("features", "logits"),
            cam_layer="features",
        )
        self.preprocess = Preprocess.default((3, size, size))
        self.passes = Passes()

    def photos(self, count: int, seed: int = 0) -> Array:
        """Smooth random pictures."""
        coarse = np.random.default_rng(seed).normal(size=(count, 3, 4, 4))
        fine = 0.2 * np.random.default_rng(seed + 1).normal(size=(count, *self.info.input_shape))
        return (coarse.repeat(4, 2).repeat(4, 3) + fine).astype(np.float32)

    def top(self, batch: Array, kind: ScoreKind = "probability") -> Target:
        """Top class per image; not counted."""
        return Target(np.array([self._run(x)[1].argmax() for x in batch], np.int64), kind)

    def score(self, batch: Array, kind: ScoreKind = "probability") -> Array:
        self.passes += Passes(len(batch), 0)
        rows = [self._run(x)[1] for x in batch]
        if kind == "probability":
            rows = [_softmax(z) for z in rows]
        return np.array(rows, np.float32).reshape(len(batch), self.info.num_classes)

    def value_and_grad(
        self, batch: Array, target: Target, *, wrt: str = INPUT, rules: str = "gradient"
    ) -> tuple[Array, Array]:
        assert rules == "gradient"
        self.passes += Passes(len(batch), len(batch))
        values, grads = [], []
        for x, c in zip(batch, target.index, strict=True):
            before, z = self._run(x)
            seed, value = np.eye(len(z))[c], z[c]
            if target.kind == "probability":
                p = _softmax(z)
                value, seed = p[c], p[c] * (seed - p)
            at_features = np.tensordot(seed, self.place, 1)
            at_mean = np.tensordot(self.mix.T, at_features * (before > 0), 1) / self.BLOCK**2
            at_input = at_mean.repeat(self.BLOCK, 1).repeat(self.BLOCK, 2)
            values.append(value)
            grads.append({INPUT: at_input, "features": at_features, "logits": seed}[wrt])
        shape = {
            INPUT: batch.shape[1:],
            "features": self.place.shape[1:],
            "logits": (len(self.place),),
        }
        grad = np.array(grads, np.float32).reshape(len(batch), *shape[wrt])
        return np.array(values, np.float32), grad

    def activations(self, batch: Array, layers: Sequence[str]) -> Mapping[str, Array]:
        self.passes += Passes(len(batch), 0)
        found = [self._run(x) for x in batch]
        every = {
            "features": np.array([np.maximum(b, 0) for b, _ in found], np.float32).reshape(
                len(batch), *self.place.shape[1:]
            ),
            "logits": np.array([z for _, z in found], np.float32),
        }
        return {name: every[name] for name in layers}

    def without_default(self) -> LayeredToy:
        """The same, without a default layer."""
        other = LayeredToy()
        other.info = dataclasses.replace(self.info, cam_layer="")
        return other

    def _run(self, x: Array) -> tuple[np.ndarray, np.ndarray]:
        """Features before the ReLU (K, h, w), and logits."""
        channels, height, width = x.shape
        b = self.BLOCK
        blocks = x.astype(np.float64).reshape(channels, height // b, b, width // b, b)
        before = np.tensordot(self.mix, blocks.mean(axis=(2, 4)), 1) + self.bias[:, None, None]
        return before, np.tensordot(self.place, np.maximum(before, 0), 3)


class LayeredLogits(nn.Module):
    """The same in torch, in float64; `features` gives the layer."""

    def __init__(self, clf: LayeredToy) -> None:
        super().__init__()
        self.mix, self.bias, self.place = map(torch.from_numpy, (clf.mix, clf.bias, clf.place))
        self.block = clf.BLOCK

    def features(self, x: Tensor) -> Tensor:
        mean = nn.functional.avg_pool2d(x.double(), self.block)
        mixed = torch.einsum("kc,nchw->nkhw", self.mix, mean)
        return torch.relu(mixed + self.bias[:, None, None])

    def head(self, features: Tensor) -> Tensor:
        return torch.einsum("jkhw,nkhw->nj", self.place, features)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()
