"""Descriptors: how strongly every channel of a network answers to an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pysal.classifier import Classifier
from pysal.errors import CapabilityError
from pysal.features.channels import Channels, per_channel
from pysal.features.stream import iter_batches
from pysal.types import Array

Floats = NDArray[np.float64]
Response = Literal["squared", "norm"]


def describe(
    activations: Mapping[str, Array], channels: Channels, response: Response = "squared"
) -> Floats:
    """Descriptors of a batch from its activations.

    Parameters
    ----------
    activations : mapping of str to ndarray of shape (n, Q, ...)
    channels : Channels
    response : {"squared", "norm"}
        A channel's answer: the sum of its squared activations, as in the published code, or the
        root of it, as in the paper.

    Returns
    -------
    ndarray of shape (n, m), float64
        Every layer is divided by the sum of its channels, then the whole by its 2-norm. A layer
        without any activation has zeros.

    Raises
    ------
    CapabilityError
        If an activation is NaN or infinite.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, section 3.1
       (methods specification 9.1).
    """
    parts = []
    for layer in channels.layers:
        values = per_channel(activations[layer])
        with np.errstate(over="ignore", invalid="ignore"):
            answer = np.square(values, dtype=np.float64).sum(axis=2)
        if not np.isfinite(answer).all():
            raise CapabilityError(
                f'layer "{layer}" has NaN or infinite activations; expected finite numbers: check '
                "the preprocessing record and the precision of the engine"
            )
        answer = np.sqrt(answer) if response == "norm" else answer
        parts.append(_divide(answer, answer.sum(axis=1, keepdims=True)))
    joined = np.concatenate(parts, axis=1)
    return _divide(joined, np.sqrt(np.square(joined).sum(axis=1, keepdims=True)))


def iter_descriptors(
    clf: Classifier,
    images: Any,
    channels: Channels,
    *,
    response: Response = "squared",
    batch_size: int = 8,
    progress: Callable[[float, float], None] | None = None,
) -> Iterator[Floats]:
    """Descriptors of many images, (n, m) at a time.

    Parameters
    ----------
    clf : Classifier
    images
        As `iter_batches` takes them.
    channels : Channels
    response : {"squared", "norm"}
    batch_size : int
        Images whose activations are held at once; changes no result.
    progress : callable, optional
        Called as progress(done, total), in images; where the total is not known it is `done`.

    Notes
    -----
    Cost: 1 forward per image.
    """
    done = 0
    for batch, total in iter_batches(clf, images, batch_size):
        yield describe(clf.activations(batch, channels.layers), channels, response)
        done += len(batch)
        if progress is not None:
            progress(done, total or done)


def _divide(values: Floats, by: Floats) -> Floats:
    """Rows divided by a number each; rows of zeros stay zeros."""
    return values / np.where(by > 0, by, 1)
