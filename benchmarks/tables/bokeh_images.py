"""Figure 4 of IDGI: bokeh images and how much information two measures find in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from recognized import Shown

from pysal.classifier import Classifier
from pysal.ranking import rank_cells, saliency_cells, tie_orders
from pysal.similarity.entropy import information_level, webp_bytes
from pysal.similarity.ms_ssim import ms_ssim
from pysal.types import Array

SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)
LABEL = 26


def bokeh(picture: np.ndarray, maps: Array, radius: float = 20.0) -> np.ndarray:
    """A picture (H, W, 3), sharp where a map (1, h, w) is highest, by `SHARES`: (T, H, W, 3)."""
    size = picture.shape[:2]
    order = next(tie_orders("stable", size[0] * size[1], np.zeros(0, np.uint64)))
    ranks = rank_cells(saliency_cells(maps, 1, size), order)[0]
    blurred = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))
    counts = np.rint(np.array(SHARES) * size[0] * size[1])
    return np.where((ranks < counts[:, None, None])[..., None], picture, blurred)


def strip(clf: Classifier, shown: Shown, maps: Mapping[str, Array], path: Path) -> None:
    """One row of bokeh images per map, with both levels of information under each."""
    picture = np.rint(255 * clf.preprocess.denormalize(shown.batch))[0].astype(np.uint8)
    height, width = picture.shape[:2]
    sheet = Image.new("RGB", (width * len(SHARES), (height + LABEL) * len(maps)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (name, values) in enumerate(maps.items()):
        series = bokeh(picture, values)
        sizes = [webp_bytes(image) for image in series]
        entropy = information_level(sizes, sizes[0], sizes[-1], "normalized")
        likeness = ms_ssim(series, series[-1:])
        for column, image in enumerate(series):
            place = (column * width, row * (height + LABEL))
            sheet.paste(Image.fromarray(image), place)
            text = (
                f"{name}, {SHARES[column]:.0%}\n"
                f"entropy {entropy[column]:.2f}, MS-SSIM {likeness[column]:.2f}"
            )
            pen.multiline_text((place[0] + 2, place[1] + height), text, fill="black", spacing=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def draw(figures: Mapping[str, Mapping[str, Sequence[float]]], path: Path) -> None:
    """Mean level over the share of sharp pixels, a panel per measure: measure -> row -> levels."""
    import matplotlib.figure

    sheet = matplotlib.figure.Figure(figsize=(5 * len(figures), 4), layout="constrained")
    panels = sheet.subplots(1, len(figures), squeeze=False)[0]
    for panel, (measure, rows) in zip(panels, figures.items(), strict=True):
        for number, (row, levels) in enumerate(rows.items()):
            style = {"color": f"C{number % 7}", "linestyle": ("-", "--", ":")[number // 7 % 3]}
            panel.plot(np.linspace(0, 100, len(levels)), levels, label=row, **style)
        panel.set_xlabel("% of the pixels that are sharp")
        panel.set_ylabel(f"level by {measure}")
        if rows:
            panel.legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(path, dpi=120)
