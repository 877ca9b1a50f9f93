"""ONNX Runtime's TensorRT provider: what TensorRT takes runs there, the rest on CUDA.

Engines are built inside ONNX Runtime when a session opens, which takes minutes for large networks,
and kept on disk. **No GPU has run this file yet**: its options are tested with stand-ins.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pysal.backends.files import Built
from pysal.backends.ort_cuda import ROWS, OrtCudaClassifier
from pysal.backends.ort_run import OrtRun
from pysal.backends.tensorrt_cache import cache_folder
from pysal.errors import CapabilityError, InputError, OptionError
from pysal.preprocess import Preprocess

PROVIDER = "TensorrtExecutionProvider"
SWITCH = "NVIDIA_TF32_OVERRIDE"
"""Environment variable of CUDA's libraries: "0" turns TF32 off in the whole process."""


class OrtTensorrtClassifier(OrtCudaClassifier):
    """An ONNX classifier, with gradients, on ONNX Runtime's TensorRT provider.

    Parameters
    ----------
    path, preprocess, labels, input_shape, device, rows, threads, cuda_graph
        As for `OrtCudaClassifier`.
    precision : {"fp32", "tf32"}
        The provider has no switch for TF32: "fp32", the default as everywhere, is refused unless
        the environment has NVIDIA_TF32_OVERRIDE=0. For 16 bits use engine "tensorrt".
    cache : path-like or False, optional
        Folder for engines and timings; False keeps none. Default: a folder in the user's cache.
    workspace : int, optional
        Bytes of scratch memory that an engine may take.
    provider_options : mapping of str to str, optional
        More options of the provider, for instance {"trt_builder_optimization_level": "5"}.

    Raises
    ------
    MissingDependencyError, CapabilityError, InputError
        If something is not installed, the precision cannot be had, or the cache not be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        device: str = "cuda",
        precision: str | None = None,
        rows: int = ROWS,
        threads: int | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        input_shape: tuple[int, int, int] | None = None,
        cuda_graph: bool = True,
        cache: str | os.PathLike[str] | bool | None = None,
        workspace: int | None = None,
        provider_options: Mapping[str, str] | None = None,
    ) -> None:
        if workspace is not None and workspace < 1:
            raise OptionError(f"workspace is {workspace} bytes; give 1 or more")
        self._folder = cache_folder(cache)
        self._workspace, self._key = workspace, ""
        super().__init__(
            path,
            device=device,
            precision=_check_precision(precision),
            rows=rows,
            threads=threads,
            preprocess=preprocess,
            labels=labels,
            input_shape=input_shape,
            lowering="portable",
            cuda_graph=cuda_graph,
            provider_options=provider_options,
        )

    def _engine(self) -> str:
        return super()._engine().replace("ort (", "ort_tensorrt (", 1)

    def _providers(self) -> Sequence[Any]:
        ((cuda, options), *rest) = self._cuda_providers()
        shared = ("device_id", "user_compute_stream")
        trt = {
            **{name: options[name] for name in shared},
            "trt_cuda_graph_enable": str(int(self._graphs)),
        }
        if self._workspace is not None:
            trt["trt_max_workspace_size"] = str(self._workspace)
        if self._folder is not None:
            folder = str(self._folder / f"ort-{self._key}")
            trt |= {
                "trt_engine_cache_enable": "1",
                "trt_engine_cache_path": folder,
                "trt_timing_cache_enable": "1",
                "trt_timing_cache_path": str(self._folder),
            }
        # Only one of them may capture: the provider that has the whole graph.
        return (
            (PROVIDER, {**trt, **self._more}),
            (cuda, {**options, "enable_cuda_graph": "0"}),
            *rest,
        )

    def _cuda_providers(self) -> Sequence[Any]:
        """Those of the CUDA engine, without the caller's options for TensorRT."""
        more, self._more = self._more, {}
        try:
            return super()._providers()
        finally:
            self._more = more

    def _open(self, built: Built) -> OrtRun:
        """Open a graph with a folder of its own: ONNX Runtime names engines without the weights."""
        model = built[0]
        data = Path(model).read_bytes() if isinstance(model, str) else model
        settings = f"{self._precision} {self._rows} {self._workspace} {self._cuda.name}"
        self._key = hashlib.sha256(data + settings.encode()).hexdigest()[:40]
        if self._folder is not None:
            try:
                (self._folder / f"ort-{self._key}").mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"cannot write to {self._folder}: {error.strerror}; give cache=FOLDER or False"
                ) from error
        return super()._open(built)


def _check_precision(precision: str | None) -> str:
    """Refuse what the provider cannot promise; None is "fp32"."""
    precision = precision or "fp32"
    if precision not in ("fp32", "tf32"):
        raise CapabilityError(
            f'precision "{precision}" is not of engine "ort_tensorrt", which has tf32, and fp32 '
            f'where {SWITCH}=0; use engine "tensorrt" for fp16 and bf16'
        )
    if precision == "fp32" and os.environ.get(SWITCH) != "0":
        raise CapabilityError(
            "ONNX Runtime's TensorRT provider rounds to TF32 and has no switch for it; give "
            f'precision "tf32", or set {SWITCH}=0 before Python starts'
        )
    return precision
