"""Integrated gradients in one graph, and the loop over points of a path that I-GOS shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from pysal.channels import REDUCTIONS
from pysal.optim import quadrature
from pysal.paths import endpoints
from pysal.prepared import INPUT_GRADIENT, LOGITS, SEED, SEED_PROBABILITY
from pysal.types import Array
from pysal.values import choice, whole

from ..build import build_forward, build_gradient
from .fill import write_fill
from .frame import Drawn, Frame
from .inlined import Inlined
from .phrases import FLOAT, blend, loop, reduce, spread

RUN = 1
"""Points whose gradients one run of the network takes, for every image."""


def integrated_gradients(
    frame: Frame,
    *,
    baseline: Any = "black",
    steps: int = 200,
    nodes: str = "endpoints",
    reduce: str = "abs_sum",
    seed: int = 0,
    points_per_run: int = RUN,
) -> Drawn:
    """Write `pysal.methods.integrated_gradients`; options as there.

    Parameters
    ----------
    frame : Frame
    points_per_run : int
        Points of the path that the network sees together; changes memory and time.
    """
    owner = "integrated_gradients"
    choice(owner, "nodes", nodes, ("endpoints", "right", "gauss-legendre"))
    choice(owner, "reduce", reduce, REDUCTIONS)
    whole(owner, "steps", steps, 2 if nodes == "endpoints" else 1)
    whole(owner, "points_per_run", points_per_run)
    points = endpoints(steps) if nodes == "endpoints" else quadrature(nodes, steps)
    g, fill = frame.g, write_fill(frame, owner, baseline, whole(owner, "seed", seed, 0))
    frame.choose(forward(frame, "forward/", frame.image, shared=True))
    slopes = integrate(frame, fill, points, points_per_run)
    attribution = g.mul(slopes, g.sub(frame.image, fill))
    maps = reduce_channels(frame, attribution, reduce)
    options = {
        "baseline": baseline if isinstance(baseline, str) else "given",
        **{"steps": steps, "nodes": nodes, "reduce": reduce, "seed": seed},
        "points_per_run": points_per_run,
    }
    return Drawn(maps, maps, frame.size, options)


def forward(frame: Frame, prefix: str, image: str, *, shared: bool) -> str:
    """Write the network on images (n, C, H, W); return the logits, (n, K)."""
    model = build_forward(frame.prepared)
    feeds = {frame.prepared.input_name: image}
    return Inlined(model, prefix, feeds, shared=shared).emit(frame.g, LOGITS)


def integrate(
    frame: Frame, fill: str, points: Sequence[Array], per_run: int, mask: str | None = None
) -> str:
    """Sum of the gradients on the path from the baseline to the image under a mask, weighted.

    Parameters
    ----------
    frame : Frame
        Its classes are chosen.
    fill : str
        Baseline, (N, C, H, W).
    points : pair of ndarray of shape (P,)
        Nodes in [0, 1] and weights.
    per_run : int
        Points per run, at most; the next smaller divisor of their number is taken.
    mask : str, optional
        (N, H, W). Default: 1.

    Returns
    -------
    str
        (N, C, H, W).
    """
    g, settings = frame.g, frame.settings
    model = build_gradient(frame.prepared, lowering=settings.lowering)
    count = len(points[0])
    width = max(d for d in range(1, min(per_run, count) + 1) if count % d == 0)
    tables = [g.const(np.reshape(values, (-1, width)), np.float32) for values in points]

    def step(trip: str, states: Sequence[str]) -> tuple[Sequence[str], None]:
        nodes, weights = (_factors(frame, table, trip, width) for table in tables)
        shown = _composed(frame, fill, nodes, mask, width)
        slopes = _gradient(frame, model, shown, width)
        if width > 1:
            split = g.op("Reshape", slopes, g.ints([width, -1, *frame.prepared.input_shape]))
            part = g.sum(g.mul(split, weights), [0], keepdims=False)
        else:
            part = g.mul(slopes, weights)
        return [g.add(states[0], part)], None

    start = g.sub(frame.image, frame.image)
    return loop(g, count // width, [(start, FLOAT)], step)[0]


def reduce_channels(frame: Frame, x: str, rule: str) -> str:
    """(N, C, H, W) -> (N, H, W), as `pysal.channels.reduce_channels`."""
    g = frame.g
    if rule in ("max_abs", "sum_abs"):
        x = g.op("Abs", x)
    if rule in ("max_abs", "max"):
        return reduce(g, "ReduceMax", x, [1])
    total = g.sum(x, [1], keepdims=False)
    return g.op("Abs", total) if rule == "abs_sum" else total


def _factors(frame: Frame, table: str, trip: str, width: int) -> str:
    """Numbers of a trip, shaped to multiply (width, N, C, H, W), or (N, C, H, W) for one."""
    g = frame.g
    row = g.op("Gather", table, trip, axis=0)
    return row if width == 1 else g.op("Reshape", row, g.ints([width, 1, 1, 1, 1]))


def _composed(frame: Frame, fill: str, nodes: str, mask: str | None, width: int) -> str:
    """Points of the path as images (width * N, C, H, W), point by point."""
    g, image = frame.g, frame.image
    if mask is not None:
        nodes = g.mul(nodes, spread(g, mask, [1]))
    shown = blend(g, nodes, image, fill)
    shape = [-1, *frame.prepared.input_shape]
    return shown if width == 1 else g.op("Reshape", shown, g.ints(shape))


def _gradient(frame: Frame, model: onnx.ModelProto, shown: str, width: int) -> str:
    """Gradient of the class score at images (width * N, C, H, W)."""
    g, prepared = frame.g, frame.prepared
    seeds = frame.one_hot
    if width > 1:
        tiled = g.op("Tile", spread(g, seeds, [0]), g.ints([width, 1, 1]))
        seeds = g.op("Reshape", tiled, g.ints([-1, prepared.num_classes]))
    feeds = {prepared.input_name: shown, SEED: frame.no_seed, SEED_PROBABILITY: frame.no_seed}
    feeds[SEED if frame.settings.kind == "logit" else SEED_PROBABILITY] = seeds
    network = Inlined(model, "gradient/", feeds, shared=frame.settings.compact)
    return network.emit(g, INPUT_GRADIENT)
