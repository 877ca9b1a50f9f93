"""The PAIR library's blurred images: some pixels are known, the others interpolated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import MissingDependencyError

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


def random_mask(picture: NDArray[np.uint8], fraction: float, seed: int) -> Mask:
    """Pixels that are always known, (H, W): a share of them, rounded down.

    Drawn from the seed and the picture's content: each picture has its own, and the same one in
    any batch and for every method.
    """
    content = hashlib.blake2b(picture.tobytes(), digest_size=8).digest()
    key = np.array([seed, int.from_bytes(content, "little")], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key))
    mask = np.zeros(picture.shape[:2], bool)
    mask.flat[generator.choice(mask.size, int(mask.size * fraction), replace=False)] = True
    return mask


def salient_masks(saliency: NDArray[np.float64], thresholds: Sequence[float]) -> Mask:
    """Pixels with saliency from the quantile 1 - t on, for every threshold t: (T, H, W)."""
    levels = np.quantile(saliency, [1 - t for t in thresholds])
    return saliency >= levels[:, None, None]


def interpolated(picture: NDArray[np.uint8], known: Mask) -> NDArray[np.uint8]:
    """Picture whose unknown pixels are interpolated linearly between the known ones.

    Corners are known always. On the Delaunay triangulation of the known pixels, the same one for
    all channels.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        H and W from 2 on.
    known : ndarray of shape (H, W), bool

    Raises
    ------
    MissingDependencyError
        If SciPy is absent.

    Notes
    -----
    Metrics specification 3.2; code github.com/PAIR-code/saliency, metrics/pic.py. Qhull gets the
    points of the library in its order, so it takes the same diagonal where four pixels lie on a
    circle. Triangles are filled row by row in whole numbers: exact, on any number of threads;
    SciPy's own interpolator calls LAPACK per triangle, whose threads get into each other's way.
    """
    known = known.copy()
    known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    if known.all():
        return picture
    points = np.argwhere(known)
    corners = points[load_delaunay()(points).simplices]
    corners, area = _turned(corners)
    triangle, row, column = _inside(corners)
    wanted = ~known[row, column]
    triangle, row, column = triangle[wanted], row[wanted], column[wanted]
    weights = _opposite(corners[triangle], row, column)
    values = picture[corners[triangle, :, 0], corners[triangle, :, 1]].astype(np.int64)
    found = np.einsum("kv,kvc->kc", weights, values) / area[triangle, None]
    out = picture.copy()
    # The mean remains where no triangle covers a pixel, as in the library.
    out[~known] = np.rint(picture.mean(axis=(0, 1)))
    # In float32, as the library rounds.
    out[row, column] = np.rint(found.astype(np.float32))
    return out


def load_delaunay() -> Any:
    """SciPy's triangulation."""
    try:
        from scipy.spatial import Delaunay
    except ImportError:
        raise MissingDependencyError(
            'metric "aic_sic" interpolates with scipy, which is not installed; it comes with '
            'scikit-image: pip install "pysal-saliency[regions]"'
        ) from None
    return Delaunay


def _turned(corners: Ints) -> tuple[Ints, Ints]:
    """Triangles (M, 3, 2) turned alike, and twice their areas; those without pixels inside go.

    A triangle of height and width 1 holds nothing but its corners.
    """
    edges = corners[:, 1:] - corners[:, :1]
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    large = (area != 0) & (np.ptp(corners, axis=1) > 1).any(axis=1)
    corners, area = corners[large], area[large]
    corners = np.where((area < 0)[:, None, None], corners[:, ::-1], corners)
    return corners, np.abs(area)


def _inside(corners: Ints) -> tuple[Ints, Ints, Ints]:
    """Pixels in or on every triangle: number of the triangle, row and column of the pixel."""
    top, bottom = corners[..., 0].min(axis=1), corners[..., 0].max(axis=1)
    triangle, row = _runs(top, bottom)
    low, high = (f(corners[..., 1], axis=1)[triangle] for f in (np.min, np.max))
    for k in range(3):
        start, end = corners[triangle, k], corners[triangle, (k + 1) % 3]
        # Inside is where rise * (x - start) >= slope.
        rise = end[:, 0] - start[:, 0]
        slope = (end[:, 1] - start[:, 1]) * (row - start[:, 0])
        step = np.where(rise == 0, 1, rise)
        least, most = start[:, 1] - (-slope) // step, start[:, 1] + slope // step
        low = np.where(rise > 0, np.maximum(low, least), low)
        high = np.where(rise < 0, np.minimum(high, most), high)
        high = np.where((rise == 0) & (slope > 0), low - 1, high)
    span, column = _runs(low, np.maximum(high, low - 1))
    return triangle[span], row[span], column


def _runs(first: Ints, last: Ints) -> tuple[Ints, Ints]:
    """Whole numbers from first[i] to last[i] for every i: i, and the number."""
    length = last - first + 1
    which = np.repeat(np.arange(len(first)), length)
    start = np.cumsum(length) - length
    return which, first[which] + np.arange(len(which)) - start[which]


def _opposite(corners: Ints, row: Ints, column: Ints) -> Ints:
    """Twice the areas of triangles between a pixel and the side opposite each corner, (K, 3)."""
    point = np.stack([row, column], axis=1)[:, None]
    start, end = np.roll(corners, -1, axis=1), np.roll(corners, -2, axis=1)
    side, away = end - start, point - start
    return side[..., 0] * away[..., 1] - side[..., 1] * away[..., 0]
