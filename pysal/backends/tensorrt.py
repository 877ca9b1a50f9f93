"""TensorRT and TensorRT-RTX: plans that run batches of a fixed size between buffers on the GPU.

**No GPU has run this engine yet.** Its plans are built and checked by tests with TensorRT-RTX, for
compute capabilities 8.6, 8.9 and 12.0; what it does around a run is tested with stand-ins for the
library and for CuPy; the contract that every engine is tested on is ready for a machine with a GPU.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pysal.arrays import AnyArray
from pysal.backends.batched import BatchedClassifier
from pysal.backends.cuda_memory import CudaMemory
from pysal.backends.facts import info_of
from pysal.backends.record import find_preprocess
from pysal.backends.tensorrt_build import BuiltPlan
from pysal.backends.tensorrt_cache import PlanCache, cache_folder
from pysal.backends.tensorrt_folder import FolderPlans, folder_flavour, is_plan_folder
from pysal.backends.tensorrt_library import find_library
from pysal.backends.tensorrt_options import PlanOptions
from pysal.backends.tensorrt_plans import PlanMaker, PlanSource, open_onnx
from pysal.backends.tensorrt_run import TensorrtRun
from pysal.errors import CapabilityError, OptionError
from pysal.preprocess import Preprocess
from pysal.redraw import How

ROWS = 20
"""Images per run: the points of the published path; a line search has 12 candidates."""


class TensorrtClassifier(BatchedClassifier):
    """A classifier, with gradients, on TensorRT.

    Parameters
    ----------
    path : path-like
        An ONNX classifier, a gradient model written by `pysal export`, or a folder of plans written
        by `pysal export --format tensorrt`. Plans of ONNX files are built when they are first
        needed, for the GPU that is here, and kept in the cache.
    preprocess, labels, input_shape
        As for `OrtClassifier`.
    device : str
        "cuda" or "cuda:N".
    precision : {"fp32", "tf32", "fp16", "bf16"}, optional
        Arithmetic of the network, see `PlanOptions`; results are float32. Default: "fp32", or that
        of the folder.
    rows : int, optional
        Images per run. Default: 20, or what the plans of the folder are best at.
    threads : int, optional
        Not used: everything is on the GPU.
    cache : path-like or False, optional
        Folder for plans; False keeps none. Default: a folder in the user's cache.
    workspace : int, optional
        Bytes of scratch memory that a plan may take.
    cuda_graph : bool
        Replay runs from CUDA graphs.
    flavour : {"tensorrt", "tensorrt_rtx"}, optional
        Which library. Default: that of the folder, else the one that is installed, "tensorrt" where
        both are.

    Raises
    ------
    MissingDependencyError
        If TensorRT or CuPy is not installed.
    CapabilityError
        If there is no GPU, or plans are for another library, version, GPU or precision.

    Notes
    -----
    Device arrays are CuPy arrays. Safe to share between threads; calls take turns.
    """

    prefers_batches = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        device: str = "cuda",
        precision: str | None = None,
        rows: int | None = None,
        threads: int | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        input_shape: tuple[int, int, int] | None = None,
        cache: str | os.PathLike[str] | bool | None = None,
        workspace: int | None = None,
        cuda_graph: bool = True,
        flavour: str | None = None,
    ) -> None:
        size = ROWS if rows is None else rows
        if size < 1:
            raise OptionError(f"rows is {rows}; give 1 or more images per run")
        wanted = PlanOptions(precision or "fp32", (size,) * 3, workspace=workspace)
        path = Path(path)
        self._library = find_library(flavour or folder_flavour(path))
        self._cuda = self._find_memory(device)
        self._graphs = cuda_graph
        self._plans: PlanSource
        if is_plan_folder(path):
            self._plans = FolderPlans(path, self._library, self._cuda.label, self._cuda.capability)
            used = _agreed(self._plans.options, precision, rows, path)
        else:
            folder = cache_folder(cache)
            kept = PlanCache(folder) if folder else None
            maker = PlanMaker(self._library, wanted, self._cuda.label, kept)
            self._plans, used = open_onnx(path, input_shape, maker), wanted
        super().__init__(used.batch[1])
        self.info = info_of(
            self._plans.facts,
            self._plans.metadata,
            f"tensorrt (cuda:{self._cuda.device[1]} {self._cuda.name}, {self._library.label}, "
            f"{used.precision}, batches of {self._rows})",
            {self._library.flavour: self._library.version},
            labels,
        )
        self.preprocess = find_preprocess(
            preprocess, self._plans.metadata, path, self.info.input_shape
        )

    def to_device(self, array: np.ndarray) -> AnyArray:
        """Copy a host array to the GPU."""
        return self._take(array)

    def weighted_layers(self) -> tuple[str, ...]:
        """Names of the layers that have weights, in order; see `Surgery`."""
        return self._plans.weighted_layers()

    def randomized(
        self, layers: Sequence[str], *, seed: int = 0, how: How = "normal"
    ) -> TensorrtClassifier:
        """A classifier with the weights of some layers drawn anew; see `Surgery`."""
        self.check_redraw(layers, how)
        other = copy.copy(self)
        other._plans = self._plans.randomized(tuple(layers), seed, how)
        name = other._plans.facts["name"]
        other.info = dataclasses.replace(self.info, name=name, sha256="")
        other._start()
        return other

    def _find_memory(self, device: str) -> CudaMemory:
        """Where the buffers are."""
        return CudaMemory(device, "tensorrt")

    def _open(self, plan: BuiltPlan) -> TensorrtRun:
        """Open a plan on the device."""
        return TensorrtRun(
            self._library,
            plan,
            rows=self._rows,
            image=self._plans.facts["input"],
            memory=self._cuda,
            cuda_graph=self._graphs,
        )

    def _forward_run(self, taps: tuple[str, ...]) -> TensorrtRun:
        return self._open(self._plans.forward(taps))

    def _gradient_run(self, rules: str, wrt: str) -> TensorrtRun:
        return self._open(self._plans.gradient(rules, wrt))

    def _scaled_run(self, *layers: str) -> TensorrtRun:
        return self._open(self._plans.scaled(layers))

    def _take(self, array: AnyArray) -> AnyArray:
        return self._cuda.take(array, self.info.name)

    def _ordered(self) -> contextlib.AbstractContextManager[None]:
        """Wait for the buffers' last user, and let the next one wait for this."""
        return self._cuda.turn()


def _agreed(built: PlanOptions, precision: str | None, rows: int | None, path: Path) -> PlanOptions:
    """The options of a folder with the rows that are wanted, which it must have plans for."""
    if precision not in (None, built.precision):
        raise CapabilityError(
            f'the plans in {path} are {built.precision}, and precision "{precision}" was given; '
            f'give "{built.precision}", or export the model again'
        )
    low, best, high = built.batch
    size = best if rows is None else rows
    if not low <= size <= high:
        raise CapabilityError(
            f"the plans in {path} are for runs of {low} to {high} images, and rows is {rows}; "
            "export them with another --batch"
        )
    return dataclasses.replace(built, batch=(size,) * 3)
