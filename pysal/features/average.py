"""Average images: what a feature stands for, shown by the image parts it answers to most."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.features.crops import Sums, Views, feature_maps
from pysal.features.feature_set import Feature, FeatureSet
from pysal.features.ranking import find_strongest
from pysal.features.stream import check_rereadable, iter_chosen
from pysal.features.windows import Border, find_fields
from pysal.types import Array, Passes
from pysal.values import choice, whole

OWNER = "average_images"


@dataclasses.dataclass(frozen=True)
class AverageImages:
    """Averages for F features, the most relevant one first.

    Attributes
    ----------
    features : tuple of F Feature
    images : tuple of F ndarray of shape (h, w, 3), float32
        RGB in [0, 1]; the size is that of the feature's receptive field, or the one asked for.
    heatmaps : tuple of F ndarray of shape (h, w), float32, or None
        Means of the feature's own heatmaps in the same windows.
    chosen : ndarray of shape (F, count), int64
        Numbers of the images, the strongest answer first; -1 where there are no more.
    response : ndarray of shape (F, count), float32
        Their largest activations; NaN where there are no more.
    passes : Passes
    """

    features: tuple[Feature, ...]
    images: tuple[Array, ...]
    heatmaps: tuple[Array, ...] | None
    chosen: NDArray[np.int64]
    response: Array
    passes: Passes


def average_images(
    clf: Classifier,
    images: Any,
    features: FeatureSet | Sequence[tuple[str, int] | Feature],
    *,
    target: int | None = None,
    labels: ArrayLike | None = None,
    most: int | None = None,
    count: int = 100,
    receptive_fields: Mapping[str, Any] | None = None,
    border: Border = "mean",
    size: int | None = None,
    heatmaps: bool = False,
    rules: str = "stride1_deconv",
    batch_size: int = 8,
    progress: Callable[[float, float], None] | None = None,
) -> AverageImages:
    """Average the image parts that make a feature answer most strongly.

    The images with the largest activations of a channel are found, then what the channel sees where
    it has its maximum is cut out of each and averaged.

    Parameters
    ----------
    clf : Classifier
    images : paths, PIL images, arrays, a sequence of them, or a callable
        Read twice, some at a time; a callable gives a new iterator each time.
    features : FeatureSet, or sequence of (layer, channel)
    target : int, optional
        Class whose features of positive weight are taken from a FeatureSet.
    labels : array_like of shape (N,), int, optional
        With these, only images of class `target` are used.
    most : int, optional
        Features taken, the largest weights first; default: all.
    count : int
        Images per feature, at most; those where a channel is nowhere positive do not count.
    receptive_fields : mapping, optional
        Layer -> (size, jump, centre) in pixels, a pair of these, or None for the whole image.
        Default: what the model knows, `ModelInfo.receptive_fields`.
    border : {"mean", "shift"}
        Where a window leaves the image, the mean colour shows; or it is moved inside.
    size : int, optional
        Height and width of the averages; default: the receptive field's.
    heatmaps : bool
        Average the heatmaps of the features, too.
    rules : str
        Rule table of the heatmaps.
    batch_size : int
        Images whose activations are held at once; changes no result.
    progress : callable, optional
        Called as progress(done, total), in images of both passes.

    Returns
    -------
    AverageImages

    Raises
    ------
    OptionError
        If an option or a feature is wrong.
    InputError, ShapeError
        If an image cannot be used, or features belong to another model.

    Warns
    -----
    UserWarning
        If a feature answers to no image: its average has the mean colour.

    Notes
    -----
    Cost: N forward; with heatmaps one more per image used, and one forward and backward per image
    used and feature. Descriptors count negative activations, too, where a layer has them; an
    average image shows what the positive ones come from, so layers behind a ReLU say more.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, section 3.3
       (methods specification 9.3).
    """
    _check(count, batch_size, most, size, border)
    check_rereadable(images)
    chosen = _choose(clf, features, target, most)
    fields = find_fields(clf.info, sorted({f.layer for f in chosen}), receptive_fields)
    strongest = find_strongest(
        clf,
        images,
        [(f.layer, f.channel) for f in chosen],
        count,
        wanted=_wanted(labels, target),
        batch_size=batch_size,
        progress=progress and (lambda done, total: progress(done, 2 * total)),
    )
    views = Views(chosen, strongest, fields, border, clf.info.input_shape[1:])
    sums = Sums(clf, views, heatmaps)
    passes, numbers = Passes(strongest.num_images, 0), views.numbers
    for done, (number, image) in enumerate(iter_chosen(clf, images, numbers, batch_size)):
        if heatmaps:
            maps, cost = feature_maps(clf, image, chosen, views.of(number), rules)
            passes += cost
        sums.add(image, number, maps if heatmaps else None)
        if progress is not None:
            total = strongest.num_images
            progress(total + total * (done + 1) / len(numbers), 2 * total)
    found = strongest.image >= 0
    _warn_silent(chosen, ~found[:, 0])
    pictures, heat = sums.means(size)
    response = np.where(found, strongest.response, np.nan).astype(np.float32)
    return AverageImages(tuple(chosen), pictures, heat, strongest.image, response, passes)


def _choose(
    clf: Classifier,
    features: FeatureSet | Sequence[tuple[str, int] | Feature],
    target: int | None,
    most: int | None,
) -> list[Feature]:
    """The features that are averaged."""
    if isinstance(features, FeatureSet):
        features.check(clf)
        if target is None:
            raise OptionError(f"{OWNER}: target is None; expected the class of the features")
        found = [feature for feature in features.of(target) if feature.weight > 0]
    else:
        found = [Feature(str(f[0]), int(f[1]), f[2] if len(f) > 2 else 1.0) for f in features]
    for feature in found:
        if feature.layer not in clf.info.layers:
            raise OptionError(f'{OWNER}: {clf.info.name} has no layer "{feature.layer}"')
    if not found:
        raise OptionError(
            f"{OWNER}: no feature with a positive weight for class {target}; give (layer, channel)"
        )
    return found[:most]


def _check(count: int, batch_size: int, most: int | None, size: int | None, border: str) -> None:
    """Refuse options outside their allowed values."""
    given = {"count": count, "batch_size": batch_size, "most": most, "size": size}
    for name, value in given.items():
        if value is not None or name in ("count", "batch_size"):
            whole(OWNER, name, value)
    choice(OWNER, "border", border, ("mean", "shift"))


def _wanted(labels: ArrayLike | None, target: int | None) -> NDArray[np.bool_] | None:
    """Which images belong to the class."""
    if labels is None:
        return None
    given = np.asarray(labels)
    if target is None or given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise OptionError(
            f"{OWNER}: labels of shape {given.shape} and target {target}; expected one class index "
            "per image, and the class"
        )
    wanted: NDArray[np.bool_] = given == target
    return wanted


def _warn_silent(features: Sequence[Feature], silent: NDArray[np.bool_]) -> None:
    """Say which features answer to no image."""
    if silent.any():
        first = features[int(silent.argmax())]
        warnings.warn(
            f"{silent.sum()} of {len(features)} features (channel {first.channel} of "
            f'"{first.layer}") answer to none of the images; their averages are the mean colour',
            stacklevel=3,
        )
