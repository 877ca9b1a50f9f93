"""Train small networks on an8Flower, one per fold, and write them as ONNX.

`python -m pysal.datasets.an8flower_train --out DIR --variant all --folds all` trains and evaluates
all networks of the experiment; folds that are there are skipped, so it can be interrupted.
`--assets pysal/demo` rebuilds what the demo ships. Needs the extras `datasets` and `torch`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pysal.datasets.an8flower_files import save_png, view_names, write_whole
from pysal.datasets.an8flower_fit import Views, evaluate, load_views, train
from pysal.datasets.an8flower_net import export_onnx, load_torch
from pysal.datasets.an8flower_render import ANGLES, NUM_FRAMES, augment, folds, render
from pysal.datasets.an8flower_variants import VARIANTS, classes
from pysal.errors import OptionError

EPOCHS = {"single-6c": 1, "double-12c": 1, "part-2c": 3}
"""Passes over the training views, in batches of 32: a minute or two per fold on two cores."""
DEMO = {"epochs": 6, "batch_size": 64, "hide": 0.12}
"""What the demo's network is trained with; see `train`."""


def settings(
    variant: str,
    fold: int,
    *,
    epochs: int | None = None,
    batch_size: int = 32,
    seed: int = 0,
    hide: float = 0.0,
) -> dict[str, Any]:
    """Everything that a fold's network depends on, the first part of its `metrics.json`.

    Parameters
    ----------
    variant : {"single-6c", "double-12c", "part-2c"}
    fold : int
        Of `folds()`; its views are held out.
    epochs : int, optional
        Default: `EPOCHS`.
    batch_size, seed, hide
        See `train`; hide = 0 trains without masks.
    """
    return {
        "dataset": f"an8Flower-{variant}, rendered by pysal",
        "labels": list(classes(variant)),
        "fold": fold,
        "held_out_frames": folds()[fold][1],
        "epochs": EPOCHS[variant] if epochs is None else epochs,
        "batch_size": batch_size,
        "seed": seed,
        "hide": hide,
    }


def train_fold(out: Path, views: Views, asked: dict[str, Any]) -> dict[str, Any]:
    """Train on the views that are not held out, test on those that are.

    Parameters
    ----------
    out : path
        Folder for `flower.onnx` and, when all is done, `metrics.json`.
    views : Views
        Of all frames of the variant.
    asked : dict
        From `settings`.

    Returns
    -------
    dict
        What `metrics.json` holds: what was asked, the figures of `evaluate`, the largest difference
        between ONNX Runtime and torch, and the seconds.
    """
    began = time.perf_counter()
    held_out = asked["held_out_frames"]
    names = asked["labels"]
    frames = [frame for frame in range(NUM_FRAMES) if frame not in held_out]
    options = {name: asked[name] for name in ("epochs", "batch_size", "seed", "hide")}
    out.mkdir(parents=True, exist_ok=True)
    net = train(views.of(frames), len(names), **options, report=_say)
    error = export_onnx(net, out / "flower.onnx", names)
    test = views.of(held_out)
    measured = evaluate(out / "flower.onnx", test, len(names))
    record = {
        **asked,
        "held_out_images": len(test),
        **{name: round(value, 5) for name, value in measured.items()},
        "onnx_minus_torch": error,
        "seconds": round(time.perf_counter() - began, 1),
    }
    write_whole(out / "metrics.json", json.dumps(record, indent=1) + "\n")
    return record


def train_folds(
    out: Path, variants: Sequence[str], numbers: Sequence[int], **options: Any
) -> list[dict[str, Any]]:
    """Train folds of variants into OUT/VARIANT/fold0 to fold4; those that are there are skipped.

    Parameters
    ----------
    out : path
        Each fold's folder also gets `held_out.txt`, the names of its test views in a folder that
        `write_dataset` has made.
    variants : sequence of str
    numbers : sequence of int
        Of the folds.
    **options
        Of `settings`.

    Returns
    -------
    list of dict
        See `train_fold`.

    Raises
    ------
    OptionError
        If a folder holds a fold that was trained with other options.

    Notes
    -----
    Each variant is rendered once. All 15 folds take less than an hour on two cores.
    """
    records = []
    for variant in variants:
        views: Views | None = None
        for fold in numbers:
            asked = settings(variant, fold, **options)
            place = out / variant / f"fold{fold}"
            record = _finished(place / "metrics.json", asked)
            if record is None:
                views = load_views(variant) if views is None else views
                write_whole(place / "held_out.txt", _test_files(variant, asked))
                record = train_fold(place, views, asked)
            records.append(record)
            _say(
                f"{variant} fold {fold}: accuracy {record['accuracy']:.4f}, "
                f"p {record['probability']:.3f}, "
                f"region grey {record['probability_region_grey']:.3f}, "
                f"rest grey {record['probability_rest_grey']:.3f}, {record['seconds']:.0f} s"
            )
    return records


