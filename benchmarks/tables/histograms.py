"""Figure 8 of the G-methods: what a network takes the perturbed samples of LIME for."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gmethods_paper import ARTEFACTS
from recognized import Shown
from record import DATA

from pysal.classifier import Classifier
from pysal.fillers.filler import Filler
from pysal.perturb.drawn import switches
from pysal.perturb.filled import Inpainted
from pysal.perturb.superpixels import label_maps

SLIC = {"num_segments": 50, "compactness": 30.0, "sigma": 3.0}
BARS = 12


def sample_labels(
    clf: Classifier, shown: Shown, fillers: Mapping[str, Filler], samples: int
) -> dict[str, Any]:
    """Top classes of the samples that LIME would draw with seed 0, under each filler.

    The cell has for each filler "labels", and "FILLER, artefacts" and "FILLER, own": shares of the
    samples whose top class is one of the paper's three, and the photo's own.
    """
    segments = label_maps("figure 8", "slic", shown.batch, clf.preprocess, SLIC)[0]
    # The first row shows the photo itself and is left out.
    rows = switches(0, samples + 1, int(segments.max()) + 1, 0.5)[1:]
    seeds = np.zeros(1, np.uint64)

    def keep(image: int, first: int, count: int) -> np.ndarray:
        return rows[first : first + count][:, segments]

    found: dict[str, Any] = {"own": shown.index}
    for name, filler in fillers.items():
        filled = np.empty((samples, *shown.batch.shape[1:]), np.float32)
        Inpainted(filler, shown.batch, keep, seeds)(0, 0, filled)
        labels = clf.score(filled).argmax(axis=1)
        found[f"{name}, artefacts"] = float(np.isin(labels, list(ARTEFACTS)).mean())
        found[f"{name}, own"] = float((labels == shown.index).mean())
        found[f"{name} labels"] = labels.tolist()
    return found


def shares(cells: Mapping[str, Mapping[str, Any]], fillers: Sequence[str]) -> dict[str, Any]:
    """Filler -> class -> share of the samples of all photos, the photos' own classes left out.

    Classes are the commonest under the first filler, then those under the others.
    """
    counts = {name: collections.Counter[int]() for name in fillers}
    total = 0
    for cell in cells.values():
        total += len(cell[f"{fillers[0]} labels"])
        for name, count in counts.items():
            count.update(label for label in cell[f"{name} labels"] if label != cell["own"])
    common = [label for count in counts.values() for label, _ in count.most_common(BARS)]
    chosen = list(dict.fromkeys(common))
    return {
        name: {class_name(label): round(count[label] / max(total, 1), 5) for label in chosen}
        for name, count in counts.items()
    }


def class_name(index: int) -> str:
    """First of the names of a class of ImageNet, or its number where they are not here."""
    path = DATA / "imagenet_labels.txt"
    if not path.is_file():
        return str(index)
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[index].split(",")[1].strip() if index < len(lines) else str(index)


def draw(figures: Mapping[str, Mapping[str, Mapping[str, float]]], path: Path) -> None:
    """Bars of the commonest classes, a panel per network: network -> filler -> class -> share."""
    import matplotlib.figure

    sheet = matplotlib.figure.Figure(figsize=(6 * len(figures), 5), layout="constrained")
    panels = sheet.subplots(1, len(figures), squeeze=False)[0]
    for panel, (network, fillers) in zip(panels, figures.items(), strict=True):
        names = list(next(iter(fillers.values())))[:BARS]
        places = np.arange(len(names))
        for number, (filler, known) in enumerate(fillers.items()):
            values = [100 * known[name] for name in names]
            panel.barh(places + 0.4 * number, values, 0.38, label=filler)
        panel.set_yticks(places + 0.2, names)
        panel.invert_yaxis()
        panel.set_xlabel("% of the samples")
        panel.set_title(network)
        panel.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(path, dpi=120)
