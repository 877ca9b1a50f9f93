"""Gradient models: an ONNX classifier plus a backward pass in standard ONNX operators."""

from .build import PreparedModel, build_forward, build_gradient, prepare, unsupported_ops
from .save import save_model

__all__ = [
    "PreparedModel",
    "build_forward",
    "build_gradient",
    "prepare",
    "save_model",
    "unsupported_ops",
]
