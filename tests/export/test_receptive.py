"""Receptive fields against the support of gradients, and against published numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from case_table import choice, drawn, flag, integer
from checker import Net, prepare
from hypothesis import given
from hypothesis import strategies as st
from naive_rules import naive
from zoo import Member

from pysal.errors import OptionError
from pysal.export.receptive import Field


def finish(net: Net, value: str) -> Any:
    return net.case(value).model


def windowed(draw: Any, net: Net, x: str) -> str:
    """A Conv with positive weights, or an average pool: everything in the window counts."""
    kernel = [integer(draw, 1, 4), integer(draw, 1, 3)]
    attrs: dict[str, Any] = {"strides": [integer(draw, 1, 2), integer(draw, 1, 2)]}
    attrs["pads"] = [integer(draw, 0, k // 2) for k in kernel * 2]
    if flag(draw):
        return net.op("AveragePool", x, kernel_shape=kernel, count_include_pad=1, **attrs)
    attrs["dilations"] = [integer(draw, 1, 2), 1]
    return net.op("Conv", x, net.const(np.ones((1, 1, *kernel))), **attrs)


@st.composite
def chains(draw: Any) -> tuple[Net, list[str]]:
    """Windows in a row, with steps in between that change nothing, and blocks with two ways."""
    net = Net(np.random.default_rng(0).uniform(1, 2, size=(1, 1, 40, 36)))
    x, named = "x", []
    for _ in range(integer(draw, 1, 3)):
        kind = choice(draw, "window", "window", "window", "padded", "branches", "turned")
        if kind == "window":
            x = net.op("Relu", windowed(draw, net, x))
        elif kind == "padded":
            x = net.op("Relu", net.op("Pad", x, net.ints(0, 0, 2, 1, 0, 0, 1, 0)))
        elif kind == "turned":
            turned = net.op("Transpose", x, perm=[0, 2, 3, 1])
            turned = net.op("MatMul", turned, net.const(np.ones((1, 1))))
            x = net.op("Transpose", turned, perm=[0, 3, 1, 2])
        else:
            wide = net.op("Conv", x, net.const(np.ones((1, 1, 5, 3))), pads=[2, 1, 2, 1])
            late = net.op("Conv", x, net.const(np.ones((1, 1, 1, 2))), pads=[0, 0, 0, 1])
            x = net.op("Add", net.op("Add", wide, late), x)
        named.append(x)
    return net, named


def support(model: Any, net: Net, layer: str, shape: Any, place: tuple[int, int]) -> list[Any]:
    """First and last row and column that an element depends on."""
    seed = np.zeros(shape, np.float32)
    seed[(0, 0, *place)] = 1.0
    grad = naive(model, "gradient", net.x, seed, start=layer)[0, 0]
    rows, columns = np.nonzero(grad)
    return [(rows.min(), rows.max()), (columns.min(), columns.max())] if rows.size else []


@drawn(60)
@given(drawn_net=chains(), draws=st.data())
def test_field_is_the_support_of_the_gradient(drawn_net: Any, draws: Any) -> None:
    net, named = drawn_net
    model = finish(net, named[-1])
    prepared = prepare(model)
    for layer in named:
        fields = prepared.receptive_field(layer)
        assert fields is not None
        infos = {v.name: v for v in prepared.model.graph.value_info}
        dims = infos[layer].type.tensor_type.shape.dim
        sizes = [d.dim_value for d in dims[2:]]
        place = tuple(integer(draws.draw, 0, n - 1) for n in sizes)
        seen = support(model, net, layer, (1, 1, *sizes), place)
        for field, i, n, ends in zip(fields, place, net.x.shape[2:], seen, strict=False):
            centre = field.centre + i * field.jump
            low, high = centre - (field.size - 1) / 2, centre + (field.size - 1) / 2
            inside = low >= 0 and high <= n - 1
            assert low == int(low)
            assert ends[0] >= low
            assert ends[1] <= high
            if inside:  # a dilated window may end beyond the image without touching its border
                assert ends == (low, high)


def test_published_fields(member: Callable[[str], Member]) -> None:
    """AlexNet's last pool and VGG-11's; the first block of ResNet-18."""
    for name, size, jump in (("alexnet", 195, 32), ("vgg11", 150, 32)):
        prepared = prepare(member(name).path)
        fields = prepared.receptive_field(prepared.last_spatial_layer)
        assert {(f.size, f.jump) for f in fields} == {(size, jump)}
    prepared = prepare(member("resnet18").path)
    conv, pool = (layer(prepared, op) for op in ("Conv", "MaxPool"))
    assert prepared.receptive_field(conv) == (Field(7, 2, 0.0),) * 2
    assert prepared.receptive_field(pool) == (Field(11, 4, 0.0),) * 2


def layer(prepared: Any, op_type: str) -> str:
    return next(n.output[0] for n in prepared.model.graph.node if n.op_type == op_type)


def test_global_fields_are_none(member: Callable[[str], Member]) -> None:
    prepared = prepare(member("mobilenet_v3_small").path)  # squeeze and excitation from the start
    assert prepared.receptive_field(layer(prepared, "Conv")) is not None
    assert prepared.receptive_field(prepared.last_spatial_layer) is None
    assert prepared.receptive_field(prepared.contrast_layer) is None


def test_channel_shuffle_leaves_fields_alone() -> None:
    net = Net(np.ones((1, 4, 6, 5)))
    x = net.op("Conv", "x", net.const(np.ones((4, 4, 3, 3))))
    y = net.op("Reshape", x, net.ints(-1, 2, 2, 4, 3))
    y = net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3, 4]), net.ints(-1, 4, 4, 3))
    prepared = prepare(finish(net, y))
    assert prepared.receptive_field(y) == (Field(3, 1, 1.0),) * 2


def test_unknown_layers_are_refused() -> None:
    net = Net(np.ones((1, 3, 6, 5)))
    prepared = prepare(finish(net, net.op("Relu", "x")))
    with pytest.raises(OptionError, match="conv9"):
        prepared.receptive_field("conv9")
