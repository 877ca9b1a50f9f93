"""`pysal export --explainer`: one file that explains, without pysal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysal.cli.console import emit, note
from pysal.errors import OptionError
from pysal.prepared import PREPROCESS_KEY
from pysal.preprocess import Preprocess

if TYPE_CHECKING:
    from pysal.export import PreparedModel


def write_explainer(
    prepared: PreparedModel,
    out: Path,
    method: str,
    record: Preprocess | None,
    **settings: Any,
) -> None:
    """Write a method and its network as one ONNX file; settings are those of `build_explainer`."""
    from pysal.export import build_explainer, save_model

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


def check_unused(given: dict[str, Any]) -> None:
    """Refuse options of the other kind of export; absent ones are None or False."""
    for name, value in given.items():
        if value:
            raise OptionError(
                f"{name} is given without --explainer; expected pysal export MODEL --explainer "
                "METHOD"
            )
