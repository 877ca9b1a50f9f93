"""Two models side by side: opened, checked, and given the same images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pysal.backends import open_classifier
from pysal.chunks import warn_assumed
from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.photos import iter_photos
from pysal.types import Array

Model = str | Path | Classifier


def open_both(first: Model, second: Model, **settings: Any) -> tuple[Classifier, Classifier]:
    """Both models open; the second takes the record of the first where it states none."""
    plain = {"engine": "auto", "device": "auto"}
    one = open_classifier(first, **(plain if isinstance(first, Classifier) else settings))
    try:
        known = isinstance(second, Classifier)
        two = open_classifier(second, **(plain if known else settings))
        if not known and two.preprocess.assumed and not one.preprocess.assumed:
            two.close()
            two = open_classifier(second, **{**settings, "preprocess": one.preprocess})
    except Exception:
        close(one, first)
        raise
    for clf, model in ((one, first), (two, second)):
        if clf is not model:
            warn_assumed(clf)
    return one, two


def close(clf: Classifier, model: Model) -> None:
    """Close a classifier, unless the caller had opened it."""
    if clf is not model:
        clf.close()


def check_models(owner: str, first: Classifier, second: Classifier) -> None:
    """Refuse models whose answers or maps cannot be compared."""
    a, b = first.info, second.info
    for what, x, y in (
        ("input shape", a.input_shape, b.input_shape),
        ("classes", a.num_classes, b.num_classes),
    ):
        if x != y:
            raise ShapeError(
                f"{owner}: {a.name} has {what} {x} and {b.name} has {y}; give two versions of one "
                "model"
            )
    kinds = {"sigmoid" if info.output_kind == "sigmoid" else "softmax" for info in (a, b)}
    if len(kinds) > 1:
        raise OptionError(
            f"{owner}: {a.name} ends in {a.output_kind} and {b.name} in {b.output_kind}; their "
            "probabilities are not of one kind"
        )


def batches(
    pair: tuple[Classifier, Classifier], images: Any, batch_size: int
) -> Iterator[tuple[slice, tuple[Array, Array], tuple[str, ...]]]:
    """Images as inputs of both models, a chunk at a time."""
    streams = [iter_photos(images, c.preprocess, c.info.input_shape, batch_size) for c in pair]
    done = 0
    for one, two in zip(*streams, strict=True):
        rows = slice(done, done + len(one))
        yield rows, (one.batch, two.batch), one.names
        done = rows.stop
