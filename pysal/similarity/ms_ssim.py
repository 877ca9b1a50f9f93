"""Structural similarity of images at five scales, in numpy."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from pysal.errors import OptionError, ShapeError

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST = (WINDOW - 1) * 2 ** (len(EXPONENTS) - 1) + 1
"""Shorter side of an image whose smallest scale has one position of the window."""

BLOCK = 32
"""Positions that one small matrix product filters."""

Float = NDArray[np.float64]


def ms_ssim(
    images: NDArray[np.generic], reference: NDArray[np.generic], *, data_range: float = 255.0
) -> Float:
    """Multi-scale structural similarity of images with a reference.

    Per scale and channel `l = (2 mu_a mu_b + C1) / (mu_a^2 + mu_b^2 + C1)` and
    `cs = (2 s_ab + C2) / (s_a^2 + s_b^2 + C2)` under a Gaussian window; the result is the mean over
    channels of `prod_{j=1..4} relu(mean cs_j)^b_j * relu(mean (l cs)_5)^b_5`.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C)
        At least 161 pixels along both axes.
    reference : ndarray of shape (N, H, W, C) or (1, H, W, C)
        One per image, or one for all.
    data_range : float
        Largest value less smallest value that pixels may have: 255 for uint8.

    Returns
    -------
    ndarray of shape (N,), float64
        From 0 to 1; exactly 1 for identical images.

    Raises
    ------
    ShapeError
        If shapes do not fit, images are too small, or values are not finite.
    OptionError
        If the range is not positive.

    Notes
    -----
    Window 11 x 11, sigma 1.5, "valid"; k1 = 0.01, k2 = 0.03; the next scale is the mean of 2 x 2
    pixels, where an odd side repeats its last row or column first. Everything is float64. The
    window's two passes are products with small banded matrices. Metrics specification 3.4, the
    defaults of TensorFlow's function.

    References
    ----------
    .. [1] Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment",
       Asilomar 2003, equation 7.
    """
    if not (math.isfinite(data_range) and data_range > 0):
        raise OptionError(f"ms_ssim: data_range is {data_range!r}; expected a positive number")
    images, reference = np.asarray(images), np.asarray(reference)
    shape = images.shape
    fits = images.ndim == 4 and reference.shape in (shape, (1, *shape[1:]))
    if not fits or min(shape[1:3], default=0) < SMALLEST or shape[3] == 0:
        raise ShapeError(
            f"images have shape {shape} and reference {reference.shape}; ms_ssim takes "
            f"(N, H, W, C) and the same or (1, H, W, C), H and W from {SMALLEST} on"
        )
    out = np.empty(len(images))
    one = len(reference) == 1
    scales = _pyramid(_planes(reference)) if one and len(images) else []
    # One image after another: its planes stay in the cache.
    for i in range(len(images)):
        rows = slice(i, i + 1)
        scales = scales if one else _pyramid(_planes(reference[rows]))
        out[i] = _similarity(_planes(images[rows]), scales, data_range)
    return out


_Scale = tuple[Float, Float, Float]
"""The reference at one scale: its planes, their local means and variances."""


def _planes(images: NDArray[np.generic]) -> Float:
    """(N, H, W, C) -> (N, C, H, W), float64."""
    planes = np.ascontiguousarray(np.moveaxis(images, 3, 1), np.float64)
    if not np.isfinite(planes).all():
        raise ShapeError("images of ms_ssim have NaN or infinite values; expected finite ones")
    return planes


def _pyramid(planes: Float) -> list[_Scale]:
    """Local statistics of the reference at every scale."""
    scales = []
    for _ in EXPONENTS:
        mean = _smooth(planes)
        scales.append((planes, mean, _smooth(planes * planes) - mean * mean))
        planes = _halve(planes)
    return scales


def _similarity(planes: Float, scales: list[_Scale], data_range: float) -> float:
    """Similarity of planes (1, C, H, W) with the reference."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    product = np.ones(planes.shape[:2])
    for scale, (exponent, (other, there, spread)) in enumerate(zip(EXPONENTS, scales, strict=True)):
        mean = _smooth(planes)
        variance = _smooth(planes * planes) - mean * mean
        covariance = _smooth(planes * other) - mean * there
        term = (2 * covariance + c2) / (variance + spread + c2)
        if scale == len(EXPONENTS) - 1:
            term *= (2 * mean * there + c1) / (mean * mean + there * there + c1)
        product *= np.maximum(term.mean(axis=(2, 3)), 0) ** exponent
        planes = _halve(planes)
    return float(product.mean())


def _halve(planes: Float) -> Float:
    """Means of 2 x 2 pixels; an odd side repeats its last row or column."""
    odd = [(0, 0), (0, 0), *((0, n % 2) for n in planes.shape[2:])]
    if any(after for _, after in odd):
        planes = np.pad(planes, odd, mode="edge")
    rows = planes[..., ::2, :] + planes[..., 1::2, :]
    means: Float = (rows[..., ::2] + rows[..., 1::2]) * 0.25
    return means


@functools.lru_cache(maxsize=1)
def _band() -> Float:
    """The window along one axis, at BLOCK positions: (BLOCK, BLOCK + WINDOW - 1); read-only."""
    offsets = np.arange(WINDOW) - (WINDOW - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    band = np.zeros((BLOCK, BLOCK + WINDOW - 1))
    for position in range(BLOCK):
        band[position, position : position + WINDOW] = weights / weights.sum()
    band.flags.writeable = False
    return band


def _smooth(planes: Float) -> Float:
    """The window over planes (n, C, H, W), "valid": (n, C, H - 10, W - 10)."""
    return _along_columns(_along_rows(np.ascontiguousarray(planes)))


def _along_rows(planes: Float) -> Float:
    """The window along H. Overlapping strips of rows are views, each a product with the band."""
    *lead, height, width = planes.shape
    out = np.empty((*lead, height - WINDOW + 1, width))
    full = out.shape[-2] // BLOCK
    band, edge = _band(), full * BLOCK
    if full:
        *before, row, item = planes.strides
        strips = as_strided(
            planes, (*lead, full, band.shape[1], width), (*before, BLOCK * row, row, item)
        )
        out[..., :edge, :] = (band @ strips).reshape(*lead, edge, width)
    rest = out.shape[-2] - edge
    out[..., edge:, :] = band[:rest, : rest + WINDOW - 1] @ planes[..., edge:, :]
    return out


def _along_columns(planes: Float) -> Float:
    """The window along W, likewise."""
    *lead, height, width = planes.shape
    out = np.empty((*lead, height, width - WINDOW + 1))
    full = out.shape[-1] // BLOCK
    band, edge = _band(), full * BLOCK
    if full:
        *before, row, item = planes.strides
        strips = as_strided(
            planes, (*lead, full, height, band.shape[1]), (*before, BLOCK * item, row, item)
        )
        blocks = out[..., :edge].reshape(*lead, height, full, BLOCK)
        blocks[...] = np.moveaxis(strips @ band.T, -3, -2)
    rest = out.shape[-1] - edge
    out[..., edge:] = planes[..., edge:] @ band[:rest, : rest + WINDOW - 1].T
    return out
