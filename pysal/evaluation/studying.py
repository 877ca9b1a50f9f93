"""`pysal.study`: a study by name, on a data set that knows labels and places."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pysal.backends import open_classifier
from pysal.chunks import BATCH_SIZE, warn_assumed
from pysal.errors import OptionError
from pysal.evaluation.images import Item, as_items
from pysal.features import FeatureSet, select_features
from pysal.options import check_options
from pysal.photos import load_photos
from pysal.places.maps import resized
from pysal.registry import lookup
from pysal.studies import STUDIES
from pysal.studies.ablation import FilterAblation, filter_ablation
from pysal.studies.fillers import FillerComparison, compare_fillers
from pysal.studies.reconstruction import FeatureReconstruction, feature_reconstruction
from pysal.types import Passes

if TYPE_CHECKING:
    from pysal.classifier import Classifier
    from pysal.preprocess import Preprocess
    from pysal.progress import Progress

Found = FilterAblation | FeatureReconstruction | FillerComparison
SELECTION = ("mu", "layers", "response", "solver", "tolerance", "max_steps")
"""Options of `filter_ablation` here that say how its features are selected."""


def study(
    name: str,
    model: str | Path | Classifier,
    images: Any,
    *,
    train: Any = None,
    limit: int | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Found:
    """Run a study of `pysal.studies.STUDIES` on a data set.

    Parameters
    ----------
    name : {"filter_ablation", "feature_reconstruction", "compare_fillers"}
    model : str, Path, torch.nn.Module or Classifier
    images : path or sequence of samples
        A labelled data set: what `pysal.datasets.open_dataset` gives, or a path that it opens.
        "compare_fillers" fills what is known to show the label, and needs boxes or masks; images
        without a label have the network's top class for one, at 1 forward each.
    train : path or sequence of samples, optional
        Where features are selected. Default: every second image of each class, and the others are
        those the study judges on.
    limit : int, optional
        Take only the first images of `images`.
    engine, device, threads, preprocess
        As for `pysal.explain`.
    progress : callable, optional
        Called as progress(done, total).
    **options
        Of the function of that name in `pysal.studies`. "filter_ablation" also takes `features`, or
        mu, layers, response, solver, tolerance, max_steps of `pysal.select_features`.

    Returns
    -------
    FilterAblation, FeatureReconstruction or FillerComparison
        Each has `table()`: row -> column -> number.

    Raises
    ------
    OptionError
        If name or options are wrong, an image has no label, or a class has too few images to be
        split.
    InputError
        If images or annotations cannot be read.
    CapabilityError, MissingDependencyError
        If engine, model or a filler cannot do it.

    Notes
    -----
    Cost: see the functions in `pysal.studies`; "filter_ablation" without `features` adds 1 forward
    per image of the selection.
    """
    lookup(STUDIES, name, "study")
    _check(name, options)
    needs_train = name == "feature_reconstruction" or (
        name == "filter_ablation" and "features" not in options
    )
    if train is not None and not needs_train:
        raise OptionError(f"{name}: train is given and no features are selected; leave it out")
    items = as_items(images, limit)
    if name == "compare_fillers":
        _check_places(name, items)
    else:
        _labelled(name, items, "images")
    chosen = [] if train is None else _labelled(name, as_items(train), "train")
    if needs_train and train is None:
        chosen, items = _halves(name, items)
    classifier = open_classifier(
        model, engine=engine, device=device, threads=threads, preprocess=preprocess
    )
    if classifier is not model:
        warn_assumed(classifier)
    try:
        return _run(name, classifier, items, chosen, {**options, "progress": progress})
    finally:
        if classifier is not model:
            classifier.close()


def _run(
    name: str, clf: Classifier, items: list[Item], train: list[Item], options: dict[str, Any]
) -> Found:
    """The study itself, with what it asks of the data set."""
    images = _images(items)
    if name == "feature_reconstruction":
        return feature_reconstruction(
            clf, _images(train), _labels(train), images, _labels(items), **options
        )
    if name == "compare_fillers":
        return _fillers(clf, items, options)
    selection = {key: options.pop(key) for key in SELECTION if key in options}
    features: Any = options.pop("features", None)
    if isinstance(features, str | Path):
        features = FeatureSet.load(features)
    elif features is None:
        features = select_features(clf, _images(train), _labels(train), **selection)
    return filter_ablation(clf, images, _labels(items), features, **options)


def _fillers(clf: Classifier, items: list[Item], options: dict[str, Any]) -> FillerComparison:
    """Fill what shows the label, or the top class where there is no label."""
    searched = [row for row, item in enumerate(items) if item.label is None]
    classes = {row: int(item.label) for row, item in enumerate(items) if item.label is not None}
    for first in range(0, len(searched), BATCH_SIZE):
        rows = searched[first : first + BATCH_SIZE]
        photos = load_photos(
            [items[row].image for row in rows], clf.preprocess, clf.info.input_shape
        )
        top = clf.score(photos.batch, "logit").argmax(axis=1)
        classes.update(zip(rows, top.tolist(), strict=True))
    labels = np.array([classes[row] for row in range(len(items))], np.int64)
    masks = np.stack([_mask(item, classes[row], clf) for row, item in enumerate(items)])
    found = compare_fillers(clf, _images(items), labels, masks, **options)
    return dataclasses.replace(found, passes=found.passes + Passes(len(searched), 0))


def _check(name: str, options: Mapping[str, Any]) -> None:
    """See that all options are known to the study or to the selection of its features."""
    known = dict(options)
    if name == "filter_ablation":
        selection = {key: known.pop(key) for key in SELECTION if key in known}
        if "features" in known and selection:
            raise OptionError(
                f"{name}: features are given and {next(iter(selection))} too, which selects some; "
                "give one"
            )
        known.pop("features", None)
    taken = [key for key in ("images", "labels", "masks", "test_images") if key in known]
    if taken:
        raise OptionError(f"{name}: {taken[0]} come from the data set; leave them out")
    check_options(STUDIES[name].load(), known, f'study "{name}"')


def _labelled(name: str, items: list[Item], what: str) -> list[Item]:
    """The images, all of which have a label."""
    missing = [item.name for item in items if item.label is None]
    if missing:
        raise OptionError(
            f"{name}: {len(missing)} of {len(items)} {what} have no label, the first {missing[0]}; "
            "give a data set that has them (a CSV of labels, --labels)"
        )
    return items


def _check_places(name: str, items: Sequence[Item]) -> None:
    """See that something is known of where things are."""
    if not any(item.has_truth for item in items):
        raise OptionError(
            f"{name} fills what the images show, and of these {len(items)} nothing is known; give "
            "annotations (a data set, --annotations)"
        )


def _halves(name: str, items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Every second image of each class, and the others."""
    seen: Counter[int | None] = Counter()
    halves: tuple[list[Item], list[Item]] = ([], [])
    for item in items:
        halves[seen[item.label] % 2].append(item)
        seen[item.label] += 1
    single = [label for label, count in seen.items() if count < 2]
    if single:
        raise OptionError(
            f"{name}: class {single[0]} has 1 image, which cannot both select features and judge "
            "them; give more images, or those of the selection as train (--train)"
        )
    return halves


def _images(items: Sequence[Item]) -> list[Any]:
    return [item.image for item in items]


def _labels(items: Sequence[Item]) -> NDArray[np.int64]:
    return np.array([item.label for item in items], np.int64)


def _mask(item: Item, label: int, clf: Classifier) -> NDArray[np.bool_]:
    """Pixels of the network's input that show the label; none where nothing is known of it."""
    _, height, width = clf.info.input_shape
    size = height, width
    if not item.has_truth:
        return np.zeros(size, bool)
    truth = item.truth(clf.preprocess)
    region = truth.region(label)
    if region is None:
        return np.zeros(size, bool)
    shown: NDArray[np.bool_] = resized(region.pixels(truth.size).astype(np.float64), size) >= 0.5
    return shown
