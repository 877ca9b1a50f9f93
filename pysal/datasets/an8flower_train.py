"""Train a small network on an8Flower and write it as ONNX, with the assets of `pysal demo`.

`python -m pysal.datasets.an8flower_train --out DIR` trains and evaluates one fold;
`--assets pysal/demo` also rebuilds what the demo ships. Needs the extras `datasets` and `torch`.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pysal.datasets import an8flower
from pysal.datasets.an8flower_net import (
    SIZE,
    Batches,
    augment_batch,
    blur,
    export_onnx,
    load_torch,
    network,
    predict_onnx,
    to_input,
)

SIGMA = 14.0
"""Blur that hides the flower in the check of what the network looks at, pixels of 112."""


@dataclasses.dataclass(frozen=True)
class Views:
    """Augmented views: images (N, 112, 112, 3) uint8, masks (N, 112, 112) bool, labels (N,)."""

    images: an8flower.Pixels
    masks: an8flower.Mask
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def load_views(variant: str, frames: Iterable[int]) -> Views:
    """Render frames and their 25 augmentations at the size of the network's input."""
    images, masks, labels = [], [], []
    for (label, cls), frame in itertools.product(enumerate(an8flower.classes(variant)), frames):
        for rgb, mask in an8flower.augment(*an8flower.render(variant, cls, frame)):
            photo = Image.fromarray(rgb).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            shape = Image.fromarray(mask).resize((SIZE, SIZE), Image.Resampling.NEAREST)
            images.append(np.asarray(photo))
            masks.append(np.asarray(shape))
            labels.append(label)
    return Views(np.stack(images), np.stack(masks), np.array(labels))


