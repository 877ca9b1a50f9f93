"""Label maps of images: Felzenszwalb at several scales, and SLIC, as scikit-image computes them."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import MissingDependencyError, ShapeError

Labels = NDArray[np.int32]
Floats = NDArray[np.float64]


def felzenszwalb(
    images: ArrayLike,
    scales: Sequence[float] = (50, 100, 150, 250, 500, 1200),
    *,
    sigma: float = 0.8,
    min_size: int = 150,
    resize: tuple[int, int] | None = (224, 224),
) -> list[Labels]:
    """Segment images by the graph method of Felzenszwalb and Huttenlocher, once per scale.

    Parameters
    ----------
    images : array_like of shape (N, H, W, 3), float
        RGB; each image is stretched to [-1, 1] first, so its range does not matter.
    scales : sequence of S positive numbers
        Preference for larger segments.
    sigma : float
        Of the Gaussian that smooths the image, in pixels after resizing.
    min_size : int
        Smaller segments are merged, in pixels after resizing.
    resize : (height, width), optional
        Size at which images are segmented: cubic there, nearest neighbours back. None: their own.

    Returns
    -------
    list of N ndarray of shape (S, H, W), int32
        Labels of each map from 0 on, without gaps.

    Raises
    ------
    ShapeError
        If the array has another shape.
    MissingDependencyError
        If scikit-image is not installed.

    Notes
    -----
    About 50 ms per image of 224 x 224 and scale.

    References
    ----------
    .. [1] Felzenszwalb, Huttenlocher, "Efficient Graph-Based Image Segmentation", IJCV 2004.
    .. [2] Kapishnikov, Bolukbasi, Viegas, Terry, "XRAI: Better Attributions Through Regions", ICCV
       2019; scales, sigma, size and range as in its code, github.com/PAIR-code/saliency.
    """
    images = _checked(images)
    segmentation, transform = _skimage()
    found = []
    for image in images:
        picture = _stretch(image)
        if resize is not None:
            picture = transform.resize(
                picture, resize, order=3, mode="constant", preserve_range=True, anti_aliasing=True
            )
        maps = [
            segmentation.felzenszwalb(
                picture, scale=scale, sigma=sigma, min_size=min_size, channel_axis=-1
            )
            for scale in scales
        ]
        found.append(_stack([_nearest(labels, images.shape[1:3]) for labels in maps], image))
    return found


def slic(
    images: ArrayLike, num_segments: int = 100, *, compactness: float = 10.0, sigma: float = 0.0
) -> list[Labels]:
    """Segment images into about equal, compact superpixels.

    Parameters
    ----------
    images : array_like of shape (N, H, W, 3), float
        RGB in [0, 1].
    num_segments : int
        About how many segments an image gets.
    compactness : float
        Weight of nearness against likeness in colour.
    sigma : float
        Of the Gaussian that smooths the image first, in pixels; 0 for none.

    Returns
    -------
    list of N ndarray of shape (H, W), int32
        Labels from 0 on, without gaps; every segment is connected.

    Raises
    ------
    ShapeError
        If the array has another shape.
    MissingDependencyError
        If scikit-image is not installed.

    References
    ----------
    .. [1] Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", TPAMI
       2012; colours are compared in CIELAB.
    """
    segmentation, _ = _skimage()
    return [
        _consecutive(
            segmentation.slic(
                image,
                n_segments=num_segments,
                compactness=compactness,
                sigma=sigma,
                start_label=0,
                channel_axis=-1,
            )
        )
        for image in _checked(images)
    ]


def _checked(images: ArrayLike) -> Floats:
    """Images as float64 (N, H, W, 3)."""
    images = np.asarray(images, np.float64)
    if images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape[1:3]:
        raise ShapeError(f"images have shape {images.shape}; expected (N, H, W, 3), RGB")
    return images


def _skimage() -> tuple[ModuleType, ModuleType]:
    """The modules of scikit-image that segment and resize."""
    try:
        from skimage import segmentation, transform
    except ImportError as error:
        raise MissingDependencyError(
            "segmenting images needs scikit-image; install it with "
            'pip install "pysal-saliency[regions]"'
        ) from error
    return segmentation, transform


def _stretch(image: Floats) -> Floats:
    """Scale one image to [-1, 1]; an image of one value everywhere gets zeros."""
    low, high = image.min(), image.max()
    if high == low:
        return np.zeros_like(image)
    stretched: Floats = (image - low) / (high - low) * 2 - 1
    return stretched


def _nearest(labels: NDArray[np.integer], size: tuple[int, int]) -> NDArray[np.integer]:
    """Resize a label map by nearest neighbours, pixel centres aligned."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for old, new in zip(labels.shape, size, strict=True)
    )
    resized: NDArray[np.integer] = labels[rows[:, None], columns]
    return resized


def _stack(maps: list[NDArray[np.integer]], image: Floats) -> Labels:
    """Maps of one image as one array; no scale gives an empty one."""
    if not maps:
        return np.empty((0, *image.shape[:2]), np.int32)
    return np.stack([_consecutive(labels) for labels in maps])


def _consecutive(labels: NDArray[np.integer]) -> Labels:
    """The same segments, numbered from 0 without gaps, in the order of their old numbers."""
    inverse = np.unique(labels, return_inverse=True)[1]
    return inverse.reshape(labels.shape).astype(np.int32)
