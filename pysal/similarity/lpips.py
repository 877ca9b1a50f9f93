"""LPIPS: distance of images in the features of a trained network, by the package `lpips`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import CapabilityError, MissingDependencyError, OptionError, ShapeError

NETS = ("alex", "vgg", "squeeze")
Float = NDArray[np.float64]
Distance = Callable[[NDArray[Any], NDArray[Any]], Float]
"""RGB images (N, H, W, 3) in [0, 255] twice -> (N,)."""


def open_lpips(net: str = "alex", **options: Any) -> Distance:
    """Open a network of the package `lpips`.

    Parameters
    ----------
    net : {"alex", "vgg", "squeeze"}
        The backbone; torchvision downloads its weights at the first use.
    **options
        More of `lpips.LPIPS`.

    Returns
    -------
    callable
        distance(images, reference) for RGB (N, H, W, 3) in [0, 255]: (N,), float64, from 0 for
        equal images on.

    Raises
    ------
    OptionError
        If the backbone is unknown.
    MissingDependencyError
        If lpips, torch or torchvision are not installed.
    CapabilityError
        If its weights cannot be had.

    References
    ----------
    .. [1] Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as
       a Perceptual Metric", CVPR 2018.
    """
    if net not in NETS:
        raise OptionError(f"lpips: net is {net!r}; use one of {', '.join(NETS)}")
    try:
        torch: Any = importlib.import_module("torch")
        package: Any = importlib.import_module("lpips")
    except ImportError as error:
        raise MissingDependencyError(
            f"lpips: {error}; pip install lpips torch torchvision, or leave this measure out"
        ) from error
    try:
        network = package.LPIPS(net=net, verbose=False, **options).eval()
    except OSError as error:  # no network, no folder to write to
        raise CapabilityError(
            f"lpips: the weights of {net} cannot be had ({error}); download them where there is a "
            "network, or leave this measure out"
        ) from error

    def distance(images: NDArray[Any], reference: NDArray[Any]) -> Float:
        if images.shape != reference.shape or images.ndim != 4 or images.shape[3] != 3:
            raise ShapeError(
                f"lpips: images have shapes {images.shape} and {reference.shape}; expected the "
                "same (N, H, W, 3)"
            )
        found = np.empty(len(images))
        with torch.no_grad():
            for row, pair in enumerate(zip(images, reference, strict=True)):
                a, b = (torch.from_numpy(_planes(image)) for image in pair)
                found[row] = float(network(a, b).reshape(-1)[0])
        return found

    return distance


def _planes(image: NDArray[Any]) -> NDArray[np.float32]:
    """RGB (H, W, 3) in [0, 255] as (1, 3, H, W) in [-1, 1]."""
    planes = np.moveaxis(np.asarray(image, np.float32), 2, 0)[None] / np.float32(127.5) - 1
    return np.ascontiguousarray(planes, np.float32)