def train(
    views: Views, num_classes: int, *, epochs: int, seed: int = 0, batch_size: int = 64
) -> Any:
    """Fit the network to views.

    Parameters
    ----------
    views : Views
    num_classes : int
    epochs : int
    seed : int
        Fixes initial weights, order and augmentation.
    batch_size : int

    Returns
    -------
    torch.nn.Module
        In evaluation mode; its output is probabilities.
    """
    torch = load_torch()
    torch.manual_seed(seed)
    net = network(num_classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = epochs * -(-len(views) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    for epoch in range(epochs):
        began, total = time.perf_counter(), 0.0
        for rows in torch.randperm(len(views)).split(batch_size):
            pixels, wanted = augment_batch(_batch(views, rows.numpy(), num_classes))
            loss = torch.nn.functional.cross_entropy(net[:-1](to_input(pixels)), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        seconds = time.perf_counter() - began
        print(
            f"epoch {epoch + 1}/{epochs}: loss {total / len(views):.4f}, {seconds:.0f} s",
            flush=True,
        )
    return net.to(memory_format=torch.contiguous_format).eval()


def _batch(views: Views, rows: NDArray[np.int64], num_classes: int) -> Batches:
    """Rows of views as tensors: pixels in [0, 1], masks, one-hot labels."""
    torch = load_torch()
    pixels = torch.from_numpy(views.images[rows]).permute(0, 3, 1, 2).float() / 255
    masks = torch.from_numpy(views.masks[rows])[:, None].float()
    labels = torch.nn.functional.one_hot(torch.from_numpy(views.labels[rows]), num_classes)
    return pixels, masks, labels.float()


def evaluate(model: Path, views: Views, num_classes: int) -> dict[str, float]:
    """Measure a model file on held-out views.

    Returns
    -------
    dict
        "accuracy"; "probability", the mean for the true class; and the same mean after a strong
        blur of the flower ("probability_flower_blurred"), of the rest, and of all.
    """
    torch = load_torch()
    p: dict[str, list[NDArray[np.float32]]] = {"plain": [], "flower": [], "rest": [], "all": []}
    for rows in np.array_split(np.arange(len(views)), -(-len(views) // 100)):
        pixels, masks, _ = _batch(views, rows, num_classes)
        hidden = blur(pixels, SIGMA)
        for name, image in (
            ("plain", pixels),
            ("flower", torch.where(masks > 0, hidden, pixels)),
            ("rest", torch.where(masks > 0, pixels, hidden)),
            ("all", hidden),
        ):
            p[name].append(predict_onnx(model, to_input(image).numpy()))
    plain, flower, rest, everything = (np.concatenate(part) for part in p.values())
    own = np.arange(len(views)), views.labels
    return {
        "accuracy": float((plain.argmax(1) == views.labels).mean()),
        "probability": float(plain[own].mean()),
        "probability_flower_blurred": float(flower[own].mean()),
        "probability_rest_blurred": float(rest[own].mean()),
        "probability_all_blurred": float(everything[own].mean()),
    }


def train_fold(
    out: Path, *, variant: str = "single-6c", fold: int = 0, epochs: int = 6, seed: int = 0
) -> dict[str, Any]:
    """Train on the other folds, test on this one, write `flower.onnx` and `metrics.json`.

    Returns
    -------
    dict
        What `metrics.json` holds.
    """
    names = an8flower.classes(variant)
    frames, held_out = an8flower.folds()[fold]
    out.mkdir(parents=True, exist_ok=True)
    net = train(load_views(variant, frames), len(names), epochs=epochs, seed=seed)
    error = export_onnx(net, out / "flower.onnx", names)
    test = load_views(variant, held_out)
    record = {
        "dataset": f"an8Flower-{variant}, rendered by pysal",
        "labels": list(names),
        "fold": fold,
        "held_out_frames": held_out,
        "held_out_images": len(test),
        **{
            name: round(v, 5) for name, v in evaluate(out / "flower.onnx", test, len(names)).items()
        },
        "epochs": epochs,
        "seed": seed,
        "onnx_minus_torch": error,
    }
    (out / "metrics.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def build_assets(folder: Path, *, fold: int = 0, epochs: int = 6, seed: int = 0) -> dict[str, Any]:
    """Make the demo's files anew: model, one held-out view per class, masks, `assets.json`.

    Notes
    -----
    Cost: some minutes on two cores.
    """
    variant = "single-6c"
    record = train_fold(folder, variant=variant, fold=fold, epochs=epochs, seed=seed)
    (folder / "metrics.json").unlink()
    images = []
    for index, cls in enumerate(record["labels"]):
        frame = record["held_out_frames"][index]
        # Crops at the top (0, 1) and in the centre (4) show the whole flower.
        crop, angle = (4, 0, 1)[index % 3], index % 5
        pairs = list(an8flower.augment(*an8flower.render(variant, cls, frame)))
        rgb, mask = pairs[len(an8flower.ANGLES) * crop + angle]
        an8flower.save_png(folder / "images" / f"{cls}.png", rgb)
        an8flower.save_png(folder / "masks" / f"{cls}.png", mask)
        source = f"{cls}/img{frame + 1}/p{crop + 1}/r{angle + 1}"
        images.append({"name": cls, "label": index, "source": source})
    assets = {
        "license": "Apache-2.0: rendered and trained by pysal, no third-party material",
        "produced_by": "python -m pysal.datasets.an8flower_train --assets pysal/demo",
        "training": "flower masks were used: images with the flower hidden have uniform targets",
        **record,
        "images": images,
    }
    (folder / "assets.json").write_text(json.dumps(assets, indent=1) + "\n")
    return assets


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", default="single-6c", choices=list(an8flower.VARIANTS))
    parser.add_argument("--fold", type=int, default=0, choices=range(5))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, help="folder for flower.onnx and metrics.json")
    place.add_argument("--assets", type=Path, help="folder for the demo's files")
    args = parser.parse_args(arguments)
    load_torch().set_num_threads(args.threads)
    options = {"fold": args.fold, "epochs": args.epochs, "seed": args.seed}
    if args.assets:
        record = build_assets(args.assets, **options)
    else:
        record = train_fold(args.out, variant=args.variant, **options)
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
