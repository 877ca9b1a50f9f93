"""OpenVINO on the CPU: image by image on worker threads, see `one_by_one_runs`."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pysal.backends.files import Built, open_files
from pysal.backends.guard import EXACT, Guarded, Tolerance
from pysal.backends.one_by_one import OneByOneClassifier
from pysal.backends.one_by_one_runs import Session
from pysal.backends.openvino_session import (
    PRECISIONS,
    VERSION,
    OpenVinoSession,
    cpu_precisions,
    read_header,
)
from pysal.backends.threads import available_threads
from pysal.classifier import Classifier
from pysal.errors import CapabilityError, OptionError
from pysal.preprocess import Preprocess
from pysal.types import Array


class OpenVinoClassifier(Guarded, OneByOneClassifier):
    """An ONNX classifier, with gradients, on OpenVINO's CPU plugin.

    Parameters
    ----------
    path : path-like
        An ONNX classifier, or a gradient model written by `pysal export --lowering portable`.
    threads : int, optional
        Default: the cores that the process may use.
    preprocess, labels
        As for `open_classifier`.
    input_shape : tuple of int, optional
        (C, H, W), for files that leave the image size open.
    precision : {"fp32", "bf16", "fp16"} or None
        Arithmetic of the network, where the CPU has it; results are float32. Anything but "fp32" is
        compared with it on this model before it is used, see `guard`; None is "fp32".
    probe : ndarray of shape (N, C, H, W), float32, optional
        Images to compare on. Default: four synthetic ones.
    tolerance : Tolerance or mapping, optional
        How far off the other precision may be; beyond that a warning says so and the model runs in
        float32. Default: 0.05 in a probability, 0.5 in the gradient (relative), cosine 0.9.
    cache_dir : path-like, optional
        Folder where compiled models are kept, for faster starts.

    Raises
    ------
    CapabilityError
        If the CPU does not have the precision.

    Notes
    -----
    Safe to share between threads. Sessions are built on first use and kept. The gradient of a
    probability is p (1 - p) times that of its log-odds, so that nothing cancels in the network's
    own arithmetic where p is near 1.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        input_shape: tuple[int, int, int] | None = None,
        precision: str | None = EXACT,
        probe: Array | None = None,
        tolerance: Tolerance | Mapping[str, float] | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        precision = _check_precision(precision)
        self._cache_dir = None if cache_dir is None else Path(cache_dir)
        super().__init__(
            open_files(
                path, read_header, input_shape=input_shape, lowering="portable", log_odds=True
            ),
            Path(path),
            engine="openvino",
            detail=_detail(precision),
            versions={"openvino": VERSION},
            threads=threads or available_threads(),
            preprocess=preprocess,
            labels=labels,
        )
        self.guard(precision, probe, tolerance)

    def twin(self, precision: str) -> Classifier:
        """The same model in a precision, not guarded, with sessions of its own."""
        other = copy.copy(self)
        other._precision = precision
        other._start()
        other._settled = {"score", "gradient"}
        return other

    def adopt(self, twin: Classifier, precision: str) -> None:
        """Take over the sessions of a twin; see `Guarded`."""
        assert isinstance(twin, OpenVinoClassifier)
        with self._lock:
            self._sessions = dict(twin._sessions)
        twin.close()
        if precision == EXACT:
            engine = self.info.engine
            for name in PRECISIONS:
                engine = engine.replace(_detail(name), "") if name != EXACT else engine
            self.info = dataclasses.replace(self.info, engine=engine)

    def _start(self) -> None:
        super()._start()
        self.forget()

    def _session(self, key: tuple[Any, ...], rows: int) -> Session:
        self.settle(key[0] == "gradient")
        return super()._session(key, rows)

    def _open(self, built: Built, threads: int) -> Session:
        model, shapes, outputs = built
        return OpenVinoSession(
            model,
            threads=threads,
            streams=1 if threads > 1 else self._threads,
            shapes=shapes,
            outputs=outputs,
            precision=self._precision,
            cache_dir=self._cache_dir,
        )


def _detail(precision: str) -> str:
    """What `ModelInfo.engine` says of a precision."""
    return "" if precision == EXACT else f", {precision}"


def _check_precision(precision: str | None) -> str:
    """Return the precision, if there is one of this name and the CPU has it."""
    precision = precision or EXACT
    if precision not in PRECISIONS:
        raise OptionError(f'precision is "{precision}"; openvino has {", ".join(PRECISIONS)}')
    if precision not in (found := cpu_precisions()):
        raise CapabilityError(
            f'precision "{precision}": OpenVINO has {", ".join(found)} on this CPU; use one of them'
        )
    return precision
