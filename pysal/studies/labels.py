"""Labels of data sets, checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import OptionError


def class_index(owner: str, labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """One class index per image, (N,).

    Raises
    ------
    OptionError
        If they are not whole numbers from 0 to `num_classes` - 1.
    """
    given = np.asarray(labels)
    if given.ndim != 1 or not (np.issubdtype(given.dtype, np.integer) and given.size):
        raise OptionError(
            f"{owner}: labels have dtype {given.dtype} and shape {given.shape}; expected one class "
            "index per image"
        )
    wrong = given[(given < 0) | (given >= num_classes)]
    if wrong.size:
        raise OptionError(f"{owner}: label is {wrong[0]}; expected 0 to {num_classes - 1}")
    return given.astype(np.int64)


def memberships(owner: str, labels: ArrayLike, num_classes: int) -> NDArray[np.bool_]:
    """Whether an image belongs to a class, (N, K): from (N,) indices, or (N, K) of 0 and 1.

    Raises
    ------
    OptionError
        If they are neither.
    """
    given = np.asarray(labels)
    if given.ndim == 2:
        if given.shape[1] != num_classes or not np.isin(given, (0, 1)).all() or not given.size:
            raise OptionError(
                f"{owner}: labels have shape {given.shape}; expected (N, {num_classes}) of 0 and 1,"
                " or one class index per image"
            )
        return given.astype(bool)
    index = class_index(owner, given, num_classes)
    found: NDArray[np.bool_] = index[:, None] == np.arange(num_classes)
    return found


def check_count(owner: str, images: int, labels: int) -> None:
    """Refuse labels that are not one per image."""
    if images != labels:
        raise OptionError(f"{owner}: {labels} labels for {images} images; give one each")
