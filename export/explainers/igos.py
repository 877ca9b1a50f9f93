"""I-GOS in one graph: a loop of gradient steps, each with a line search in a loop of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pysal.maskopt.options import resolve
from pysal.optim import quadrature
from pysal.values import whole

from ..graph import Graph
from .fill import write_fill
from .frame import Drawn, Frame
from .igos_penalty import Penalty
from .igos_search import Line, find_step, walk
from .path import RUN, forward, integrate
from .phrases import FLOAT, INT, loop, resample, resample_adjoint, spread


@dataclasses.dataclass(frozen=True)
class _Problem:
    """What a step needs: the frame, baseline images, options, penalty."""

    frame: Frame
    fill: str
    options: Mapping[str, Any]
    penalty: Penalty


def igos(
    frame: Frame,
    *,
    size: int | tuple[int, int] = 28,
    baseline: Any = "blur",
    preset: str | None = None,
    iterations: int | None = None,
    steps: int | None = None,
    nodes: str | None = None,
    l1: float | None = None,
    l2: float | None = None,
    search: str = "armijo",
    step_max: float = 200.0,
    step_min: float | None = None,
    shrink: float = 0.2,
    slope: float = 1e-4,
    chunk: int | None = None,
    warm_start: bool | None = None,
    step_size: float = 40.0,
    momentum: float | None = None,
    seed: int = 0,
    points_per_run: int = RUN,
) -> Drawn:
    """Write `pysal.methods.igos` without noise; other options as there.

    Parameters
    ----------
    frame : Frame
    seed : int
        Of the baseline "noise".
    points_per_run : int
        Points of the path that the network sees together; changes memory and time.

    Notes
    -----
    The line search of a batch goes on until its last image has a step, and evaluates candidates of
    all images until then; results of an image do not depend on its company.
    """
    given = {**locals(), "noise": "off", "noise_std": 0.0, "l1_schedule": False}
    options = resolve(given, frame.size, "igos")
    whole("igos", "points_per_run", points_per_run)
    g, cells = frame.g, options["size"]
    fill = write_fill(frame, "igos", baseline, whole("igos", "seed", seed, 0))
    score = frame.choose(forward(frame, "forward/", frame.image, shared=True))
    problem = _Problem(
        frame, fill, {**options, "points_per_run": points_per_run}, Penalty(g, options)
    )
    mask = _optimize(problem, score)
    native = g.sub(g.scalar(1.0), mask)
    large = resample(g, "aligned", native, cells, frame.size)
    return Drawn(native, large, cells, {**problem.options, "seed": seed})


def _optimize(problem: _Problem, score: str) -> str:
    """Mask after all iterations, (N, h, w); from 1 everywhere, where all penalties are 0."""
    g, options = problem.frame.g, problem.options
    zeros = _zeros(problem)
    first = g.op("Cast", g.mul(score, g.scalar(0.0)), to=INT)
    states = [(g.add(zeros, g.scalar(1.0)), FLOAT), (zeros, FLOAT), (score, FLOAT), (first, INT)]

    def step(_: str, before: Sequence[str]) -> tuple[Sequence[str], None]:
        mask, last, loss, rung = before
        grad = _gradient(problem, mask)
        move = _direction(g, grad, last, options["momentum"])
        line = Line(mask, move, loss, dot(g, grad, move), rung)
        if options["search"] == "fixed":
            return [walk(g, mask, move, g.scalar(options["step_size"])), move, loss, rung], None
        taken = find_step(problem.frame, problem.fill, problem.penalty, options, line)
        walked = walk(g, mask, move, spread(g, taken.step, [1, 2]))
        rung = g.op("Max", g.sub(taken.rung, one), zero) if options["warm_start"] else rung
        return [walked, move, taken.loss, rung], None

    one, zero = g.const(1, np.int64), g.const(0, np.int64)
    return loop(g, options["iterations"], states, step)[0]


def _zeros(problem: _Problem) -> str:
    """Zeros of the shape of the masks, (N, h, w)."""
    g = problem.frame.g
    images = g.op("Shape", problem.frame.image, start=0, end=1)
    shape = g.op("Concat", images, g.ints(problem.options["size"]), axis=0)
    return g.op("Expand", g.scalar(0.0), shape)


def _gradient(problem: _Problem, mask: str) -> str:
    """Integrated gradient of the data term, and the gradient of the penalties, (N, h, w)."""
    frame, options = problem.frame, problem.options
    g, sizes = frame.g, (options["size"], frame.size)
    nodes, weights = quadrature(options["nodes"], options["steps"])
    large = resample(g, "aligned", mask, *sizes)
    points = (nodes, nodes * weights)
    slopes = integrate(frame, problem.fill, points, options["points_per_run"], large)
    pixels = g.sum(g.mul(slopes, g.sub(frame.image, problem.fill)), [1], keepdims=False)
    data = resample_adjoint(g, "aligned", pixels, *sizes)
    return g.add(data, problem.penalty.gradient(mask))


def _direction(g: Graph, grad: str, last: str, momentum: float) -> str:
    """Heavy ball, started anew in images where it would go uphill; as `optim.Momentum`."""
    if not momentum:
        return grad
    move = g.add(grad, g.mul(g.scalar(momentum), last))
    uphill = g.op("LessOrEqual", dot(g, grad, move), g.scalar(0.0))
    return g.op("Where", spread(g, uphill, [1, 2]), grad, move)


def dot(g: Graph, a: str, b: str) -> str:
    """Inner products of (N, h, w) per image, (N,)."""
    return g.sum(g.mul(a, b), [1, 2], keepdims=False)
