"""Latency of the methods that are not I-GOS: one image, and the network's share of it."""

from __future__ import annotations

import functools

import torch

from device.clock import held_bytes
from device.explain import Subject, bench
from device.methods import OTHERS
from device.setting import begin, exact_float32
from pysal.classifier import Classifier

PRECISIONS = ("bf16", "fp32")


def main() -> None:
    setting = begin("methods", __doc__)
    exact_float32()
    if not setting.dry:
        torch.backends.cudnn.benchmark = True
    subjects: list[Subject] = []
    name = setting.pick("resnet50", "tiny_shuffle")
    if setting.attempt(f"open {name}", lambda: subjects.append(Subject(setting, name))):
        for precision in setting.pick(PRECISIONS, ("fp32",)):
            base, opened = held_bytes(setting.device), list[Classifier]()
            work = functools.partial(subjects[0].open, precision)
            if not setting.attempt(f"open {precision}", lambda: opened.append(work())):  # noqa: B023
                continue
            for method, timed in OTHERS.items():
                one = functools.partial(
                    bench, subjects[0], opened[0], method, timed, precision, base, 2.0
                )
                setting.attempt(f"{method} {precision}", one)
    setting.end()


if __name__ == "__main__":
    main()
