"""What `pysal info MODEL` reports: read from the file, without an engine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pysal.prepared import EXPLAINER_KEY, LABELS_KEY, MODEL_KEY
from pysal.preprocess import Preprocess


def read_facts(path: Path) -> dict[str, Any]:
    """Facts about a model file; operators without a gradient are facts, not errors.

    Raises
    ------
    InputError, ModelFormatError
        If the file cannot be read or is no image classifier.
    """
    from pysal.export import prepare, unsupported_ops
    from pysal.export.passes.read import read_model

    model, sha256 = read_model(path)
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    if EXPLAINER_KEY in metadata:
        return _explainer_facts(path, model, sha256, metadata)
    no_rule: dict[str, list[str]] = {}
    if prepared := MODEL_KEY in metadata:
        found = json.loads(metadata[MODEL_KEY])
    else:
        parts = prepare(path)
        found = json.loads(parts.metadata()[MODEL_KEY])
        no_rule = unsupported_ops(parts)
    shape = tuple(found["input_shape"])
    record, origin = find_record(path, metadata, shape)
    return {
        "file": str(path),
        "size_bytes": path.stat().st_size,
        "sha256": sha256,
        "opset": found["opset"],
        "input": found["input"],
        "input_shape": shape,
        "output_kind": found["output_kind"],
        "classes": found["num_classes"],
        "layers": len(found["layers"]),
        "operators": dict(Counter(node.op_type for node in model.graph.node).most_common()),
        "prepared": prepared,
        "no_gradient_rule": no_rule,
        "preprocess": record.to_dict(),
        "preprocess_from": origin,
    }


def _explainer_facts(
    path: Path, model: Any, sha256: str, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """What an explainer in one file says of itself, and the form of its inputs and outputs."""
    found = json.loads(metadata[EXPLAINER_KEY])
    parent = found.pop("model")
    record, origin = find_record(path, metadata, tuple(parent["input_shape"]))
    weights = {tensor.name for tensor in model.graph.initializer}
    return {
        "file": str(path),
        "size_bytes": path.stat().st_size,
        "sha256": sha256,
        "explainer": found.pop("method"),
        "opset": max(o.version for o in model.opset_import),
        "inputs": [v.name + " (optional)" * (v.name in weights) for v in model.graph.input],
        "outputs": [value.name for value in model.graph.output],
        "input_form": found.pop("input"),
        **found,
        "made_from": parent,
        "preprocess": record.to_dict(),
        "preprocess_from": origin,
        "labels": metadata.get(LABELS_KEY) is not None or record.labels is not None,
    }


def find_record(
    path: Path, metadata: Mapping[str, str], input_shape: tuple[int, int, int]
) -> tuple[Preprocess, str]:
    """The preprocessing record of a model, found as engines find it, and where it comes from."""
    if text := metadata.get("pysal.preprocess"):
        return Preprocess.from_text(text, f"{path} metadata"), "the model's metadata"
    if (record := Preprocess.beside(path)) is not None:
        return record, str(path.with_suffix(".json"))
    return Preprocess.default(input_shape), "assumed (ImageNet); check it with --probe"
