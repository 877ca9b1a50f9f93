"""The true vector-Jacobian products, operator by operator; the rules are in the `_*` files."""

from __future__ import annotations

from . import (
    _attention,
    _einsum,
    _elementwise,
    _indexing,
    _linear,
    _normalization,
    _padding,
    _pooling,
    _quantization,
    _reduction,
    _resize,
    _shape,
    _smooth,
)
from .table import RuleTable

GRADIENT = RuleTable("gradient")
GRADIENT.constant.update(
    (
        *("Shape", "Size", "Constant", "ConstantOfShape", "Range", "NonZero", "ArgMax", "ArgMin"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Xor"),
        *("Sign", "Floor", "Ceil", "Round", "IsNaN", "IsInf", "OneHot", "EyeLike"),
    )
)
_GROUPS = (
    *(_elementwise, _smooth, _linear, _attention, _einsum, _normalization, _pooling, _reduction),
    *(_shape, _indexing, _padding, _resize, _quantization),
)
for _group in _GROUPS:
    _group.register(GRADIENT)

UNCLIPPED = GRADIENT.overlay("gradient_unclipped", QuantizeLinear=_quantization.quantize_unclipped)
"""The gradient of quantized networks that leaves clipping out as well as rounding.

The default stops where a value was clipped to the range of its integers. This table stops only at
ReLUs, those that quantizers have absorbed included, and reads their state from the quantized value:
the forward nodes keep being run as integer kernels, so scores are those of the file to the bit.
Without quantization both tables are the same.
"""
