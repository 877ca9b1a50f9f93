"""`pysal export`: write the gradient model, ready for production."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pysal.cli.console import emit, note
from pysal.prepared import GRADIENT_KEY, PREPROCESS_KEY, forward_path
from pysal.preprocess import Preprocess

if TYPE_CHECKING:
    from pysal.export import PreparedModel


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", show_default=False)],
    rules: Annotated[str, typer.Option(help="Rule table of the backward pass.")] = "gradient",
    lowering: Annotated[
        str, typer.Option(help="Engine family: ort (ONNX Runtime) or portable.")
    ] = "ort",
    taps: Annotated[
        list[str] | None, typer.Option(help="Layer whose activation is an output. Repeatable.")
    ] = None,
    preprocess: Annotated[
        Path | None, typer.Option(help="JSON record to carry. Default: the one beside MODEL.")
    ] = None,
) -> None:
    """Append a backward pass to a model, in standard ONNX operators.

    Writes OUT, and beside it NAME.forward.onnx, which answers scores alone. Both run with numpy,
    onnxruntime and pysal alone, and carry the preprocessing record.
    """
    from pysal.export import build_forward, build_gradient, prepare, save_model

    record = Preprocess.from_json(preprocess) if preprocess else Preprocess.beside(model)
    prepared = prepare(model)
    _carry(prepared, GRADIENT_KEY, {"rules": rules, "lowering": lowering})
    if record is not None:
        _carry(prepared, PREPROCESS_KEY, record.to_dict())
    graph = build_gradient(prepared, rules=rules, lowering=lowering, taps=taps or ())
    for path, built in ((out, graph), (forward_path(out), build_forward(prepared))):
        save_model(built, path)
        size = path.stat().st_size / 2**20
        emit(f"{path}: {len(built.graph.node)} nodes, {size:.1f} MiB")
    if not any(prop.key == PREPROCESS_KEY for prop in graph.metadata_props):
        note(f"warning: {model} has no preprocessing record; give --preprocess FILE.json")


def _carry(prepared: PreparedModel, key: str, value: Any) -> None:
    """Put a record into the metadata of the models that will be built, in place of an old one."""
    props = prepared.model.metadata_props
    kept = [(prop.key, prop.value) for prop in props if prop.key != key]
    del props[:]
    for name, text in [*kept, (key, json.dumps(value))]:
        props.add(key=name, value=text)
