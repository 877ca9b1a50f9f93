"""Naive replicas of the rule tables: torch functions with the backward of the papers' formulas.

They run in the interpreter `onnx_torch`, in float64, and share no code with the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx_torch import OnnxModule
from torch import Tensor
from torch_ops import OPS, _pads, _torch_pad

Operator = Callable[..., Any]


def replace_backward(
    forward: Callable[..., Tensor], backward: Callable[..., Any], *inputs: Tensor
) -> Tensor:
    """forward(*inputs) whose derivative is backward(dy, *inputs): one cotangent per input."""

    class Replaced(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *values: Tensor) -> Tensor:
            ctx.save_for_backward(*values)
            with torch.no_grad():
                return forward(*values)

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Any:
            return backward(dy, *ctx.saved_tensors)

    return Replaced.apply(*inputs)


def transposed(function: Callable[[Tensor], Tensor], x: Tensor, dy: Tensor) -> Tensor:
    """Product of dy with the transposed Jacobian of a function at x."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x), x, dy)[0]


# ---- activations ---------------------------------------------------------------------------------


def guided(op_type: str) -> Operator:
    """True derivative, then only what is positive."""

    def run(a: Any, x: Tensor, *rest: Any) -> Tensor:
        def function(v: Tensor) -> Tensor:
            return OPS[op_type](a, v, *rest)

        return replace_backward(function, lambda dy, v: transposed(function, v, dy).clamp(min=0), x)

    return run


def rectified(op_type: str) -> Operator:
    """Only what is positive, whatever the activation."""

    def run(a: Any, x: Tensor, *rest: Any) -> Tensor:
        return replace_backward(
            lambda v: OPS[op_type](a, v, *rest), lambda dy, v: dy.clamp(min=0), x
        )

    return run


# ---- strided layers as if unstrided --------------------------------------------------------------


def nearest_exact(dy: Tensor, sizes: list[int]) -> Tensor:
    """Every new pixel shows the old one in which its centre lies, in exact arithmetic."""
    for axis, new in enumerate(sizes, start=2):
        old = dy.shape[axis]
        index = [floor((i + Fraction(1, 2)) * Fraction(old, new)) for i in range(new)]
        dy = dy.index_select(axis, torch.tensor(index))
    return dy


def dense_sizes(a: Any, x: Tensor, kernel: Any, out: Any) -> tuple[list[int], list[int], list[int]]:
    """Begin and end paddings, those of ceil_mode included, and sizes at stride one."""
    begin, end = _pads(a, x.shape[2:], kernel)
    strides, dilations = a["strides"], a.get("dilations", [1] * len(kernel))
    sizes = []
    for i, n in enumerate(x.shape[2:]):
        reach = dilations[i] * (kernel[i] - 1) + 1
        end[i] = max(end[i], (out[i] - 1) * strides[i] + reach - n - begin[i])
        sizes.append(n + begin[i] + end[i] - reach + 1)
    return begin, end, sizes


def strided(a: Any) -> bool:
    return max(a.get("strides", [1])) > 1


