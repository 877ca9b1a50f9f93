"""A model and a method, made ready once to explain many images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pysal.again import Explain
from pysal.backends import open_classifier
from pysal.chunks import BATCH_SIZE, Chunk, check_batch_size, iter_chunks, warn_assumed
from pysal.methods import METHODS
from pysal.options import check_needs, check_options, rows_of
from pysal.photos import count_photos
from pysal.progress import Progress
from pysal.registry import lookup
from pysal.types import Array, Attribution, ScoreKind, Target

if TYPE_CHECKING:
    from pysal.classifier import Classifier
    from pysal.preprocess import Preprocess


def native_maps(method: str, **options: Any) -> Explain:
    """A method by name as a function of classifier, batch and target, in the target's score space.

    Keyword options of a call go before the ones given here.

    Raises
    ------
    OptionError
        If the method or an option is unknown.
    """
    function = lookup(METHODS, method, "method").load()
    check_options(function, options, f'method "{method}"')

    def explain(clf: Classifier, batch: Array, target: Target, **more: Any) -> Array:
        check_options(function, more, f'method "{method}"')
        found: Attribution = function(clf, batch, target, **{**options, **more})
        return found.native

    return explain


class Explainer:
    """A model and a method, made ready once to explain many images; safe to share by threads.

    Parameters
    ----------
    model : str, Path, torch.nn.Module or Classifier
        An ONNX file, a torch module, or a classifier that is open already.
    method : str
        A name of `methods()`.
    kind : {"probability", "logit"}, optional
        Score space that is explained. Default: that of the method, the probability for most.
    engine : str
        A name of `pysal.backends.engines()`, or "auto" for the fastest that runs the model.
    device : str
        "cpu", "cuda", "cuda:1" or so; "auto" for a GPU where the engine has a live one.
    precision : {"fp32", "tf32", "fp16", "bf16"}, optional
        Arithmetic of the engine; results and gradients are float32. Default: "fp32".
    threads : int, optional
        Threads of the engine on a CPU. Default: the engine's own choice.
    preprocess : Preprocess, mapping, str or Path, optional
        How photos become batches: a record or a .json file. Default: what the model carries or
        has beside it.
    labels : sequence of str, str or Path, optional
        Class names, or a file of them.
    batch_size : int
        Images explained together. Bounds the memory, changes no result.
    **options
        Options of the method; those of a call go before these.

    Attributes
    ----------
    classifier : Classifier
    method : str
    options : mapping

    Raises
    ------
    OptionError
        If a method, option or engine is unknown.
    CapabilityError
        If the method needs what the model or engine cannot do.
    InputError, ModelFormatError, UnsupportedOpError
        If the model cannot be used.

    Warns
    -----
    UserWarning
        If a file states no preprocessing, so that ImageNet's is assumed.
    """

    def __init__(
        self,
        model: str | Path | Classifier,
        method: str = "igos",
        *,
        kind: ScoreKind | None = None,
        engine: str = "auto",
        device: str = "auto",
        precision: str | None = None,
        threads: int | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
        labels: Sequence[str] | str | Path | None = None,
        batch_size: int = BATCH_SIZE,
        **options: Any,
    ) -> None:
        self.method = method
        self.options = options
        self._function: Callable[..., Attribution] = lookup(METHODS, method, "method").load()
        check_options(self._function, options, f'method "{method}"')
        if kind is not None:
            Target(np.zeros(1, np.int64), kind)  # an unknown kind fails here, before any work
        self._kind = kind
        self._batch_size = check_batch_size(batch_size)
        self.classifier = open_classifier(
            model,
            engine=engine,
            device=device,
            precision=precision,
            threads=threads,
            preprocess=preprocess,
            labels=labels,
        )
        self._owns = self.classifier is not model
        check_needs(method, METHODS, self.classifier.info, "method")
        self.classifier.prepare(METHODS[method].needs)
        if self._owns:
            warn_assumed(self.classifier)

    def __call__(
        self,
        images: Any,
        targets: int | ArrayLike | Target | None = None,
        *,
        progress: Progress | None = None,
        **options: Any,
    ) -> Attribution:
        """Explain images; see `explain` for the parameters."""
        check_options(self._function, options, f'method "{self.method}"')
        options = {**self.options, **options}
        kind = self._kind
        if kind is None and not isinstance(targets, Target):
            kind = METHODS[self.method].kind
        chunks = iter_chunks(
            self.classifier,
            images,
            targets,
            kind=kind,
            batch_size=self._batch_size,
            progress=progress,
        )
        count = count_photos(images)
        return Attribution.concat(
            [self._explain(chunk, rows_of(options, chunk.rows, count)) for chunk in chunks]
        )

    def _explain(self, chunk: Chunk, options: Mapping[str, Any]) -> Attribution:
        """Explain one chunk."""
        part: Attribution = chunk.call(
            self._function, self.classifier, chunk.photos.batch, chunk.target, **options
        )
        return dataclasses.replace(
            part,
            method=self.method,
            passes=part.passes + chunk.passes,
            images=chunk.photos.rgb,
            names=chunk.photos.names,
            model=self.classifier.info,
        )

    def close(self) -> None:
        """Release what the engine holds, unless the classifier was opened by the caller."""
        if self._owns:
            self.classifier.close()

    def __enter__(self) -> Explainer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
