"""`pysal export`: write the gradient model, ready for production."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pysal.cli.console import emit, note
from pysal.cli.export_explainer import check_unused, write_explainer
from pysal.cli.given import parse_options
from pysal.errors import OptionError
from pysal.prepared import GRADIENT_KEY, PREPROCESS_KEY, forward_path
from pysal.preprocess import Preprocess

if TYPE_CHECKING:
    from pysal.export import PreparedModel


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", show_default=False)],
    rules: Annotated[
        str | None, typer.Option(help="Rule table of the backward pass. Default: gradient.")
    ] = None,
    lowering: Annotated[
        str, typer.Option(help="Engine family: ort (ONNX Runtime) or portable.")
    ] = "ort",
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
) -> None:
    """Append a backward pass to a model, in standard ONNX operators.

    Writes OUT, and beside it NAME.forward.onnx, which answers scores alone. Both run with numpy,
    onnxruntime and pysal alone, and carry the preprocessing record. With --explainer, OUT is one
    file from image to map, which runs with any ONNX Runtime and without pysal.
    """
    from pysal.export import prepare

    record = Preprocess.from_json(preprocess) if preprocess else Preprocess.beside(model)
    named = {"size": size, "preset": preset, "kind": kind, "input": pixels}
    named |= {"compact": compact or None, "ask_target": ask_target or None}
    given = {name: value for name, value in named.items() if value is not None}
    if explainer is None:
        check_unused({f"--{name.replace('_', '-')}": True for name in given})
        check_unused({"--option": option})
        _write_gradient(prepare(model), out, rules or "gradient", lowering, taps or (), record)
        return
    for name, value in (("--rules", rules), ("--taps", taps)):
        if value:
            raise OptionError(f"{name} and --explainer are given; expected one of them")
    options = {**given, **parse_options(option or [])}
    write_explainer(prepare(model), out, explainer, record, lowering=lowering, **options)


def _write_gradient(
    prepared: PreparedModel,
    out: Path,
    rules: str,
    lowering: str,
    taps: Sequence[str],
    record: Preprocess | None,
) -> None:
    """Write the gradient model and its scores-only sibling."""
    from pysal.export import build_forward, build_gradient, save_model

    _carry(prepared, GRADIENT_KEY, {"rules": rules, "lowering": lowering})
    if record is not None:
        _carry(prepared, PREPROCESS_KEY, record.to_dict())
    graph = build_gradient(prepared, rules=rules, lowering=lowering, taps=taps)
    for path, built in ((out, graph), (forward_path(out), build_forward(prepared))):
        save_model(built, path)
        size = path.stat().st_size / 2**20
        emit(f"{path}: {len(built.graph.node)} nodes, {size:.1f} MiB")
    if not any(prop.key == PREPROCESS_KEY for prop in graph.metadata_props):
        note(f"warning: {prepared.name} has no preprocessing record; give --preprocess FILE.json")


def _carry(prepared: PreparedModel, key: str, value: Any) -> None:
    """Put a record into the metadata of the models that will be built, in place of an old one."""
    props = prepared.model.metadata_props
    kept = [(prop.key, prop.value) for prop in props if prop.key != key]
    del props[:]
    for name, text in [*kept, (key, json.dumps(value))]:
        props.add(key=name, value=text)
