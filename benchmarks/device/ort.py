"""ONNX Runtime on CUDA, where onnxruntime-gpu is there: the same explanations and gradients.

Its judge is pysal's PyTorch backend on the same network. A dry run takes ONNX Runtime on the
CPU.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import measure

from device.clock import wall_timer
from device.explain import Subject, bench, bench_batch
from device.methods import METHODS
from device.networks import pictures
from device.setting import Setting, begin, exact_float32
from pysal.arrays import to_host
from pysal.classifier import Classifier
from pysal.types import Target

ERROR = 0.1
"""Median relative distance of gradients from PyTorch's; networks of this depth amplify rounding."""


class OrtSubject(Subject):
    """The same network as an ONNX file, on ONNX Runtime."""

    def __init__(self, setting: Setting, path: Path) -> None:
        super().__init__(setting, setting.pick("resnet50", "tiny_shuffle"))
        self.path = path
        shape = (2, *self.images.shape[1:])
        sample = torch.zeros(shape, device=setting.device)
        batch = torch.export.Dim("N", min=1)
        options = {"dynamo": True, "dynamic_shapes": ({0: batch},)}
        torch.onnx.export(self.network, (sample,), **options).save(str(path))

    def open(self, precision: str) -> Classifier:
        """On ONNX Runtime, once there is a file; the judge is made before."""
        if not hasattr(self, "path"):
            return super().open(precision)
        if self.setting.dry:
            from pysal.backends.ort import OrtClassifier

            return OrtClassifier(self.path, threads=1)
        from pysal.backends.ort_cuda import OrtCudaClassifier

        return OrtCudaClassifier(self.path, precision=precision)


def gradients(subject: Subject, clf: Classifier, batch: int) -> dict[str, Any]:
    """Seconds of value and gradient, after their distance from PyTorch's."""
    setting = subject.setting
    images = pictures(batch, subject.images.shape[-1], seed=2).numpy()
    target = Target(np.asarray(subject.exact.score(images)).argmax(axis=1))
    exact = to_host(subject.exact.value_and_grad(images, target)[1])
    there = clf.to_device(images)
    found = to_host(clf.value_and_grad(there, target)[1])
    difference = np.linalg.norm((found - exact).reshape(batch, -1), axis=1)
    error = float(np.median(difference / np.linalg.norm(exact.reshape(batch, -1), axis=1)))
    assert error <= ERROR, f"gradients differ by {error:.2g}"
    once, repeats = wall_timer(setting.device), setting.pick(30, 2)
    call = {"call": lambda: clf.value_and_grad(there, target)}
    seconds = measure(call, repeats, 3, timer=once, limit=2.0)["call"]
    return {"batch": batch, "seconds": seconds, "error": error, "engine": clf.info.engine}


def bench_engine(subject: Subject, precision: str) -> None:
    setting = subject.setting
    opened: list[Classifier] = []
    if not setting.attempt(f"open {precision}", lambda: opened.append(subject.open(precision))):
        return
    for batch in setting.pick((20, 1), (2,)):
        work = functools.partial(gradients, subject, opened[0], batch)
        setting.attempt(f"gradient {precision} batch {batch}", work)
    names = list(METHODS)[: setting.pick(None, 1)]
    for name in names:
        work = functools.partial(bench, subject, opened[0], name, METHODS[name], precision, 0)
        setting.attempt(f"{name} {precision}", work)
    for name in names:
        images = setting.pick(8, 2)
        work = functools.partial(bench_batch, subject, opened[0], METHODS[name], images, 0)
        setting.attempt(f"{name} {precision} batch", work)


def missing(setting: Setting) -> str:
    """Why there is nothing to time; empty if there is."""
    try:
        import onnxruntime
    except ImportError as error:
        return f"onnxruntime cannot be imported ({error})"
    wanted = setting.pick("CUDAExecutionProvider", "CPUExecutionProvider")
    found = onnxruntime.get_available_providers()
    return "" if wanted in found else f"onnxruntime has {', '.join(found)}; set ORT_GPU_WHEEL"


def main() -> None:
    setting = begin("ort", __doc__)
    exact_float32()
    reason = missing(setting)
    if reason:
        setting.row(case="ort", skipped=reason)
        setting.end()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        subjects: list[Subject] = []
        if setting.attempt("network", lambda: subjects.append(OrtSubject(setting, path))):
            for precision in setting.pick(("fp32", "tf32"), ("fp32",)):
                bench_engine(subjects[0], precision)
    setting.end()


if __name__ == "__main__":
    main()
