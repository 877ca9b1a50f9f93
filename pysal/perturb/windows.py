"""Windows that slide over an image, and maps of what each of them takes away."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pysal.errors import OptionError
from pysal.types import Array
from pysal.values import is_whole

Border = Literal["inside", "cut"]

BORDERS: dict[str, str] = {
    "inside": "every window that lies inside of the image (SP, the PAIR library)",
    "cut": "a last window, cut by the border, where the others leave a rest (captum)",
}

Ints = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of one size on a grid of positions.

    Attributes
    ----------
    size : tuple of int
        (H, W) of the image.
    patch : tuple of int
        (height, width) of a window.
    tops, lefts : ndarray of shape (n_h,) and (n_w,), int64
        First row and first column of the windows.
    """

    size: tuple[int, int]
    patch: tuple[int, int]
    tops: Ints
    lefts: Ints

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_h, n_w)."""
        return len(self.tops), len(self.lefts)

    @property
    def corners(self) -> NDArray[np.int32]:
        """Upper left pixel of all windows, row by row, (n_h * n_w, 2)."""
        grid = np.meshgrid(self.tops, self.lefts, indexing="ij")
        return np.stack(grid, axis=-1).reshape(-1, 2).astype(np.int32)

    def keep(self, first: int, count: int) -> NDArray[np.bool_]:
        """Masks of the windows from number `first` on, False inside them: (count, H, W)."""
        rows, columns = np.divmod(np.arange(first, first + count), len(self.lefts))
        masks = [
            (np.arange(length) >= at[:, None]) & (np.arange(length) < at[:, None] + extent)
            for length, at, extent in zip(
                self.size, (self.tops[rows], self.lefts[columns]), self.patch, strict=True
            )
        ]
        outside: NDArray[np.bool_] = ~(masks[0][:, :, None] & masks[1][:, None, :])
        return outside

    def spread(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Sum of the values of all windows that cover a pixel: (N, n_h, n_w) -> (N, H, W)."""
        rows, columns = (
            _covering(at, extent, length)
            for at, extent, length in zip(
                (self.tops, self.lefts), self.patch, self.size, strict=True
            )
        )
        out: NDArray[np.float64] = rows @ values.astype(np.float64) @ columns.T
        return out

    def cover(self) -> NDArray[np.float64]:
        """Number of windows that cover each pixel, (H, W)."""
        return self.spread(np.ones((1, *self.shape)))[0]

    def placed(self, values: Array) -> Array:
        """Values at the centres of their windows, linear between them: (N, H, W)."""
        rows, columns = (
            _between(at + (extent - 1) / 2, length)
            for at, extent, length in zip(
                (self.tops, self.lefts), self.patch, self.size, strict=True
            )
        )
        out: Array = (rows @ values.astype(np.float64) @ columns.T).astype(np.float32)
        return out


def make_windows(
    owner: str, patch: Any, stride: Any, size: tuple[int, int], border: Border = "inside"
) -> Windows:
    """Check the options `patch` and `stride`, numbers or pairs, and place the windows.

    Raises
    ------
    OptionError
        If one is not a whole number, or the window is larger than the image.
    """
    extent = _pair(owner, "patch", patch, size)
    step = _pair(owner, "stride", stride, None)
    tops, lefts = (
        np.arange(0, length - window + (move if border == "cut" else 1), move)
        for length, window, move in zip(size, extent, step, strict=True)
    )
    return Windows(size, extent, tops, lefts)


def _pair(owner: str, name: str, value: Any, most: tuple[int, int] | None) -> tuple[int, int]:
    """One whole number or two."""
    pair = (value, value) if is_whole(value) else value
    good = isinstance(pair, tuple | list) and len(pair) == 2 and all(is_whole(v) for v in pair)
    limit = f", at most the image's {most[0]} x {most[1]}" if most else ""
    if not good or not all(v >= 1 and (most is None or v <= most[i]) for i, v in enumerate(pair)):
        raise OptionError(
            f"{owner}: {name} is {value!r}; expected a whole number from 1 on, or a pair{limit}"
        )
    return int(pair[0]), int(pair[1])


def _covering(at: Ints, extent: int, length: int) -> NDArray[np.float64]:
    """Which windows cover a row, (length, n)."""
    rows = np.arange(length)[:, None]
    return ((rows >= at) & (rows < at + extent)).astype(np.float64)


def _between(centres: NDArray[np.floating], length: int) -> NDArray[np.float64]:
    """Linear interpolation between the centres, and the nearest one beyond: (length, n)."""
    matrix = [np.interp(np.arange(length), centres, unit) for unit in np.eye(len(centres))]
    return np.stack(matrix, axis=1)
