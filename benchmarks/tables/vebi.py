"""The table and figures of VEBI (Oramas, Wang, Tuytelaars, ICLR 2019).

    python -m pysal.datasets.an8flower_train --out build/an8folds --variant all --folds all
    python benchmarks/tables/vebi.py [--folds FOLDER] [--minutes M]

On an8Flower, rendered and trained anew: overlap of maps with the part that tells classes apart
(Table 1), accuracy without relevant features (figure 4), reconstruction of classes from features,
and box occlusion. The networks have strides in their pools only, so the published rule, which is
for convolutions, changes nothing there: the row "proposed, pools too" has what its text speaks of.
Folds that are not trained yet are left out; a run continues the last one: results/tables/vebi.json.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import vebi_cells as cells
from record import ROOT, Cell, Record, arguments, beside

VARIANTS = ("single-6c", "double-12c", "part-2c")
ROWS = (
    "Upsampled activation maps",
    "Deconv + GB",
    "Grad-CAM",
    "Guided Grad-CAM",
    "Grad-CAM++",
    "Guided Grad-CAM++",
    "proposed",
    "proposed, pools too",
)
PAPER = {
    "Upsampled activation maps": {"single-6c": 16.8, "double-12c": 16.1},
    "Deconv + GB": {"single-6c": 21.3, "double-12c": 21.9},
    "Grad-CAM": {"single-6c": 17.5, "double-12c": 14.8},
    "Guided Grad-CAM": {"single-6c": 19.9, "double-12c": 19.4},
    "Grad-CAM++": {"single-6c": 15.6, "double-12c": 14.6},
    "Guided Grad-CAM++": {"single-6c": 19.6, "double-12c": 19.7},
    "proposed": {"single-6c": 22.5, "double-12c": 23.2},
}
"""Table 1: area under the IoU curve, percent, mean over five folds."""

STUDIES: dict[str, Callable[[cells.Fold], dict[str, Any]]] = {
    "ablation": cells.ablation,
    "reconstruction": cells.reconstruction,
    "occlusion": cells.occlusion,
}


def work_on(record: Record, folder: Path, variant: str, number: int) -> None:
    """All cells of one fold; its network is opened when the first of them is missing."""
    opened: list[cells.Fold] = []

    def fold() -> cells.Fold:
        if not opened:
            opened.append(cells.Fold(folder, variant))
        return opened[0]

    key = f"{variant}/fold{number}"
    for row in ROWS:
        record.cell(f"{key}/{row}", lambda row=row: cells.overlap(fold(), row))
    for name, study in STUDIES.items():
        record.cell(f"{key}/{name}", lambda study=study: study(fold()))


def folds_of(record: Record, variant: str, name: str) -> list[Cell]:
    """Cells of one row or study, of the folds that have them."""
    found = [record.select(variant, f"fold{number}").get(name) for number in range(5)]
    return [cell for cell in found if cell is not None]


def overlap_table(record: Record) -> dict[str, Any]:
    """Table 1."""
    ours: dict[str, dict[str, float]] = {}
    for row in ROWS:
        for variant in VARIANTS:
            found = [cell["auc"] for cell in folds_of(record, variant, row)]
            if found:
                values = ours.setdefault(row, {})
                values[variant] = round(float(np.mean(found)), 2)
                values[f"{variant} +-"] = round(float(np.std(found)), 2)
    counts = {v: len(folds_of(record, v, "proposed")) for v in VARIANTS}
    note = (
        f"rendered anew, {cells.TEST_VIEWS} held-out views per fold, mu = {cells.MU:g}; "
        f"folds: {counts}"
    )
    return beside("Table 1. Area under the IoU curve, percent", ours, PAPER, note=note)


def ablation_table(record: Record) -> dict[str, Any]:
    """Figure 4: accuracy where half of the relevant channels are gone, and where all are."""
    ours: dict[str, dict[str, float]] = {}
    for variant in VARIANTS:
        for name in ("all", "conv"):
            found = [cell[name] for cell in folds_of(record, variant, "ablation")]
            for kind in ("relevant", "random"):
                if found:
                    curves = [np.array(cell[kind]) for cell in found]
                    ours[f"{variant} {name} {kind}"] = {
                        "features": float(np.mean([cell["features"] for cell in found])),
                        "none gone": float(np.mean([curve[0] for curve in curves])),
                        "half gone": float(np.mean([curve[len(curve) // 2] for curve in curves])),
                        "all gone": float(np.mean([curve[-1] for curve in curves])),
                    }
    note = "the paper has curves only, of other data"
    return beside("Figure 4. Mean class-wise accuracy without channels", ours, {}, note=note)


def other_table(record: Record) -> dict[str, Any]:
    """Reconstruction over mu, and box occlusion."""
    ours: dict[str, dict[str, float]] = {}
    for variant in VARIANTS:
        found = folds_of(record, variant, "reconstruction")
        for number, mu in enumerate(cells.MUS):
            if found:
                ours[f"{variant} mu = {mu:g}"] = {
                    "mean AUC": float(np.mean([cell["mean auc"][number] for cell in found])),
                    "features": float(np.mean([cell["features"][number] for cell in found])),
                }
        drops = [cell["difference"] for cell in folds_of(record, variant, "occlusion")]
        if drops:
            ours[f"{variant} box occlusion"] = {"difference": float(np.mean(drops))}
    numbers = {f"{variant} box occlusion": {"difference": 0.02} for variant in VARIANTS}
    title = "Reconstruction of classes from features; drop under boxes, proposed - deconv + GB"
    return beside(title, ours, numbers, note="the paper's 2 % are on ImageNet")


def main() -> None:
    given = arguments(__doc__, minutes=20.0, folds=str(ROOT / "build" / "an8folds"))
    record = Record("vebi", given.minutes)
    for number in range(5):
        for variant in VARIANTS:
            folder = Path(given.folds) / variant / f"fold{number}"
            if (folder / "metrics.json").is_file():
                work_on(record, folder, variant, number)
    record.finish(
        {
            "Table 1": overlap_table(record),
            "Figure 4": ablation_table(record),
            "Reconstruction and occlusion": other_table(record),
        }
    )


if __name__ == "__main__":
    main()
