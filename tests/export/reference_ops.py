"""Plain definitions of operators for which the reference evaluator is wrong, partial or float32."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun


class Erf(OpRun):
    def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
        return (np.vectorize(math.erf, otypes=[np.float64])(x),)


class Max(OpRun):
    combine = staticmethod(np.maximum)

    def _run(self, *values: np.ndarray) -> tuple[np.ndarray]:
        total = values[0].copy()
        for value in values[1:]:
            total = self.combine(total, value)
        return (total,)


class Min(Max):
    combine = staticmethod(np.minimum)


class Mean(Max):
    combine = staticmethod(np.add)

    def _run(self, *values: np.ndarray) -> tuple[np.ndarray]:
        return (super()._run(*values)[0] / len(values),)


class Pad(OpRun):
    def _run(
        self, x: np.ndarray, pads: np.ndarray, value: Any = None, axes: Any = None, mode: str = ""
    ) -> tuple[np.ndarray]:
        half = len(pads) // 2
        fill = 0.0 if value is None else float(value)
        for i, axis in enumerate(range(x.ndim) if axes is None else axes):
            begin, end = int(pads[i]), int(pads[i + half])
            counts = [(0, 0)] * x.ndim
            counts[axis] = max(begin, 0), max(end, 0)
            keep: list[Any] = [slice(None)] * x.ndim
            options = {} if mode in ("reflect", "edge", "wrap") else {"constant_values": fill}
            x = np.pad(x, counts, mode=mode if not options else "constant", **options)
            keep[axis] = slice(max(-begin, 0), x.shape[axis] - max(-end, 0))
            x = x[tuple(keep)]
        return (x,)


class GlobalMaxPool(OpRun):
    def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


def windows(x: np.ndarray, attrs: Any) -> tuple[list[int], Any]:
    """Output sizes of a pool; per axis and output element the rows that it covers, padding too."""
    rank = x.ndim - 2
    k, s, d = attrs["kernel_shape"], attrs["strides"] or [1] * rank, attrs["dilations"]
    d, pads, auto = d or [1] * rank, attrs["pads"] or [0] * 2 * rank, attrs["auto_pad"]
    covered = []
    for i, n in enumerate(x.shape[2:]):
        reach, first, last = d[i] * (k[i] - 1) + 1, pads[i], pads[i + rank]
        if auto.startswith("SAME"):
            total = max((-(-n // s[i]) - 1) * s[i] + reach - n, 0)
            first = total // 2 if auto == "SAME_UPPER" else -(-total // 2)
            last = total - first
        steps = (n + first + last - reach) / s[i]
        out = math.floor(steps) + 1
        if attrs["ceil_mode"]:
            out = math.ceil(steps) + 1
            out -= (out - 1) * s[i] >= n + first  # no window begins in the padding behind
        rows = [[o * s[i] - first + q * d[i] for q in range(k[i])] for o in range(out)]
        covered.append([[r for r in row if r < n + last] for row in rows])
    return [len(rows) for rows in covered], covered


class MaxPool(OpRun):
    def _run(self, x: np.ndarray, **attrs: Any) -> tuple[np.ndarray]:
        sizes, covered = windows(x, attrs)
        y = np.zeros((*x.shape[:2], *sizes))
        for place in product(*map(range, sizes)):
            seen = [covered[i][o] for i, o in enumerate(place)]
            seen = [[r for r in rows if 0 <= r < x.shape[i + 2]] for i, rows in enumerate(seen)]
            y[(..., *place)] = self.combine([x[(..., *at)] for at in product(*seen)])
            if attrs.get("count_include_pad"):
                whole = math.prod(len(covered[i][o]) for i, o in enumerate(place))
                y[(..., *place)] *= math.prod(map(len, seen)) / whole
        return (y,)

    @staticmethod
    def combine(values: list[np.ndarray]) -> np.ndarray:
        return np.max(values, axis=0)


class AveragePool(MaxPool):
    @staticmethod
    def combine(values: list[np.ndarray]) -> np.ndarray:
        return np.mean(values, axis=0)


class ConvTranspose(OpRun):
    def _run(self, x: np.ndarray, w: np.ndarray, b: Any = None, **attrs: Any) -> tuple[np.ndarray]:
        rank, group = x.ndim - 2, attrs["group"] or 1
        ones, zeros = [1] * rank, [0] * rank
        s, d = attrs["strides"] or ones, attrs["dilations"] or ones
        pads, extra = attrs["pads"] or zeros * 2, attrs["output_padding"] or zeros
        kernel = w.shape[2:]
        full = [
            (n - 1) * s[i] + d[i] * (kernel[i] - 1) + 1 + extra[i]
            for i, n in enumerate(x.shape[2:])
        ]
        wg = w.reshape(group, -1, *w.shape[1:])
        xg = x.reshape(len(x), group, -1, *x.shape[2:])
        y = np.zeros((len(x), group, w.shape[1], *full))
        for tap in product(*map(range, kernel)):
            part = np.einsum("ngc...,gcm->ngm...", xg, wg[(..., *tap)])
            place = tuple(
                slice(q * d[i], q * d[i] + (n - 1) * s[i] + 1, s[i])
                for i, (q, n) in enumerate(zip(tap, x.shape[2:], strict=True))
            )
            y[(..., *place)] += part
        keep = tuple(slice(pads[i], full[i] - pads[i + rank]) for i in range(rank))
        return (y.reshape(len(x), -1, *full)[(..., *keep)],)


class Gelu(OpRun):
    def _run(self, x: np.ndarray, approximate: str = "none") -> tuple[np.ndarray]:
        if approximate == "tanh":
            return (x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),)
        return (x / 2 * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))),)


class GroupNormalization(OpRun):
    def _run(
        self, x: np.ndarray, scale: np.ndarray, bias: np.ndarray, num_groups: int = 1, **attrs: Any
    ) -> tuple[np.ndarray]:
        grouped = x.reshape(len(x), num_groups, -1)
        middle = grouped - grouped.mean(2, keepdims=True)
        normal = middle / np.sqrt((middle**2).mean(2, keepdims=True) + attrs["epsilon"])
        wide = (-1, *[1] * (x.ndim - 2))
        return (normal.reshape(x.shape) * scale.reshape(wide) + bias.reshape(wide),)


class LRN(OpRun):
    def _run(
        self,
        x: np.ndarray,
        alpha: float = 1e-4,
        beta: float = 0.75,
        bias: float = 1.0,
        size: int = 1,
    ) -> tuple[np.ndarray]:
        y = np.empty_like(x)
        for c in range(x.shape[1]):
            seen = x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1]
            y[:, c] = x[:, c] / (bias + alpha / size * (seen**2).sum(1)) ** beta
        return (y,)


class GlobalLpPool(OpRun):
    def _run(self, x: np.ndarray, p: int = 2) -> tuple[np.ndarray]:
        total = (np.abs(x) ** p).sum(axis=tuple(range(2, x.ndim)), keepdims=True)
        return (total ** (1 / p),)


OPS = (
    *(AveragePool, Erf, Max, Min, Mean, Pad, GlobalMaxPool, MaxPool, ConvTranspose),
    *(Gelu, GroupNormalization, LRN, GlobalLpPool),
)
