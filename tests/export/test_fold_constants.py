"""What is computed from shapes becomes constants, and means the same for every batch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from checker import Case, Net, check, reference, run

from pysal.export import PreparedModel, prepare
from pysal.export.passes.einsum_letters import renamed

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype(np.float32)


def folded(case: Case) -> PreparedModel:
    """The prepared model, after the same scores were seen for batches of 1 to 3."""
    prepared = prepare(case.model)
    for count in (1, 2, 3):
        x = np.random.default_rng(count).normal(size=(count, *case.x.shape[1:]))
        name = case.model.graph.input[0].name
        (expected,) = reference(case.model, {name: x})
        (found,) = run(prepared.model, {name: x}).values()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    return prepared


def kinds(prepared: PreparedModel) -> list[str]:
    return [node.op_type for node in prepared.model.graph.node]


def size_of(net: Net, axis: int, value: str = "x") -> str:
    """One size of a value as exporters compute it, of shape (1,)."""
    size = net.op("Gather", net.op("Shape", value), net.const(axis, np.int64), axis=0)
    return net.op("Unsqueeze", size, net.ints(0))


def target_of(prepared: PreparedModel, index: int = 0) -> list[int]:
    """Constant target of a Reshape."""
    node = [n for n in prepared.model.graph.node if n.op_type == "Reshape"][index]
    weights = {i.name: i for i in prepared.model.graph.initializer}
    return onnx.numpy_helper.to_array(weights[node.input[1]]).tolist()


def test_a_target_with_the_batch_in_its_place_copies_it() -> None:
    net = Net(IMAGE)
    area = net.op("Mul", size_of(net, 2), size_of(net, 3))
    target = net.op("Concat", size_of(net, 0), size_of(net, 1), area, axis=0)
    prepared = folded(net.case(net.op("Reshape", net.op("Tanh", "x"), target)))
    assert target_of(prepared) == [0, 3, 24]


def test_windows_go_into_the_batch_and_back() -> None:
    """As in Swin: (N, C, h, w) to (2 N, C, h / 2, w), something, and back."""
    net = Net(IMAGE)
    batch = size_of(net, 0)
    y = net.op("Reshape", net.op("Transpose", "x", perm=[0, 2, 1, 3]), net.ints(-1, 2, 3, 6))
    y = net.op("Softmax", y, axis=-1)
    number = net.op("Div", size_of(net, 0, y), net.ints(2))
    back = net.op("Concat", number, net.ints(2, 2, 3, 6), axis=0)
    y = net.op("Tanh", net.op("Reshape", y, back))
    y = net.op("Reshape", y, net.op("Concat", batch, net.ints(4, 3, 6), axis=0))
    case = net.case(y)
    assert target_of(folded(case), 1) == [-1, 2, 2, 3, 6]
    check(case)


def test_indices_from_a_range_are_constants() -> None:
    net = Net(IMAGE)
    width = net.op("Gather", net.op("Shape", "x"), net.const(3, np.int64), axis=0)
    zero, two = net.const(0, np.int64), net.const(2, np.int64)
    case = net.case(net.op("Gather", "x", net.op("Range", zero, width, two), axis=3))
    assert "Range" not in kinds(folded(case))
    check(case)


def test_a_token_that_is_repeated_for_every_image_has_a_known_shape() -> None:
    net = Net(IMAGE)
    shape = net.op("Concat", size_of(net, 0), net.ints(1, -1, -1), axis=0)
    ones = net.op("ConstantOfShape", net.ints(4))
    ones = net.op("Add", net.op("Cast", ones, to=7), net.ints(1))
    taken = net.op("Where", net.op("Equal", shape, net.ints(-1)), ones, shape)
    token = net.op("Expand", net.const(np.ones((1, 1, 4, 6))), taken)
    case = net.case(net.op("Tanh", net.op("Concat", token, "x", axis=1)))
    prepared = folded(case)
    assert prepared._graph.shape(token) == (None, 1, 4, 6)
    check(case)


@pytest.mark.parametrize("turned", [False, True])
def test_strides_become_a_choice_within_each_image(turned: bool) -> None:
    """Gather from the flattened batch, with indices n M + i."""
    net = Net(IMAGE)
    per_image = np.arange(72).reshape(1, 12, 6)
    per_image = per_image.swapaxes(1, 2) if turned else per_image
    numbers = net.op(
        "Range", net.const(0, np.int64), net.op("Squeeze", size_of(net, 0)), net.const(1, np.int64)
    )
    begin = net.op("Mul", net.op("Unsqueeze", numbers, net.ints(1, 2)), net.const(72, np.int64))
    indices = net.op("Add", begin, net.const(per_image, np.int64))
    flat = net.op("Reshape", net.op("Tanh", "x"), net.ints(-1))
    case = net.case(net.op("Gather", flat, indices, axis=0))
    assert ("Gather" in kinds(folded(case))[-4:]) == turned
    check(case)


def test_what_depends_on_the_batch_stays() -> None:
    net = Net(IMAGE)
    count = net.op("Cast", size_of(net, 0), to=1)
    prepared = folded(net.case(net.op("Div", "x", count)))
    assert {"Shape", "Cast"} <= set(kinds(prepared))


@pytest.mark.parametrize("opset", [11, 18])
def test_weights_that_are_standardized_in_the_file_are_constants(opset: int) -> None:
    net = Net(IMAGE, opset)
    weight = net.const(np.random.default_rng(1).normal(size=(1, 4, 27)))
    stats = [net.const(np.full(4, v)) for v in (1.5, 0.5, 0.0, 1.0)]
    old = {"outputs": 5}  # what said so before there was an attribute
    mode = old if opset < 14 else {"outputs": 3, "training_mode": 1}
    even, *_ = net.op("BatchNormalization", weight, *stats, epsilon=1e-5, **mode)
    case = net.case(net.op("Conv", "x", net.op("Reshape", even, net.ints(4, 3, 3, 3))))
    prepared = prepare(case.model)
    assert "BatchNormalization" not in kinds(prepared)
    check(case)


def test_subscripts_are_small_letters() -> None:
    assert renamed("BGHID,BGHJD->BGHIJ") == "acdeb,acdfb->acdef"
    assert renamed("bhid,bhjd->bhij") == "bhid,bhjd->bhij"
    assert renamed("Ab,bC") == "Ab,bC"  # the order of the output is that of the alphabet


def test_a_file_for_one_image_takes_any_number() -> None:
    """Windows of an image and back, with sizes that were fixed at a batch of one."""
    net = Net(IMAGE[:1])
    y = net.op("Reshape", net.op("Tanh", "x"), net.ints(1, 3, 2, 2, 6))
    y = net.op("Transpose", y, perm=[0, 2, 1, 3, 4])
    y = net.op("Softmax", net.op("Reshape", y, net.ints(2, 3, 2, 6)), axis=3)
    table = net.op("Reshape", net.const(np.arange(6.0)), net.ints(1, 2, 3))  # no image in it
    y = net.op("Mul", y, net.op("Reshape", table, net.ints(1, 1, 1, 6)))
    y = net.op("Reshape", y, net.ints(1, 2, 3, 2, 6))
    assert_opened(net.case(net.op("Transpose", y, perm=[0, 2, 1, 3, 4])))


def test_tokens_first_and_a_class_token_of_one_image() -> None:
    """As in torch's attention: (T, N, D) to (T, N heads, d) and back, the token a constant."""
    net = Net(IMAGE[:1])
    y = net.op("Reshape", net.op("Tanh", "x"), net.ints(1, 12, 6))
    y = net.op("Concat", net.const(np.arange(6.0).reshape(1, 1, 6)), y, axis=1)
    y = net.op("Transpose", y, perm=[1, 0, 2])
    heads = net.op("Reshape", y, net.ints(13, 2, 3))
    heads = net.op("Softmax", net.op("Transpose", heads, perm=[1, 0, 2]), axis=1)
    y = net.op("Reshape", net.op("Transpose", heads, perm=[1, 0, 2]), net.ints(13, 1, 6))
    assert_opened(net.case(net.op("Transpose", y, perm=[1, 0, 2])))


def assert_opened(case: Case) -> None:
    """Scores of images together are those of each alone, and the gradient is right."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(case.model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    prepared = prepare(fixed)
    alone = [next(iter(run(case.model, {"x": image[None]}).values())) for image in IMAGE]
    (both,) = run(prepared.model, {"x": IMAGE}).values()
    np.testing.assert_allclose(both, np.concatenate(alone), rtol=1e-5, atol=1e-5)
    check(Case(fixed, IMAGE[:1]))


def test_quantized_weights_stay_integers() -> None:
    """Engines run integer kernels where they find DequantizeLinear, so it is left on constants."""
    net = Net(IMAGE, opset=21)
    integers = net.const(np.arange(-6, 6), np.int8)
    weights = net.op("DequantizeLinear", integers, net.const(0.25), net.const(0, np.int8))
    weights = net.op("Reshape", weights, net.ints(4, 3, 1, 1))
    prepared = folded(net.case(net.op("Conv", "x", weights)))
    assert "DequantizeLinear" in kinds(prepared)
    assert "Reshape" in kinds(prepared)
