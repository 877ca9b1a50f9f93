"""Probability and input gradient of a batch: pysal in every precision against PyTorch's own ways.

Judge of both is PyTorch in float64; no way of pysal is timed whose error is more than twice that of
PyTorch in the same precision. The distance from PyTorch eager in float32 is written beside. What
matters less, and what has to be compiled, comes later and is left out where there is no time.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import torch
from timing import measure
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from device.clock import event_timer, peak_bytes, reset_peak
from device.networks import TINY, make_network, pictures, side_of
from device.peers import WAYS, Way, gradient
from device.setting import Setting, begin, exact_float32
from pysal.backends.pytorch import TorchClassifier
from pysal.types import Target

Pair = tuple[Tensor, Tensor]
Gradient = Callable[[Tensor, Tensor], Pair]

PRECISIONS = {
    "fp32": "eager fp32",
    "tf32": "eager tf32",
    "bf16": "autocast bf16 last",
    "fp16": "autocast fp16 last",
}
"""Precisions of pysal, and the way of PyTorch whose error is the measure."""

JUDGED = 8
"""Images, at least, that are compared: one alone may lie on a kink of the network."""

PLAN = [
    ("resnet50", 20, False),
    ("resnet50", 1, False),
    ("vit_b_16", 20, False),
    ("vgg19", 20, False),
    ("resnet50", 20, True),
    ("vit_b_16", 1, False),
    ("vgg19", 1, False),
    ("resnet50", 160, False),
    ("vit_b_16", 20, True),
    ("vgg19", 20, True),
]
"""Network, batch, and whether it is the turn of what has to be compiled."""

FACTOR, FLOOR = 2.0, 1e-5
"""Error allowed to pysal: this many errors of PyTorch, and a relative error of this size."""


@dataclasses.dataclass
class Subject:
    """A network with a batch size, images to compare on, and what is right there."""

    name: str
    batch: int
    network: nn.Module
    images: Tensor
    index: Tensor
    exact: Pair
    eager: Pair
    allowed: dict[str, float] = dataclasses.field(default_factory=dict)

    def all(self, run: Gradient) -> Pair:
        """Results on all images, computed in batches of the size in question."""
        parts = [
            tuple(part.clone() for part in run(*self.rows(first)))
            for first in range(0, len(self.images), self.batch)
        ]
        return torch.cat([value for value, _ in parts]), torch.cat([grad for _, grad in parts])

    def rows(self, first: int) -> Pair:
        """One batch of images and classes."""
        rows = slice(first, first + self.batch)
        return self.images[rows], self.index[rows]


def distance(found: Pair, judge: Pair) -> float:
    """Median over images of the relative 2-norm of the gradients' difference."""
    difference = (found[1].double() - judge[1].double()).flatten(1).norm(dim=1)
    return float((difference / judge[1].double().flatten(1).norm(dim=1)).median())


@functools.lru_cache(maxsize=1)
def _made(name: str) -> nn.Module:
    """The network on the CPU; several batch sizes use it."""
    return make_network(name)