def stride1_conv(a: Any, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Resize, full transposed convolution, crop the paddings."""

    def backward(dy: Tensor, v: Tensor) -> Tensor:
        begin, _, sizes = dense_sizes(a, v, w.shape[2:], dy.shape[2:])
        run = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[w.dim() - 2]
        dilations = a.get("dilations", [1] * (w.dim() - 2))
        full = run(
            nearest_exact(dy, sizes), w, None, 1, groups=a.get("group", 1), dilation=dilations
        )
        keep = [slice(p, p + n) for p, n in zip(begin, v.shape[2:], strict=True)]
        return full[(..., *keep)]

    if not strided(a):
        return OPS["Conv"](a, x, w, b)
    return replace_backward(lambda v: OPS["Conv"](a, v, w, b), backward, x)


def stride1_average_pool(a: Any, x: Tensor) -> Tensor:
    def backward(dy: Tensor, v: Tensor) -> Tensor:
        k = a["kernel_shape"]
        begin, _, sizes = dense_sizes(a, v, k, dy.shape[2:])
        ones = torch.full((v.shape[1], 1, *k), 1.0 / np.prod(k), dtype=v.dtype)
        full = F.conv_transpose2d(nearest_exact(dy, sizes), ones, groups=v.shape[1])
        keep = [slice(p, p + n) for p, n in zip(begin, v.shape[2:], strict=True)]
        return full[(..., *keep)]

    if not strided(a):
        return OPS["AveragePool"](a, x)
    return replace_backward(lambda v: OPS["AveragePool"](a, v), backward, x)


def stride1_max_pool(a: Any, x: Tensor) -> Tensor:
    def backward(dy: Tensor, v: Tensor) -> Tensor:
        k = a["kernel_shape"]
        begin, end, sizes = dense_sizes(a, v, k, dy.shape[2:])
        pad = _torch_pad(begin, end)

        def dense(u: Tensor) -> Tensor:
            padded = F.pad(u, pad, value=float("-inf"))
            return F.max_pool2d(padded, k, 1, 0, a.get("dilations", 1))

        return transposed(dense, v, nearest_exact(dy, sizes))

    if not strided(a):
        return OPS["MaxPool"](a, x)
    return replace_backward(lambda v: OPS["MaxPool"](a, v), backward, x)


# ---- excitation ----------------------------------------------------------------------------------


def excited(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """a * f^T(P / (f(a) + eps)), zero where f(a) is zero."""

    def backward(p: Tensor, a: Tensor) -> Tensor:
        f = function(a)
        q = torch.where(f == 0, torch.zeros_like(p), p / (f + 1e-20))
        return a * transposed(function, a, q)

    return backward


def weighted(op_type: str, sign: float) -> Operator:
    """Linear layers: weights are the operand that needs no gradient; bias dropped."""

    def run(a: Any, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        plus = (sign * a.get("alpha", 1.0) * w).clamp(min=0)
        plain = {**a, "alpha": 1.0}
        return replace_backward(
            lambda v: OPS[op_type](a, v, w, *([] if b is None else [b])),
            excited(lambda v: OPS[op_type](plain, v, plus)),
            x,
        )

    return run


def mean(op_type: str) -> Operator:
    def run(a: Any, x: Tensor, *rest: Any) -> Tensor:
        def function(v: Tensor) -> Tensor:
            return OPS[op_type](a, v, *rest)

        return replace_backward(function, excited(function), x)

    return run


def batch_norm(a: Any, x: Tensor, *rest: Tensor) -> Tensor:
    return replace_backward(
        lambda v: OPS["BatchNormalization"](a, v, *rest), lambda dy, v: dy.clone(), x
    )


def proportional_add(a: Any, x: Tensor, y: Tensor) -> Tensor:
    if not y.requires_grad:  # a bias
        return x + y

    def backward(p: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        total = u + v
        q = torch.where(total == 0, torch.zeros_like(p), p / (total + 1e-20))
        return q * u, q * v

    return replace_backward(torch.add, backward, x, y)


def main_add(place: int) -> Operator:
    """The signal goes into the branch at one place."""

    def run(a: Any, x: Tensor, y: Tensor) -> Tensor:
        if not y.requires_grad:
            return x + y
        parts = [
            lambda p, u, v: (p.clone(), torch.zeros_like(v)),
            lambda p, u, v: (torch.zeros_like(u), p.clone()),
        ]
        return replace_backward(torch.add, parts[place], x, y)

    return run


# ---- tables --------------------------------------------------------------------------------------

ACTIVATIONS = ("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "HardSwish", "Softplus")
GUIDED = {name: guided(name) for name in ACTIVATIONS}


def excitation(sign: float = 1.0) -> dict[str, Operator]:
    return {
        **{name: weighted(name, sign) for name in ("Conv", "Gemm", "MatMul")},
        **{name: mean(name) for name in ("AveragePool", "GlobalAveragePool", "ReduceMean")},
        "BatchNormalization": batch_norm,
        "Add": proportional_add,
    }


STRIDE1 = {**GUIDED, "Conv": stride1_conv}
TABLES: dict[str, Mapping[str, Operator]] = {
    "gradient": {},
    "gradient_unclipped": {},
    "guided_backprop": GUIDED,
    "deconvnet": {name: rectified(name) for name in ACTIVATIONS},
    "stride1_deconv": STRIDE1,
    "stride1_deconv_pool": {
        **STRIDE1,
        "AveragePool": stride1_average_pool,
        "MaxPool": stride1_max_pool,
    },
    "excitation_backprop": excitation(),
    "excitation_backprop_main": {**excitation(), "Add": main_add(0)},
    "excitation_negated": excitation(-1.0),
}


class Replica(OnnxModule):
    """A network whose operators have the backward rules of a table."""

    def __init__(self, model: onnx.ModelProto, operators: Mapping[str, Operator]) -> None:
        super().__init__(model, torch.float64)
        swap = {id(OPS[name]): run for name, run in operators.items()}
        self.nodes = [(swap.get(id(run), run), *rest) for run, *rest in self.nodes]

    def values(self, x: Tensor) -> dict[str, Any]:
        """All values of the forward pass, in the graph of x."""
        found: dict[str, Any] = {name: getattr(self, slot) for name, slot in self.slot.items()}
        found[self.input], found[""] = x, None
        for run, attributes, inputs, outputs in self.nodes:
            result = run(attributes, *(found[name] for name in inputs))
            results = (result,) if torch.is_tensor(result) else result
            found.update(zip(outputs, results, strict=False))
        return found


def naive(
    model: onnx.ModelProto,
    rules: str | Mapping[str, Operator],
    x: np.ndarray,
    seed: np.ndarray,
    *,
    wrt: str | None = None,
    start: str | None = None,
) -> np.ndarray:
    """Signal at `wrt` (default: the image) for a cotangent at `start` (default: the logits)."""
    net = Replica(model, TABLES[rules] if isinstance(rules, str) else rules)
    values = net.values(torch.from_numpy(x).double().requires_grad_())
    end = values[start or net.output]
    cotangent = torch.from_numpy(seed).double().reshape(end.shape)
    (grad,) = torch.autograd.grad(end, values[wrt or net.input], cotangent)
    return grad.numpy()
