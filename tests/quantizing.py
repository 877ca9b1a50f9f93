"""Quantized files, made by ONNX Runtime's own tools from a float model and a few images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

QDQ, QOPERATOR = QuantFormat.QDQ, QuantFormat.QOperator
UINT8, INT8 = QuantType.QUInt8, QuantType.QInt8


class Images(CalibrationDataReader):
    """A batch, image by image."""

    def __init__(self, name: str, batch: np.ndarray) -> None:
        self._rows = iter([{name: batch[i : i + 1]} for i in range(len(batch))])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)


def quantized(model: Path, out: Path, batch: np.ndarray, **options: Any) -> Path:
    """Write the QDQ form of a float model: uint8 activations, int8 weights in 7 bits.

    7 bits, because without VNNI products of 8 by 8 bits saturate, and numbers differ by machine.
    """
    proto = onnx.load(model)
    weights = {tensor.name for tensor in proto.graph.initializer}
    name = next(value.name for value in proto.graph.input if value.name not in weights)
    if proto.opset_import[0].version < 13:  # scales per channel
        proto = onnx.version_converter.convert_version(proto, 13)
    ready = out.with_suffix(".pre.onnx")
    quant_pre_process(proto, str(ready))
    defaults = {"quant_format": QDQ, "activation_type": UINT8, "weight_type": INT8}
    settings = {**defaults, "reduce_range": True, **options}
    quantize_static(str(ready), str(out), Images(name, batch), **settings)
    return out
