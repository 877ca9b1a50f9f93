"""`ModelInfo` from the facts that a prepared model carries in its metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pysal.backends.record import find_labels
from pysal.types import ModelInfo


def info_of(
    facts: Mapping[str, Any],
    metadata: Mapping[str, str],
    engine: str,
    versions: Mapping[str, str],
    labels: Sequence[str] | str | os.PathLike[str] | None,
) -> ModelInfo:
    """What is known of a model on an engine.

    Parameters
    ----------
    facts : mapping
        The record `prepared.MODEL_KEY`, as `export.PreparedModel.metadata` writes it.
    metadata : mapping of str to str
        All records of the model.
    engine : str
        What runs it, in words.
    versions : mapping of str to str
        Of the packages that run it.
    labels
        As for `open_classifier`.
    """
    fields = facts.get("receptive_fields", {})
    return ModelInfo(
        name=facts["name"],
        input_shape=tuple(facts["input_shape"]),
        num_classes=facts["num_classes"],
        sha256=facts["sha256"],
        output_kind=facts["output_kind"],
        layers=tuple(facts["layers"]),
        cam_layer=facts.get("cam_layer") or "",
        contrast_layer=facts.get("contrast_layer") or "",
        feature_layers=tuple(facts.get("feature_layers", ())),
        layer_kinds=facts.get("feature_layers", {}),
        grids=facts.get("grids", {}),
        receptive_fields={name: field for name, field in fields.items() if field},
        engine=engine,
        versions=dict(versions),
        opset=facts["opset"],
        labels=find_labels(labels, metadata, facts["num_classes"]),
    )
