"""Samples of attributions under noise, and their moments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pysal import kernels
from pysal.arrays import AnyArray, namespace, to_host, to_like
from pysal.baselines import make_baseline
from pysal.channels import REDUCTIONS, reduce_channels, warn_empty
from pysal.errors import OptionError
from pysal.options import check_options
from pysal.paths import PATHS, Path, meter
from pysal.paths.integral import Report, blocks
from pysal.types import Attribution, Noise
from pysal.values import choice, flag, number, seeds, whole
from pysal.work import Work

NAMES = ("samples", "noise_level", "base", "base_options", "rules", "reduce", "channels", "seed")
"""Every option, in the order in which results list them."""

BASES = ("gradient", "input_x_gradient", *PATHS)


def explain(work: Work, owner: str, given: Mapping[str, Any]) -> Attribution:
    """Run one of the three methods with the options `given`."""
    options = {name: given[name] for name in NAMES}
    path, origin = _check(owner, options, work)
    seed_of = seeds(owner, options["seed"], len(work))
    level = options["noise_level"] * np.ptp(work.batch, axis=(1, 2, 3))
    per_sample = 1 if path is None else path.steps
    report = meter(given["progress"], len(work) * options["samples"] * per_sample)
    shape = work.batch.shape
    native, errors = np.empty((shape[0], *shape[2:]), np.float32), np.empty(shape[0])
    kept = np.empty(shape if options["channels"] else (0,), np.float32)
    for image in range(len(work)):
        noise = Noise(np.full(shape[1], level[image], np.float32), seed_of[image : image + 1])
        moments = _Moments(owner)
        for copies in _copies(work, image, noise, options["samples"]):
            moments.add(_attribute(work, image, copies, options, path, origin, report))
        result, errors[image] = moments.result()
        native[image] = to_host(reduce_channels(result, options["reduce"]))
        if options["channels"]:
            kept[image] = to_host(result)
    warn_empty(owner, native)
    trace = {"standard_error": errors, "noise_std": level.astype(np.float32)}
    if options["channels"]:
        trace["channels"] = kept
    return work.finish(native, options, trace=trace)


def _check(owner: str, options: dict[str, Any], work: Work) -> tuple[Path | None, AnyArray]:
    """Check the options in place; return the path of the base and where paths start."""
    whole(owner, "samples", options["samples"], 2 if owner == "vargrad" else 1)
    number(owner, "noise_level", options["noise_level"], lambda v: v >= 0, "a number of at least 0")
    choice(owner, "base", options["base"], BASES)
    choice(owner, "reduce", options["reduce"], REDUCTIONS)
    flag(owner, "channels", options["channels"])
    more = options["base_options"] or {}
    if not isinstance(more, Mapping):
        raise OptionError(f"{owner}: base_options is {more!r}; expected names and values")
    more = dict(more)
    if options["base"] not in PATHS:
        if more:
            raise OptionError(
                f'{owner}: base "{options["base"]}" takes no base_options, {", ".join(more)} '
                f"given; use one of {', '.join(PATHS)}"
            )
        return None, None
    if options["rules"] != "gradient":
        raise OptionError(
            f'{owner}: rules is "{options["rules"]}" and base "{options["base"]}"; a path '
            'integrates gradients: use rules="gradient"'
        )
    make = PATHS[options["base"]]
    kind = "black" if options["base"] == "blur_ig" else more.pop("baseline", "black")
    check_options(make, more, f'base "{options["base"]}" of {owner}')
    path: Path = make(owner, **more)
    return path, work.clf.to_device(make_baseline(kind, work.batch, work.clf.preprocess))


def _copies(work: Work, image: int, noise: Noise, samples: int) -> Iterator[AnyArray]:
    """Noisy copies of an image, (n, C, H, W) at a time; a copy depends on its number only."""
    x = work.x[image : image + 1]
    mask = to_like(np.ones((1, 1, 1, 1), np.float32), x)
    for part in blocks(samples):
        nodes = np.ones(part.stop - part.start, np.float32)
        yield kernels.blend(x, x, mask, nodes=nodes, first_node=part.start, noise=noise)[0]


def _attribute(
    work: Work,
    image: int,
    copies: AnyArray,
    options: Mapping[str, Any],
    path: Path | None,
    origin: AnyArray,
    report: Report | None,
) -> AnyArray:
    """Attributions of noisy copies, (n, C, H, W)."""
    images = np.full(len(copies), image)
    if path is None:
        _, grads = work.value_and_grad(copies, images, rules=options["rules"])
        if report is not None:
            report(len(copies))
        return copies * grads if options["base"] == "input_x_gradient" else grads
    starts = origin[to_like(images, origin)]
    found = path.integrals(work, copies, starts, images, report=report)
    return namespace(copies).concatenate([integral.riemann for integral in found])


class _Moments:
    """Power sums of samples about the first one, in float64: exact enough for any spread.

    Parameters
    ----------
    statistic : {"smoothgrad", "smoothgrad_squared", "vargrad"}
        Mean of the samples, mean of their squares, or their variance.
    """

    def __init__(self, statistic: str) -> None:
        self._squared, self._variance = statistic == "smoothgrad_squared", statistic == "vargrad"
        self._count, self._first = 0, None
        self._sums: list[AnyArray] = [0.0] * (4 if self._variance else 2)

    def add(self, samples: AnyArray) -> None:
        """Add samples (n, C, H, W); one at a time stays in the caches."""
        xp = namespace(samples)
        for sample in samples:
            value = xp.asarray(sample, dtype=xp.float64)
            value = value * value if self._squared else value
            if self._first is None:
                self._first = value + 0.0
            away = value - self._first
            power = away
            self._sums[0] = self._sums[0] + away
            for order in range(1, len(self._sums)):
                power = power * away
                self._sums[order] = self._sums[order] + power
        self._count += len(samples)

    def result(self) -> tuple[AnyArray, float]:
        """The statistic (C, H, W), float32, and the mean of its standard error over elements."""
        n, xp = self._count, namespace(self._sums[0])
        shift, second, *higher = (total / n for total in self._sums)
        variance = (second - shift**2).clip(0.0, None)
        if self._variance:
            third, fourth = higher
            peak = fourth - 4 * shift * third + 6 * shift**2 * second - 3 * shift**4
            result, error = variance, (peak - variance**2).clip(0.0, None) / n
        else:
            result = self._first + shift
            error = variance / (n - 1) if n > 1 else variance * np.nan
        return xp.asarray(result, dtype=xp.float32), float((error**0.5).mean())
