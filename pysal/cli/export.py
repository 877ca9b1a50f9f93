"""`pysal export`: write the gradient model, ready for production."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pysal.cli.console import emit, note
from pysal.errors import OptionError
from pysal.prepared import GRADIENT_KEY, PREPROCESS_KEY, forward_path
from pysal.preprocess import Preprocess

if TYPE_CHECKING:
    from pysal.export import PreparedModel


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="File; with tensorrt a folder.", show_default=False),
    ],
    rules: Annotated[str, typer.Option(help="Rule table of the backward pass.")] = "gradient",
    lowering: Annotated[
        str | None,
        typer.Option(help="Engine family of the new nodes: ort (default for onnx) or portable."),
    ] = None,
    taps: Annotated[
        list[str] | None, typer.Option(help="Layer whose activation is an output. Repeatable.")
    ] = None,
    preprocess: Annotated[
        Path | None, typer.Option(help="JSON record to carry. Default: the one beside MODEL.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="onnx, or tensorrt: plans.")] = "onnx",
    precision: Annotated[
        str | None, typer.Option(help="tensorrt: fp32 (default), tf32, fp16 or bf16.")
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help="tensorrt: images per run, 20 (default) or MIN:BEST:MAX.")
    ] = None,
    capability: Annotated[
        list[str] | None,
        typer.Option(help="TensorRT-RTX: targets. Default: 8.6,8.9,12.0. Repeatable."),
    ] = None,
    workspace: Annotated[int | None, typer.Option(help="tensorrt: MiB of scratch memory.")] = None,
    flavour: Annotated[
        str | None, typer.Option(help="tensorrt or tensorrt_rtx, where both are installed.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="tensorrt: folder that keeps plans and timings.")
    ] = None,
) -> None:
    """Append a backward pass to a model, in standard ONNX operators.

    Writes OUT, and beside it NAME.forward.onnx, which answers scores alone. Both run with numpy,
    onnxruntime and pysal alone, and carry the preprocessing record. With --format tensorrt, OUT is
    a folder of plans for TensorRT.
    """
    record = Preprocess.from_json(preprocess) if preprocess else Preprocess.beside(model)
    plan_options: dict[str, Any] = {
        **{"precision": precision, "batch": batch, "capability": capability},
        **{"workspace": workspace, "flavour": flavour, "cache": cache},
    }
    if form == "tensorrt":
        from pysal.cli.export_plans import export_plans

        carried = export_plans(model, out, rules, lowering, taps or (), record, **plan_options)
    elif form != "onnx":
        raise OptionError(f'format "{form}" is unknown; use onnx or tensorrt')
    elif given := [name for name, value in plan_options.items() if value]:
        raise OptionError(f"--{given[0]} is of --format tensorrt, and the format is onnx")
    else:
        carried = _export_onnx(model, out, rules, lowering or "ort", taps or (), record)
    if PREPROCESS_KEY not in carried:
        note(f"warning: {model} has no preprocessing record; give --preprocess FILE.json")


def _export_onnx(
    model: Path,
    out: Path,
    rules: str,
    lowering: str,
    taps: Sequence[str],
    record: Preprocess | None,
) -> set[str]:
    """Write the gradient model and its sibling; return the names of the records they carry."""
    from pysal.export import build_forward, build_gradient, prepare, save_model

    prepared = prepare(model)
    _carry(prepared, GRADIENT_KEY, {"rules": rules, "lowering": lowering})
    if record is not None:
        _carry(prepared, PREPROCESS_KEY, record.to_dict())
    graph = build_gradient(prepared, rules=rules, lowering=lowering, taps=taps)
    for path, built in ((out, graph), (forward_path(out), build_forward(prepared))):
        save_model(built, path)
        size = path.stat().st_size / 2**20
        emit(f"{path}: {len(built.graph.node)} nodes, {size:.1f} MiB")
    return {prop.key for prop in graph.metadata_props}


def _carry(prepared: PreparedModel, key: str, value: Any) -> None:
    """Put a record into the metadata of the models that will be built, in place of an old one."""
    props = prepared.model.metadata_props
    kept = [(prop.key, prop.value) for prop in props if prop.key != key]
    del props[:]
    for name, text in [*kept, (key, json.dumps(value))]:
        props.add(key=name, value=text)
