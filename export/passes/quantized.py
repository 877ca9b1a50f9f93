"""Quantized models in the operators that the other passes know; what is computed stays the same."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from ..quantized import PAIR
from .read import to_opset

CONTRIB = "com.microsoft"
WIDE_OPSET = 21
"""From here on QuantizeLinear and DequantizeLinear take 16-bit integers themselves."""
ENDS = {"QLinearSoftmax": "Softmax", "QLinearSigmoid": "Sigmoid"}


def standard_pairs(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Move QuantizeLinear and DequantizeLinear of ONNX Runtime's own domain to the standard one.

    Older quantizers write them there for 16-bit integers, which the standard operators have taken
    since operator set 21; the model is converted to it where it is needed.
    """
    own = [n for n in model.graph.node if n.op_type in PAIR and n.domain == CONTRIB]
    if not own:
        return model
    narrow = {TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32}
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    zeros = {kinds.get(node.input[2]) for node in own if len(node.input) > 2}
    if not zeros <= narrow:
        model = to_opset(model, name, WIDE_OPSET)
    for node in model.graph.node:
        if node.op_type in PAIR and node.domain == CONTRIB:
            node.domain = ""
    return model


def real_ends(model: onnx.ModelProto) -> int:
    """Write quantized softmaxes and sigmoids as a pair around the real ones, in place.

    Models of the QOperator format end in one; the logits are its input, dequantized. Scores are
    taken there, so the operator itself is not run.

    Returns
    -------
    int
        Number of operators rewritten.
    """
    nodes: list[onnx.NodeProto] = []
    count = 0
    for node in model.graph.node:
        if node.op_type not in ENDS or node.domain != CONTRIB:
            nodes.append(node)
            continue
        x, x_scale, x_zero, y_scale, y_zero = (*node.input, "")[:5]
        real, score = f"{node.output[0]}/real", f"{node.output[0]}/score"
        kept = [a for a in node.attribute if a.name == "axis"]
        end = helper.make_node(ENDS[node.op_type], [real], [score], name=score)
        end.attribute.extend(kept)
        back = [score, y_scale, *([y_zero] if y_zero else [])]
        nodes += [
            helper.make_node("DequantizeLinear", [x, x_scale, x_zero], [real], name=real),
            end,
            helper.make_node("QuantizeLinear", back, [node.output[0]], name=node.output[0]),
        ]
        count += 1
    if count:
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del model.graph.node[:]
        model.graph.node.extend(copies)
    return count
