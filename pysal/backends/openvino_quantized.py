"""Quantized models on OpenVINO: what it computes wrong is refused, or written for it otherwise."""

from __future__ import annotations

from typing import Any

import openvino as ov

from pysal.errors import CapabilityError

LEVELS = 256
"""Steps of 8 bits. OpenVINO takes the rounding of more out of a model, and its range with it."""
PRODUCTS = {"MatMul", "Convolution", "GroupConvolution"}
PRODUCTS |= {"ConvolutionBackpropData", "GroupConvolutionBackpropData"}
DECODING = {"Convert", "Subtract", "Multiply", "Reshape", "Transpose", "Squeeze", "Unsqueeze"}
"""Operators between integers and the operator that reads the numbers they stand for."""
INTEGERS = {ov.Type.i4, ov.Type.u4, ov.Type.i8, ov.Type.u8, ov.Type.i16, ov.Type.u16}


def refuse_wide(model: ov.Model) -> None:
    """Refuse values in 16 bits, which OpenVINO 2026.4 computes wrong without saying so.

    It drops their rounding, and with it the range that a ReLU may have been left to.

    Raises
    ------
    CapabilityError
    """
    for node in model.get_ops():
        if node.get_type_name() == "FakeQuantize" and node.get_attributes()["levels"] > LEVELS:
            raise CapabilityError(
                "the model rounds values to 16 bits and OpenVINO computes these wrong; use "
                'engine "ort", or quantize activations to 8 bits'
            )


def decode_weights(model: ov.Model, core: ov.Core) -> None:
    """Write integer weights as floats where they meet values that are not quantized.

    There OpenVINO 2026.4 multiplies by integers and scales the result, as if every scale belonged
    to an output. In a backward pass scales per channel run along the axis that is summed over, and
    the product is wrong. Where both factors are integers nothing is changed, and integer kernels
    run.
    """
    found: dict[tuple[str, int], tuple[Any, list[Any]]] = {}
    for node in model.get_ops():
        if node.get_output_size() and _fixed(node.output(0)):
            continue
        for port in node.inputs():
            source = port.get_source_output()
            if _decodes(source) and not _on_integers(node, port.get_index()):
                key = source.get_node().get_friendly_name(), source.get_index()
                found.setdefault(key, (source, []))[1].append(port)
    if not found:
        return
    sources = [source for source, _ in found.values()]
    values = core.compile_model(ov.Model(sources, []), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    numbers = values([])
    for i, (_, ports) in enumerate(found.values()):
        constant = ov.op.Constant(numbers[i])
        for port in ports:
            port.replace_source_output(constant.output(0))


def _decodes(value: Any) -> bool:
    """Whether a value is integers of the model's own, as the numbers they stand for."""
    scaled, at = False, value
    while (node := at.get_node()).get_type_name() in DECODING:
        scaled |= node.get_type_name() == "Multiply"
        at = node.input_value(0)
    whole = node.get_type_name() == "FakeQuantize" or at.get_element_type() in INTEGERS
    return scaled and whole and _fixed(value)


def _fixed(value: Any) -> bool:
    """Whether a value is the model's own, as it is, rounded or decoded."""
    node = value.get_node()
    if node.get_type_name() in {*DECODING, "FakeQuantize"}:
        return all(map(_fixed, node.input_values()))
    return bool(node.get_type_name() == "Constant")


def _on_integers(node: Any, port: int) -> bool:
    """Whether the other factor of a product is a rounded value."""
    if node.get_type_name() not in PRODUCTS:
        return False
    other = node.input_value(1 - port).get_node()
    while other.get_type_name() in DECODING:
        other = other.input_value(0).get_node()
    return bool(other.get_type_name() == "FakeQuantize")
