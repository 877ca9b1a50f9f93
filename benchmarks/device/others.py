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


def bench_engine(subject: Subject, precision: str) -> None:
    """Latencies in one precision."""
    setting, base = subject.setting, held_bytes(subject.setting.device)
    opened: list[Classifier] = []
    if not setting.attempt(f"open {precision}", lambda: opened.append(subject.open(precision))):
        return
    for name, timed in OTHERS.items():
        work = functools.partial(bench, subject, opened[0], name, timed, precision, base, 2.0)
        setting.attempt(f"{name} {precision}", work)


def main() -> None:
    setting = begin("methods", __doc__)
    exact_float32()
    if not setting.dry:
        torch.backends.cudnn.benchmark = True
    subjects: list[Subject] = []
    name = setting.pick("resnet50", "tiny_shuffle")
    if setting.attempt(f"open {name}", lambda: subjects.append(Subject(setting, name))):
        for precision in setting.pick(PRECISIONS, ("fp32",)):
            bench_engine(subjects[0], precision)
    setting.end()


if __name__ == "__main__":
    main()
