"""Small quantized networks in the QDQ format, with ReLUs in the graph or absorbed by rounding."""

from __future__ import annotations

import dataclasses

import numpy as np
from checker import CLASSES, Case, Net, run

SHARE = 0.9
"""Part of the range of a value that its integers cover; the rest is clipped."""


@dataclasses.dataclass(frozen=True)
class Style:
    """How a network is quantized.

    Attributes
    ----------
    kind : str
        Integer type of activations.
    per_channel : bool
        Scales of weights.
    absorbed : bool
        ReLUs are left to the rounding behind them; else they are nodes.
    rounded_weights : bool
        Weights are floats with a pair of QuantizeLinear and DequantizeLinear, else integers.
    opset : int
    share : float
        See `SHARE`.
    """

    kind: str = "uint8"
    per_channel: bool = False
    absorbed: bool = True
    rounded_weights: bool = False
    opset: int = 17
    share: float = SHARE


class QuantizedNet(Net):
    """Writes a quantized model; values are those in front of a pair or behind it."""

    def __init__(self, x: np.ndarray, style: Style) -> None:
        super().__init__(x, style.opset)
        self.style = style

    def values(self, value: str) -> np.ndarray:
        """What a value is on the images."""
        partial = self.model(value, None)
        return run(partial, {partial.graph.input[0].name: self.image})[value]

    def pair(self, value: str, share: float | None = None) -> str:
        """Round a value, in the range that it has on the images."""
        x, info = self.values(value), np.iinfo(self.style.kind)
        share = self.style.share if share is None else share
        low, high = share * min(x.min(), 0.0), share * x.max()
        if self.style.kind == "int8":  # symmetric
            scale, zero = max(-low, high) / 127, 0
        else:
            scale = (high - low) / (info.max - info.min)
            zero = round(info.min - low / scale)
        scale_name, zero_name = self.const(scale), self.const(zero, self.style.kind)
        q = self.op("QuantizeLinear", value, scale_name, zero_name)
        self.scale = scale
        return self.op("DequantizeLinear", q, scale_name, zero_name)

    def weight(self, array: np.ndarray, axis: int = 0) -> str:
        """A weight in 7 bits, as processors without VNNI need it."""
        others = tuple(i for i in range(array.ndim) if i != axis)
        size = np.abs(array).max(axis=others if self.style.per_channel else None)
        scale = np.asarray(size / 63, np.float32)
        along = scale.reshape([-1 if i == axis else 1 for i in range(array.ndim)])
        along = along if self.style.per_channel else scale
        names = self.const(scale), self.const(np.zeros(scale.shape), np.int8)
        attrs = {"axis": axis} if self.style.per_channel else {}
        if self.style.rounded_weights:
            whole = self.op("QuantizeLinear", self.const(array), *names, **attrs)
        else:
            whole = self.const(np.rint(array / along), np.int8)
        self.weight_scale = scale
        return self.op("DequantizeLinear", whole, *names, **attrs)

    def bias(self, array: np.ndarray) -> str:
        """A bias in 32 bits, of the last input's and the last weight's scales."""
        scale = np.asarray(self.scale * self.weight_scale, np.float32)
        attrs = {"axis": 0} if scale.ndim else {}
        whole = self.const(np.rint(array / scale), np.int32)
        return self.op("DequantizeLinear", whole, self.const(scale), **attrs)

    def conv(self, value: str, weight: np.ndarray, *, relu: bool = True, **attrs: object) -> str:
        """Convolution with a bias, a ReLU or none, and rounding."""
        bias = np.random.default_rng(len(weight)).normal(size=len(weight))
        y = self.op("Conv", value, self.weight(weight), self.bias(bias), **attrs)
        return self.rounded(y, relu)

    def rounded(self, y: str, relu: bool = True) -> str:
        """A ReLU in the graph or in the rounding."""
        if not relu:
            return self.pair(y)
        seen = self.op("Relu", y)
        done = self.pair(seen)
        if self.style.absorbed:
            rounding = next(
                n for n in self.nodes if n.op_type == "QuantizeLinear" and seen in n.input
            )
            rounding.input[0] = y
            self.nodes[:] = [node for node in self.nodes if seen not in node.output]
        return done


def network(style: Style, seed: int = 0, *, positive: bool = False) -> Case:
    """Strided and depth-wise Convs, a pool, a residual sum, a concatenation, a mean, a Gemm."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 3, 15, 13))
    net = QuantizedNet(np.abs(x) if positive else x, style)

    def weight(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) + 0.05

    y = net.conv(net.pair("x"), weight(8, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    y = net.pair(net.op("MaxPool", y, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), 1.0)
    z = net.conv(y, weight(8, 1, 3, 3), group=8, pads=[1, 1, 1, 1])
    z = net.conv(z, weight(8, 8, 1, 1), relu=False)
    y = net.rounded(net.op("Add", z, y))
    parts = [net.conv(y, weight(4, 8, 1, 1)), net.conv(y, weight(4, 8, 3, 3), pads=[1, 1, 1, 1])]
    y = net.pair(net.op("Concat", *parts, axis=1))
    y = net.op("Flatten", net.pair(net.op("GlobalAveragePool", y)))
    y = net.op("Gemm", y, net.weight(weight(CLASSES, 8)), transB=1)
    return Case(net.model(net.pair(y, 0.5), ("N", CLASSES)), net.image)
