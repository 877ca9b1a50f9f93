"""The images to which channels answer most strongly, found in one pass over a data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.classifier import Classifier
from pysal.errors import CapabilityError, OptionError
from pysal.features.channels import per_channel
from pysal.features.stream import iter_batches
from pysal.types import Array


@dataclasses.dataclass(frozen=True)
class Strongest:
    """For F channels, where their largest activations are.

    Attributes
    ----------
    response : ndarray of shape (F, count), float32
        Descending; -inf where there are fewer images with a positive activation. Of equal ones the
        first image comes first.
    image : ndarray of shape (F, count), int64
        Number of the image; -1 where there is none.
    row, column : ndarray of shape (F, count), int64
        Place of the maximum in the channel's map; 0 in layers without maps.
    num_images : int
        How many images were seen.
    """

    response: Array
    image: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    num_images: int


def find_strongest(
    clf: Classifier,
    images: Any,
    channels: Sequence[tuple[str, int]],
    count: int,
    *,
    wanted: NDArray[np.bool_] | None = None,
    batch_size: int = 8,
    progress: Callable[[float, float], None] | None = None,
) -> Strongest:
    """Rank images by the largest activation of each channel.

    Parameters
    ----------
    clf : Classifier
    images
        As `iter_batches` takes them.
    channels : sequence of (layer, channel)
    count : int
        Images kept per channel.
    wanted : ndarray of shape (N,), bool, optional
        Images that may be kept.
    batch_size : int
    progress : callable, optional
        Called as progress(done, total), in images, where the total is known.

    Raises
    ------
    OptionError
        If a channel does not exist, or `wanted` is not one per image.
    CapabilityError
        If an activation is NaN or infinite.

    Notes
    -----
    Cost: 1 forward per image.
    """
    layers = sorted({layer for layer, _ in channels})
    kept: list[NDArray[Any]] = [np.empty((len(channels), 0))]
    kept += [np.empty((len(channels), 0), np.int64) for _ in range(3)]
    done = 0
    for batch, total in iter_batches(clf, images, batch_size):
        numbers = np.arange(done, done + len(batch))
        done += len(batch)
        _check_wanted(wanted, done, total)
        activations = clf.activations(batch, layers)
        found = [_maxima(activations[layer], layer, channel) for layer, channel in channels]
        response, row, column = (np.array(values) for values in zip(*found, strict=True))
        allowed = response > 0
        if wanted is not None:
            allowed &= wanted[numbers]
        response = np.where(allowed, response, -np.inf)
        image = np.where(allowed, numbers, -1)
        kept = _largest(kept, [response, image, row, column], count)
        if progress is not None and total is not None:
            progress(done, total)
    _check_wanted(wanted, done, done)
    missing = ((0, 0), (0, count - kept[0].shape[1]))
    response, image, row, column = (
        np.pad(values, missing, constant_values=fill)
        for values, fill in zip(kept, (-np.inf, -1, 0, 0), strict=True)
    )
    return Strongest(response.astype(np.float32), image, row, column, done)


def _maxima(
    activation: Array, layer: str, channel: int
) -> tuple[Array, NDArray[np.intp], NDArray[np.intp]]:
    """Largest activation of a channel and its row and column, each (n,)."""
    if not 0 <= channel < activation.shape[1]:
        raise OptionError(
            f'channel {channel} of layer "{layer}" does not exist; use 0 to '
            f"{activation.shape[1] - 1}"
        )
    values = per_channel(activation)[:, channel]
    if not np.isfinite(values).all():
        raise CapabilityError(
            f'channel {channel} of layer "{layer}" has NaN or infinite activations; expected '
            "finite numbers: check the preprocessing record and the precision of the engine"
        )
    place = values.argmax(axis=1)
    width = activation.shape[-1] if activation.ndim == 4 else 1
    return values.max(axis=1), place // width, place % width


def _largest(old: list[NDArray[Any]], new: list[NDArray[Any]], count: int) -> list[NDArray[Any]]:
    """The entries of the largest responses, the first array of each, joined and cut to `count`."""
    joined = [np.concatenate(pair, axis=1) for pair in zip(old, new, strict=True)]
    order = np.argsort(-joined[0], axis=1, kind="stable")[:, :count]
    return [np.take_along_axis(values, order, axis=1) for values in joined]


def _check_wanted(wanted: NDArray[np.bool_] | None, done: int, total: int | None) -> None:
    """Refuse labels that are not one per image, as soon as that is known."""
    if wanted is None:
        return
    if (total is not None and total != len(wanted)) or done > len(wanted):
        raise OptionError(f"{len(wanted)} labels for {total or done} images; give one label each")
