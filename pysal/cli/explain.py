"""`pysal explain`: maps for photos, one result at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pysal.chunks import BATCH_SIZE, as_target
from pysal.cli import results
from pysal.cli.given import parse_options
from pysal.cli.guard import WRONG_USE

OUT = Path("pysal-out")


def explain(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...", help="Photos, or .npy arrays (see the README).", show_default=False
        ),
    ],
    method: Annotated[str, typer.Option("--method", "-m", help="See `pysal methods`.")] = "igos",
    target: Annotated[
        int | None, typer.Option("--target", "-t", help="Class index. Default: the top class.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Score space: probability or logit.", show_default=False)
    ] = None,
    size: Annotated[int | None, typer.Option(help="Resolution of the map.")] = None,
    preset: Annotated[str | None, typer.Option(help="A preset of the method.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the method.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="NAME=VALUE: any other option of the method. Repeatable."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = OUT,
    engine: Annotated[str, typer.Option(help="See `pysal info`.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "auto",
    precision: Annotated[
        str | None, typer.Option(help="fp32, tf32, fp16 or bf16, where the engine has it.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of the engine.")] = None,
    preprocess: Annotated[
        Path | None, typer.Option(help="JSON record: how photos become inputs.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="File of class names.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images explained together.")] = BATCH_SIZE,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per image on stdout, nothing else.")
    ] = False,
) -> None:
    """Explain why a model gives its score to a class.

    Writes NAME.overlay.png, NAME.npy and NAME.json per image. A photo that cannot be used is
    reported before the work starts; the others are explained, and the exit code is 2.
    """
    from pysal.explainer import Explainer
    from pysal.report.save import check_folder

    check_folder(out)
    given = {"size": size, "preset": preset, "seed": seed}
    options = {key: value for key, value in given.items() if value is not None}
    explainer = Explainer(
        model,
        method,
        kind=kind,  # type: ignore[arg-type]  # any text: the Explainer checks it
        engine=engine,
        device=device,
        precision=precision,
        threads=threads,
        preprocess=preprocess,
        labels=labels,
        batch_size=batch_size,
        **{**options, **parse_options(option or [])},
    )
    with explainer:
        if (chosen := as_target(target, None)) is not None:
            explainer.classifier.check_target(chosen, 1)
        good = results.usable(explainer.classifier, images)
        results.write(explainer, good, target, out, batch_size, as_json)
    if len(good) < len(images):
        raise typer.Exit(WRONG_USE)
