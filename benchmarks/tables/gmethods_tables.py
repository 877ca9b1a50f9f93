"""Tables of the G-methods from their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gmethods_cells as made
import gmethods_paper as paper
from flat import joined
from histograms import draw, shares
from record import ROOT, Cell, Record, beside, common, mean, standard_error

from pysal.metrics.localization_error import aggregate_localization_error
from pysal.metrics.saliency_metric import aggregate_saliency_metric
from pysal.places import ALPHAS

PICTURE = ROOT / "build" / "tables" / "gmethods.labels.png"
LOCALIZATION, DELETION, CROP = paper.ACCURACY["SP"]
RANKED = tuple(row + made.RANKED for row in ("MP2", "MP2-G"))


NOTES = {
    LOCALIZATION: "threshold chosen by halves; IoU with the best box of the class",
    DELETION: "mean colour; Baseline is one random map",
    CROP: "threshold chosen by halves; Baseline is one random map",
}


def rows_of(record: Record, network: str) -> tuple[dict[str, dict[str, Cell]], list[str]]:
    """Rows of Tables 2 to 4 and the photos that all of them have."""
    cells = {row: record.select(network, row) for row in (*paper.ACCURACY, *RANKED)}
    cells = {row: found for row, found in cells.items() if found}
    return cells, common(list(cells.values()))


def accuracy_tables(record: Record, networks: Sequence[str]) -> dict[str, Any]:
    """Tables 2 to 4, networks as columns."""
    ours: dict[str, dict[str, dict[str, float]]] = {}
    counts = {}
    for network in networks:
        cells, keys = rows_of(record, network)
        counts[network] = len(keys)
        for row, found in cells.items():
            for measure, value in _figures(row, found, keys).items():
                ours.setdefault(measure, {}).setdefault(row, {})[network] = value
    tables = {}
    for number, measure in enumerate(NOTES, 2):
        published = {
            row: {network: values[measure] for network in networks}
            for row, values in paper.ACCURACY.items()
        }
        title = f"Table {number}. {measure} (lower is better)"
        note = f"photos: {counts}; {NOTES[measure]}"
        tables[title] = beside(title, ours.get(measure, {}), published, note=note)
    title = "Insertion into the mean colour (ours, higher is better)"
    tables[title] = beside(title, ours.get("insertion", {}), {}, note=f"photos: {counts}")
    return tables


def _figures(row: str, cells: Mapping[str, Any], keys: Sequence[str]) -> dict[str, float]:
    """Figures of one row over some photos."""
    if not keys:
        return {}
    grid = {"alpha": ALPHAS}
    boxes = joined("localization_error", cells, keys, grid, iou="iou")
    crops = joined("saliency_metric", cells, keys, grid, s="s")
    error = aggregate_localization_error(boxes)["error"]
    if row == "Baseline":
        error = mean(cells, keys, "whole_image_error")
    return {
        LOCALIZATION: 100 * error,
        DELETION: mean(cells, keys, "deletion"),
        "insertion": mean(cells, keys, "insertion"),
        CROP: aggregate_saliency_metric(crops)["s"],
    }


def differences(record: Record, networks: Sequence[str]) -> dict[str, Any]:
    """What a generator changes: paired differences of deletion and best_s with standard errors."""
    table: dict[str, dict[str, float]] = {}
    for network in networks:
        cells, keys = rows_of(record, network)
        for row in ("SP", "LIME", "MP2", RANKED[0]):
            other = row.replace("MP2", "MP2-G") if "MP2" in row else f"{row}-G"
            if row not in cells or other not in cells:
                continue
            line = table.setdefault(f"{other} minus {row}", {})
            for value in ("deletion", "best_s"):
                paired = {
                    key: {value: cells[other][key][value] - cells[row][key][value]} for key in keys
                }
                line[f"{network[:7]} {value[:4]}"] = mean(paired, keys, value)
                line[f"{network[:7]} +-{value[:4]}"] = standard_error(paired, keys, value)
    return beside("What the generator changes (paired, with standard errors)", table, {})


def filler_table(record: Record, networks: Sequence[str]) -> dict[str, Any]:
    """Table 1 for each network."""
    tables = {}
    names = {"accuracy, %": "accuracy", "MS-SSIM": "ms_ssim", "LPIPS": "lpips"}
    without = "" if made.lpips_trouble() is None else f"; no LPIPS: {made.lpips_trouble()}"
    for network in networks:
        cells = record.select(network, "fillers")
        keys = [key for key in sorted(cells) if cells[key]["share"] > 0]
        ours: dict[str, dict[str, float]] = {}
        for row in paper.FILLERS:
            values = {name: mean(cells, keys, f"{row} {key}") for name, key in names.items()}
            ours[row] = {**values, "accuracy, %": 100 * values["accuracy, %"]}
        blur = mean(cells, keys, "whole blur")
        note = (
            f"{len(keys)} photos, labels are the top classes of the real ones; probability when "
            f"all is blurred {blur:.3f}, paper {paper.WHOLE_BLUR}{without}"
        )
        title = f"Table 1. Fillers, {network}"
        tables[title] = beside(title, ours, paper.FILLERS, note=note)
        tables[title]["whole blur"] = blur
    return tables


def sensitivity_table(record: Record) -> dict[str, Any]:
    """Table S1."""
    cells = {
        row: record.select(made.SENSITIVE_NETWORK, f"sensitivity {row}") for row in made.SENSITIVITY
    }
    cells = {row: found for row, found in cells.items() if found}
    keys = common(list(cells.values()))
    ours = {
        row: {value: mean(cells[row], keys, value) for value in paper.SENSITIVITY["SP"]}
        for row in paper.SENSITIVITY
        if row in cells
    }
    note = f"{made.SENSITIVE_NETWORK}, {len(keys)} photos"
    return beside("Table S1. Sensitivity (higher is better)", ours, paper.SENSITIVITY, note=note)


def label_figure(record: Record, networks: Sequence[str]) -> dict[str, Any]:
    """Figure 8: the share of the paper's three classes, and the commonest ones."""
    two = ("gray", "inpaint")
    ours: dict[str, dict[str, float]] = {}
    found = {}
    for network in networks:
        cells = record.select(network, "labels")
        for what in ("artefacts", "own"):
            ours.setdefault(f"{what}, {network}", {}).update(
                {name: mean(cells, sorted(cells), f"{name}, {what}") for name in two}
            )
        if cells:
            found[network] = shares(cells, two)
    if found:
        draw(found, PICTURE)
    published = {f"artefacts, {network}": {"gray": paper.ARTEFACT_SHARE} for network in networks}
    names = ", ".join(paper.ARTEFACTS.values())
    note = f"artefacts: {names}; own: the photo's own class; {made.SAMPLES} samples per photo"
    table = beside("Figure 8. Top classes of LIME's samples, shares", ours, published, note=note)
    return {**table, "commonest": found}


