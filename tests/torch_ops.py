"""ONNX operators in torch, from their ONNX definitions; part of the interpreter `onnx_torch`.

An operator takes its attributes (with the opset and its number of outputs among them) and tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor

Attributes = Mapping[str, Any]
_INTEGER = {onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL}


# ---- windows: convolutions and pools -------------------------------------------------------------


def _pads(a: Attributes, size: Sequence[int], kernel: Sequence[int]) -> tuple[list[int], list[int]]:
    """Begin and end padding per spatial axis, `auto_pad` resolved."""
    rank, auto = len(kernel), a.get("auto_pad", "NOTSET")
    if not auto.startswith("SAME"):
        pads = list(a.get("pads", [0] * (2 * rank))) if auto == "NOTSET" else [0] * (2 * rank)
        return pads[:rank], pads[rank:]
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    begin, end = [], []
    for n, k, s, d in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        small, large = total // 2, total - total // 2
        begin.append(small if auto == "SAME_UPPER" else large)
        end.append(large if auto == "SAME_UPPER" else small)
    return begin, end


def _torch_pad(begin: Sequence[int], end: Sequence[int]) -> list[int]:
    """ONNX order (all begins, all ends) to torch order (last axis first, in pairs)."""
    pairs = zip(reversed(begin), reversed(end), strict=True)
    return [p for pair in pairs for p in pair]


def _conv(a: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    rank = w.dim() - 2
    begin, end = _pads(a, x.shape[2:], w.shape[2:])
    if begin != end:
        x, begin = F.pad(x, _torch_pad(begin, end)), [0] * rank
    run: Callable[..., Tensor] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[rank]
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    return run(x, w, b, strides, begin, dilations, a.get("group", 1))


def _max_pool(a: Attributes, x: Tensor) -> Tensor:
    kernel = a["kernel_shape"]
    strides, ceil = a.get("strides", [1] * len(kernel)), bool(a.get("ceil_mode", 0))
    begin, end = _pads(a, x.shape[2:], kernel)
    if begin != end or any(2 * p > k for p, k in zip(begin, kernel, strict=True)):
        x = F.pad(x, _torch_pad(begin, end), value=float("-inf"))
        begin = [0] * len(kernel)
    return F.max_pool2d(x, kernel, strides, begin, a.get("dilations", 1), ceil)


def _average_pool(a: Attributes, x: Tensor) -> Tensor:
    kernel = a["kernel_shape"]
    strides, ceil = a.get("strides", [1] * len(kernel)), bool(a.get("ceil_mode", 0))
    begin, end = _pads(a, x.shape[2:], kernel)
    include = bool(a.get("count_include_pad", 0))
    if begin == end:
        return F.avg_pool2d(x, kernel, strides, begin, ceil, include)
    pad = _torch_pad(begin, end)
    if include:
        return F.avg_pool2d(F.pad(x, pad), kernel, strides, 0, ceil)
    covered = F.avg_pool2d(F.pad(torch.ones_like(x[:1, :1]), pad), kernel, strides, 0, ceil)
    return F.avg_pool2d(F.pad(x, pad), kernel, strides, 0, ceil) / covered


# ---- linear algebra and normalization ------------------------------------------------------------


def _gemm(a: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    x = x.T if a.get("transA", 0) else x
    y = a.get("alpha", 1.0) * (x @ (w.T if a.get("transB", 0) else w))
    return y if b is None else y + a.get("beta", 1.0) * b


def _batch_norm(a: Attributes, x: Tensor, *rest: Tensor) -> Tensor:
    scale, shift, mean, var = rest
    return F.batch_norm(x, mean, var, scale, shift, eps=a.get("epsilon", 1e-5))


def _layer_norm(a: Attributes, x: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
    axis = a.get("axis", -1) % x.dim()
    return F.layer_norm(x, x.shape[axis:], scale, shift, a.get("epsilon", 1e-5))


def _lrn(a: Attributes, x: Tensor) -> Tensor:
    alpha, beta, bias = a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)
    return F.local_response_norm(x, a["size"], alpha, beta, bias)


def _softmax(a: Attributes, x: Tensor) -> Tensor:
    if a["opset"] >= 13:
        return torch.softmax(x, a.get("axis", -1))
    axis = a.get("axis", 1) % x.dim()
    return torch.softmax(x.flatten(axis), -1).reshape(x.shape)


# ---- shapes --------------------------------------------------------------------------------------


def _ints(x: Tensor) -> list[int]:
    return [int(v) for v in x.reshape(-1)]


def _axes(a: Attributes, given: Tensor | None, rank: int) -> list[int]:
    axes = _ints(given) if given is not None else list(a.get("axes", range(rank)))
    return [axis % rank for axis in axes]


def _reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = _ints(shape)
    if not a.get("allowzero", 0):
        sizes = [x.shape[i] if s == 0 else s for i, s in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(a: Attributes, x: Tensor) -> Tensor:
    axis = a.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(int(np.prod(x.shape[:axis], dtype=np.int64)), -1)


def _squeeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    if axes is None and "axes" not in a:
        return x.squeeze()
    return x.squeeze(tuple(_axes(a, axes, x.dim())))


def _unsqueeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    given = _ints(axes) if axes is not None else list(a["axes"])
    for axis in sorted(i % (x.dim() + len(given)) for i in given):
        x = x.unsqueeze(axis)
    return x


def _pad(
    a: Attributes, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None
) -> Tensor:
    sizes = _ints(pads) if pads is not None else list(a["pads"])
    fill = float(value) if value is not None else a.get("value", 0.0)
    mode = a.get("mode", "constant")
    order = _torch_pad(sizes[: x.dim()], sizes[x.dim() :])
    if mode == "constant":
        return F.pad(x, order, value=fill)
    return F.pad(x, order[:4], mode={"reflect": "reflect", "edge": "replicate"}[mode])


def _reduce_mean(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.mean(tuple(_axes(a, axes, x.dim())), keepdim=bool(a.get("keepdims", 1)))


def _reduce_sum(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.sum(tuple(_axes(a, axes, x.dim())), keepdim=bool(a.get("keepdims", 1)))


def _slice(a: Attributes, x: Tensor, *rest: Tensor) -> Tensor:
    starts, ends = (_ints(r) for r in rest[:2]) if rest else (a["starts"], a["ends"])
    axes = _ints(rest[2]) if len(rest) > 2 else a.get("axes", range(len(starts)))
    steps = _ints(rest[3]) if len(rest) > 3 else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        chosen = range(x.shape[axis])[start:end:step]
        x = x.index_select(axis, torch.tensor(list(chosen), dtype=torch.long))
    return x


def _gather(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = a.get("axis", 0) % x.dim()
    flat = torch.where(index < 0, index + x.shape[axis], index).reshape(-1).long()
    picked = x.index_select(axis, flat)
    return picked.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _split(a: Attributes, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    given = _ints(sizes) if sizes is not None else a.get("split")
    axis = a.get("axis", 0)
    return x.split(given or -(-x.shape[axis] // a["outputs"]), axis)


def _clip(
    a: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None
) -> Tensor:
    least = float(low) if low is not None else a.get("min")
    most = float(high) if high is not None else a.get("max")
    return x if least is None and most is None else x.clamp(least, most)


def _constant(a: Attributes) -> Tensor:
    return torch.from_numpy(np.array(a["value"]))


class _Rounded(torch.autograd.Function):
    """Straight-through estimator: rounding is the identity, clipping stops the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero: Tensor, ends: tuple[int, int]) -> Tensor:
        whole = torch.round(x / scale) + zero
        ctx.save_for_backward((whole >= ends[0]) & (whole <= ends[1]), scale)
        return whole.clamp(*ends)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        inside, scale = ctx.saved_tensors
        return dy * inside / scale, None, None, None


