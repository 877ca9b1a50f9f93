"""Engine families and the forms in which primitives are written for them.

`portable` is understood by every engine (TensorRT's parser and OpenVINO included); `ort` overrides
what ONNX Runtime's CPU provider runs faster in another form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pysal.errors import OptionError

from . import _gates, _gates_ort, _smooth, _smooth_ort, ort, portable

Lowering = Mapping[str, Callable[..., Any]]

LOWERINGS: dict[str, Lowering] = {
    "portable": {**portable.FORMS, **_smooth.FORMS, **_gates.FORMS},
    "ort": {**ort.FORMS, **_smooth_ort.FORMS, **_gates_ort.FORMS},
}


def find_lowering(name: str) -> Lowering:
    """Return the forms of an engine family, or raise an OptionError that lists the families."""
    if name not in LOWERINGS:
        raise OptionError(f'lowering "{name}" is unknown; use one of {", ".join(LOWERINGS)}')
    return LOWERINGS[name]