DIFFERS = (
    "Networks: SqueezeNet 1.1 and MobileNetV2; paper ResNet-50, and Inception-v3 in Table 1.",
    "Photos: of COCO, those whose top class on both networks is that of an annotated thing; the "
    "class is the top class, so that Table 1 begins at 100 %. Paper: 2,000 of ImageNet that are "
    "classified correctly, in Table 1 1,000 birds. Places365 is not here.",
    "Places: boxes and masks of COCO; paper boxes of ImageNet, in Table 1 masks of DeepLab.",
    "Inpainter: the filler learnt, a small network that comes with pysal; paper DeepFill-v1.",
    f"Reduced in Tables 2 to 4: SP and SP-G stride {made.SP['stride']} (paper 3), LIME and LIME-G "
    f"{made.LIME['samples']} samples (1,000), FIDO-CA 75 steps of 4 masks (300 of 8). MP is the "
    "paper's code, MP2 and MP2-G are the paper's text: 2 cells per step, 28 x 28, binary maps. How "
    "MP2-G compares cells is open there; here by the gradient along the blur of MP2, because "
    "learnt pastes the known pixels back. Ranked rows have the order of removal as map (ours).",
    "Reduced in Table S1: SP stride 19, LIME 150 samples (500), MP2 masks of 28, 56, 112 with 4, "
    "16, 64 cells per step (2 of any).",
    "Thresholds of Tables 2 and 4: even photos choose for odd ones and the other way round; paper "
    "1,000 held-out images. Baseline: one random map per photo, in Table 2 the whole image.",
)
"""What is not as in the paper."""


def tables_of(record: Record, networks: Sequence[str]) -> dict[str, Any]:
    """Print all tables and what differs; the record of them."""
    tables = {
        "differs": list(DIFFERS),
        **filler_table(record, networks),
        **accuracy_tables(record, networks),
        "differences": differences(record, networks),
        "Table S1": sensitivity_table(record),
        "Figure 8": label_figure(record, networks),
    }
    print("\nWhat differs from the paper:", *DIFFERS, sep="\n- ")
    return tables
