"""How much information a picture holds: its size as a lossless WebP file."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import MissingDependencyError, ShapeError


def webp_bytes(picture: NDArray[np.uint8]) -> int:
    """Bytes of a picture as lossless WebP of quality 100, without metadata.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        RGB.

    Raises
    ------
    ShapeError
        If it is something else.
    MissingDependencyError
        If this Pillow was built without WebP.

    Notes
    -----
    Depends on the version of libwebp, a little: `webp_version`. Safe to call from several threads,
    which run at the same time. Metrics specification 3.1; the estimator of the PAIR library.
    """
    from PIL import Image

    webp_version()
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ShapeError(
            f"picture is {picture.dtype} of shape {picture.shape}; expected uint8 (H, W, 3), RGB"
        )
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="webp", lossless=True, quality=100)
    return file.tell()


def webp_version() -> str:
    """Version of libwebp behind Pillow.

    Raises
    ------
    MissingDependencyError
        If there is none.
    """
    from PIL import features

    version = features.version("webp") if features.check("webp") else None
    if version is None:
        raise MissingDependencyError(
            "Pillow was built without WebP, whose file sizes measure information; install a wheel "
            "of Pillow from PyPI: pip install --force-reinstall pillow"
        )
    return str(version)


def information_level(
    sizes: ArrayLike, blurred: float, original: float, form: str = "normalized"
) -> NDArray[np.float64]:
    """Information of pictures between the blurred one and the original, from their bytes.

    Parameters
    ----------
    sizes : array_like of shape (T,)
        Bytes of the pictures.
    blurred, original : float
        Bytes of the two ends.
    form : {"normalized", "ratio"}
        (size - blurred) / (original - blurred) cut to [0, 1], or size / original.

    Returns
    -------
    ndarray of shape (T,)
        NaN if "normalized" has no meaning, because the blurred picture is not the smaller one.

    Notes
    -----
    Metrics specification 3.1: the first is the PAIR library's, the second what the text on IDGI
    says.
    """
    values = np.asarray(sizes, np.float64)
    if form == "ratio":
        return values / original
    if not blurred < original:
        return np.full(values.shape, np.nan)
    return np.clip((values - blurred) / (original - blurred), 0, 1)
