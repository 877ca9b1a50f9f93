"""What a method sees of a model: scores, gradients, activations of batches, on any engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal import kernels
from pysal.arrays import AnyArray
from pysal.checked import Checked
from pysal.compose import Composer, Masked
from pysal.errors import CapabilityError
from pysal.prepared import INPUT
from pysal.preprocess import Preprocess
from pysal.surgery import Surgery
from pysal.types import Array, ModelInfo, Noise, Passes, ScoreKind, Target

CHUNK = 32
"""Composed images that exist at once where an engine has no better way."""


class Classifier(Surgery, Checked, ABC):
    """A differentiable image classifier.

    All batches are float32, C-contiguous, of shape (N, C, H, W), in model input space (already
    normalized). Implementations are safe to share between threads, and their memory does not grow
    with N beyond the arrays that are passed in and out.

    Every operation takes ndarrays, or arrays that `to_device` made; all arrays of one call are of
    the same kind, and so are its results. A loop that keeps its arrays on the device moves nothing
    over the bus but what it asks for.

    Attributes
    ----------
    info : ModelInfo
    preprocess : Preprocess
        How photos become batches of this model.
    prefers_batches : bool
        Whether a batch takes little longer than one image, as on a GPU: then searches evaluate all
        their candidates at once.
    """

    info: ModelInfo
    preprocess: Preprocess
    prefers_batches: bool = False

    def to_device(self, array: NDArray[Any]) -> AnyArray:
        """Bring a host array to where the engine computes: a copy, or itself on a CPU engine."""
        return array

    def close(self) -> None:
        """Release what the engine holds; the classifier is not used afterwards."""
        return

    @abstractmethod
    def score(self, batch: Array, kind: ScoreKind = "probability") -> Array:
        """Scores of every class: (N, C, H, W) -> (N, K). Cost: N forward."""

    def prepare(self, needs: Collection[str]) -> None:
        """Build what a method will use, so that a model that cannot do it fails before the work.

        Parameters
        ----------
        needs : collection of str
            Subset of {"grad", "activations"}.

        Raises
        ------
        UnsupportedOpError
            Lists every operator without a backward rule.
        """
        return

    def value_and_grad(
        self, batch: Array, target: Target, *, wrt: str = INPUT, rules: str = "gradient"
    ) -> tuple[Array, Array]:
        """Score of the target and its gradient at `wrt`.

        Parameters
        ----------
        batch : ndarray of shape (N, C, H, W), float32
        target : Target of length N
        wrt : str
            "input", or the name of a layer of `info.layers`.
        rules : str
            Rule table of the backward walk.

        Returns
        -------
        value : ndarray of shape (N,)
        grad : ndarray of the shape of `wrt`

        Raises
        ------
        CapabilityError
            If this engine or model has no gradient.

        Notes
        -----
        Cost: N forward, N backward.
        """
        raise CapabilityError(
            f"{self.info.name} on {self.info.engine or 'this engine'} has no gradients; choose a "
            "method that needs scores only"
        )

    def activations(self, batch: Array, layers: Sequence[str]) -> Mapping[str, Array]:
        """Activations of named layers, {name: array of N rows}. Cost: N forward."""
        raise CapabilityError(
            f"{self.info.name} on {self.info.engine or 'this engine'} shows no activations"
        )

    def score_masked(
        self,
        batch: AnyArray,
        baseline: AnyArray,
        masks: AnyArray,
        target: Target,
        *,
        noise: Noise | None = None,
    ) -> AnyArray:
        """Score of the target on images composed with keep masks. Cost: N * M forward.

        Parameters
        ----------
        batch, baseline : array of shape (N, C, H, W), float32
            Where a mask is 1 the image shows, where it is 0 the baseline.
        masks : array of shape (N, M, h, w), float32
            Upsampled bilinearly with aligned corners.
        target : Target of length N
        noise : Noise, optional
            Added to the composed images; mask m is node m.

        Returns
        -------
        array of shape (N, M), float32
        """
        count = masks.shape[1]
        return self.score_composed(Masked(batch, baseline, masks, noise), len(batch), count, target)

    def score_composed(
        self, compose: Composer, num_images: int, count: int, target: Target
    ) -> Array:
        """Score of the target on `count` versions of every image that a composer writes.

        Parameters
        ----------
        compose : Composer
            Writes into the engine's own input; holds arrays where the engine computes.
        num_images, count : int
            N and M.
        target : Target of length N

        Returns
        -------
        ndarray of shape (N, M), float32

        Notes
        -----
        Cost: N * M forward; memory does not grow with M.
        """
        scores = np.empty((num_images, count), np.float32)
        for image in range(num_images):
            for first in range(0, count, CHUNK):
                part = slice(first, min(first + CHUNK, count))
                out = np.empty((part.stop - first, *self.info.input_shape), np.float32)
                compose(image, first, out)
                scores[image, part] = self.score(out, target.kind)[:, target.index[image]]
        return scores

    def layer_grad(
        self, batch: Array, target: Target, layer: str
    ) -> tuple[tuple[Array, Array, Array], Passes]:
        """Score, activation of a layer and gradient there, in one run where the engine can.

        Returns
        -------
        found : tuple
            value (N,), activation (N, ...) and gradient of the same shape.
        passes : Passes
        """
        activation = self.activations(batch, [layer])[layer]
        value, grad = self.value_and_grad(batch, target, wrt=layer)
        return (value, activation, grad), Passes(2 * len(batch), len(batch))

    def backward(
        self,
        batch: Array,
        layer: str,
        signal: Array,
        *,
        wrt: str = INPUT,
        rules: str = "gradient",
    ) -> Array:
        """Carry a signal at a layer's output back to the image, or to a layer before.

        Parameters
        ----------
        batch : ndarray of shape (N, C, H, W), float32
        layer : str
        signal : ndarray of the shape of `layer`, N rows
        wrt, rules : str
            As for `value_and_grad`.

        Raises
        ------
        CapabilityError
            If this engine or model has no gradient.

        Notes
        -----
        Cost: N forward, N backward.
        """
        raise CapabilityError(
            f"{self.info.name} on {self.info.engine or 'this engine'} starts no backward pass at "
            "a layer; open an ONNX file with engine ort"
        )

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
        """Weighted mean of mask gradients on the straight path from mask 0 to `masks`.

        The composed image of node s is Phi(batch, baseline, nodes[s] * mask) plus noise; the
        gradient returned is sum_s weights[s] * nodes[s] * U^T(sum_c (batch - baseline) * dF/dx).

        Parameters
        ----------
        batch, baseline : array of shape (N, C, H, W), float32
        masks : array of shape (N, h, w), float32
        target : Target of length N
        nodes, weights : ndarray of shape (S,), float32
        noise : Noise, optional

        Returns
        -------
        values : array of shape (N, S), float32
            Score at every node.
        grad : array of shape (N, h, w), float32

        Notes
        -----
        Cost: N * S forward, N * S backward.
        """
        values = np.empty((len(batch), len(nodes)), np.float32)
        grad = np.empty_like(masks)
        for image in range(len(batch)):
            rows = slice(image, image + 1)
            composed = kernels.blend(
                batch[rows],
                baseline[rows],
                masks[rows, None],
                nodes=nodes,
                noise=noise and noise[rows],
            )
            values[image], dx = self.value_and_grad(composed[0], target[rows].repeat(len(nodes)))
            grad[rows] = kernels.path_accumulate(
                dx[None], batch[rows], baseline[rows], nodes * weights, masks.shape[-2:]
            )
        return values, grad
