"""A classifier that counts the passes of whoever uses it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from pysal.arrays import AnyArray
from pysal.classifier import Classifier
from pysal.compose import Composer
from pysal.prepared import INPUT
from pysal.types import Array, Noise, Passes, ScoreKind, Target


class CountedClassifier(Classifier):
    """Another classifier, and the number of images that went through it.

    For functions that explain again and say nothing of their cost.

    Parameters
    ----------
    inner : Classifier

    Attributes
    ----------
    passes : Passes
    """

    def __init__(self, inner: Classifier) -> None:
        self._inner = inner
        self.info, self.preprocess = inner.info, inner.preprocess
        self.prefers_batches = inner.prefers_batches
        self.passes = Passes()
        self._lock = threading.Lock()

    def to_device(self, array: NDArray[Any]) -> AnyArray:
        """As the other."""
        return self._inner.to_device(array)

    def check_batch(self, batch: Array) -> Array:
        """As the other."""
        return self._inner.check_batch(batch)

    def prepare(self, needs: Collection[str]) -> None:
        """As the other."""
        self._inner.prepare(needs)

    def score(self, batch: Array, kind: ScoreKind = "probability") -> Array:
        """Count N forward."""
        self._count(len(batch))
        return self._inner.score(batch, kind)

    def score_scaled(
        self, batch: Array, factors: Mapping[str, Array], kind: ScoreKind = "probability"
    ) -> Array:
        """Count N forward."""
        self._count(len(batch))
        return self._inner.score_scaled(batch, factors, kind)

    def value_and_grad(
        self, batch: Array, target: Target, *, wrt: str = INPUT, rules: str = "gradient"
    ) -> tuple[Array, Array]:
        """Count N forward, N backward."""
        self._count(len(batch), len(batch))
        return self._inner.value_and_grad(batch, target, wrt=wrt, rules=rules)

    def activations(self, batch: Array, layers: Sequence[str]) -> Mapping[str, Array]:
        """Count N forward."""
        self._count(len(batch))
        return self._inner.activations(batch, layers)

    def score_masked(
        self,
        batch: AnyArray,
        baseline: AnyArray,
        masks: AnyArray,
        target: Target,
        *,
        noise: Noise | None = None,
    ) -> AnyArray:
        """Count N * M forward."""
        self._count(len(batch) * masks.shape[1])
        return self._inner.score_masked(batch, baseline, masks, target, noise=noise)

    def score_composed(
        self, compose: Composer, num_images: int, count: int, target: Target
    ) -> Array:
        """Count N * M forward."""
        self._count(num_images * count)
        return self._inner.score_composed(compose, num_images, count, target)

    def layer_grad(
        self, batch: Array, target: Target, layer: str
    ) -> tuple[tuple[Array, Array, Array], Passes]:
        """Count what the other says."""
        found, passes = self._inner.layer_grad(batch, target, layer)
        self._count(passes.forward, passes.backward)
        return found, passes

    def backward(
        self,
        batch: Array,
        layer: str,
        signal: Array,
        *,
        wrt: str = INPUT,
        rules: str = "gradient",
    ) -> Array:
        """Count N forward, N backward."""
        self._count(len(batch), len(batch))
        return self._inner.backward(batch, layer, signal, wrt=wrt, rules=rules)

    def path_grad(
        self,
        batch: AnyArray,
        baseline: AnyArray,
        masks: AnyArray,
        target: Target,
        *,
        nodes: Array,
        weights: Array,
        noise: Noise | None = None,
    ) -> tuple[AnyArray, AnyArray]:
        """Count N * S forward, N * S backward."""
        self._count(len(batch) * len(nodes), len(batch) * len(nodes))
        return self._inner.path_grad(
            batch, baseline, masks, target, nodes=nodes, weights=weights, noise=noise
        )

    def weighted_layers(self) -> tuple[str, ...]:
        """As the other."""
        return self._inner.weighted_layers()

    def randomized(
        self, layers: Sequence[str], *, seed: int = 0, how: Any = "normal"
    ) -> Classifier:
        """One of the other; its passes are not counted here."""
        return self._inner.randomized(layers, seed=seed, how=how)

    def _count(self, forward: int, backward: int = 0) -> None:
        with self._lock:
            self.passes += Passes(int(forward), int(backward))
