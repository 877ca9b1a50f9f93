"""Segments that LIME switches: SLIC, quickshift, or what the caller gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import MissingDependencyError, ShapeError
from pysal.preprocess import Preprocess
from pysal.segments import slic
from pysal.types import Array

Labels = NDArray[np.int32]

SEGMENTATIONS = ("slic", "quickshift")


def label_maps(
    owner: str,
    segments: str | NDArray[np.integer],
    batch: Array,
    preprocess: Preprocess,
    options: Mapping[str, Any],
) -> Labels:
    """Segments of every image, numbered from 0 without gaps, (N, H, W).

    Parameters
    ----------
    owner : str
        Who asks: errors start with it.
    segments : "slic", "quickshift" or ndarray of shape (N, H, W) or (H, W), int
    batch : ndarray of shape (N, C, H, W), float32
    preprocess : Preprocess
        Images are segmented as RGB of 8 bits.
    options : mapping
        num_segments, compactness, sigma; kernel_size, max_dist, ratio, segment_seed.

    Raises
    ------
    ShapeError
        If given labels do not fit the images.
    MissingDependencyError
        If scikit-image is needed and not installed.
    """
    shape = (len(batch), *batch.shape[2:])
    maps: list[NDArray[np.integer]]
    if isinstance(segments, np.ndarray):
        maps = _given(owner, segments, shape)
    else:
        rgb = np.rint(255 * preprocess.denormalize(batch).astype(np.float64)) / 255
        if segments == "slic":
            chosen = {name: options[name] for name in ("compactness", "sigma")}
            maps = list(slic(rgb, options["num_segments"], **chosen))
        else:
            maps = [_quickshift(image, options) for image in rgb]
    consecutive = [
        np.unique(labels, return_inverse=True)[1].reshape(labels.shape) for labels in maps
    ]
    return np.array(consecutive, np.int32).reshape(shape)


def mean_colors(batch: Array, labels: Labels) -> Array:
    """Images in which every pixel has the mean colour of its segment."""
    out = np.empty_like(batch)
    for image, segment, result in zip(batch, labels, out, strict=True):
        flat = segment.ravel()
        sizes = np.bincount(flat)
        for channel, filled in zip(image, result, strict=True):
            sums = np.bincount(flat, channel.ravel().astype(np.float64))
            filled[...] = (sums / np.maximum(sizes, 1))[segment]
    return out


def _given(
    owner: str, segments: NDArray[np.integer], shape: tuple[int, ...]
) -> list[NDArray[np.integer]]:
    """Label maps that the caller made; one may serve all images."""
    maps = np.broadcast_to(segments, shape) if segments.shape == shape[1:] else segments
    if maps.shape != shape or not np.issubdtype(maps.dtype, np.integer):
        raise ShapeError(
            f"{owner}: segments have shape {segments.shape} and dtype {segments.dtype}; expected "
            f"integer labels of shape {shape}, or {shape[1:]} for all images"
        )
    return list(maps)


def _quickshift(image: NDArray[np.float64], options: Mapping[str, Any]) -> NDArray[np.integer]:
    """One label map, as scikit-image's quickshift computes it."""
    try:
        from skimage.segmentation import quickshift
    except ImportError as error:
        raise MissingDependencyError(
            "segmenting images needs scikit-image; install it with "
            'pip install "pysal-saliency[regions]"'
        ) from error
    labels: NDArray[np.integer] = quickshift(
        image,
        kernel_size=options["kernel_size"],
        max_dist=options["max_dist"],
        ratio=options["ratio"],
        rng=options["segment_seed"],
    )
    return labels
