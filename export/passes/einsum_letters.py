"""Write the subscripts of Einsum in small letters: TensorRT's parser knows no others.

Renaming letters changes nothing; equations with more than 26 of them stay as they are.
"""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

import onnx


def lower_letters(model: onnx.ModelProto) -> int:
    """Rename in place; return the number of equations that were changed."""
    changed = 0
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Einsum" and attribute.name == "equation":
                old = attribute.s.decode()
                new = renamed(old)
                attribute.s = new.encode()
                changed += new != old
    return changed


def renamed(equation: str) -> str:
    """An equation with a small letter in the place of every capital one."""
    capitals = sorted(set(equation) & set(ascii_uppercase))
    free = [letter for letter in ascii_lowercase if letter not in equation]
    if len(capitals) > len(free) or ("->" not in equation and capitals):
        return equation
    for capital, letter in zip(capitals, free, strict=False):
        equation = equation.replace(capital, letter)
    return equation
