"""Relevant features: the channels that speak for the class, shown where they see it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.features import FeatureSet, channel_signal, describe, scale_feedback
from pysal.types import Array, Attribution, Target
from pysal.values import whole
from pysal.work import Work

OWNER = "relevant_features"

GROUP = 4
"""Images, or signals, whose activations are held at once; changes no result."""


class Pick(NamedTuple):
    """A feature that explains an image: which, its place in the ranking, and what it shows."""

    image: int
    place: int
    feature: int
    relevance: float
    activation: Array


def relevant_features(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    features: FeatureSet | str | os.PathLike[str] | None = None,
    top: int = 3,
    rules: str = "stride1_deconv",
    keep_maps: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Show what the features see that were selected for the class and that the image answers to.

    A feature is a channel of a layer. Its relevance is its part of the image's descriptor times its
    weight for the class; the activations of the most relevant ones are carried back to the image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        Whose features explain; the score space does not matter.
    features : FeatureSet or path
        What `pysal.features.select_features` made on images with labels, or a file of it.
    top : int
        Features per image, at most: only those of positive relevance count.
    rules : str
        Rule table of the way back; "stride1_deconv" is the published one.
    keep_maps : bool
        Return the map of every feature in `trace["maps"]`.
    progress : callable, optional
        Called as progress(done, total): 1 of 2 when the features are chosen.

    Returns
    -------
    Attribution
        `native` and `map` of shape (N, H, W), in [0, 1]: the pixel-wise maximum of the features'
        maps, each of which goes from 0 to 1. `trace`: "feature" (N, top), int64, the most relevant
        first, -1 where there are no more (`FeatureSet.channels.where` gives layer and channel);
        "relevance" (N, top), NaN there; with `keep_maps` "maps" (N, top, H, W).

    Raises
    ------
    OptionError
        If there are no features, or an option is outside its allowed values.
    InputError
        If the features belong to another model, or the file cannot be read.
    CapabilityError
        If the engine starts no backward pass at a layer, or a value is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or nothing speaks for it: its map is zero then.

    Notes
    -----
    Needs: grad, activations. Cost: N * (2 + top) forward, N * top backward. Differs from [1]_:
    products with the weights are not divided by their sum as in its code, which changes no order
    unless the sum is negative, and then would turn it around.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation: Improving Visual
       Feedback Capabilities of Deep Neural Networks", ICLR 2019, sections 3.2 and 3.4; three
       features and their maximum as in its code (methods specification 1.6 and 9.2).
    """
    found = _load(features, clf)
    whole(OWNER, "top", top)
    work = Work(clf, batch, target, OWNER)
    work.score()
    picks: list[Pick] = []
    for first in range(0, len(work), GROUP):
        images = np.arange(first, min(first + GROUP, len(work)))
        picks += _pick(work, images, found, top)
        _tell(progress, images[-1] + 1, len(work), 0)
    _warn_silent(picks, len(work))
    maps = np.zeros((len(work), top, *work.size), np.float32)
    done = 0
    for layer, group in _groups(picks, found):
        rows = np.array([pick.image for pick in group])
        channels = [found.channels.where(pick.feature)[1] for pick in group]
        count = found.channels.counts[found.channels.layers.index(layer)]
        shape = (count, *group[0].activation.shape)
        signal = channel_signal([pick.activation for pick in group], channels, shape)
        back = work.backward(layer, signal, rows, rules=rules)
        maps[rows, [pick.place for pick in group]] = scale_feedback(back)
        done += len(group)
        _tell(progress, done, len(picks), 1)
    options = {"features": _name(features), "top": top, "rules": rules, "keep_maps": keep_maps}
    trace = _trace(picks, len(work), top)
    if keep_maps:
        trace["maps"] = maps
    return work.finish(maps.max(axis=1), options, trace=trace)


def _load(features: FeatureSet | str | os.PathLike[str] | None, clf: Classifier) -> FeatureSet:
    """The features, and that they fit the model."""
    if features is None:
        raise OptionError(
            f"{OWNER}: features is None; expected what select_features(classifier, images, labels) "
            "of pysal.features makes from labelled images, or a file of it"
        )
    if not isinstance(features, FeatureSet | str | os.PathLike):
        raise OptionError(
            f"{OWNER}: features is a {type(features).__name__}; expected a FeatureSet or a file"
        )
    found = features if isinstance(features, FeatureSet) else FeatureSet.load(features)
    found.check(clf)
    return found


def _name(features: Any) -> str:
    """What results say of where the features come from."""
    return "given" if isinstance(features, FeatureSet) else os.fspath(features)


def _pick(work: Work, images: NDArray[np.intp], found: FeatureSet, top: int) -> list[Pick]:
    """The most relevant features of some images, with their activations."""
    activations = work.activations(found.channels.layers, work.batch[images])
    answers = describe(activations, found.channels, found.settings["response"])
    picks = []
    for row, image in enumerate(images.tolist()):
        relevance = answers[row] * found.vector(int(work.target.index[image]))
        order = np.argsort(-relevance, kind="stable")[:top]
        for place, feature in enumerate(order[relevance[order] > 0].tolist()):
            layer, channel = found.channels.where(feature)
            shown = activations[layer][row, channel].copy()
            picks.append(Pick(image, place, feature, float(relevance[feature]), shown))
    return picks


def _groups(picks: Sequence[Pick], found: FeatureSet) -> Iterator[tuple[str, list[Pick]]]:
    """Features of one layer, a few at a time."""
    layers = [found.channels.where(pick.feature)[0] for pick in picks]
    for layer in found.channels.layers:
        inside = [pick for pick, name in zip(picks, layers, strict=True) if name == layer]
        for first in range(0, len(inside), GROUP):
            yield layer, inside[first : first + GROUP]


def _trace(picks: Sequence[Pick], num_images: int, top: int) -> dict[str, NDArray[Any]]:
    """Features and their relevance per image."""
    feature = np.full((num_images, top), -1)
    relevance = np.full((num_images, top), np.nan)
    for pick in picks:
        feature[pick.image, pick.place] = pick.feature
        relevance[pick.image, pick.place] = pick.relevance
    return {"feature": feature, "relevance": relevance}


def _warn_silent(picks: Sequence[Pick], num_images: int) -> None:
    """Say for which images no feature speaks."""
    silent = sorted(set(range(num_images)) - {pick.image for pick in picks})
    if silent:
        warnings.warn(
            f"{OWNER}: no feature speaks for the target of {len(silent)} of {num_images} images "
            f"(number {', '.join(map(str, silent[:5]))}); their maps are zero: select features on "
            "images of these classes, or with a larger mu",
            stacklevel=3,
        )


def _tell(
    progress: Callable[[float, float], None] | None, done: int, total: int, half: int
) -> None:
    """Progress of the way there, then of the way back."""
    if progress is not None:
        progress(half + done / total, 2)
