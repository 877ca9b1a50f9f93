"""The functions that users call: they find methods, metrics and engines by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pysal.again import Explain
from pysal.backends import open_classifier
from pysal.chunks import BATCH_SIZE, iter_chunks, warn_assumed
from pysal.errors import OptionError, ShapeError
from pysal.explainer import Explainer, native_maps
from pysal.methods import METHODS
from pysal.metrics import METRICS
from pysal.options import check_needs, check_options, rows_of
from pysal.photos import count_photos
from pysal.progress import Progress
from pysal.registry import Entry, lookup
from pysal.truth import Truth
from pysal.types import Array, Attribution, MetricResult, ScoreKind, Target

if TYPE_CHECKING:
    from pysal.classifier import Classifier
    from pysal.preprocess import Preprocess


def methods() -> Mapping[str, Entry]:
    """Return every explanation method: name -> entry (summary, needs, cost, source)."""
    return METHODS


def metrics() -> Mapping[str, Entry]:
    """Return every metric: name -> entry (summary, needs, cost, source, better)."""
    return METRICS


def explain(
    model: str | Path | Classifier,
    images: Any,
    *,
    method: str = "igos",
    target: int | ArrayLike | Target | None = None,
    kind: ScoreKind | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    labels: Sequence[str] | str | Path | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
    **options: Any,
) -> Attribution:
    """Explain why a model gives its score to a class, for one image or many.

    Parameters
    ----------
    model : str, Path, torch.nn.Module or Classifier
        An ONNX file, a torch module, or a classifier that is open already.
    images : path, PIL image, array, or a sequence of them
        Photos as paths, PIL images or uint8 arrays of shape (H, W, 3); or float arrays of shape
        (N, C, H, W) in model input space.
    method : str
        A name of `methods()`.
    target : int, array_like of shape (N,) or Target, optional
        Class index per image, or one for all. Default: the class with the highest score.
    kind : {"probability", "logit"}, optional
        Score space that is explained. Default: that of a `Target`, else the method's own.
    engine, device, precision, threads, preprocess, labels, batch_size
        As for `Explainer`.
    progress : callable, optional
        Called as progress(done, total), in images, while the work goes on.
    **options
        Options of the method, for instance size=28 for "igos".

    Returns
    -------
    Attribution
        Maps of shape (N, H, W); one image has N = 1. Passes count the forward pass that finds the
        top class.

    Raises
    ------
    PysalError
        One of its children, with one line: given, expected, remedy. Those of `Explainer`, and
        ShapeError and InputError that name the image.

    Examples
    --------
    >>> import pysal
    >>> a = pysal.explain("model.onnx", "photo.jpg", method="igos")  # doctest: +SKIP
    >>> a.save("out")  # doctest: +SKIP
    """
    explainer = Explainer(
        model,
        method,
        kind=kind,
        engine=engine,
        device=device,
        precision=precision,
        threads=threads,
        preprocess=preprocess,
        labels=labels,
        batch_size=batch_size,
        **options,
    )
    return explainer(images, target, progress=progress)


def measure(
    name: str,
    model: str | Path | Classifier,
    images: Any,
    maps: ArrayLike,
    *,
    targets: int | ArrayLike | Target | None = None,
    kind: ScoreKind | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    batch_size: int = BATCH_SIZE,
    truth: Sequence[Truth] | None = None,
    method: str | Explain | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> MetricResult:
    """Measure how good saliency maps are.

    Parameters
    ----------
    name : str
        A name of `metrics()`.
    model, images, kind, engine, device, precision, threads, preprocess, batch_size, progress
        As for `explain`.
    maps : array_like of shape (N, h, w)
        One map per image at its native resolution, higher = more important; `Attribution.native`.
    targets : int, array_like of shape (N,) or Target, optional
        The class each map explains; `Attribution.target`. Default: the top class.
    truth : sequence of N Truth, optional
        What is known of each image, for metrics that compare with it.
    method : str or callable, optional
        What made the maps, for metrics that explain again: a name of `methods()`, with its default
        options, or a function (classifier, batch, target) -> maps (N, h, w).
    **options
        Options of the metric.

    Returns
    -------
    MetricResult
        `values` of shape (N,) and, for curve metrics, `curves` of shape (N, T). `summarize` makes
        figures of the whole set from it.

    Raises
    ------
    PysalError
        One of its children, as for `explain`; ShapeError if the maps do not fit the images.
    """
    entry = lookup(METRICS, name, "metric")
    function = entry.load()
    check_options(function, options, f'metric "{name}"')
    told = _told(name, entry, truth, method, count_photos(images))
    saliency = _check_maps(maps, count_photos(images))
    classifier = open_classifier(
        model,
        engine=engine,
        device=device,
        precision=precision,
        threads=threads,
        preprocess=preprocess,
    )
    check_needs(name, METRICS, classifier.info, "metric")
    if classifier is not model:
        warn_assumed(classifier)
    parts = []
    for chunk in iter_chunks(
        classifier, images, targets, kind=kind, batch_size=batch_size, progress=progress
    ):
        rows = saliency[chunk.rows]
        given = rows_of(options, chunk.rows, len(saliency)) | told
        if "truth" in given:
            given["truth"] = given["truth"][chunk.rows]
        part = chunk.call(function, classifier, chunk.photos.batch, rows, chunk.target, **given)
        parts.append(dataclasses.replace(part, metric=name, passes=part.passes + chunk.passes))
    return MetricResult.concat(parts)


def _check_maps(maps: ArrayLike, num_images: int) -> Array:
    """Maps as float32 (N, h, w), one per image; a single map may come without its first axis."""
    array = np.asarray(maps, np.float32)
    if array.ndim == 2 and num_images == 1:
        array = array[None]
    if array.ndim != 3 or len(array) != num_images or array.size == 0:
        raise ShapeError(
            f"maps have shape {array.shape}; expected ({num_images}, h, w), one per image"
        )
    return array


def _told(
    name: str,
    entry: Entry,
    truth: Sequence[Truth] | None,
    method: str | Explain | None,
    num_images: int,
) -> dict[str, Any]:
    """What the metric is told besides images, maps and targets."""
    told: dict[str, Any] = {}
    if "truth" in entry.takes:
        if truth is None or len(truth) != num_images:
            given = "none" if truth is None else len(truth)
            raise OptionError(
                f'metric "{name}" compares with what is known of the images: truth has {given}; '
                f"expected {num_images}, one Truth per image"
            )
        told["truth"] = list(truth)
    if "explain" in entry.takes:
        if method is None:
            raise OptionError(
                f'metric "{name}" explains again: method is None; give the name of the method that '
                "made the maps, or a function (classifier, batch, target) -> maps"
            )
        told["explain"] = native_maps(method) if isinstance(method, str) else method
    return told
