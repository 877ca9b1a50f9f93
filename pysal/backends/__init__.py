"""Engines that run classifiers: what there is, what is live here, and how one is opened."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pysal.classifier import Classifier
from pysal.errors import CapabilityError, MissingDependencyError, OptionError
from pysal.preprocess import Preprocess
from pysal.registry import Entry, lookup

BACKENDS: dict[str, Entry] = {
    "ort": Entry(
        "pysal.backends.ort:OrtClassifier",
        summary="ONNX Runtime on the CPU: images in parallel, one per thread",
        needs=frozenset({"onnxruntime"}),
        extra="cpu",
    ),
}


def engines() -> dict[str, str]:
    """State of every engine: {name: "available", or why it is not}."""
    return {name: _missing(entry) or "available" for name, entry in BACKENDS.items()}


def open_classifier(
    model: str | os.PathLike[str] | Classifier,
    *,
    engine: str = "auto",
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    labels: Sequence[str] | str | Path | None = None,
) -> Classifier:
    """Open a model on an engine; a classifier that is open already passes through.

    Parameters
    ----------
    model : path-like or Classifier
    engine : str
        "auto" takes the first engine that is installed; or a name of `engines()`.
    threads : int, optional
        Default: all cores that the process may use.
    preprocess : Preprocess, mapping, or path of a .json, optional
        Default: the file's own metadata, else the .json beside it, else an assumed record.
    labels : sequence of str, or path of a text file with one name per line, optional

    Raises
    ------
    CapabilityError, MissingDependencyError
        If the engine cannot run here; the message says why.
    """
    if isinstance(model, Classifier):
        given = {"engine": engine != "auto", "threads": threads, "preprocess": preprocess}
        wrong = [name for name, value in {**given, "labels": labels}.items() if value]
        if wrong:
            raise OptionError(f"{wrong[0]} cannot be given with a classifier that is open already")
        return model
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}; give 1 or more")
    if engine == "auto":
        engine = next((n for n, state in engines().items() if state == "available"), "")
        if not engine:
            raise MissingDependencyError(
                'no engine is installed; pip install "pysal-saliency[cpu]" brings ONNX Runtime'
            )
    entry = lookup(BACKENDS, engine, "engine")
    reason = _missing(entry)
    if reason:
        raise CapabilityError(f'engine "{engine}" cannot run here: {reason}')
    opened: Classifier = entry.load()(model, threads=threads, preprocess=preprocess, labels=labels)
    return opened


def _missing(entry: Entry) -> str:
    """Why an engine's packages are not there; empty where they are."""
    absent = sorted(name for name in entry.needs if importlib.util.find_spec(name) is None)
    if not absent:
        return ""
    return f'{", ".join(absent)} is not installed; pip install "pysal-saliency[{entry.extra}]"'
