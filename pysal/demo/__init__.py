"""The demo: a small network for rendered flowers, six pictures it never saw, and what it looks at.

Model and pictures come with the package; `pysal.datasets.an8flower_train` makes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pysal.errors import OptionError
from pysal.progress import Progress
from pysal.types import Attribution, MetricResult

FOLDER = Path(__file__).parent
MODEL = FOLDER / "flower.onnx"


class Picture(NamedTuple):
    """One picture of the demo: its class, its file, and where its flower is, (H, W) bool."""

    name: str
    label: int
    path: Path
    mask: NDArray[np.bool_]


def load_assets() -> dict[str, Any]:
    """What the demo's files are: labels, held-out accuracy, licence, how they were made."""
    record: dict[str, Any] = json.loads((FOLDER / "assets.json").read_text(encoding="utf-8"))
    return record


def load_pictures(images: int = 6) -> list[Picture]:
    """The first pictures of the demo, one per class.

    Raises
    ------
    OptionError
        If there are not that many.
    """
    entries = load_assets()["images"]
    if not 1 <= images <= len(entries):
        raise OptionError(f"images is {images}; expected 1 to {len(entries)}")
    return [
        Picture(
            entry["name"],
            entry["label"],
            FOLDER / "images" / f"{entry['name']}.png",
            np.asarray(Image.open(FOLDER / "masks" / f"{entry['name']}.png")) > 127,
        )
        for entry in entries[:images]
    ]


def run_demo(
    out: str | Path, *, images: int = 6, size: int = 14, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Explain the demo's pictures, measure the maps, and draw them.

    Parameters
    ----------
    out : path
        Folder for `demo.png` and, per picture, its figure, overlay, map and manifest.
    images : int in [1, 6]
    size : int
        Height and width of the masks that are optimized.
    progress : callable, optional
        Called as progress(done, total), in pictures.

    Returns
    -------
    list of dict
        Per picture: "name", "label", "probability", "insertion", "deletion", "iou" (at the best
        threshold), "iou_auc" (0 to 100), "seconds" (its share of the explanation of all), "figure"
        (path, the same for all).

    Raises
    ------
    MissingDependencyError
        If no engine, or no matplotlib, is installed.
    """
    import pysal
    from pysal.metrics.iou import iou_curve
    from pysal.report.save import check_folder

    check_folder(Path(out))
    pictures = load_pictures(images)
    paths = [picture.path for picture in pictures]
    explainer = pysal.Explainer(MODEL, method="igos", size=size, seed=0)
    found = explainer(paths, progress=progress)
    curves = pysal.measure(
        "insertion_deletion", explainer.classifier, paths, found.native, targets=found.target
    )
    overlap = iou_curve(found.map, np.stack([picture.mask for picture in pictures]))
    found.save(str(out))
    figure = _draw(found, curves, pictures, Path(out))
    return [
        {
            "name": picture.name,
            "label": found.model.label(int(found.target.index[row])) if found.model else "",
            "probability": float(found.score[row]),
            "insertion": float(curves.values["insertion"][row]),
            "deletion": float(curves.values["deletion"][row]),
            "iou": float(overlap.values["best"][row]),
            "iou_auc": float(overlap.values["auc"][row]),
            "seconds": found.seconds / images,
            "figure": figure,
        }
        for row, picture in enumerate(pictures)
    ]


def _draw(found: Attribution, curves: MetricResult, pictures: list[Picture], folder: Path) -> str:
    """One figure per picture, and all of them below each other in `demo.png`."""
    from pysal.report.figure import explanation_figure

    size = found.map.shape[:0:-1]
    rows = []
    for index, picture in enumerate(pictures):
        path = folder / f"{picture.name}.figure.png"
        mask = np.asarray(Image.fromarray(picture.mask).resize(size, Image.Resampling.NEAREST))
        explanation_figure(found, index, path, curves=curves, mask=mask)
        with Image.open(path) as drawn:
            rows.append(drawn.convert("RGB"))
    sheet = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows)), "white")
    for index, row in enumerate(rows):
        sheet.paste(row, (0, sum(above.height for above in rows[:index])))
    sheet.save(folder / "demo.png")
    return str(folder / "demo.png")
