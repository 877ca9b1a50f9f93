"""`pysal export`: write the gradient model, ready for production."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pysal.cli.console import emit, note
from pysal.cli.export_explainer import check_alone, check_unused, write_explainer
from pysal.cli.given import parse_options
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
    rules: Annotated[
        str | None, typer.Option(help="Rule table of the backward pass. Default: gradient.")
    ] = None,
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
    explainer: Annotated[
        str | None,
        typer.Option(
            help="Write a whole explainer instead: igos, integrated_gradients or gradcam.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Explainer: resolution of the map.")] = None,
    preset: Annotated[str | None, typer.Option(help="Explainer: a preset of the method.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Explainer: probability or logit.", show_default=False)
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option("--input", help="Explainer: float, uint8 (N, H, W, 3) or uint8-nchw."),
    ] = None,
    compact: Annotated[
        bool, typer.Option("--compact", help="Explainer: every weight once; slower on CPUs.")
    ] = False,
    ask_target: Annotated[
        bool, typer.Option("--ask-target", help="Explainer: target must be given; for JavaScript.")
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="Explainer: NAME=VALUE of the method. Repeatable."),
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
    a folder of plans for TensorRT. With --explainer, OUT is one file from image to map, which runs
    with any ONNX Runtime and without pysal.
    """
    record = Preprocess.from_json(preprocess) if preprocess else Preprocess.beside(model)
    plans: dict[str, Any] = {
        **{"precision": precision, "batch": batch, "capability": capability},
        **{"workspace": workspace, "flavour": flavour, "cache": cache},
    }
    explain: dict[str, Any] = {
        **{"size": size, "preset": preset, "kind": kind, "input": pixels},
        **{"compact": compact or None, "ask_target": ask_target or None},
    }
    if form not in ("onnx", "tensorrt"):
        raise OptionError(f'format "{form}" is unknown; use onnx or tensorrt')
    if form == "onnx":
        check_unused(plans, "--format tensorrt")
    if explainer is None:
        check_unused({**explain, "option": option}, "--explainer METHOD")
        walk = rules or "gradient", lowering, taps or (), record
        if form == "onnx":
            _warn_without_record(model, _write_gradient(model, out, *walk))
        else:
            from pysal.cli.export_plans import export_plans

            _warn_without_record(model, export_plans(model, out, *walk, **plans))
        return
    check_alone({"rules": rules, "taps": taps, "format tensorrt": form == "tensorrt"})
    chosen = {name: value for name, value in explain.items() if value is not None}
    chosen |= parse_options(option or [])
    write_explainer(model, out, explainer, record, lowering=lowering or "ort", **chosen)


def _write_gradient(
    model: Path,
    out: Path,
    rules: str,
    lowering: str | None,
    taps: Sequence[str],
    record: Preprocess | None,
) -> set[str]:
    """Write the gradient model and its sibling; return the names of the records they carry."""
    from pysal.export import build_forward, build_gradient, prepare, save_model

    prepared, lowering = prepare(model), lowering or "ort"
    _carry(prepared, GRADIENT_KEY, {"rules": rules, "lowering": lowering})
    if record is not None:
        _carry(prepared, PREPROCESS_KEY, record.to_dict())
    graph = build_gradient(prepared, rules=rules, lowering=lowering, taps=taps)
    for path, built in ((out, graph), (forward_path(out), build_forward(prepared))):
        save_model(built, path)
        size = path.stat().st_size / 2**20
        emit(f"{path}: {len(built.graph.node)} nodes, {size:.1f} MiB")
    return {prop.key for prop in graph.metadata_props}


def _warn_without_record(model: Path, carried: set[str]) -> None:
    if PREPROCESS_KEY not in carried:
        note(f"warning: {model} has no preprocessing record; give --preprocess FILE.json")


def _carry(prepared: PreparedModel, key: str, value: Any) -> None:
    """Put a record into the metadata of the models that will be built, in place of an old one."""
    props = prepared.model.metadata_props
    kept = [(prop.key, prop.value) for prop in props if prop.key != key]
    del props[:]
    for name, text in [*kept, (key, json.dumps(value))]:
        props.add(key=name, value=text)
