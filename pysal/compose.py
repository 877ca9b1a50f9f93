"""Composers write perturbed images straight into an engine's input, some at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
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
            threads=_threads(out),
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
            threads=_threads(out),
        )


@dataclasses.dataclass(frozen=True)
class Patched:
    """Images with a window of the baseline; version v has the window at corner v.

    Attributes
    ----------
    batch, baseline : array of shape (N, C, H, W), float32
    corners : array of shape (V, 2), int32
    size : tuple of int
        (height, width) of the window.
    """

    batch: AnyArray
    baseline: AnyArray
    corners: AnyArray
    size: tuple[int, int]

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Copy the image and put the windows first, first + 1, ... on it."""
        one = slice(image, image + 1)
        kernels.blend_patches(
            self.batch[one],
            self.baseline[one],
            self.corners[first : first + len(out)],
            self.size,
            out=out[None],
            threads=_threads(out),
        )


@dataclasses.dataclass(frozen=True)
class Segmented:
    """Images whose segments are switched; version v shows those that row v keeps.

    Attributes
    ----------
    batch, baseline : array of shape (N, C, H, W), float32
    labels : array of shape (N, H, W), int32
    keep : array of shape (N, V, S), uint8
    """

    batch: AnyArray
    baseline: AnyArray
    labels: AnyArray
    keep: AnyArray

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Write the versions of the rows first, first + 1, ..."""
        one = slice(image, image + 1)
        kernels.blend_segments(
            self.batch[one],
            self.baseline[one],
            self.labels[one],
            self.keep[one, first : first + len(out)],
            out=out[None],
            threads=_threads(out),
        )


@dataclasses.dataclass(frozen=True)
class Gridded:
    """Images under upsampled, shifted grids; version v has grid v of the image's set.

    Attributes
    ----------
    batch : array of shape (N, C, H, W), float32
    baseline : array of shape (N, C, H, W), float32, or None for zeros
    grids : sequence of array of shape (V, h, w), float32
        Sets of grids.
    offsets : sequence of array of shape (V, 2), int32
    which : sequence of N int
        Set of every image.
    up_size : tuple of int
        As in `kernels.blend_grids`.
    """

    batch: AnyArray
    baseline: AnyArray | None
    grids: Sequence[AnyArray]
    offsets: Sequence[AnyArray]
    which: Sequence[int]
    up_size: tuple[int, int]

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Blend with the grids first, first + 1, ..."""
        one, part = slice(image, image + 1), slice(first, first + len(out))
        kernels.blend_grids(
            self.batch[one],
            None if self.baseline is None else self.baseline[one],
            self.grids[self.which[image]][part],
            self.offsets[self.which[image]][part],
            self.up_size,
            out=out[None],
            threads=_threads(out),
        )


@dataclasses.dataclass(frozen=True)
class Ranked:
    """Images whose cells below a rank show the baseline; version v has threshold v.

    Attributes
    ----------
    batch, baseline : array of shape (N, C, H, W), float32
    ranks : array of shape (N, h, w), int32
    thresholds : array of shape (V,), int32
    """

    batch: AnyArray
    baseline: AnyArray
    ranks: AnyArray
    thresholds: AnyArray

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Blend with the cells from the thresholds first, first + 1, ... on."""
        one = slice(image, image + 1)
        kernels.blend_ranked(
            self.batch[one],
            self.baseline[one],
            self.ranks[one],
            self.thresholds[first : first + len(out)],
            out=out[None],
            threads=_threads(out),
        )


@dataclasses.dataclass(frozen=True)
class Joined:
    """Versions of several composers, those of the first one first.

    Attributes
    ----------
    parts : sequence of (Composer, int)
        Each with the number of its versions.
    """

    parts: Sequence[tuple[Composer, int]]

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Let each part write those of the versions first, first + 1, ... that are its own."""
        start, last = 0, first + len(out)
        for compose, count in self.parts:
            low, high = max(first, start), min(last, start + count)
            if low < high:
                compose(image, low - start, out[low - first : high - first])
            start += count


def _threads(out: AnyArray) -> int:
    """Who writes one version at a time is one of several threads, and starts no team."""
    return 1 if len(out) == 1 else 0
