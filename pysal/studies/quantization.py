"""Comparison of two versions of a model: whether they answer alike, and for the same reasons."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.chunks import BATCH_SIZE, as_target, check_batch_size, naming
from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.explainer import Explainer
from pysal.metrics.insertion_deletion import insertion_deletion
from pysal.options import check_options
from pysal.photos import count_photos
from pysal.progress import Progress
from pysal.similarity.maps import spearman
from pysal.studies.comparison import TOP, Float, ModelComparison
from pysal.studies.pairs import Model, batches, check_models, close, open_both
from pysal.types import Array, Attribution, Passes, Target

if TYPE_CHECKING:
    from pysal.preprocess import Preprocess

OWNER = "compare_models"
METHODS = ("gradcam", "integrated_gradients")


def compare_models(
    first: Model,
    second: Model,
    images: Any,
    *,
    methods: Sequence[str] = METHODS,
    targets: int | ArrayLike | Target | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    metric_options: Mapping[str, Any] | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> ModelComparison:
    """Explain images on two versions of a model and say how the maps differ.

    A float model and its quantized form, a pruned, a retrained one, or other arithmetic.

    Parameters
    ----------
    first, second : str, Path, torch.nn.Module or Classifier
        The model that is known, and the one that is asked about. Same classes and input shape.
    images : path, PIL image, array, or a sequence of them
        As `pysal.explain` takes them. Photos become the input of each model by its own record;
        float arrays are the input of both.
    methods : sequence of str
        Names of `pysal.methods()`; what they draw at random is the same for both models.
    targets : int, array_like of shape (N,) or Target, optional
        Class to explain. Default: the top class of the second model.
    options : mapping of str to mapping, optional
        Method -> its options.
    metric_options : mapping, optional
        Of the metric "insertion_deletion".
    engine, device, threads, preprocess
        For models that are not open yet, as for `Explainer`. A second file without a record of its
        own takes that of the first.
    batch_size : int
        Images explained together; changes no result.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    ModelComparison

    Raises
    ------
    ShapeError
        If the models have other input shapes or numbers of classes.
    OptionError
        If a method or option is unknown, or one model is multi-label and the other is not.
    CapabilityError, UnsupportedOpError
        If a model cannot do what a method needs.

    Notes
    -----
    Cost: per image, 1 forward and the passes of the methods on each model, and twice those of the
    metric on the second for each method. Maps are compared at the method's own resolution where it
    is the same for both, else at image size. Judging both maps on the second model, as in metrics
    specification 1, separates maps that are different from maps that are worse.
    """
    begin = time.perf_counter()
    check_batch_size(batch_size)
    names = [methods] if isinstance(methods, str) else list(dict.fromkeys(methods))
    given = {name: dict(part) for name, part in (options or {}).items()}
    _check_names(names, given)
    judged = dict(metric_options or {})
    check_options(insertion_deletion, judged, 'metric "insertion_deletion"')
    count, target = count_photos(images), as_target(targets, None)
    pair = open_both(
        first, second, engine=engine, device=device, threads=threads, preprocess=preprocess
    )
    try:
        check_models(OWNER, *pair)
        if target is not None:
            target = pair[1].check_target(target, count)
        study = _Study(pair, names, given, judged, batch_size)
        for rows, inputs, photo_names in batches(pair, images, batch_size):
            study.add(inputs, photo_names, target[rows] if target is not None else None)
            if progress is not None:
                progress(rows.stop, count)
    finally:
        for clf, model in zip(pair, (first, second), strict=True):
            close(clf, model)
    settings = {"options": given, "metric_options": judged, "methods": names}
    return study.result(settings, time.perf_counter() - begin)


class _Study:
    """What is found, chunk by chunk."""

    def __init__(
        self,
        pair: tuple[Classifier, Classifier],
        methods: Sequence[str],
        options: Mapping[str, Mapping[str, Any]],
        judged: Mapping[str, Any],
        batch_size: int,
    ) -> None:
        self._pair, self._judged = pair, judged
        self._explainers = {
            name: [
                Explainer(clf, name, batch_size=batch_size, **options.get(name, {})) for clf in pair
            ]
            for name in methods
        }
        self._names: tuple[str, ...] = ()
        self._answers: list[tuple[NDArray[Any], ...]] = []
        self._maps: dict[str, list[tuple[Float, Float, Float]]] = {name: [] for name in methods}
        self._passes = Passes()

    def add(
        self, inputs: tuple[Array, Array], names: tuple[str, ...], target: Target | None
    ) -> None:
        """Answers and maps of some images, as each model takes them."""
        scores = [clf.score(x) for clf, x in zip(self._pair, inputs, strict=True)]
        self._passes += Passes(2 * len(names), 0)
        target = target or Target(scores[1].argmax(axis=1))
        chosen = np.stack([s[np.arange(len(names)), target.index] for s in scores])
        order = [np.argsort(-s, axis=1, kind="stable")[:, :TOP] for s in scores]
        both = (order[0][:, :, None] == order[1][:, None, :]).any(axis=2).mean(axis=1)
        top = np.stack([ranked[:, 0] for ranked in order])
        self._answers.append((target.index, chosen.astype(np.float64), top, both))
        self._names += names
        for method, explainers in self._explainers.items():
            with naming(names):
                found = [e(x, target) for e, x in zip(explainers, inputs, strict=True)]
                self._maps[method].append(self._judge(found, inputs[1], target))

    def _judge(
        self, found: Sequence[Attribution], batch: Array, target: Target
    ) -> tuple[Float, Float, Float]:
        """Correlation (n,), insertion and deletion (2, n), of the maps of both models."""
        same = found[0].native.shape == found[1].native.shape
        one, two = ((a.native if same else a.map) for a in found)
        self._passes += found[0].passes + found[1].passes
        rows = []
        for attribution in found:
            result = insertion_deletion(
                self._pair[1], batch, attribution.native, target, **self._judged
            )
            self._passes += result.passes
            rows.append((result.values["insertion"], result.values["deletion"]))
        (a, b), (c, d) = rows
        return spearman(one, two), np.stack([a, c]), np.stack([b, d])

    def result(self, options: Mapping[str, Any], seconds: float) -> ModelComparison:
        """All chunks joined."""
        target, score, top, overlap = (
            np.concatenate(parts, axis=-1) for parts in zip(*self._answers, strict=True)
        )
        joined = {
            name: [np.concatenate(parts, axis=-1) for parts in zip(*rows, strict=True)]
            for name, rows in self._maps.items()
        }
        return ModelComparison(
            models=(self._pair[0].info.name, self._pair[1].info.name),
            names=self._names,
            target=target,
            score=score,
            top=top,
            overlap=overlap,
            correlation={name: found[0] for name, found in joined.items()},
            insertion={name: found[1] for name, found in joined.items()},
            deletion={name: found[2] for name, found in joined.items()},
            options=options,
            passes=self._passes,
            seconds=seconds,
        )


def _check_names(methods: Sequence[str], options: Mapping[str, Any]) -> None:
    """Refuse no method at all, and options of methods that are not run."""
    if not methods:
        raise OptionError(f"{OWNER}: methods has 0 entries; give at least one of pysal.methods()")
    for name in options:
        if name not in methods:
            raise OptionError(
                f'{OWNER}: options are given for "{name}"; methods are {", ".join(methods)}'
            )
