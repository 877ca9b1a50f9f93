"""`pysal study`: figures of a labelled data set that judge no maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pysal.cli.console import emit, emit_json, emit_table
from pysal.cli.given import open_images, parse_options
from pysal.cli.interrupt import interruptible
from pysal.cli.rate_bar import rate_bar
from pysal.errors import InputError
from pysal.report.save import write_file


def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="filter_ablation, feature_reconstruction or compare_fillers.",
            show_default=False,
        ),
    ],
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)],
    images: Annotated[
        Path,
        typer.Option("--images", help="Labelled data set that is judged on.", show_default=False),
    ],
    train: Annotated[
        Path | None,
        typer.Option(help="Set that features are selected on. Default: half of each class."),
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Where things are: CSV of boxes, or JSON of COCO.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV of the images' classes: rows file,label.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="File of the model's class names; for COCO also imagenet."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Take the first images only.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="NAME=VALUE: option of the study. Repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="JSON file for the table.")
    ] = None,
    engine: Annotated[str, typer.Option(help="See `pysal info`.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads of the engine.")] = None,
    preprocess: Annotated[
        Path | None, typer.Option(help="JSON record: how photos become inputs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Study a network or fillers on a labelled data set; see `pysal metrics`."""
    from pysal.evaluation import study as run
    from pysal.evaluation.report import plain

    _check_out(out)
    with interruptible(), rate_bar("studying", "images") as progress:
        found = run(
            name,
            model,
            open_images(images, labels, annotations, classes),
            train=train,
            limit=limit,
            engine=engine,
            device=device,
            threads=threads,
            preprocess=preprocess,
            progress=progress,
            **parse_options(option or []),
        )
    table = found.table()
    record = plain(
        {
            **{
                "study": name,
                "model": model.name,
                "images": str(images),
                "count": found.count,
                "table": table,
            },
            "passes": {"forward": found.passes.forward, "backward": found.passes.backward},
            "seconds": found.seconds,
        }
    )
    if out is not None:
        _write(out, record)
    if as_json:
        emit_json(record)
        return
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    rows = [[row, *(f"{cells[c]:.4g}" for c in columns)] for row, cells in table.items()]
    emit_table((f"{found.count} images", *columns), rows)
    if out is not None:
        emit(f"wrote {out}")


def _check_out(out: Path | None) -> None:
    """See that the file can be written, before the work."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        what = "is a folder" if out.is_dir() else "lies in a folder that does not exist"
        raise InputError(f"{out}: {what}; give the path of a JSON file (--out)")


def _write(out: Path, record: dict[str, Any]) -> None:
    """The record as strict JSON, whole or not at all."""
    write_file(out, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
