"""Devices that engines can use here, and why not the others."""

from __future__ import annotations

import importlib
import importlib.util

from pysal.backends.reason import reason
from pysal.errors import MissingDependencyError, OptionError


def devices() -> dict[str, str]:
    """State of every engine, and of the kernels, on CUDA: {name: "available", or why it is not}.

    Notes
    -----
    Cost: imports the engines that are installed; torch takes a second or two.
    """
    states = {
        "ort cuda": _ort(),
        "pytorch cuda": _pytorch(),
        "tensorrt cuda": _tensorrt(),
        "ort_tensorrt cuda": _ort_tensorrt(),
        "kernels cuda": kernels_missing(),
    }
    return {name: why or "available" for name, why in states.items()}


def cuda_missing(engine: str) -> str:
    """Why an engine has no CUDA here; empty where it has."""
    if engine == "openvino":
        return "OpenVINO computes on the CPU here"
    check = {"pytorch": _pytorch, "tensorrt": _tensorrt, "ort_tensorrt": _ort_tensorrt}
    return check.get(engine, _ort)()


def kernels_missing() -> str:
    """Why the kernels have no CUDA here; empty where they have."""
    from pysal.kernels import cuda

    return cuda.available()


def check_device(device: str) -> str:
    """Return "auto", "cpu", "cuda" or "cuda:N"; anything else is an OptionError."""
    kind, colon, number = str(device).partition(":")
    if (kind in ("auto", "cpu", "cuda") and not colon) or (kind == "cuda" and number.isdigit()):
        return str(device)
    raise OptionError(f'device is "{device}"; use "auto", "cpu", "cuda" or "cuda:N"')


ALTERNATIVES = {"tensorrt": ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")}
"""Packages of which any one will do."""


def missing_packages(needs: frozenset[str], extra: str) -> str:
    """Which packages are not installed, and what brings them; empty where all are there."""
    absent = sorted(n for n in needs if not any(map(_installed, ALTERNATIVES.get(n, (n,)))))
    if not absent:
        return ""
    return f'{", ".join(absent)} is not installed; pip install "pysal-saliency[{extra}]"'


def engine_missing(engine: str, needs: frozenset[str], extra: str) -> str:
    """Why an engine cannot run here; empty where it can."""
    why = missing_packages(needs, extra)
    return why or (_openvino() if engine == "openvino" else "")


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a finder or an entry of sys.modules that forbids it
        return False


def _ort() -> str:
    if why := missing_packages(frozenset({"onnxruntime"}), "gpu"):
        return why
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return f"onnxruntime {ort.__version__} is built without CUDA; install onnxruntime-gpu"
    return _cupy("gpu")


def _cupy(extra: str) -> str:
    if why := missing_packages(frozenset({"cupy"}), extra):
        return why
    try:
        count = importlib.import_module("cupy").cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy's own, where there is no driver or no library
        return f"CuPy finds no CUDA device ({reason(error)})"
    return "" if count else "CuPy finds no CUDA device"


def _openvino() -> str:
    try:
        openvino = importlib.import_module("openvino")
        found = openvino.Core().available_devices
    except Exception as error:  # a library that does not load, a plugin that does not start
        return f"openvino does not start ({reason(error)})"
    version = openvino.__version__.partition("-")[0]
    if int(version.partition(".")[0]) < 2025:
        return f'openvino {version} is too old; pip install -U "openvino>=2025.0"'
    return "" if "CPU" in found else "openvino has no plugin for this CPU"


def _tensorrt() -> str:
    if why := missing_packages(frozenset({"tensorrt"}), "tensorrt"):
        return why
    from pysal.backends.tensorrt_library import find_library

    try:
        library = find_library()
    except MissingDependencyError as error:
        return str(error)
    why = _cupy("tensorrt")
    return why and f"{library.label} builds plans here and cannot run them: {why}"


def _ort_tensorrt() -> str:
    if why := _ort():
        return why
    import onnxruntime as ort

    if "TensorrtExecutionProvider" not in ort.get_available_providers():
        return f"onnxruntime {ort.__version__} is built without TensorRT; install onnxruntime-gpu"
    return ""


def _pytorch() -> str:
    if why := missing_packages(frozenset({"torch"}), "torch"):
        return why
    import torch

    if torch.cuda.is_available():
        return ""
    why = "finds no CUDA device" if torch.version.cuda else "is built without CUDA"
    return f"torch {torch.__version__} {why}"
