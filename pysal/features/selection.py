"""Relevant feature selection: channels whose answers predict the labels, by the mu-lasso."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.features.channels import Layers, find_channels
from pysal.features.descriptors import Response, iter_descriptors
from pysal.features.feature_set import FeatureSet
from pysal.features.lasso import Solver, mu_lasso
from pysal.features.moments import Rows
from pysal.photos import count_photos
from pysal.values import choice, positive, whole

OWNER = "select_features"


def select_features(
    clf: Classifier,
    images: Any,
    labels: ArrayLike,
    *,
    mu: float = 10.0,
    layers: Layers = "all",
    response: Response = "squared",
    solver: Solver = "active_sets",
    tolerance: float = 1e-4,
    max_steps: int | None = None,
    batch_size: int = 8,
    progress: Callable[[float, float], None] | None = None,
) -> FeatureSet:
    """Select the channels of a network whose answers to images predict their classes.

    An image is described by how strongly every channel answers; a sparse linear model on that
    predicts the labels, class by class. The channels it uses are the relevant features.

    Parameters
    ----------
    clf : Classifier
    images : paths, PIL images, arrays, a sequence or an iterator of them, or a callable
        Read once, `batch_size` at a time; a callable gives one of the others.
    labels : array_like of shape (N,), int, or (N, K), bool
        Class of every image, or for each class whether the image belongs to it.
    mu : float
        Bound on the sum of the absolute weights of a class: larger selects more features. 10 as in
        the paper; its code has 5 for an8Flower.
    layers : {"all", "conv"} or sequence of str
        "all" feature layers of the model, its convolutions only, or layers by name; see
        `find_channels`.
    response : {"squared", "norm"}
        A channel's answer; see `describe`.
    solver : {"active_sets", "spectral_gradient"}
        To the exact minimum, or the paper's; see `mu_lasso`.
    tolerance : float
        Relative duality gap below which a class is solved.
    max_steps : int, optional
        Of the solver.
    batch_size : int
        Images whose activations are held at once; bounds the memory, changes no result.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    FeatureSet

    Raises
    ------
    OptionError
        If an option, a label or their number is wrong.
    CapabilityError
        If the model shows no activations, or one is not finite.
    InputError, ShapeError
        If an image cannot be used.

    Warns
    -----
    UserWarning
        If the solver did not reach its tolerance, or a layer answers to no image.

    Notes
    -----
    Cost: N + 1 forward. Memory: descriptors, 4 N m bytes for m channels, and from N > m on 8 m^2
    bytes instead. The descriptors are neither centred nor given an intercept [1]_; their scale is
    that of `describe`, on which the meaning of mu depends. The division by the 2-norm, which the
    code does at test time, is done here as well.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation: Improving Visual
       Feedback Capabilities of Deep Neural Networks", ICLR 2019, section 3.1, equation 1.
    """
    positive(OWNER, "mu", mu)
    positive(OWNER, "tolerance", tolerance)
    if max_steps is not None:
        whole(OWNER, "max_steps", max_steps)
    whole(OWNER, "batch_size", batch_size)
    choice(OWNER, "response", response, ("squared", "norm"))
    choice(OWNER, "solver", solver, ("active_sets", "spectral_gradient"))
    target = _indicators(labels, clf.info.num_classes)
    if not callable(images) and not isinstance(images, Iterator):
        _check_count(count_photos(images), len(target))
    channels = find_channels(clf, layers)
    rows, seen = Rows(len(channels), target.shape[1]), np.zeros(len(channels), bool)
    done = 0
    stream = iter_descriptors(
        clf, images, channels, response=response, batch_size=batch_size, progress=progress
    )
    for part in stream:
        if done + len(part) > len(target):
            _check_count(done + len(part), len(target), "or more ")
        rows.add(part, target[done : done + len(part)])
        seen |= part.any(axis=0)
        done += len(part)
    _check_count(done, len(target))
    _warn_dead(seen, channels.layers, channels.starts)
    found = mu_lasso(
        rows.finish(), float(mu), solver=solver, tolerance=tolerance, max_steps=max_steps
    )
    classes, features = np.nonzero(found.weights)
    return FeatureSet(
        channels=channels,
        num_classes=target.shape[1],
        classes=classes.astype(np.int32),
        features=features.astype(np.int32),
        weights=found.weights[classes, features],
        objective=found.objective,
        gap=found.gap,
        model=clf.info.name,
        sha256=clf.info.sha256,
        settings={
            "mu": float(mu),
            "layers": layers if isinstance(layers, str) else list(layers),
            "response": response,
            "solver": solver,
            "tolerance": float(tolerance),
            "images": done,
        },
    )


def _indicators(labels: ArrayLike, num_classes: int) -> NDArray[np.float64]:
    """1 where an image belongs to a class, (N, K)."""
    given = np.asarray(labels)
    if given.ndim == 1 and np.issubdtype(given.dtype, np.integer):
        wrong = given[(given < 0) | (given >= num_classes)]
        if wrong.size:
            raise OptionError(f"{OWNER}: label is {wrong[0]}; expected 0 to {num_classes - 1}")
        return (given[:, None] == np.arange(num_classes)).astype(np.float64)
    if given.ndim == 2 and given.shape[1] == num_classes and np.isin(given, (0, 1)).all():
        return given.astype(np.float64)
    raise OptionError(
        f"{OWNER}: labels have dtype {given.dtype} and shape {given.shape}; expected one class "
        f"index per image, or (N, {num_classes}) of 0 and 1"
    )


def _check_count(images: int, labels: int, more: str = "") -> None:
    """Refuse labels that are not one per image."""
    if images != labels:
        raise OptionError(f"{OWNER}: {labels} labels for {images} {more}images; give one each")


def _warn_dead(seen: NDArray[np.bool_], layers: tuple[str, ...], starts: tuple[int, ...]) -> None:
    """Say which layers answered to no image at all."""
    dead = [
        layer
        for layer, first, last in zip(layers, starts, starts[1:], strict=False)
        if not seen[first:last].any()
    ]
    if dead:
        warnings.warn(
            f'{len(dead)} of {len(layers)} layers ("{dead[0]}") answer to none of the images; no '
            "feature can come from them",
            stacklevel=3,
        )
