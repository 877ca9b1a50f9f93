"""`pysal compare`: two versions of a model, image by image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pysal.chunks import BATCH_SIZE
from pysal.cli import results
from pysal.cli.console import emit, emit_json, emit_table
from pysal.cli.given import parse_owned
from pysal.cli.guard import WRONG_USE
from pysal.cli.interrupt import interruptible
from pysal.progress import bar

if TYPE_CHECKING:
    from pysal.studies import ModelComparison


def compare(
    first: Annotated[
        Path, typer.Argument(metavar="MODEL_A", help="ONNX file that is known.", show_default=False)
    ],
    second: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL_B",
            help="Another version, for instance int8.",
            show_default=False,
        ),
    ],
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", help="Photos, or .npy arrays.", show_default=False),
    ],
    methods: Annotated[
        str, typer.Option("--methods", help="Names, separated by commas; see `pysal methods`.")
    ] = "gradcam,integrated_gradients",
    target: Annotated[
        int | None, typer.Option("--target", "-t", help="Class index. Default: MODEL_B's top.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="METHOD.NAME=VALUE: option of a method. Repeatable."),
    ] = None,
    engine: Annotated[str, typer.Option(help="See `pysal info`.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads of the engine.")] = None,
    preprocess: Annotated[
        Path | None, typer.Option(help="JSON record for both. Default: their own.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images explained together.")] = BATCH_SIZE,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON on stdout: one object per image, then the summary.")
    ] = False,
) -> None:
    """Compare how two versions of a model answer and explain the same images.

    Rank correlations of their maps, agreement of the top classes, and insertion and deletion of
    both maps, judged on MODEL_B.
    """
    from pysal.studies.pairs import open_both
    from pysal.studies.quantization import compare_models

    pair = open_both(
        first, second, engine=engine, device=device, threads=threads, preprocess=preprocess
    )
    try:
        good = results.usable(pair[1], images)
        if not good:  # each has been reported
            raise typer.Exit(WRONG_USE)
        with interruptible(), bar(f"comparing {len(good)} images") as progress:
            found = compare_models(
                *pair,
                [results.read_image(path) for path in good],
                methods=[name.strip() for name in methods.split(",") if name.strip()],
                targets=target,
                options=parse_owned(option or [], "--option", "METHOD"),
                batch_size=batch_size,
                progress=progress,
            )
    finally:
        for clf in pair:
            clf.close()
    _show(found, good, as_json)
    if len(good) < len(images):
        raise typer.Exit(WRONG_USE)


def _show(found: ModelComparison, paths: list[Path], as_json: bool) -> None:
    """Images and the summary, as JSON or as two tables."""
    if as_json:
        for record in records(found, paths):
            emit_json(record)
        answers = {"models": list(found.models), "images": len(found), **found.answers()}
        by_method = {
            name: {key: _finite(value) for key, value in row.items()}
            for name, row in found.summary().items()
        }
        emit_json({"summary": answers, "methods": by_method})
        return
    emit(f"A: {found.models[0]}, B: {found.models[1]}; insertion and deletion judged on B")
    columns = ("image", "target", "top A, B", "score A, B", "method", "correlation")
    emit_table((*columns, "insertion A, B", "deletion A, B"), _rows(found, paths))
    emit(", ".join(f"{name} {value:.3g}" for name, value in found.answers().items()))
    means = ("correlation", "least correlation", "loss")
    emit_table(
        ("method", *means),
        [[name, *(f"{row[key]:.3g}" for key in means)] for name, row in found.summary().items()],
    )


def records(found: ModelComparison, paths: list[Path]) -> Iterator[dict[str, Any]]:
    """One JSON-ready record per image; pairs are [A, B]."""
    for i, path in enumerate(paths):
        yield {
            "image": str(path),
            "target": int(found.target[i]),
            "top": found.top[:, i].tolist(),
            "score": found.score[:, i].tolist(),
            "top_overlap": float(found.overlap[i]),
            "methods": {
                name: {
                    "correlation": _finite(float(correlation[i])),
                    "insertion": found.insertion[name][:, i].tolist(),
                    "deletion": found.deletion[name][:, i].tolist(),
                }
                for name, correlation in found.correlation.items()
            },
        }


def _rows(found: ModelComparison, paths: list[Path]) -> Iterator[list[str]]:
    """Rows of the table for people."""
    for record in records(found, paths):
        start = [Path(record["image"]).name, str(record["target"]), _pair(record["top"], "d")]
        start.append(_pair(record["score"], ".3f"))
        for name, row in record["methods"].items():
            correlation = row["correlation"]
            shown = "constant map" if correlation is None else f"{correlation:.3f}"
            areas = [_pair(row[key], ".3f") for key in ("insertion", "deletion")]
            yield [*start, name, shown, *areas]
            start = [""] * len(start)


def _pair(values: list[Any], form: str) -> str:
    return ", ".join(format(value, form) for value in values)


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
