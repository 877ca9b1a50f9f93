"""An analytic classifier in numpy that counts its passes: methods and metrics in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pysal.classifier import Classifier
from pysal.prepared import INPUT
from pysal.preprocess import Preprocess
from pysal.types import Array, ModelInfo, Passes, ScoreKind, Target


class ToyClassifier(Classifier):
    """Logits `z_k = sum(linear_k * x) + sum(quadratic_k * x^2) / 2`, scores their softmax.

    Each class looks at one blob of the image; every image is computed by itself, so a batch gives
    exactly what its images give alone.
    """

    def __init__(
        self, size: int = 16, classes: int = 4, channels: int = 3, seed: int = 0, gain: float = 1.0
    ) -> None:
        generator = np.random.default_rng(seed)
        shape = (classes, channels, size, size)
        axis = np.linspace(0, 1, size)
        centre = generator.uniform(0.25, 0.75, (classes, 2, 1))
        bell = np.exp(-((axis - centre) ** 2) / 0.03)
        blob = bell[:, 0, :, None] * bell[:, 1, None, :]
        scale = gain * 40 / size**2
        self.linear = scale * blob[:, None] * generator.uniform(0.5, 1.5, (*shape[:2], 1, 1))
        self.quadratic = -0.1 * scale * generator.uniform(0, 1, shape)
        self.info = ModelInfo("toy", shape[1:], classes, engine="numpy", layers=("logits",))
        channel_kind = "GRAY" if channels == 1 else "RGB"
        self.preprocess = Preprocess.default((channels, size, size))
        assert self.preprocess.channels == channel_kind
        self.passes = Passes()

    def photos(self, count: int, seed: int = 0) -> Array:
        """Batch in which image i shows something bright where class i % K looks."""
        generator = np.random.default_rng(seed)
        noise = generator.normal(size=(count, *self.info.input_shape))
        pattern = self.linear[np.arange(count) % self.info.num_classes]
        return (0.3 * noise + pattern / np.abs(self.linear).max()).astype(np.float32)

    def top(self, batch: Array, kind: ScoreKind = "probability") -> Target:
        """Top class per image; not counted."""
        return Target(np.array([self._logits(x).argmax() for x in batch], np.int64), kind)

    def score(self, batch: Array, kind: ScoreKind = "probability") -> Array:
        self.passes += Passes(len(batch), 0)
        rows = [self._logits(x) for x in batch]
        if kind == "probability":
            rows = [_softmax(z) for z in rows]
        return np.array(rows, np.float32).reshape(len(batch), self.info.num_classes)

    def value_and_grad(
        self, batch: Array, target: Target, *, wrt: str = INPUT, rules: str = "gradient"
    ) -> tuple[Array, Array]:
        assert (wrt, rules) == (INPUT, "gradient")
        self.passes += Passes(len(batch), len(batch))
        value, grad = np.empty(len(batch), np.float32), np.empty(batch.shape, np.float32)
        for i, (x, c) in enumerate(zip(batch, target.index, strict=True)):
            z = self._logits(x)
            seed = np.eye(len(z))[c]
            value[i] = z[c]
            if target.kind == "probability":
                p = _softmax(z)
                value[i], seed = p[c], p[c] * (seed - p)
            grad[i] = np.tensordot(seed, self.linear + self.quadratic * x, 1)
        return value, grad

    def activations(self, batch: Array, layers: Sequence[str]) -> Mapping[str, Array]:
        self.passes += Passes(len(batch), 0)
        return {name: np.array([self._logits(x) for x in batch], np.float32) for name in layers}

    def _logits(self, x: Array) -> np.ndarray:
        x = x.astype(np.float64)
        return (self.linear * x + self.quadratic * x * x / 2).sum(axis=(1, 2, 3))


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()
