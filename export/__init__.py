"""Gradient models: an ONNX classifier plus a backward pass in standard ONNX operators."""

from .build import build_forward, build_gradient, build_scaled, unsupported_ops
from .explainers import EXPLAINERS, build_explainer
from .model import PreparedModel, prepare
from .save import save_model

__all__ = [
    "EXPLAINERS",
    "PreparedModel",
    "build_explainer",
    "build_forward",
    "build_gradient",
    "build_scaled",
    "prepare",
    "save_model",
    "unsupported_ops",
]
