"""TensorRT, where it and a GPU for its plans are there: plans built, gradients checked and timed.

The judge is pysal's PyTorch backend on the same network. A dry run builds the plans with
TensorRT-RTX for another GPU, where it is installed, and what runs is ONNX Runtime on the CPU.
"""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path
from typing import Any

from device.ort import OrtSubject, gradients
from device.setting import Setting, begin, exact_float32
from pysal.backends import devices
from pysal.classifier import Classifier
from pysal.errors import MissingDependencyError

EXACT = "fp32"
"""Gradients in other precisions may leave the bound of networks with random weights."""


class TensorrtSubject(OrtSubject):
    """The same network as an ONNX file, on TensorRT."""

    def open(self, precision: str) -> Classifier:
        """On TensorRT, once there is a file; the judge is made before."""
        if self.setting.dry or not hasattr(self, "path"):
            return super().open(precision)
        from pysal.backends.tensorrt import TensorrtClassifier

        return TensorrtClassifier(self.path, precision=precision, cache=False)


def plans(subject: TensorrtSubject, precision: str, target: str) -> dict[str, Any]:
    """Seconds and bytes of both plans for a GPU that is not here."""
    from pysal.backends.tensorrt_library import find_library
    from pysal.backends.tensorrt_options import PlanOptions
    from pysal.backends.tensorrt_plans import OnnxPlans, PlanMaker

    library = find_library("tensorrt_rtx")
    options = PlanOptions(precision, (2, 2, 2), (target,))
    source = OnnxPlans(subject.path, None, PlanMaker(library, options, ""))
    begun = time.perf_counter()
    sizes = [len(p.data) for p in (source.forward(()), source.gradient("gradient", "input"))]
    spent = time.perf_counter() - begun
    return {"library": library.label, "target": target, "bytes": sizes, "build_seconds": spent}


def dry_plans(setting: Setting, subject: TensorrtSubject, precision: str) -> None:
    """Build the plans of a precision, where TensorRT-RTX is there."""
    from pysal.backends.tensorrt_library import find_library

    case = f"plans {precision}"
    try:
        find_library("tensorrt_rtx")
    except MissingDependencyError as error:
        setting.row(case=case, skipped=str(error))
    else:
        setting.attempt(case, functools.partial(plans, subject, precision, "8.6"))


def opened(subject: TensorrtSubject, precision: str, found: list[Classifier]) -> dict[str, Any]:
    """Open the network and build its plans; seconds of both."""
    begun = time.perf_counter()
    found.append(subject.open(precision))
    found[0].prepare({"grad"})
    return {"engine": found[0].info.engine, "open_seconds": time.perf_counter() - begun}


def main() -> None:
    setting = begin("tensorrt", __doc__)
    exact_float32()
    state = devices()["tensorrt cuda"]
    if not setting.dry and state != "available":
        setting.row(case="tensorrt", skipped=state)
        setting.end()
    with tempfile.TemporaryDirectory() as folder:
        path, subjects = Path(folder) / "network.onnx", []
        setting.attempt("network", lambda: subjects.append(TensorrtSubject(setting, path)))
        for precision in setting.pick(("fp32", "tf32", "fp16", "bf16"), ("fp32", "fp16")):
            if not subjects:
                break
            if setting.dry:
                dry_plans(setting, subjects[0], precision)
                if precision != EXACT:
                    continue  # what runs here has one precision
            found: list[Classifier] = []
            work = functools.partial(opened, subjects[0], precision, found)
            if not setting.attempt(f"open {precision}", work):
                continue
            for batch in setting.pick((20, 1), (2,)):
                work = functools.partial(gradients, subjects[0], found[0], batch)
                name = f"gradient {precision} batch {batch}"
                setting.attempt(name, work, required=precision == EXACT)
    setting.end()


if __name__ == "__main__":
    main()
