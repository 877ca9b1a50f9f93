"""`pysal demo`: a model and pictures that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pysal.cli.console import emit, emit_json, emit_table
from pysal.cli.interrupt import interruptible

OUT = Path("pysal-demo")


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = OUT,
    images: Annotated[int, typer.Option(help="How many of the six pictures.")] = 6,
    size: Annotated[int, typer.Option(help="Resolution of the maps.")] = 14,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per picture on stdout.")
    ] = False,
) -> None:
    """Explain pictures of rendered flowers and measure the maps."""
    from pysal.demo import run_demo
    from pysal.progress import bar

    with interruptible(), bar("explaining the demo's pictures") as progress:
        records = run_demo(out, images=images, size=size, progress=progress)
    if as_json:
        for record in records:
            emit_json(record)
        return
    columns = ("picture", "class", "probability", "insertion", "deletion", "IoU", "seconds")
    keys = ("probability", "insertion", "deletion", "iou", "seconds")
    rows = [[r["name"], r["label"], *(f"{r[key]:.3f}" for key in keys)] for r in records]
    emit_table(columns, rows)
    emit(f"figure: {records[0]['figure']}")
