"""Fillers on held-out photos: L1 and SSIM inside the hole, and seconds per image.

    python benchmarks/bench_inpainters.py [--photos N] [--skip-timing] [--out FILE]

Photos and the outlines of their objects: the folder in PYSAL_DATA; no filler has seen them. Holes:
squares of 29 as in SP-G, rectangles, half of the superpixels (SLIC, 50) as in LIME-G, cells of a
28 x 28 grid as in MP2-G, blobs, the objects of the data, and all but the objects.

The blurs and the noise are left out: they see, or ignore, what is hidden. Before anything is timed,
every filler must return the known pixels.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from skimage.metrics import structural_similarity
from skimage.segmentation import slic
from timing import environment, measure, write_json

from pysal.datasets.inpainting_holes import grid_cells, thing
from pysal.errors import MissingDependencyError
from pysal.fillers import Filler, open_filler
from pysal.photos import load_photos
from pysal.preprocess import Preprocess

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "inpainters.json"
NAMES = ("mean", "local_mean", "telea", "navier_stokes", "biharmonic", "learnt")
RECORD = Preprocess()
SIZE = RECORD.size[0]

Keep = np.ndarray
Rng = np.random.Generator


def square(rng: Rng, rgb: np.ndarray, objects: Keep) -> Keep:
    """A square of 29 pixels."""
    return _box(rng, 29, 29)


def rectangle(rng: Rng, rgb: np.ndarray, objects: Keep) -> Keep:
    """A rectangle with sides of 40 to 120 pixels."""
    return _box(rng, *rng.integers(40, 121, 2))


def _box(rng: Rng, height: int, width: int) -> Keep:
    keep = np.ones((SIZE, SIZE), bool)
    top, left = rng.integers(0, SIZE - height + 1), rng.integers(0, SIZE - width + 1)
    keep[top : top + height, left : left + width] = False
    return keep


def superpixels(rng: Rng, rgb: np.ndarray, objects: Keep) -> Keep:
    """SLIC with LIME-G's options, each superpixel off with probability 1/2."""
    pixels = np.rint(255 * rgb).astype(np.uint8)
    labels = slic(pixels, n_segments=50, compactness=30, sigma=3, start_label=0)
    return (rng.random(labels.max() + 1) < 0.5)[labels]


def cells(rng: Rng, rgb: np.ndarray, objects: Keep) -> Keep:
    """Cells of 8 or 4 pixels, scattered or clustered."""
    return grid_cells(rng, SIZE)


def blob(rng: Rng, rgb: np.ndarray, objects: Keep) -> Keep:
    """One or two large shapes."""
    return thing(rng, SIZE)


def objects_off(rng: Rng, rgb: np.ndarray, objects: Keep) -> Keep:
    """The objects of the data are hidden."""
    return ~objects


def objects_alone(rng: Rng, rgb: np.ndarray, objects: Keep) -> Keep:
    """Only the objects of the data are shown."""
    return objects


HOLES: dict[str, Callable[[Rng, np.ndarray, Keep], Keep]] = {
    "square 29": square,
    "rectangle": rectangle,
    "superpixels": superpixels,
    "grid cells": cells,
    "blob": blob,
    "objects": objects_off,
    "all but objects": objects_alone,
}


