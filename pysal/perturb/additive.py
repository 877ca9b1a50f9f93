"""Random changes of an image's values, drawn by number, so that they need not be stored."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, to_like
from pysal.types import Array

Kind = Literal["uniform", "gaussian", "sphere"]
KINDS: dict[Kind, str] = {
    "uniform": "every value moves by up to the radius: the ball of the largest magnitude",
    "gaussian": "every value moves by a normal number, the radius its standard deviation",
    "sphere": "the 2-norm of the whole change is the radius",
}
STREAM = 32
"""Of `draws`: what these numbers are for."""


def change(
    kind: Kind, shape: tuple[int, ...], radius: float, seed: int | np.uint64, number: int
) -> Array:
    """Change `number` of an image with this seed, float32, of any shape; see `KINDS`."""
    key = np.array([seed, STREAM], np.uint64)
    counter = np.array([0, 0, 0, number], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
    if kind == "uniform":
        return (radius * (2 * generator.random(shape) - 1)).astype(np.float32)
    drawn = generator.standard_normal(shape)
    if kind == "sphere":
        drawn /= np.sqrt(np.square(drawn).sum())
    return (radius * drawn).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Moved:
    """Images from which changes are taken away, the same in all channels; a `Composer`.

    Attributes
    ----------
    batch : array of shape (N, C, H, W), float32
    kind : {"uniform", "gaussian", "sphere"}
    radius : float
    seeds : ndarray of shape (N,), uint64
        Version v of an image is x minus change v of its seed.
    """

    batch: AnyArray
    kind: Kind
    radius: float
    seeds: NDArray[np.uint64]

    def plane(self, image: int, version: int) -> Array:
        """The change of every pixel, (H, W)."""
        size = (int(self.batch.shape[2]), int(self.batch.shape[3]))
        return change(self.kind, size, self.radius, self.seeds[image], version)

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Write x - change for the versions first, first + 1, ..."""
        x = self.batch[image]
        for row in range(len(out)):
            out[row] = x - to_like(self.plane(image, first + row), x)


@dataclasses.dataclass(frozen=True)
class Squares:
    """Images with one square of the baseline at a random place; a `Composer`.

    Attributes
    ----------
    batch, baseline : array of shape (N, C, H, W), float32
    side : int
        Of the square, in pixels.
    seeds : ndarray of shape (N,), uint64
    """

    batch: AnyArray
    baseline: AnyArray
    side: int
    seeds: NDArray[np.uint64]

    def corner(self, image: int, version: int) -> tuple[int, int]:
        """First row and column of the square; every place within the image is as likely."""
        key = np.array([self.seeds[image], STREAM], np.uint64)
        counter = np.array([0, 0, 0, version], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
        height, width = self.batch.shape[2:]
        row, column = generator.integers(0, [height - self.side + 1, width - self.side + 1])
        return int(row), int(column)

    def plane(self, image: int, version: int) -> Array:
        """1 in the square, 0 elsewhere: (H, W)."""
        plane = np.zeros((int(self.batch.shape[2]), int(self.batch.shape[3])), np.float32)
        row, column = self.corner(image, version)
        plane[row : row + self.side, column : column + self.side] = 1
        return plane

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Copy the image, and the baseline's pixels into the square."""
        for number in range(len(out)):
            row, column = self.corner(image, first + number)
            window = (slice(None), slice(row, row + self.side), slice(column, column + self.side))
            out[number] = self.batch[image]
            out[number][window] = self.baseline[image][window]


def products(moves: Moved | Squares, maps: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Sum over pixels of change times map (N, H, W), for `count` versions: (N, count)."""
    found = np.empty((len(maps), count))
    for image, row in enumerate(maps):
        for version in range(count):
            found[image, version] = np.vdot(moves.plane(image, version), row)
    return found
