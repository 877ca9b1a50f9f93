"""Whole explanations: latency of one image, images per second of batches, memory, and their floor.

The floor is the network alone: as many gradients and scores as the explanation asked for, in large
batches of the same backend. The peer is the I-GOS in plain PyTorch, one point of the path after the
other, as published. Before timing, both must be the same run in float32 without noise, on a network
where rounding stays small; and every precision must reach an objective as low as float32 does,
judged by the float32 network.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from timing import measure

from device.agreement import Run, compare, runs
from device.clock import held_bytes, peak_bytes, reset_peak, wall_timer
from device.methods import METHODS, Timed
from device.networks import STEADY, make_network, pictures, side_of
from device.peers import igos as peer_igos
from device.setting import Setting, begin, exact_float32
from pysal.backends.pytorch import TorchClassifier
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.methods import METHODS as REGISTRY
from pysal.types import Attribution, Target

PRECISIONS = ("bf16", "fp32", "tf32", "fp16")
BATCHES = (8, 32)
WORSE = 0.05
"""How much higher an objective reached in a lower precision may be, in units of probability; and
half of what float32 gained besides: with random weights, rounding decides which steps are taken."""


class Subject:
    """A network with pictures and their top classes, in float32 on the device.

    Attributes
    ----------
    exact : Classifier
        The judge.
    disagree : set of str
        Methods whose runs are not those of their peer: they are not timed.
    """

    def __init__(self, setting: Setting, name: str) -> None:
        self.setting, self.name = setting, name
        side = side_of(self.name)
        self.images = pictures(setting.pick(max(BATCHES), 2), side, seed=3).numpy()
        self.network = make_network(self.name).to(setting.device)
        self.disagree: set[str] = set()
        self.exact = self.open("fp32")
        self.target = Target(np.asarray(self.exact.score(self.images)).argmax(axis=1))

    def open(self, precision: str) -> Classifier:
        """The network in pysal."""
        return TorchClassifier(
            self.network,
            input_shape=self.images.shape[1:],
            device=str(self.setting.device),
            precision=precision,
        )

    def explain(self, clf: Classifier, timed: Timed, images: int, **more: Any) -> Attribution:
        """Explain the first images: host arrays in, host arrays out."""
        entry = REGISTRY[timed.method]
        options = {**self.setting.pick(timed.options, timed.tiny), **more}
        target = Target(self.target.index[:images], entry.kind)
        return entry.load()(clf, self.images[:images], target, **options)

    def peer(self, like: Attribution, noise: bool) -> Run:
        """The first image by plain PyTorch, with the options of an explanation by pysal."""
        names = {"iterations": "iterations", "points": "steps", "l1": "l1", "l2": "l2"}
        options = {theirs: like.options[ours] for theirs, ours in names.items()}
        image = torch.from_numpy(self.images[:1]).to(self.setting.device)
        std = torch.from_numpy(self.exact.preprocess.noise_std(0.2)) * noise
        target, size = int(self.target.index[0]), like.options["size"][0]
        return peer_igos(self.network, image, target, std, size=size, **options)


def agree(setting: Setting) -> set[str]:
    """Methods that are not the same run as their peer, of those that have one."""
    subjects: list[Subject] = []
    different = {name for name, timed in METHODS.items() if timed.peer}
    network = setting.pick(STEADY, "tiny_shuffle")
    if not setting.attempt(f"open {network}", lambda: subjects.append(Subject(setting, network))):
        return different

    def same(timed: Timed) -> dict[str, Any]:
        quiet = subjects[0].explain(subjects[0].exact, timed, 1, noise="off")
        return compare(runs(quiet)[0], subjects[0].peer(quiet, noise=False))

    return {
        name
        for name in sorted(different)
        if not setting.attempt(f"{name} as peer", functools.partial(same, METHODS[name]))
    }


def check(subject: Subject, clf: Classifier, timed: Timed, name: str) -> dict[str, Any]:
    """Maps are finite, move, and reach an objective as low as in float32."""
    assert name not in subject.disagree, "not the same run as its peer"
    found = subject.explain(clf, timed, 1)
    assert np.isfinite(found.map).all(), "the map is not finite"
    assert np.ptp(found.native) > 0, "the map is constant"
    if timed.method != "igos":
        return {}
    wanted = subject.explain(subject.exact, timed, 1)
    exact = objective(subject, wanted)
    worse, gained = objective(subject, found) - exact, float(wanted.trace["loss"][0, 0]) - exact
    allowed = WORSE + subject.setting.pick(0.5, 1.0) * gained
    assert worse <= allowed, (
        f"the objective ends {worse:.2g} above float32 that gained {gained:.2g}"
    )
    return {"objective_above_float32": worse, "objective": float(found.trace["loss"][0, -1])}


def objective(subject: Subject, found: Attribution) -> float:
    """Last objective of the first image, with the score of the float32 network."""
    images = subject.images[:1]
    baseline = make_baseline("blur", images, subject.exact.preprocess)
    masks = np.ascontiguousarray(1 - found.native[:1, None])
    place = subject.exact.to_device
    score = subject.exact.score_masked(*map(place, (images, baseline, masks)), subject.target[:1])
    penalty = float(found.trace["loss"][0, -1] - found.trace["score"][0, -1])
    return penalty + float(score[0, 0])


def floor(subject: Subject, clf: Classifier, found: Attribution, repeats: int) -> float:
    """Seconds of the network alone for the passes of one image of an explanation."""
    device, images = subject.setting.device, len(found)
    rows = min(subject.setting.pick(20, 2) * images, subject.setting.pick(160, 4))
    batch = clf.to_device(np.resize(subject.images, (rows, *subject.images.shape[1:])))
    target = Target(np.resize(subject.target.index, rows))
    sides: dict[str, Callable[[], Any]] = {
        "gradient": lambda: clf.value_and_grad(batch, target),
        "score": lambda: clf.score(batch),
    }
    times = measure(sides, repeats, 2, timer=wall_timer(device), limit=2.0)
    forward = (found.passes.forward - found.passes.backward) / images
    backward = found.passes.backward / images
    return (backward * times["gradient"].median + forward * times["score"].median) / rows


def bench(
    subject: Subject,
    clf: Classifier,
    name: str,
    timed: Timed,
    precision: str,
    base: int,
    limit: float = 8.0,
) -> dict[str, Any]:
    """One method in one precision; `base` bytes were in use before its engine was opened."""
    setting = subject.setting
    reset_peak(setting.device)
    checked = check(subject, clf, timed, name)
    run = functools.partial(subject.explain, clf, timed)
    once, repeats = wall_timer(setting.device), setting.pick(20, 2)
    one = measure({"one": lambda: run(1)}, repeats, 1, timer=once, limit=limit)["one"]
    found = run(1)
    seconds = floor(subject, clf, found, setting.pick(5, 1))
    return {
        "network": subject.name,
        "engine": clf.info.engine,
        "precision": precision,
        "passes": {"forward": found.passes.forward, "backward": found.passes.backward},
        "latency": one,
        "peak_bytes": peak_bytes(setting.device) - base,
        "network_seconds": seconds,
        "network_share": seconds / one.median,
        **checked,
    }


def bench_batch(
    subject: Subject, clf: Classifier, timed: Timed, images: int, base: int
) -> dict[str, Any]:
    """Images per second of one batch size; its maps are those of single images, up to rounding."""
    setting = subject.setting
    reset_peak(setting.device)
    alone, done = subject.explain(clf, timed, 1), []
    once = wall_timer(setting.device)
    run = {"batch": lambda: done.append(subject.explain(clf, timed, images))}
    timing = measure(run, setting.pick(3, 1), 0, timer=once, limit=2.5)["batch"]
    together = done[-1]
    assert np.isfinite(together.map).all(), "a map is not finite"
    seconds = floor(subject, clf, together, 1)
    return {
        "images": images,
        "seconds": timing,
        "per_s": images / timing.median,
        "peak_bytes": peak_bytes(setting.device) - base,
        "network_share": seconds * images / timing.median,
        "from_single": float(np.abs(together.native[0] - alone.native[0]).max()),
    }


def bench_peer(subject: Subject, timed: Timed) -> dict[str, Any]:
    """The I-GOS in plain PyTorch, in float32 and with its noise."""
    once, done = wall_timer(subject.setting.device), []
    like = subject.explain(subject.exact, timed, 1)
    run = {"peer": lambda: done.append(subject.peer(like, noise=True))}
    timing = measure(run, subject.setting.pick(2, 1), 0, timer=once, limit=6.0)["peer"]
    return {"network": subject.name, "latency": timing, "objective": float(done[-1].loss[-1])}


def bench_engine(subject: Subject, precision: str) -> None:
    """Latencies of all methods in one precision, then their batches."""
    setting = subject.setting
    base = held_bytes(setting.device)
    opened: list[Classifier] = []
    if not setting.attempt(f"open {precision}", lambda: opened.append(subject.open(precision))):
        return
    for name, timed in METHODS.items():
        work = functools.partial(bench, subject, opened[0], name, timed, precision, base)
        setting.attempt(f"{name} {precision}", work)
    for images in setting.pick(BATCHES, (2,)):
        for name, timed in METHODS.items():
            work = functools.partial(bench_batch, subject, opened[0], timed, images, base)
            setting.attempt(f"{name} {precision} batch {images}", work)


def bench_peers(subject: Subject) -> None:
    """PyTorch alone."""
    for name, timed in METHODS.items():
        if timed.peer:
            work = functools.partial(bench_peer, subject, timed)
            subject.setting.attempt(f"{name} peer", work, required=False)


def main() -> None:
    setting = begin("explain", __doc__)
    exact_float32()
    if not setting.dry:
        torch.backends.cudnn.benchmark = True
    disagree = agree(setting)
    subjects: list[Subject] = []
    name = setting.pick("resnet50", "tiny_shuffle")
    if setting.attempt(f"open {name}", lambda: subjects.append(Subject(setting, name))):
        subjects[0].disagree = disagree
        first, *others = setting.pick(PRECISIONS, ("fp32",))
        bench_engine(subjects[0], first)
        bench_peers(subjects[0])
        for precision in others:
            bench_engine(subjects[0], precision)
    setting.end()


if __name__ == "__main__":
    main()
