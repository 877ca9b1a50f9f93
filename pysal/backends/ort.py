"""ONNX Runtime on the CPU: image by image on worker threads, see `one_by_one_runs`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from pysal.backends.files import Built, open_files
from pysal.backends.one_by_one import OneByOneClassifier
from pysal.backends.ort_session import OrtSession, read_header
from pysal.backends.threads import available_threads
from pysal.preprocess import Preprocess


class OrtClassifier(OneByOneClassifier):
    """An ONNX classifier, with gradients, on ONNX Runtime's CPU provider.

    Parameters
    ----------
    path : path-like
        An ONNX classifier, or a gradient model written by `pysal export`.
    threads : int, optional
        Default: the cores that the process may use.
    preprocess, labels
        As for `open_classifier`.
    input_shape : tuple of int, optional
        (C, H, W), for files that leave the image size open.

    Notes
    -----
    Safe to share between threads. Sessions are built on first use and kept.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        input_shape: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__(
            open_files(path, read_header, input_shape=input_shape, lowering="ort"),
            Path(path),
            engine="ort",
            versions={"onnxruntime": ort.__version__},
            threads=threads or available_threads(),
            preprocess=preprocess,
            labels=labels,
        )

    def _open(self, built: Built, threads: int) -> OrtSession:
        model, shapes, outputs = built
        return OrtSession(model, threads=threads, shapes=shapes, outputs=outputs)
