"""`pysal evaluate`: methods x metrics x images into one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pysal.chunks import BATCH_SIZE
from pysal.cli.console import emit, emit_json, emit_table, note
from pysal.cli.given import names, open_images, parse_owned
from pysal.cli.guard import WRONG_USE
from pysal.cli.interrupt import interruptible
from pysal.cli.rate_bar import rate_bar

if TYPE_CHECKING:
    from pysal.evaluation import Evaluation


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)],
    images: Annotated[
        Path,
        typer.Option("--images", help="Folder of photos or data set.", show_default=False),
    ],
    methods: Annotated[
        str,
        typer.Option("--methods", help="Names, separated by commas; also igos:a,igos:b."),
    ],
    metrics: Annotated[
        str,
        typer.Option("--metrics", help="Names, separated by commas; see `pysal metrics`."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder of the results; goes on with what is there.",
            show_default=False,
        ),
    ],
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
    target: Annotated[
        str, typer.Option("--target", "-t", help="Class to explain: top, labels, or its number.")
    ] = "top",
    limit: Annotated[int | None, typer.Option(help="Take the first images only.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images explained together.")] = BATCH_SIZE,
    seed: Annotated[int, typer.Option(help="Seed of the run; each image gets its own.")] = 0,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="METHOD.NAME=VALUE, or igos:a.size=7. Repeatable."),
    ] = None,
    metric_option: Annotated[
        list[str] | None,
        typer.Option("--metric-option", help="METRIC.NAME=VALUE, likewise."),
    ] = None,
    engine: Annotated[str, typer.Option(help="See `pysal info`.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "auto",
    precision: Annotated[
        str | None, typer.Option(help="fp32, tf32, fp16 or bf16, where the engine has it.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of the engine.")] = None,
    preprocess: Annotated[
        Path | None, typer.Option(help="JSON record: how photos become inputs.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what an earlier run has left in the folder.")
    ] = False,
    figures: Annotated[bool, typer.Option(help="Draw charts and the best and worst maps.")] = True,
    ray: Annotated[bool, typer.Option("--ray", help="Work on a Ray cluster.")] = False,
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="Of the cluster. Default: one of its own, here."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Of Ray. Default: one per GPU, else per core.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object per method and metric on stdout."),
    ] = False,
) -> None:
    """Evaluate methods by metrics on many images.

    Writes results.parquet (a row per image, method and metric), summary.json, summary.csv,
    pairs.csv and figures. An interrupted run goes on where it was when it is started again. Images
    that cannot be used are rows with an error, and the exit code is 2.
    """
    from pysal.evaluation import evaluate as run

    with interruptible(), rate_bar("evaluating", "maps") as progress:
        result = run(
            model,
            open_images(images, labels, annotations, classes),
            names(methods),
            names(metrics),
            out,
            target=int(target) if target.lstrip("-").isdigit() else target,
            options=parse_owned(option or [], "--option", "METHOD"),
            metric_options=parse_owned(metric_option or [], "--metric-option", "METRIC"),
            seed=seed,
            limit=limit,
            batch_size=batch_size,
            engine=engine,
            device=device,
            precision=precision,
            threads=threads,
            preprocess=preprocess,
            resume=not fresh,
            figures=figures,
            ray=ray or ray_address is not None,
            ray_address=ray_address,
            workers=workers,
            progress=progress,
        )
    _show(result, as_json)
    if result.errors:
        raise typer.Exit(WRONG_USE)


def _show(result: Evaluation, as_json: bool) -> None:
    """Summary on stdout, what went wrong on stderr."""
    from pysal.evaluation.report import plain

    for line in result.notes:
        note(line)
    if as_json:
        for record in result.summary:
            emit_json(plain(record))
    else:
        columns = ("method", "metric", "value", "mean", "std. error", "images", "skipped", "better")
        emit_table(columns, [cell for record in result.summary for cell in _cells(record)])
        emit(f"wrote {result.path} and summaries beside it, {len(result.figures)} figures")
    if result.errors:
        rows = sum(record["images"] for record in result.summary)
        note(
            f'error: {result.errors} of {rows} rows have an error, see column "error" of '
            f"{result.path}; the first: {result.first_error}"
        )


def _cells(record: Mapping[str, Any]) -> Iterator[list[str]]:
    """Rows of the summary for people."""
    start = [record["method"], record["metric"]]
    for name, row in record["values"].items():
        figures = [f"{row['mean']:.4g}", f"{row['standard_error']:.2g}"]
        yield [*start, name, *figures, str(row["n"]), str(row["skipped"]), row["better"]]
    for name, figure in record["set"].items():
        yield [*start, f"{name} (set)", f"{figure:.4g}", "", "", "", ""]