def open_subject(setting: Setting, name: str, batch: int) -> Subject:
    """Network and pictures on the device, with gradients in float64 and float32."""
    network = copy.deepcopy(_made(name)).to(setting.device)
    count = batch if batch >= JUDGED else batch * (JUDGED // batch)
    images = pictures(count, side_of(name), seed=2).to(setting.device)
    with torch.no_grad():
        index = network(images).argmax(1)
    exact = gradient(network.double(), Way("fp64"))(images.double(), index)
    eager = gradient(network.float(), WAYS["eager fp32"])(images, index)
    return Subject(name, batch, network, images, index, exact, eager)


def ours(subject: Subject, precision: str, compiled: bool) -> Gradient:
    """The PyTorch backend of pysal on arrays of the device, as methods call it."""
    clf = TorchClassifier(
        subject.network,
        input_shape=tuple(subject.images.shape[1:]),
        device=str(subject.images.device),
        precision=precision,
        compile=compiled,
        rows=subject.batch,
    )

    def run(batch: Tensor, index: Tensor) -> Pair:
        return clf.value_and_grad(batch, Target(index))

    return run


def check(subject: Subject, run: Gradient, precision: str) -> dict[str, float]:
    """Errors of pysal's gradients; too large a one raises."""
    found = subject.all(run)
    assert found[1].shape == subject.images.shape, tuple(found[1].shape)
    assert all(part.isfinite().all() for part in found), "not finite"
    if precision not in subject.allowed:
        theirs = subject.all(gradient(subject.network, WAYS[PRECISIONS[precision]]))
        subject.allowed[precision] = FACTOR * distance(theirs, subject.exact) + FLOOR
    errors = _errors(subject, found)
    allowed = subject.allowed[precision]
    assert errors["error"] <= allowed, f"error {errors['error']:.2g}, allowed {allowed:.2g}"
    return {**errors, "allowed": allowed}


def _errors(subject: Subject, found: Pair) -> dict[str, float]:
    return {
        "error": distance(found, subject.exact),
        "from_float32": distance(found, subject.eager),
    }


def timed(
    setting: Setting, subject: Subject, run: Gradient, batch: Tensor, index: Any
) -> dict[str, Any]:
    """Seconds of one call by the device's own clock, and the memory it needs."""
    repeats, limit = setting.pick((30, 0.8), (2, 1.0))
    call = functools.partial(run, batch, index)
    timing = measure({"call": call}, repeats, 3, timer=event_timer(setting.device), limit=limit)
    return {
        "network": subject.name,
        "batch": subject.batch,
        "seconds": timing["call"],
        "peak_bytes": peak_bytes(setting.device),
    }


def bench_ours(
    setting: Setting, subject: Subject, precision: str, compiled: bool
) -> dict[str, Any]:
    reset_peak(setting.device)
    run = ours(subject, precision, compiled)
    errors = check(subject, lambda batch, index: run(batch, index.cpu().numpy()), precision)
    batch, index = subject.rows(0)
    figures = timed(setting, subject, run, batch, index.cpu().numpy())
    return {"side": "pysal", "precision": precision, "compiled": compiled, **figures, **errors}


def bench_peer(setting: Setting, subject: Subject, name: str) -> dict[str, Any]:
    reset_peak(setting.device)
    way = WAYS[name]
    run = gradient(subject.network, way, setting.pick("inductor", "eager"))
    errors = _errors(subject, subject.all(run))
    batch, index = subject.rows(0)
    batch = batch.contiguous(memory_format=way.layout)
    figures = timed(setting, subject, run, batch, index)
    known = {"way": name, "precision": way.precision, "compiled": way.compiled}
    return {"side": "torch", **known, **figures, **errors}


def operations(subject: Subject) -> dict[str, Any]:
    """Floating-point operations of one image, forward and backward to the input."""
    leaf = subject.images[:1].clone().requires_grad_(True)
    with FlopCounterMode(display=False) as counter:
        subject.network(leaf).amax(1).sum().backward()
    return {"network": subject.name, "flops": counter.get_total_flops()}


def bench(setting: Setting, name: str, batch: int, compiled: bool) -> None:
    """All ways of one network and batch size: those that are compiled, or the others."""
    opened: list[Subject] = []
    where = f"{name} {batch}"
    setting.attempt(where, lambda: opened.append(open_subject(setting, name, batch)))
    if not opened:
        return
    subject = opened.pop()
    if not compiled:
        setting.attempt(f"{where} operations", lambda: operations(subject), required=False)
    precisions = ("bf16", "tf32") if compiled else tuple(PRECISIONS)
    for precision in setting.pick(precisions, () if compiled else ("fp32", "bf16")):
        work = functools.partial(bench_ours, setting, subject, precision, compiled)
        case = f"{where} pysal {precision}{' compile' * compiled}"
        setting.attempt(case, work, required=not compiled)
    for way in (way for way in WAYS if WAYS[way].compiled == compiled):
        work = functools.partial(bench_peer, setting, subject, way)
        setting.attempt(f"{where} {way}", work, required=False)


def main() -> None:
    setting = begin("gradient", __doc__)
    exact_float32()
    if not setting.dry:
        torch.backends.cudnn.benchmark = True
    tiny = [(TINY[0], 2, False), (TINY[1], 1, False), (TINY[0], 2, True)]
    for name, batch, compiled in setting.pick(PLAN, tiny):
        bench(setting, name, batch, compiled)
    setting.end()


if __name__ == "__main__":
    main()
