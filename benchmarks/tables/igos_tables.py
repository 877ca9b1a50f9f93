"""Tables of I-GOS from their cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import igos_cells as made
import igos_paper as paper
import numpy as np
from judged import Variant, accuracy
from record import Cell, Record, beside, common, mean, standard_error

Wanted = Mapping[tuple[str, int | str], tuple[Variant, int | str]]
"""Row and column -> which cells."""
Found = Mapping[tuple[str, int | str], Mapping[str, Cell]]

STANDS_FOR = ("VGG19", "ResNet50")
"""Network of the paper that the first and the second one here stand for."""

REDUCTIONS = (
    f"MP has {made.REDUCED['iterations']} of {made.PUBLISHED['iterations']} iterations, RISE "
    f"{made.REDUCED['samples']} masks, IG {made.STEPS} points from black"
)


def select(record: Record, network: str, wanted: Wanted) -> tuple[Found, list[str]]:
    """The cells that there are, and the photos that all of them have."""
    found = {
        place: cells
        for place, (variant, size) in wanted.items()
        if (cells := record.select(network, *made.key_of(variant, size).split("/")))
    }
    return found, common(list(found.values()))


def everything() -> Wanted:
    """All maps of Tables 1 to 3."""
    rows = {**made.SPREAD, **made.SIZED}
    by_size = {(row, size): (v, size) for row, v in rows.items() for size in made.SIZES}
    return {**{(row, "own"): (v, "own") for row, v in made.OWN.items()}, **by_size}


def curves_table(record: Record, network: str, number: int, stands_for: str) -> dict[str, Any]:
    """Tables 1 and 2: deletion and insertion by resolution."""
    found, keys = select(record, network, everything())
    ours: dict[str, dict[str, float]] = {}
    for (row, size), cells in found.items():
        own = nearest(cells, keys) if size == "own" else size
        for value, name in (("deletion", "DEL"), ("insertion", "INS")):
            ours.setdefault(row, {})[f"{own} {name}"] = mean(cells, keys, value)
    ours = {row: in_columns(values) for row, values in in_rows(ours).items()}
    sides = {
        c["side"] for (_, size), cells in found.items() if size == "own" for c in cells.values()
    }
    note = f"{len(keys)} photos; {REDUCTIONS}; GradCAM's own side: {sorted(sides)}"
    numbers = paper.TABLE_1 if number == 1 else paper.TABLE_2
    title = f"Table {number}. Deletion and insertion, {network} (paper: {stands_for})"
    return {**beside(title, ours, numbers, note=note), "differences": gains(found, keys)}


def gains(found: Found, keys: list[str]) -> dict[str, Any]:
    """What I-GOS has over MP, paired over the photos, with standard errors."""
    table: dict[str, dict[str, float]] = {}
    for size in made.SIZES:
        mine, other = (found.get((row, size)) for row in made.SIZED)
        if not mine or not other:
            continue
        line = table.setdefault(f"{size}", {})
        for value in ("deletion", "insertion"):
            paired = {key: {value: mine[key][value] - other[key][value]} for key in keys}
            line[value] = mean(paired, keys, value)
            line[f"+- {value}"] = standard_error(paired, keys, value)
    return beside("I-GOS minus Mask (MP), paired, by resolution", table, {})


def nearest(cells: Mapping[str, Cell], keys: list[str]) -> int:
    """The resolution of the tables that is nearest to that of a method."""
    side = float(np.median([cells[key]["side"] for key in keys or cells]))
    return min(made.SIZES, key=lambda size: abs(math.log(size / side)))


def in_rows(table: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Rows in the order of the paper, ours after them."""
    order = [*paper.TABLE_1, *table]
    return {row: table[row] for row in dict.fromkeys(order) if row in table}


def in_columns(row: Mapping[str, float]) -> dict[str, float]:
    """Columns from fine to coarse; NaN where a row has none."""
    names = [f"{size} {value}" for size in made.SIZES for value in ("DEL", "INS")]
    return {name: row.get(name, float("nan")) for name in names}


def seconds_table(record: Record, network: str, stands_for: str) -> dict[str, Any]:
    """Table 3: seconds of the explanations of Table 2, the median over photos."""
    found, keys = select(record, network, everything())
    ours: dict[str, dict[str, float]] = {}
    whole = {row: made.PUBLISHED[name] / made.REDUCED[name] for row, name in SCALED.items()}
    for (row, size), cells in found.items():
        if not keys or (row in made.SPREAD and size != max(made.SIZES)):
            continue
        column = str(nearest(cells, keys) if size == "own" else size)
        taken = float(np.median([cells[key]["explain seconds"] for key in keys]))
        if row in whole:
            ours.setdefault(f"{row} as run", {})[column] = taken
        ours.setdefault(row, {})[column] = taken * whole.get(row, 1)
    note = (
        f"{len(keys)} photos; paper: {stands_for} on a GTX 1080Ti; MP and RISE are also scaled to "
        f"{made.PUBLISHED['iterations']} iterations and {made.PUBLISHED['samples']} masks; what "
        "else the machine did is in the seconds"
    )
    return beside(f"Table 3. Seconds per photo, {network}", ours, paper.TABLE_3, note=note)


SCALED = {"Mask (MP)": "iterations", "RISE": "samples"}


