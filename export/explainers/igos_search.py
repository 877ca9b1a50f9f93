"""The line search of I-GOS as a loop over a shrinking ladder of steps, some at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pysal.optim import Armijo

from ..graph import Graph
from .frame import Frame
from .igos_penalty import Penalty
from .path import forward
from .phrases import BOOL, FLOAT, INT, as_float, blend, loop, narrow, resample, spread


@dataclasses.dataclass(frozen=True)
class Line:
    """Masks and directions (N, h, w), objective there, product with the gradient, first rung."""

    mask: str
    move: str
    loss: str
    slope: str
    rung: str


@dataclasses.dataclass(frozen=True)
class Taken:
    """Step, objective at its end and rung of the ladder, each (N,)."""

    step: str
    loss: str
    rung: str


def find_step(
    frame: Frame, fill: str, penalty: Penalty, options: Mapping[str, Any], line: Line
) -> Taken:
    """Take the first step of the ladder that pays for itself; the last one in any case.

    Notes
    -----
    As `pysal.optim.Armijo`. Images that have their step keep it, by Where, while others search on.
    """
    g = frame.g
    ladder = Armijo(options["step_max"], options["step_min"], shrink=options["shrink"]).ladder
    width = min(options["chunk"], len(ladder))
    last, offsets = g.const(len(ladder) - 1, np.int64), g.const(np.arange(width)[None], np.int64)
    table = g.const(ladder, np.float32)
    slope = g.mul(line.slope, g.scalar(options["slope"]))
    zeros = g.mul(line.loss, g.scalar(0.0))
    open_ = g.op("Less", zeros, zeros)

    def look(_: str, before: Sequence[str]) -> tuple[Sequence[str], str]:
        rung, done, step, loss, at = before
        index = g.op("Min", g.add(spread(g, rung, [1]), offsets), last)
        steps = g.op("Gather", table, index, axis=0)
        losses = _losses(frame, fill, penalty, (line.mask, line.move, steps), width, options)
        enough = g.sub(spread(g, line.loss, [1]), g.mul(steps, spread(g, slope, [1])))
        fits = as_float(
            g, g.op("Or", g.op("LessOrEqual", losses, enough), g.op("Equal", index, last))
        )
        first = g.op("ArgMax", fits, axis=1, keepdims=1)
        found = g.op("Greater", g.sum(fits, [1], keepdims=False), g.scalar(0.0))
        new = g.op("And", found, g.op("Not", done))
        picked = (_pick(g, values, first) for values in (steps, losses, index))
        kept = [
            g.op("Where", new, value, old)
            for value, old in zip(picked, (step, loss, at), strict=True)
        ]
        done = g.op("Or", done, found)
        waiting = g.sum(as_float(g, g.op("Not", done)), [0], keepdims=False)
        after = [g.add(rung, g.const(width, np.int64)), done, *kept]
        return after, g.op("Greater", waiting, g.scalar(0.0))

    states = [(line.rung, INT), (open_, BOOL), (zeros, FLOAT), (zeros, FLOAT), (line.rung, INT)]
    _, _, step, loss, at = loop(g, -(-len(ladder) // width), states, look)
    return Taken(step, loss, at)


def walk(g: Graph, mask: str, move: str, length: str) -> str:
    """Clipped masks after steps."""
    return g.op("Clip", g.sub(mask, g.mul(length, move)), g.scalar(0.0), g.scalar(1.0))


def _losses(
    frame: Frame,
    fill: str,
    penalty: Penalty,
    ray: tuple[str, str, str],
    width: int,
    options: Mapping[str, Any],
) -> str:
    """Objective at the ends of steps (N, width) from masks along moves (N, h, w): (N, width)."""
    g, prepared = frame.g, frame.prepared
    mask, move = (spread(g, value, [1]) for value in ray[:2])
    masks = walk(g, mask, move, spread(g, ray[2], [2, 3]))
    large = spread(g, resample(g, "aligned", masks, options["size"], frame.size), [2])
    images = [spread(g, frame.image, [1]), spread(g, fill, [1])]
    shown = g.op("Reshape", blend(g, large, *images), g.ints([-1, *prepared.input_shape]))
    logits = forward(frame, "search/", shown, shared=frame.settings.compact)
    scores = g.op("Reshape", frame.in_kind(logits), g.ints([-1, width, prepared.num_classes]))
    chosen = g.sum(g.mul(scores, spread(g, frame.one_hot, [1])), [2], keepdims=False)
    return g.add(chosen, penalty.value(masks))


def _pick(g: Graph, values: str, column: str) -> str:
    """One column of (N, W) per image, (N,)."""
    return narrow(g, g.op("GatherElements", values, column, axis=1), 1)
