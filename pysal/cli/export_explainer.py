"""`pysal export --explainer`: one file that explains, without pysal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pysal.cli.console import emit, note
from pysal.errors import OptionError
from pysal.prepared import PREPROCESS_KEY
from pysal.preprocess import Preprocess


def write_explainer(
    model: Path,
    out: Path,
    method: str,
    record: Preprocess | None,
    **settings: Any,
) -> None:
    """Write a method and its network as one ONNX file; settings are those of `build_explainer`."""
    from pysal.export import build_explainer, prepare, save_model

    prepared = prepare(model)
    own = {prop.key for prop in prepared.model.metadata_props}
    built = build_explainer(prepared, method, preprocess=record, **settings)
    save_model(built, out)
    opset = next(o.version for o in built.opset_import)
    size = out.stat().st_size / 2**20
    emit(f"{out}: {method}, {size:.1f} MiB, operator set {opset}")
    if record is None and PREPROCESS_KEY not in own:
        note(
            f"warning: {prepared.name} has no preprocessing record, ImageNet's was assumed; give "
            "--preprocess FILE.json"
        )


def check_unused(given: dict[str, Any], owner: str) -> None:
    """Refuse options of another kind of export; absent ones are None, False or empty."""
    for name, value in given.items():
        if value:
            raise OptionError(
                f"--{name.replace('_', '-')} is given without {owner}; expected pysal export MODEL "
                f"{owner}"
            )


def check_alone(given: dict[str, Any]) -> None:
    """Refuse what has no meaning for an explainer."""
    for name, value in given.items():
        if value:
            raise OptionError(f"--{name} and --explainer are given; expected one of them")