def ablation_table(record: Record, network: str, stands_for: str) -> dict[str, Any]:
    """Table 4: I-GOS without its parts."""
    sizes = (max(made.SIZES), made.MIDDLE)
    wanted = {(row, size): (v, size) for row, v in made.ABLATION.items() for size in sizes}
    found, keys = select(record, network, wanted)
    ours: dict[str, dict[str, float]] = {}
    for (row, size), cells in found.items():
        for value, name in (("deletion", "DEL"), ("insertion", "INS")):
            ours.setdefault(row, {})[f"{size} {name}"] = mean(cells, keys, value)
    note = f"{len(keys)} photos; paper: {stands_for}; the fixed step, 40, is ours"
    return beside(f"Table 4. Ablation of I-GOS, {network}", ours, paper.TABLE_4, note=note)


def convergence_table(record: Record, network: str, stands_for: str) -> dict[str, Any]:
    """Table 5: both masks under the same objective, that of I-GOS."""
    places = {
        (f"{row} {pair[0]:g}/{pair[1]:g}", made.MIDDLE): (row, pair)
        for pair in made.PAIRS
        for row in made.SIZED
    }
    wanted = {place: (made.weighted(*at), made.MIDDLE) for place, at in places.items()}
    found, keys = select(record, network, wanted)
    ours: dict[str, dict[str, float]] = {}
    for place, cells in found.items():
        l1, l2 = places[place][1]
        losses = {
            key: {
                "loss": cells[key]["masked score"]
                + l1 * cells[key]["mask size"]
                + l2 * cells[key]["variation"]
            }
            for key in keys
        }
        ours[place[0]] = {
            "total loss": mean(losses, keys, "loss"),
            "DEL": mean(cells, keys, "deletion"),
            "INS": mean(cells, keys, "insertion"),
            "masked score": mean(cells, keys, "masked score"),
        }
    note = (
        f"{len(keys)} photos; paper: {stands_for}; MP minimizes its own terms, with these weights"
    )
    title = f"Table 5. Convergence at {made.MIDDLE} x {made.MIDDLE}, {network}"
    return beside(title, ours, paper.TABLE_5, note=note)


def pointing_table(record: Record, networks: list[str]) -> dict[str, Any]:
    """Table 6: pointing game with boxes."""
    large = max(made.SIZES)
    wanted: dict[tuple[str, int | str], tuple[Variant, int | str]] = {
        **{(row, "pointing"): (v, "pointing") for row, v in made.POINTED.items()},
        **{(row, large): (made.SPREAD[row], large) for row in ("MWP", "Excitation BP", "RISE")},
        ("GradCAM", "own"): (made.OWN["GradCAM"], "own"),
    }
    for row, start in (("Mask (MP)", "Mask"), ("I-GOS", "I-GOS")):
        wanted |= {(f"{start} {s}", s): (made.SIZED[row], s) for s in (made.COARSE, made.MIDDLE)}
    ours: dict[str, dict[str, float]] = {}
    counts = {}
    for network in networks:
        found, keys = select(record, network, wanted)
        for (row, _), cells in found.items():
            whole = accuracy(cells, keys)
            ours.setdefault(row, {})[network] = whole["hit"]
            ours.setdefault("(middle of the photo)", {})[network] = whole["center"]
            counts[network] = int(whole["pairs"])
    numbers = {row: dict.fromkeys(networks, value) for row, value in paper.TABLE_6.items()}
    note = (
        f"boxes, no tolerance; photos: {counts}, the top class of each; AM is read as the "
        "gradient, Excitation BP as its contrastive form; paper: VGG16, MSCOCO"
    )
    return beside("Table 6. Pointing game, percent", ours, numbers, note=note)


def adversarial_table(record: Record, network: str) -> dict[str, Any]:
    """The supplement's study: maps of the class that an attack made up."""
    cells = record.select(network, "adversarial")
    led = [key for key, cell in sorted(cells.items()) if cell["success"]]
    ours = {}
    for name, photo in (("old", "clean"), ("new", "attacked")) if led else ():
        ours[f"{name} class, {photo} photo"] = {
            "probability": mean(cells, led, f"{name} class, {photo}"),
            "DEL": mean(cells, led, f"{name} deletion"),
            "INS": mean(cells, led, f"{name} insertion"),
        }
    figures = {
        "success": mean(cells, list(cells), "success"),
        "rank correlation": mean(cells, led, "rank correlation"),
        "standard error": standard_error(cells, led, "rank correlation"),
        "photos": len(cells),
    }
    note = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
    table = beside(f"Adversarial photos (MI-FGSM), I-GOS, {network}", ours, {}, note=note)
    return {**table, **figures}


def tables_of(record: Record, networks: list[str]) -> dict[str, Any]:
    """Print all tables; the record of them."""
    (first, plain), (second, residual) = zip(networks, STANDS_FOR, strict=True)
    return {
        "Table 1": curves_table(record, first, 1, plain),
        "Table 2": curves_table(record, second, 2, residual),
        "Table 3": seconds_table(record, second, residual),
        "Table 4": ablation_table(record, first, plain),
        "Table 5": convergence_table(record, first, plain),
        "Table 6": pointing_table(record, networks),
        "adversarial": adversarial_table(record, second),
    }
