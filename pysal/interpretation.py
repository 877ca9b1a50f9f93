"""Relevant features of a model that is not open yet: the public form of `pysal.features`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from pysal import features as _features
from pysal.backends import open_classifier
from pysal.chunks import warn_assumed
from pysal.features import AverageImages, Feature, FeatureSet
from pysal.options import check_options

if TYPE_CHECKING:
    from pysal.classifier import Classifier
    from pysal.preprocess import Preprocess


def select_features(
    model: str | Path | Classifier,
    images: Any,
    labels: ArrayLike,
    *,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    **options: Any,
) -> FeatureSet:
    """Select the channels of a network whose answers to images predict their classes.

    Parameters
    ----------
    model : str, Path, torch.nn.Module or Classifier
        An ONNX file, a torch module, or a classifier that is open already.
    images, labels
        Images of a labelled set, in the forms that `pysal.features.select_features` takes.
    engine, device, threads, preprocess
        As for `pysal.Explainer`.
    **options
        Of `pysal.features.select_features`: mu, layers, response, solver, tolerance, max_steps,
        batch_size, progress.

    Returns
    -------
    FeatureSet
        For the option `features` of method "relevant_features", for `average_images`, or to save.

    Raises
    ------
    PysalError
        One of its children, as for `explain`.

    Notes
    -----
    Cost: N + 1 forward.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, section 3.1.
    """
    check_options(_features.select_features, _without_progress(options), "select_features")
    with _opened(model, engine, device, threads, preprocess) as classifier:
        return _features.select_features(classifier, images, labels, **options)


def average_images(
    model: str | Path | Classifier,
    images: Any,
    features: FeatureSet | Sequence[tuple[str, int] | Feature],
    *,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    **options: Any,
) -> AverageImages:
    """Average the image parts that make a feature answer most strongly.

    Parameters
    ----------
    model, engine, device, threads, preprocess
        As for `select_features`.
    images, features
        As for `pysal.features.average_images`.
    **options
        Of `pysal.features.average_images`: target, labels, most, count, receptive_fields, border,
        size, heatmaps, rules, batch_size, progress.

    Returns
    -------
    AverageImages

    Raises
    ------
    PysalError
        One of its children, as for `explain`.

    Notes
    -----
    Cost: N forward, more with heatmaps.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, section 3.3.
    """
    check_options(_features.average_images, _without_progress(options), "average_images")
    with _opened(model, engine, device, threads, preprocess) as classifier:
        return _features.average_images(classifier, images, features, **options)


def _without_progress(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options whose names are to be checked; here the caller may give `progress` itself."""
    return {name: value for name, value in options.items() if name != "progress"}


@contextlib.contextmanager
def _opened(
    model: str | Path | Classifier,
    engine: str,
    device: str,
    threads: int | None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None,
) -> Iterator[Classifier]:
    """The model as a classifier, closed at the end where it was opened here."""
    classifier = open_classifier(
        model, engine=engine, device=device, threads=threads, preprocess=preprocess
    )
    if classifier is model:
        yield classifier
        return
    warn_assumed(classifier)
    try:
        yield classifier
    finally:
        classifier.close()
