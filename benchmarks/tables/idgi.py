"""The tables of IDGI (Yang, Wang, Bilgic, CVPR 2023) on the networks and photos here.

    python benchmarks/tables/idgi.py [--photos N] [--minutes M] [--steps S]

Insertion score (Table 1), AIC and SIC over entropy (2) and MS-SSIM (3), weakly supervised
localization (4), and what both measures say of bokeh images (Figure 4), for IG, Guided IG and Blur
IG with and without IDGI, and the gradient. One sweep of gradients per photo and path serves the
path's own map and IDGI's. Photos are those that both networks recognize. A run continues the last
one, where its steps are the same: results/tables/idgi.json.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from bokeh_images import draw, strip
from flat import flat, joined
from idgi_paper import DIFFERS, MEAN, MOBILENET, ROWS, TITLES, published
from recognized import Shown, open_networks, recognized
from record import ROOT, Record, arguments, beside, common, mean, standard_error

from pysal.classifier import Classifier
from pysal.methods.blur_ig import blur_ig
from pysal.methods.gradient import gradient
from pysal.methods.guided_ig import guided_ig
from pysal.methods.integrated_gradients import integrated_gradients
from pysal.metrics.idgi_insertion import idgi_insertion
from pysal.metrics.localization import weak_localization
from pysal.metrics.performance_binned import aggregate_aic_sic_binned, aic_sic_binned
from pysal.types import Array, Attribution

PATHS: dict[str, Callable[..., Attribution]] = {
    "IG": integrated_gradients,
    "GIG": guided_ig,
    "BlurIG": blur_ig,
}
MEASURES: dict[str, Literal["entropy", "ms_ssim"]] = {"entropy": "entropy", "MS-SSIM": "ms_ssim"}
LEVELS, BINS = 25, 100
PICTURES = ROOT / "build" / "tables"
MEANS = {
    "Table 1a. insertion, probability": "probability",
    "Table 1b. insertion, ratio": "ratio",
    "Table 4a. F1": "f1",
    "Table 4b. ROC-AUC": "roc_auc",
    "Table 4c. MAE (lower is better)": "mae",
}
"""Tables that are means over photos, and of what; the others are figures of the set."""


def sweep(clf: Classifier, shown: Shown, path: str, steps: int) -> dict[str, Array]:
    """The maps (1, H, W) of a path, from the same gradients: its own, and that with IDGI."""
    found = PATHS[path](clf, shown.batch, shown.target, steps=steps, both=True)
    return {path: found.trace["riemann"], f"{path}+IDGI": found.trace["idgi"]}


def vanilla(clf: Classifier, shown: Shown) -> dict[str, Array]:
    """The map of the gradient."""
    return {"VG": gradient(clf, shown.batch, shown.target, reduce="abs_sum").native}


def judge(
    clf: Classifier, shown: Shown, make: Sequence[Callable[[], dict[str, Array]]]
) -> dict[str, dict[str, Any]]:
    """Maps of one photo in all tables: row -> cell.

    They are judged together because the time goes into lossless WebP, one thread per map.
    """
    maps: dict[str, Array] = {}
    for some in make:
        maps |= some()
    batch = np.repeat(shown.batch, len(maps), axis=0)
    photo = (clf, batch, np.concatenate(list(maps.values())), shown.target)
    inserted = idgi_insertion(*photo)
    placed = weak_localization(*photo, truth=[shown.truth] * len(maps))
    found = {
        measure: aic_sic_binned(*photo, information=name, levels=LEVELS, bins=BINS)
        for measure, name in MEASURES.items()
    }
    cells = {}
    for image, row in enumerate(maps):
        cells[row] = {
            **flat(inserted, ("probability", "ratio"), image=image),
            **flat(placed, ("f1", "roc_auc", "mae"), image=image),
            # The pictures of both measures are the same, and so is what the network says of them.
            **flat(found["MS-SSIM"], image=image, pictures="accuracy", ratios="ratio"),
        }
        for measure, result in found.items():
            cells[row] |= flat(result, image=image, **{f"{measure} level": "level"})
    return cells


def work_on(record: Record, network: str, clf: Classifier, shown: Shown, steps: int) -> None:
    """All cells of a photo and a network; the gradient goes with the first path."""
    for path in PATHS:
        make = [functools.partial(sweep, clf, shown, path, steps)]
        rows = [path, f"{path}+IDGI"]
        if path == "IG":
            make.insert(0, functools.partial(vanilla, clf, shown))
            rows.insert(0, "VG")
        cells = functools.cache(functools.partial(judge, clf, shown, make))
        for row in rows:
            key = f"{network}/{steps} steps/{row}/{shown.name}"
            record.cell(key, functools.partial(_pick, cells, row))


def _pick(cells: Callable[[], dict[str, dict[str, Any]]], row: str) -> dict[str, Any]:
    return cells()[row]


def rows_of(record: Record, network: str, steps: int) -> tuple[dict[str, Any], list[str]]:
    """Cells by row, and the photos that all rows have."""
    cells = {row: record.select(network, f"{steps} steps", row) for row in ROWS}
    cells = {row: found for row, found in cells.items() if found}
    return cells, common(list(cells.values()))


def figures(cells: dict[str, Any], keys: list[str]) -> dict[str, float]:
    """Table -> figure of one row over some photos."""
    found = {title: mean(cells, keys, value) for title, value in MEANS.items()}
    shared = {"fraction": np.linspace(0, 1, LEVELS), "bin": (np.arange(BINS) + 0.5) / BINS}
    for measure in MEASURES:
        names = {f"{measure} level": "level", "pictures": "accuracy", "ratios": "ratio"}
        whole = aggregate_aic_sic_binned(joined("aic_sic_binned", cells, keys, shared, **names))
        for title in TITLES:
            if title.endswith(f", {measure}"):
                found[title] = whole["aic" if "AIC" in title else "sic"]
    return found


def tables_of(record: Record, networks: list[str], steps: int) -> dict[str, Any]:
    """Print all tables; the record of them."""
    ours: dict[str, dict[str, dict[str, float]]] = {title: {} for title in TITLES}
    counts = {}
    for network in networks:
        cells, keys = rows_of(record, network, steps)
        counts[network] = len(keys)
        for row, found in cells.items():
            for title, value in figures(found, keys).items():
                ours[title].setdefault(row, {})[network] = value
    columns = {name: MOBILENET if "mobilenet" in name else MEAN for name in networks}
    note = f"photos: {counts}; {steps} steps; paper: {columns}"
    tables = {
        title: beside(title, table, published(title, columns), note=note)
        for title, table in ours.items()
    }
    tables["gain"] = gains(record, networks, steps)
    tables["Figure 4"] = level_figure(record, networks, steps)
    print("\nWhat differs from the paper:", *DIFFERS, sep="\n- ")
    return {"differs": list(DIFFERS), **tables}


def gains(record: Record, networks: list[str], steps: int) -> dict[str, Any]:
    """What IDGI changes, paired over the photos, and the standard errors of that."""
    table: dict[str, dict[str, float]] = {}
    for network in networks:
        cells, keys = rows_of(record, network, steps)
        for path in PATHS:
            mine, base = cells.get(f"{path}+IDGI"), cells.get(path)
            if not mine or not base:
                continue
            line = table.setdefault(f"{path}+IDGI minus {path}, {network[:9]}", {})
            for value in MEANS.values():
                paired = {key: {value: mine[key][value] - base[key][value]} for key in keys}
                line[value] = mean(paired, keys, value)
                line[f"+- {value}"] = standard_error(paired, keys, value)
    return beside("What IDGI changes (paired, with standard errors)", table, {})


def level_figure(record: Record, networks: list[str], steps: int) -> dict[str, Any]:
    """Figure 4: mean level of information in the pictures, by share of sharp pixels."""
    found: dict[str, dict[str, list[float]]] = {measure: {} for measure in MEASURES}
    for network in networks:
        cells, keys = rows_of(record, network, steps)
        for row, known in cells.items():
            for measure in MEASURES:
                levels = np.array([known[key][f"{measure} level"] for key in keys], np.float64)
                levels = levels[~np.isnan(levels).any(axis=1)]
                if len(levels):
                    means = levels.mean(axis=0).round(4).tolist()
                    found[measure][f"{row}, {network}"] = means
    if any(found.values()):
        draw(found, PICTURES / "idgi.levels.png")
    shares = np.linspace(0, 100, LEVELS).round(2).tolist()
    shown = [round(part * (LEVELS - 1)) for part in (1 / 24, 0.25, 0.5, 0.75)]
    for measure, rows in found.items():
        table = {
            row: {f"{shares[i]:.0f} %": means[i] for i in shown} for row, means in rows.items()
        }
        beside(f"Figure 4. Mean level by {measure}, by share of sharp pixels", table, {})
    return {"shares": shares, **found}


def show_bokeh(network: str, clf: Classifier, shown: Shown, steps: int) -> None:
    """Bokeh images of one photo, unless they are there."""
    path = PICTURES / f"idgi.bokeh.{network}.png"
    if path.is_file():
        return
    with warnings.catch_warnings():  # said in the cells already
        warnings.simplefilter("ignore")
        strip(clf, shown, sweep(clf, shown, "IG", steps), path)


def main() -> None:
    given = arguments(__doc__, photos=12, minutes=12.0, steps=200)
    record = Record("idgi", given.minutes, given.images)
    networks = open_networks()
    for number, photo in enumerate(recognized(networks, given.photos, given)):
        for network, clf in networks.items():
            work_on(record, network, clf, photo[network], given.steps)
            reached = f"{network}/{given.steps} steps/IG/{photo[network].name}" in record.cells
            if number == 0 and reached:
                show_bokeh(network, clf, photo[network], given.steps)
    record.finish(tables_of(record, list(networks), given.steps))


if __name__ == "__main__":
    main()
