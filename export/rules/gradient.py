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
    *(_shape, _indexing, _padding, _resize),
)
for _group in _GROUPS:
    _group.register(GRADIENT)
