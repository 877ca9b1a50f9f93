"""Composers write perturbed images straight into an engine's input, some at a time."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from pysal import kernels
from pysal.arrays import AnyArray
from pysal.types import Array, Noise


class Composer(Protocol):
    """Source of perturbed versions of images; safe to call from several threads at once."""

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Write versions first, first + 1, ... of one image into `out`, (k, C, H, W).

        What a version is depends on its number and its image only, never on k or the order. `out`
        is where the engine computes; a composer holds its own arrays there, too.
        """


@dataclasses.dataclass(frozen=True)
class Masked:
    """Images under keep masks; version m shows mask m.

    Attributes
    ----------
    batch, baseline : array of shape (N, C, H, W), float32
    masks : array of shape (N, M, h, w), float32
    noise : Noise, optional
        Mask m is node m.
    """

    batch: AnyArray
    baseline: AnyArray
    masks: AnyArray
    noise: Noise | None = None

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Blend with the masks first, first + 1, ..."""
        one = slice(image, image + 1)
        kernels.blend(
            self.batch[one],
            self.baseline[one],
            self.masks[one, first : first + len(out)],
            first_node=first,
            noise=self.noise and self.noise[one],
            out=out[None],
            threads=1 if len(out) == 1 else 0,
        )


@dataclasses.dataclass(frozen=True)
class OnPath:
    """Images on the straight path from the baseline to the masked image; version s is node s.

    Attributes
    ----------
    batch, baseline : array of shape (N, C, H, W), float32
    masks : array of shape (N, h, w), float32
    nodes : ndarray of shape (S,), float32
        Node s shows nodes[s] times the mask.
    noise : Noise, optional
        That of `Classifier.path_grad` at the same nodes.
    """

    batch: AnyArray
    baseline: AnyArray
    masks: AnyArray
    nodes: Array
    noise: Noise | None = None

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Blend at the nodes first, first + 1, ..."""
        one = slice(image, image + 1)
        kernels.blend(
            self.batch[one],
            self.baseline[one],
            self.masks[one, None],
            nodes=self.nodes[first : first + len(out)],
            first_node=first,
            noise=self.noise and self.noise[one],
            out=out[None],
            threads=1 if len(out) == 1 else 0,
        )
