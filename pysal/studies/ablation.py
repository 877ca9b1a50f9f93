"""Filter ablation: what a network still recognizes when relevant channels are taken away."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.features import FeatureSet
from pysal.features.stream import iter_batches
from pysal.studies.labels import check_count, class_index
from pysal.types import Array, Passes
from pysal.values import whole

OWNER = "filter_ablation"
NAN = float("nan")
Float = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclasses.dataclass(frozen=True)
class FilterAblation:
    """Accuracies while more and more channels are zero.

    Attributes
    ----------
    counts : mapping of str to ndarray of shape (T + 1,), int
        Set -> number of channels that are zero, from 0 to all of the set.
    accuracy : mapping of str to ndarray of shape (T + 1, K), float64
        Set -> accuracy per class; NaN for classes without an image.
    random : mapping of str to ndarray of shape (draws, T + 1, K), float64
        The same for as many channels drawn from the layers of the set.
    images : ndarray of shape (K,), int
        Images per class.
    options : mapping
    passes : Passes
    seconds : float
    """

    counts: Mapping[str, Index]
    accuracy: Mapping[str, Float]
    random: Mapping[str, Float]
    images: NDArray[np.int64]
    options: Mapping[str, Any]
    passes: Passes
    seconds: float

    def mca(self, name: str) -> Float:
        """Mean class-wise accuracy of a set, (T + 1,)."""
        return _mean_over_classes(self._of(self.accuracy, name))

    def random_mca(self, name: str) -> Float:
        """The same for the random channels, mean over the draws, (T + 1,)."""
        return _mean_over_classes(self._of(self.random, name)).mean(axis=0)

    @property
    def count(self) -> int:
        """Number of images that were judged."""
        return int(self.images.sum())

    def table(self) -> dict[str, dict[str, float]]:
        """Set and number of channels -> mean class-wise accuracy without them, and at random."""
        found = {}
        for name, counts in self.counts.items():
            random = self.random_mca(name) if len(self.random[name]) else np.full(len(counts), NAN)
            for row, count in enumerate(counts.tolist()):
                accuracy = float(self.mca(name)[row])
                found[f"{name} {count}"] = {"mca": accuracy, "random_mca": float(random[row])}
        return found

    def _of(self, found: Mapping[str, Float], name: str) -> Float:
        if name not in found:
            raise OptionError(f'set "{name}" is unknown; there are {", ".join(found)}')
        return found[name]


def filter_ablation(
    clf: Classifier,
    images: Any,
    labels: ArrayLike,
    features: FeatureSet | Mapping[str, FeatureSet],
    *,
    points: int | None = 10,
    draws: int = 5,
    seed: int = 0,
    batch_size: int = 8,
    progress: Callable[[float, float], None] | None = None,
) -> FilterAblation:
    """Mean class-wise accuracy as relevant channels are set to zero, the most relevant first.

    Parameters
    ----------
    clf : Classifier
        That can multiply channels; see `Classifier.score_scaled`.
    images : paths, PIL images, arrays, a sequence or an iterator of them, or a callable
        Test images; read once.
    labels : array_like of shape (N,), int
    features : FeatureSet, or mapping of str to FeatureSet
        From `select_features`; in the paper one of all layers ("all") and one of the convolutions
        ("conv"). A single one is called "all".
    points : int, optional
        Steps from no channel to all of the set; None takes one channel at a time.
    draws : int
        Sets of as many random channels, drawn from the layers that occur in the set; 0 for none.
    seed : int
        Of the random sets.
    batch_size : int
        Images evaluated together; changes no result.
    progress : callable, optional
        Called as progress(done, total), in images, where the total is known.

    Returns
    -------
    FilterAblation

    Raises
    ------
    OptionError
        If an option, a label or their number is wrong, or a set is empty.
    InputError, ShapeError
        If an image cannot be used, or features are of another model.
    CapabilityError
        If engine or model cannot multiply channels.

    Notes
    -----
    Cost: per image 1 + T (1 + draws) forward for each set. A channel is zero behind its layer's
    operation, for everything that reads the layer. Channels come in the order of their largest
    absolute weight over the classes; of equal ones the first comes first.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, section 4.1.
       Order, steps and number of draws are ours (metrics specification 11).
    """
    begin = time.perf_counter()
    index = class_index(OWNER, labels, clf.info.num_classes)
    sets = dict(features) if isinstance(features, Mapping) else {"all": features}
    if points is not None:
        whole(OWNER, "points", points)
    whole(OWNER, "draws", draws, 0)
    whole(OWNER, "seed", seed, 0)
    whole(OWNER, "batch_size", batch_size)
    plans = {name: _Plan(clf, name, found, points, draws, seed) for name, found in sets.items()}
    classes = clf.info.num_classes
    hits = {name: np.zeros((1 + draws, len(p.counts), classes)) for name, p in plans.items()}
    seen = np.zeros(classes, np.int64)
    done, passes = 0, Passes()
    for batch, total in iter_batches(clf, images, batch_size):
        if total is not None or done + len(batch) > len(index):
            check_count(OWNER, total or done + len(batch), len(index))
        own = index[done : done + len(batch)]
        np.add.at(seen, own, 1)
        plain = _correct(clf.score(batch, "logit"), own)
        passes += Passes(len(batch), 0)
        for name, plan in plans.items():
            passes += plan.add(clf, batch, own, plain, hits[name])
        done += len(batch)
        if progress is not None and total is not None:
            progress(done, total)
    check_count(OWNER, done, len(index))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {name: np.where(seen > 0, found / seen, np.nan) for name, found in hits.items()}
    return FilterAblation(
        counts={name: plan.counts for name, plan in plans.items()},
        accuracy={name: found[0] for name, found in shares.items()},
        random={name: found[1:] for name, found in shares.items()},
        images=seen,
        options={"points": points, "draws": draws, "seed": seed},
        passes=passes,
        seconds=time.perf_counter() - begin,
    )


class _Plan:
    """The channels of one set in order, as many random ones, and how many go at each point.

    Attributes
    ----------
    counts : ndarray of shape (T + 1,), int
    """

    def __init__(
        self,
        clf: Classifier,
        name: str,
        features: FeatureSet,
        points: int | None,
        draws: int,
        seed: int,
    ) -> None:
        features.check(clf)
        relevant = relevance_order(features)
        if not len(relevant):
            raise OptionError(f'{OWNER}: set "{name}" has 0 features; select some with a larger mu')
        channels = features.channels
        starts = np.array(channels.starts)
        used = np.unique(np.searchsorted(starts, relevant, side="right") - 1)
        self._layers = [(channels.layers[i], starts[i], starts[i + 1]) for i in used]
        pool = np.concatenate([np.arange(first, last) for _, first, last in self._layers])
        self._orders = [relevant]
        for draw in range(draws):
            key = np.array([seed, draw], np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key))
            self._orders.append(generator.permutation(pool)[: len(relevant)])
        steps = len(relevant) if points is None else min(points, len(relevant))
        self.counts = np.unique(np.rint(np.linspace(0, len(relevant), steps + 1)).astype(np.intp))

    def add(
        self, clf: Classifier, batch: Array, own: Index, plain: NDArray[np.bool_], hits: Float
    ) -> Passes:
        """Count what is still recognized, into hits (1 + draws, T + 1, K)."""
        for row, order in enumerate(self._orders):
            np.add.at(hits[row, 0], own, plain)
            for step, count in enumerate(self.counts[1:].tolist(), 1):
                logits = clf.score_scaled(batch, self._factors(order[:count]), "logit")
                np.add.at(hits[row, step], own, _correct(logits, own))
        return Passes(len(batch) * len(self._orders) * (len(self.counts) - 1), 0)

    def _factors(self, gone: Index) -> dict[str, Array]:
        """0 for the channels that are gone, 1 for the others of the layers in use."""
        found = {}
        for layer, first, last in self._layers:
            factor = np.ones(last - first, np.float32)
            factor[gone[(gone >= first) & (gone < last)] - first] = 0
            found[layer] = factor
        return found


def relevance_order(features: FeatureSet) -> Index:
    """Features by their largest absolute weight over the classes, descending, each once."""
    largest = np.zeros(len(features.channels))
    np.maximum.at(largest, features.features, np.abs(features.weights))
    order = np.argsort(-largest, kind="stable")
    return order[: int((largest > 0).sum())]


def _correct(scores: Array, own: Index) -> NDArray[np.bool_]:
    """Whether the top class is the label."""
    found: NDArray[np.bool_] = scores.argmax(axis=1) == own
    return found


def _mean_over_classes(accuracy: Float) -> Float:
    """Mean over the classes that have images."""
    known = ~np.isnan(accuracy)
    total: Float = np.where(known, accuracy, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    return total
