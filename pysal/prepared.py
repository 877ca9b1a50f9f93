"""Names inside prepared model files: what `export` writes and engines read. Needs no onnx."""

from __future__ import annotations

from pathlib import Path

INPUT = "input"
"""Stands for the image itself wherever a layer can be named."""
LOGITS = "pysal/logits"
PROBABILITIES = "pysal/probabilities"
SEED = "pysal/seed"
"""Cotangent of the logits, (N, K)."""
SEED_PROBABILITY = "pysal/seed_probability"
"""Cotangent of the probabilities, (N, K)."""
SEED_LOG_ODDS = "pysal/seed_log_odds"
"""In its place where a model has it: 1 at one class, for its log-odds log(p / (1 - p)), (N, K)."""
SEED_LAYER = "pysal/seed_layer"
"""Cotangent of the layer at which the walk starts, of the layer's own shape (N, ...)."""
INPUT_GRADIENT = "pysal/input_gradient"
GRADIENT_OF = "pysal/gradient/"
"""Prefix of the gradient at a layer."""
MULTIPLIER_OF = "pysal/multiplier/"
"""Prefix of the factors of a layer's channels, (N, Q, 1, 1) or (N, Q)."""

MODEL_KEY = "pysal.model"
"""Metadata: facts of the model, JSON."""
GRADIENT_KEY = "pysal.gradient"
"""Metadata: rule table and lowering of the backward pass, JSON."""
EXPLAINER_KEY = "pysal.explainer"
"""Metadata: what an explainer in one file does and was made from, JSON."""
PREPROCESS_KEY = "pysal.preprocess"
LABELS_KEY = "pysal.labels"


def gradient_name(wrt: str) -> str:
    """Output that holds the gradient at a layer or at the image."""
    return INPUT_GRADIENT if wrt == INPUT else GRADIENT_OF + wrt


def multiplier_name(layer: str) -> str:
    """Input that holds the factors of a layer's channels."""
    return MULTIPLIER_OF + layer


def forward_path(path: Path) -> Path:
    """Name of the scores-only model beside a gradient model."""
    return path.with_name(f"{path.stem}.forward.onnx")


def not_a_classifier(name: str) -> str:
    """What is wrong with opening an explainer in one file as a model."""
    return (
        f"{name} is an explainer in one file, not a classifier; run it with onnxruntime alone "
        "(docs/explainers.md), or give the model that it was made from"
    )
