"""The true vector-Jacobian products, operator by operator; the rules are in the `_*` files."""

from __future__ import annotations

from . import _elementwise, _linear, _pooling, _reduction, _shape
from .table import RuleTable

GRADIENT = RuleTable("gradient")
GRADIENT.constant.update(
    (
        *("Shape", "Size", "Constant", "ConstantOfShape", "Range", "NonZero", "ArgMax", "ArgMin"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Xor"),
        *("Sign", "Floor", "Ceil", "Round", "IsNaN", "IsInf", "OneHot", "EyeLike"),
    )
)
for _group in (_elementwise, _linear, _pooling, _reduction, _shape):
    _group.register(GRADIENT)
