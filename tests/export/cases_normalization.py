"""Cases of normalizations, newer activations, further reductions and pools."""

from __future__ import annotations

import numpy as np
from case_table import Draw, case, choice, flag, image, integer, normal, opset, positive, with_axes
from cases_linear import spatial, window
from checker import Case, Net


def newest(draw: Draw, oldest: int) -> int:
    """A version that the operator has and ONNX Runtime runs."""
    return choice(draw, *[v for v in (18, 20, 21, 23, 25) if v >= oldest])


@case("LayerNormalization", "RMSNormalization")
def layer_normalization(draw: Draw, op_type: str) -> Case:
    net = Net(2 * image(draw, low=2) + 1, newest(draw, 17 if op_type[0] == "L" else 23))
    axis = integer(draw, 1, 3)
    shape = net.x.shape[axis:]
    scale = net.const(normal(draw, *shape))
    more = [net.const(normal(draw, *shape))] if op_type[0] == "L" and flag(draw) else []
    attrs = {"epsilon": 0.1} if flag(draw) else {}
    return net.case(net.op(op_type, "x", scale, *more, axis=axis - 4, **attrs))


@case("InstanceNormalization", "GroupNormalization")
def group_normalization(draw: Draw, op_type: str) -> Case:
    group, each = integer(draw, 1, 3), integer(draw, 1, 2)
    channels = group * each
    net, x = spatial(draw, channels, (integer(draw, 2, 4), integer(draw, 2, 3)), 18)
    net.opset = newest(draw, 21 if op_type[0] == "G" else 18)
    attrs: dict[str, float] = {"epsilon": 0.1} if flag(draw) else {}
    if op_type[0] == "G":
        attrs["num_groups"] = group
    scale, bias = (net.const(normal(draw, channels)) for _ in range(2))
    return net.case(net.op(op_type, x, scale, bias, **attrs))


@case("LRN")
def lrn(draw: Draw, op_type: str) -> Case:
    net, x = spatial(draw, integer(draw, 1, 7), (2, 3), 13)
    attrs = {} if flag(draw) else {"alpha": 0.5, "beta": 0.6, "bias": 2.0}
    return net.case(net.op(op_type, x, size=choice(draw, 1, 3, 5), **attrs))


@case("Gelu", "Mish", "Swish")
def gated(draw: Draw, op_type: str) -> Case:
    net = Net(3 * image(draw), {"Gelu": 20, "Mish": 18, "Swish": 24}[op_type])
    attrs: dict[str, object] = {}
    if op_type == "Gelu":
        attrs = {"approximate": choice(draw, "none", "tanh")}
    elif op_type == "Swish" and flag(draw):
        attrs = {"alpha": 1.7}
    return net.case(net.op(op_type, "x", **attrs))


@case("Softsign", "ThresholdedRelu", "Sin", "Cos")
def smooth(draw: Draw, op_type: str) -> Case:
    net = Net(2 * image(draw), 18)
    attrs = {"alpha": 0.4} if op_type == "ThresholdedRelu" and flag(draw) else {}
    return net.case(net.op(op_type, "x", **attrs))


@case("ReduceL1", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")
def reduction(draw: Draw, op_type: str) -> Case:
    make = positive if op_type == "ReduceLogSum" else normal
    net = Net(make(draw, 2, 3, integer(draw, 1, 3), integer(draw, 1, 3)), opset(draw, 13))
    axes = [a for a in (1, 2, 3) if flag(draw)] or [2]
    return net.case(with_axes(net, op_type, "x", axes, 18, keepdims=integer(draw, 0, 1)))


@case("LpPool")
def lp_pool(draw: Draw, op_type: str) -> Case:
    attrs, sizes = window(draw, 2, ("NOTSET",), dilate=False)
    if attrs.pop("pads", None):
        sizes = tuple(n + k for n, k in zip(sizes, attrs["kernel_shape"], strict=True))
    net, x = spatial(draw, integer(draw, 1, 3), sizes, 18)
    return net.case(net.op(op_type, x, p=choice(draw, 1, 2, 3), **attrs))


@case("GlobalLpPool")
def global_lp_pool(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), 18)
    return net.case(net.op(op_type, "x", p=choice(draw, 1, 2, 3)))


@case("Attention")
def attention(draw: Draw, op_type: str) -> Case:
    """Three or four axes, shared keys, masks of both kinds, causal."""
    heads, shared, width, tokens = choice(draw, 1, 2), choice(draw, 1, 2), 2, integer(draw, 1, 4)
    keys, wide = integer(draw, 1, 4), integer(draw, 1, 3)
    net = Net(normal(draw, 2, 1, 3, 4), 23)
    flat = net.op("Reshape", "x", net.ints(0, 12))
    sizes = [(heads * shared, tokens, width), (heads, keys, width), (heads, keys, wide)]
    operands = []
    packed = flag(draw)
    for h, t, d in sizes:
        weight = net.const(normal(draw, 12, h * t * d) / 2)
        shape = (0, t, h * d) if packed else (0, h, t, d)
        operands.append(net.op("Reshape", net.op("MatMul", flat, weight), net.ints(*shape)))
    mask = choice(draw, "", "", "float", "bool")
    if mask == "float":
        operands.append(net.const(normal(draw, tokens, keys)))
    elif mask == "bool":
        allowed = np.random.default_rng(keys).random((tokens, keys)) > 0.4
        allowed[:, 0] = True
        operands.append(net.const(allowed, bool))
    attrs = {"q_num_heads": heads * shared, "kv_num_heads": heads} if packed else {}
    attrs |= {"is_causal": 1} if flag(draw) and mask != "bool" else {}
    attrs |= {"scale": 0.3} if flag(draw) else {}
    return net.case(net.op(op_type, *operands, **attrs))