def load(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Batch, RGB (N, H, W, 3), and where the objects are (N, H, W)."""
    files = sorted((DATA / "photos").glob("*.jpg"))[:count]
    photos = load_photos(files, RECORD)
    table = json.loads((DATA / "photos" / "instances.json").read_text())
    numbers = {entry["file_name"]: entry["id"] for entry in table["images"]}
    outlines = [
        [
            points
            for instance in table["annotations"]
            if instance["image_id"] == numbers[path.name]
            for points in instance["segmentation"]
        ]
        for path in files
    ]
    shown = [_drawn(path, polygons) for path, polygons in zip(files, outlines, strict=True)]
    return photos.batch, RECORD.denormalize(photos.batch), np.stack(shown)


def _drawn(path: Path, polygons: list[list[float]]) -> Keep:
    """Polygons of a photo, resized and cropped as the photo is."""
    with Image.open(path) as photo:
        sheet = Image.new("L", photo.size)
    for points in polygons:
        ImageDraw.Draw(sheet).polygon(points, fill=255)
    scale = 256 / min(sheet.size)
    sheet = sheet.resize((round(sheet.width * scale), round(sheet.height * scale)))
    left, top = (sheet.width - SIZE) // 2, (sheet.height - SIZE) // 2
    return np.asarray(sheet.crop((left, top, left + SIZE, top + SIZE))) > 127


def scores(made: np.ndarray, wanted: np.ndarray, hole: Keep) -> tuple[float, float]:
    """L1 in grey levels of 255, and SSIM (Gaussian windows, sigma 1.5), means over the hole."""
    _, ssim = structural_similarity(
        made,
        wanted,
        channel_axis=2,
        data_range=1.0,
        gaussian_weights=True,
        use_sample_covariance=False,
        full=True,
    )
    return float(255 * np.abs(made - wanted)[hole].mean()), float(ssim[hole].mean())


def smooth_half(batch: np.ndarray, keep: Keep, seeds: np.ndarray) -> np.ndarray:
    """What `learnt` would give without its learnt half, to tell what that adds."""
    import torch

    from pysal.datasets.inpainting_net import spread

    rgb = torch.from_numpy(RECORD.denormalize(batch)).permute(0, 3, 1, 2)
    filled = spread(rgb, torch.from_numpy(keep)[:, None].float()).permute(0, 2, 3, 1)
    return np.where(keep[:, None], batch, RECORD.normalize(filled.numpy()))


def measure_quality(
    fills: dict[str, Callable[..., np.ndarray]], count: int
) -> dict[str, dict[str, Any]]:
    """Means over the photos, per kind of hole and filler, and how often Telea is beaten."""
    batch, rgb, objects = load(count)
    seeds = np.arange(len(batch), dtype=np.uint64)
    table: dict[str, dict[str, Any]] = {}
    for number, (kind, hole_of) in enumerate(HOLES.items()):
        rows = zip(rgb, objects, strict=True)
        keep = np.stack(
            [hole_of(np.random.default_rng((77, number, i)), *row) for i, row in enumerate(rows)]
        )
        # A hole, and enough around it, or the photo is left out: some objects fill their photo.
        use = np.flatnonzero((~keep).any(axis=(1, 2)) & (keep.mean(axis=(1, 2)) > 0.02))
        found = {}
        for name, fill in fills.items():
            filled = fill(batch[use], keep[use], seeds[use])
            known = np.broadcast_to(keep[use][:, None], filled.shape)
            assert (filled[known] == batch[use][known]).all(), f"{name} changes known pixels"
            made = RECORD.denormalize(filled)
            found[name] = np.array(
                [scores(m, rgb[i], ~keep[i]) for m, i in zip(made, use, strict=True)]
            )
        table[kind] = {
            "photos": len(use),
            "hidden": round(float(1 - keep[use].mean()), 3),
            **{name: _summary(values, found["telea"]) for name, values in found.items()},
        }
        text = "  ".join(f"{n} {v['l1']:.2f}/{v['ssim']:.3f}" for n, v in found_items(table[kind]))
        print(f"{kind:16} {text}", flush=True)
    return table


def found_items(row: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    """The fillers of a row."""
    return [(name, value) for name, value in row.items() if isinstance(value, dict)]


def _summary(values: np.ndarray, telea: np.ndarray) -> dict[str, float]:
    """Means, and the share of photos on which L1 and SSIM are better than Telea's."""
    difference = values - telea
    return {
        "l1": round(float(values[:, 0].mean()), 3),
        "ssim": round(float(values[:, 1].mean()), 4),
        "l1_minus_telea": round(float(difference[:, 0].mean()), 3),
        "l1_standard_error": round(float(difference[:, 0].std() / np.sqrt(len(values))), 3),
        "ssim_minus_telea": round(float(difference[:, 1].mean()), 4),
        "ssim_standard_error": round(float(difference[:, 1].std() / np.sqrt(len(values))), 4),
        "l1_better": round(float((difference[:, 0] < 0).mean()), 3),
        "ssim_better": round(float((difference[:, 1] > 0).mean()), 3),
    }


def time_all(fillers: dict[str, Filler], repeats: int) -> dict[str, Any]:
    """Processor seconds of one fill of one image, 3 x 224 x 224."""
    batch, rgb, objects = load(1)
    seeds = np.zeros(1, np.uint64)
    out = {}
    for kind in ("square 29", "superpixels", "objects"):
        keep = HOLES[kind](np.random.default_rng(5), rgb[0], objects[0])[None]
        calls = {n: functools.partial(f.fill, batch, keep, seeds) for n, f in fillers.items()}
        out[kind] = measure(calls, repeats, warmup=2, clock=time.process_time)
        text = "  ".join(f"{name} {1e3 * t.median:.1f}" for name, t in out[kind].items())
        print(f"ms, {kind:16} {text}", flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--skip-timing", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    fillers = {}
    for name in NAMES:
        try:
            fillers[name] = open_filler(name, RECORD)
        except MissingDependencyError as error:
            raise SystemExit(f"{name}: {error}") from None
    fills: dict[str, Callable[..., np.ndarray]] = {n: f.fill for n, f in fillers.items()}
    record = {
        "environment": environment(),
        "fillers": {name: filler.description for name, filler in fillers.items()},
        "quality": measure_quality({**fills, "learnt, smooth half": smooth_half}, options.photos),
    }
    if not options.skip_timing:
        record["clock"] = "process_time: seconds of one core"
        record["seconds"] = time_all(fillers, options.repeats)
    write_json(options.out, record)


if __name__ == "__main__":
    main()
