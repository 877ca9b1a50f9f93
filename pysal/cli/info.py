"""`pysal info`: what is installed, what a model file holds, which preprocessing fits it."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from pysal.cli.console import emit, emit_json, emit_table
from pysal.errors import OptionError

if TYPE_CHECKING:
    from pysal.preprocess import Preprocess

MANY = 8
"""Entries of a list that are shown to people; JSON has them all."""


def info(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)
    ] = None,
    probe: Annotated[
        list[Path] | None,
        typer.Option(help="Photo to try plausible preprocessing records on. Repeat: 5 or more."),
    ] = None,
    engine: Annotated[str, typer.Option(help="Engine of the probe and precision.")] = "auto",
    precision: Annotated[
        str | None,
        typer.Option(help="Compare bf16 or fp16 with float32 on the model.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Show what is installed; with MODEL, what was found in it."""
    if model is None:
        if probe or precision:
            name = "--probe" if probe else "--precision"
            raise OptionError(
                f"{name} is given without MODEL; expected pysal info MODEL {name} ..."
            )
        _show(_installation(), as_json)
    elif not probe:
        from pysal.backends.tensorrt_folder import folder_facts, is_plan_folder
        from pysal.cli.model_facts import read_facts

        facts = folder_facts(model) if is_plan_folder(model) else read_facts(model)
        _show(facts | (_checked(model, engine, precision) if precision else {}), as_json)
    else:
        _probe(model, probe, engine, precision, as_json)


def _installation() -> dict[str, Any]:
    """Version, kernels and engines."""
    import pysal
    from pysal import kernels
    from pysal.backends import BACKENDS, CUDA_ONLY, devices, engines

    return {
        "version": pysal.__version__,
        "kernels": kernels.implementation(),
        "engines": engines(),
        "devices": devices(),
        "unproven": {name: BACKENDS[name].summary for name in CUDA_ONLY},
        "methods": list(pysal.methods()),
        "metrics": list(pysal.metrics()),
    }


def _checked(model: Path, engine: str, precision: str) -> dict[str, Any]:
    """What runs the model in a precision, and how that compares with float32."""
    from pysal.backends import open_classifier

    with contextlib.closing(
        open_classifier(model, engine=engine, precision=precision)
    ) as classifier:
        classifier.prepare({"grad"})
        return {
            "engine": classifier.info.engine,
            "precision_check": dict(classifier.info.precision_check) or "fp32 is not checked",
        }


def _show(facts: dict[str, Any], as_json: bool) -> None:
    """Write facts as one JSON object, or a line each."""
    if as_json:
        emit_json(facts)
        return
    emit_table(("what", "found"), [(key.replace("_", " "), _text(v)) for key, v in facts.items()])


def _text(value: Any) -> str:
    """A value to read."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_text(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        more = [f"... {len(value)} in all"] if len(value) > MANY else []
        return ", ".join([*map(str, value[:MANY]), *more]) or "none"
    return str(value)


def _probe(
    model: Path, photos: list[Path], engine: str, precision: str | None, as_json: bool
) -> None:
    """Try plausible preprocessing records on photos; the most plausible comes first."""
    from pysal.backends import open_classifier
    from pysal.photos import load_photos
    from pysal.probe import candidates, probe

    classifier = open_classifier(model, engine=engine, precision=precision)
    shape = classifier.info.input_shape
    rgb = load_photos(photos, classifier.preprocess, shape).rgb
    rows = probe(classifier.score, candidates(shape), rgb)
    used = [_same_arithmetic(row.record, classifier.preprocess) for row in rows]
    if as_json:
        for row, in_use in zip(rows, used, strict=True):
            facts = dataclasses.asdict(row) | {"record": row.record.to_dict(), "in_use": in_use}
            emit_json(facts)
        return
    columns = ("record", "plausibility", "mean probability", "entropy", "answers")
    table = [
        (
            row.name + " (in use)" * in_use,
            f"{row.plausibility:.2f}",
            f"{row.probability:.3f}",
            f"{row.entropy:.2f}",
            ", ".join(dict.fromkeys(classifier.info.label(int(i)) for i in row.index[:MANY])),
        )
        for row, in_use in zip(rows, used, strict=True)
    ]
    emit_table(columns, table)
    few = f"; {len(photos)} photos are few, give 5 or more" if len(photos) < 5 else ""
    emit(f"most plausible: {rows[0].name}{few}")


def _same_arithmetic(one: Preprocess, other: Preprocess) -> bool:
    """Whether two records treat colours alike, up to the digits that people write."""
    if one.channels != other.channels:
        return False
    a, b = (np.divide([*r.mean, *r.std], r.scale) for r in (one, other))
    return np.allclose(a, b, atol=1e-3)