def _test_files(variant: str, asked: dict[str, Any]) -> str:
    """Names of the test views, one per line."""
    return "".join(
        f"{name}.png\n"
        for cls in classes(variant)
        for frame in asked["held_out_frames"]
        for name in view_names(cls, frame)
    )


def _finished(path: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """Record of a fold that is there, or None."""
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for key, value in asked.items():
        if record.get(key) != value:
            raise OptionError(
                f"{path}: was made with {key} = {record.get(key)}; expected {value}, give another "
                "folder or remove this one"
            )
    return record


def build_assets(folder: Path, *, fold: int = 0, seed: int = 0, **options: Any) -> dict[str, Any]:
    """Make the demo's files anew: model, one held-out view per class, masks, `assets.json`.

    Parameters
    ----------
    folder : path
    fold, seed : int
    **options
        Of `settings`; the rest is `DEMO`.

    Notes
    -----
    Cost: some minutes on two cores. This network alone is trained with its flowers hidden at times.
    """
    variant = "single-6c"
    asked = settings(variant, fold, seed=seed, **{**DEMO, **options})
    record = train_fold(folder, load_views(variant), asked)
    (folder / "metrics.json").unlink()
    record["probability_flower_blurred"] = record.pop("probability_region_blurred")
    images = []
    for index, cls in enumerate(record["labels"]):
        frame = record["held_out_frames"][index]
        # Crops at the top (0, 1) and in the centre (4) show the whole flower.
        at = len(ANGLES) * (4, 0, 1)[index % 3] + index % 5
        pairs = list(augment(*render(variant, cls, frame)))
        rgb, mask = pairs[at]
        save_png(folder / "images" / f"{cls}.png", rgb)
        save_png(folder / "masks" / f"{cls}.png", mask)
        images.append({"name": cls, "label": index, "source": view_names(cls, frame)[at]})
    assets = {
        "license": "Apache-2.0: rendered and trained by pysal, no third-party material",
        "produced_by": "python -m pysal.datasets.an8flower_train --assets pysal/demo",
        "training": "flower masks were used: images with the flower hidden have uniform targets",
        **record,
        "images": images,
    }
    write_whole(folder / "assets.json", json.dumps(assets, indent=1) + "\n")
    return assets


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", default="single-6c", choices=["all", *VARIANTS])
    parser.add_argument("--folds", default="all", help='"all", or numbers from 0 to 4: 0,2')
    parser.add_argument("--epochs", type=int, help=f"default: {EPOCHS}; 6 for the demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hide", type=float, default=0.0, help="train with masks; see the source")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, help="folder for VARIANT/fold0 to fold4")
    place.add_argument("--assets", type=Path, help="folder for the demo's files; --hide is its own")
    args = parser.parse_args(arguments)
    load_torch().set_num_threads(args.threads)
    chosen = range(5) if args.folds == "all" else _numbers(parser, args.folds)
    if args.assets:
        epochs = {} if args.epochs is None else {"epochs": args.epochs}
        build_assets(args.assets, seed=args.seed, **epochs)
        return
    variants = list(VARIANTS) if args.variant == "all" else [args.variant]
    options = {"epochs": args.epochs, "seed": args.seed, "hide": args.hide}
    train_folds(args.out, variants, chosen, **options)


def _numbers(parser: argparse.ArgumentParser, text: str) -> list[int]:
    """Folds from the command line."""
    numbers = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if not numbers or len(numbers) != text.count(",") + 1 or max(numbers) > 4:
        parser.error(f'--folds is "{text}"; expected "all" or numbers from 0 to 4, as in 0,2')
    return numbers


if __name__ == "__main__":
    main()