def _parameters(a: Attributes, x: Tensor, *given: Tensor | None) -> list[Tensor]:
    """Scale and zero point in float64, along their axis."""
    shape = [1] * x.dim()
    if given[0].numel() > 1:
        shape[a.get("axis", 1)] = -1
    whole = [torch.zeros_like(given[0]) if p is None else p for p in given]
    return [p.double().reshape(shape if p.numel() > 1 else []) for p in whole]


def _quantize(a: Attributes, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    kind = torch.uint8 if zero is None else zero.dtype
    ends = torch.iinfo(kind).min, torch.iinfo(kind).max
    return _Rounded.apply(x, *_parameters(a, x, scale, zero), ends)


def _dequantize(a: Attributes, q: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    scale, zero = _parameters(a, q, scale, zero)
    return (q.double() - zero) * scale


OPS: dict[str, Callable[..., Any]] = {
    "Add": lambda a, x, y: x + y,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": lambda a, x: x.long() if a["to"] in _INTEGER else x,
    "Clip": _clip,
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
    "Constant": _constant,
    "Conv": _conv,
    "DequantizeLinear": _dequantize,
    "Div": lambda a, x, y: x / y if x.is_floating_point() else x // y,
    "Dropout": lambda a, x, *rest: x,
    "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "Erf": lambda a, x: torch.erf(x),
    "Exp": lambda a, x: torch.exp(x),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": lambda a, x: F.gelu(x, approximate=a.get("approximate", "none")),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda a, x: x.mean(tuple(range(2, x.dim())), keepdim=True),
    "GlobalMaxPool": lambda a, x: x.amax(tuple(range(2, x.dim())), keepdim=True),
    "HardSigmoid": lambda a, x: (a.get("alpha", 0.2) * x + a.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": lambda a, x: x * (x / 6 + 0.5).clamp(0, 1),
    "Identity": lambda a, x: x,
    "LRN": _lrn,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "MatMul": lambda a, x, y: x @ y,
    "MaxPool": _max_pool,
    "Mul": lambda a, x, y: x * y,
    "Neg": lambda a, x: -x,
    "PRelu": lambda a, x, s: torch.where(x > 0, x, s * x),
    "Pad": _pad,
    "Pow": lambda a, x, y: x**y,
    "QuantizeLinear": _quantize,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "Relu": lambda a, x: torch.relu(x),
    "Reshape": _reshape,
    "Shape": lambda a, x: torch.tensor(x.shape),
    "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": lambda a, x: F.softplus(x),
    "Split": _split,
    "Sqrt": lambda a, x: torch.sqrt(x),
    "Squeeze": _squeeze,
    "Sub": lambda a, x, y: x - y,
    "Sum": lambda a, *xs: sum(xs),
    "Tanh": lambda a, x: torch.tanh(x),
    "Transpose": lambda a, x: x.permute(a.get("perm", list(range(x.dim()))[::-1])),
    "Unsqueeze": _unsqueeze,
}
