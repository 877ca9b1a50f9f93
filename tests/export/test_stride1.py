"""The stride-1 rules: strided Convs and pools of any geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from case_table import FAMILY, choice, drawn, flag, integer, normal
from cases_linear import window
from checker import Net, gradient, prepare
from hypothesis import given
from hypothesis import strategies as st
from naive_rules import naive
from table_judge import LOWERING, assert_same, seeds


@drawn(120)
@given(draws=st.data(), lowering=FAMILY)
def test_strided_convs_of_any_geometry(draws: Any, lowering: str) -> None:
    draw = draws.draw
    kinds = ("NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    attrs, sizes = window(draw, choice(draw, 2, 2, 1, 3), kinds, dilate=True)
    group, each, out = choice(draw, 1, 2, 3), integer(draw, 1, 2), integer(draw, 1, 3)
    channels = group * each
    flat = (int(np.prod(sizes[:-1])), sizes[-1])
    net = Net(normal(draw, 2, channels, *flat))
    x = net.op("Reshape", "x", net.ints(0, channels, *sizes))
    weight = net.const(normal(draw, group * out, each, *attrs["kernel_shape"]))
    case = net.case(net.op("Conv", x, weight, group=group, **attrs))
    seed = seeds("", 2)
    expected = naive(case.model, "stride1_deconv", net.image, seed)
    found = gradient(
        prepare(case.model), net.image, seed, rules="stride1_deconv", lowering=lowering
    )
    assert_same(found["pysal/input_gradient"], expected)


@drawn(80)
@given(draws=st.data(), lowering=FAMILY, op_type=st.sampled_from(["MaxPool", "AveragePool"]))
def test_strided_pools_of_any_geometry(draws: Any, lowering: str, op_type: str) -> None:
    draw = draws.draw
    attrs, sizes = window(draw, 2, ("NOTSET",), dilate=op_type == "MaxPool")
    kernel, dilations = attrs["kernel_shape"], attrs.get("dilations", [1, 1])
    pads = attrs.get("pads", [0] * 4)
    attrs["pads"] = [min(p, k // 2) for p, k in zip(pads, kernel * 2, strict=True)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    sizes = [max(n, r) for n, r in zip(sizes, reach, strict=True)]
    if flag(draw):
        attrs["ceil_mode"] = 1
    net = Net(normal(draw, 2, integer(draw, 1, 3), *sizes))
    case = net.case(net.op(op_type, "x", **attrs))
    seed = seeds("", 2)
    expected = naive(case.model, "stride1_deconv_pool", net.image, seed)
    options = {"rules": "stride1_deconv_pool", "lowering": lowering}
    found = gradient(prepare(case.model), net.image, seed, **options)
    assert_same(found["pysal/input_gradient"], expected)


@LOWERING
@pytest.mark.parametrize(("size", "kernel", "stride", "dense"), [(224, 11, 4, 214), (64, 7, 2, 64)])
def test_the_resize_is_nearest_exact_of_torch(
    size: int, kernel: int, stride: int, dense: int, lowering: str
) -> None:
    """The first layers of VGG-F (no padding) and of ResNet (padding 3)."""
    rng, pads = np.random.default_rng(5), 3 if kernel == 7 else 0
    net = Net(rng.normal(size=(1, 3, size, size)))
    weight = rng.normal(size=(2, 3, kernel, kernel)).astype(np.float32)
    y = net.op("Conv", "x", net.const(weight), strides=[stride] * 2, pads=[pads] * 4)
    count = (size + 2 * pads - kernel) // stride + 1
    model = net.model(net.op("Flatten", y), ("N", 2 * count**2))
    seed = rng.normal(size=(1, 2, count, count)).astype(np.float32)
    flat = seed.reshape(1, -1)
    found = gradient(prepare(model), net.x, flat, rules="stride1_deconv", lowering=lowering)
    resized = F.interpolate(torch.from_numpy(seed), (dense, dense), mode="nearest-exact")
    expected = F.conv_transpose2d(resized, torch.from_numpy(weight), padding=pads)
    assert_same(found["pysal/input_gradient"], expected.numpy())


@LOWERING
def test_without_strides_it_is_guided_backpropagation(lowering: str) -> None:
    rng = np.random.default_rng(6)
    net = Net(rng.normal(size=(2, 3, 9, 8)))
    x = net.op("Relu", net.op("Conv", "x", net.const(rng.normal(size=(4, 3, 3, 3)))))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    x = net.op("Relu", net.op("Conv", x, net.const(rng.normal(size=(5, 4, 2, 2)))))
    case = net.case(net.op("AveragePool", x, kernel_shape=[2, 2]))
    found = [
        gradient(prepare(case.model), case.x, seeds("", 2), rules=rules, lowering=lowering)
        for rules in ("guided_backprop", "stride1_deconv", "stride1_deconv_pool")
    ]
    name = "pysal/input_gradient"
    np.testing.assert_array_equal(found[0][name], found[1][name])
    np.testing.assert_allclose(found[0][name], found[2][name], rtol=1e-6, atol=1e-6)
