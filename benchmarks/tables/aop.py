"""The tables of AOP and SIGCAM (Zhang, Rao, Yang, AAAI 2021) on the networks and photos here.

    python benchmarks/tables/aop.py [--photos N] [--minutes M]

Deletion, insertion and over-all score of the parts of SIGCAM (Table 1) and beside other methods
(Table 2), pointing game with masks (Table 3). One explanation per photo and method serves all
tables. Photos are those that both networks recognize. A photo takes about fifty seconds on two idle
cores; a run continues the last one: results/tables/aop.json.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import aop_paper as paper
from judged import Variant, accuracy, cost, curves, pointing
from recognized import Shown, open_networks, recognized
from record import Cell, Record, arguments, beside, common, mean, standard_error

from pysal.classifier import Classifier

ITERATIONS = 100
"""Of MP; published 500."""
EMP = {"variant": "gildenblat", "iterations": ITERATIONS}

METHODS: Mapping[str, Variant] = {
    "GradCAM": Variant("gradcam"),
    "GradCAM++": Variant("gradcam_pp"),
    "I-GOS": Variant("igos"),
    "SIGCAM": Variant("sigcam"),
    "XRAI": Variant("xrai"),
}
"""Rows of Table 2."""

PARTS: Mapping[str, Variant] = {
    "GradCAM": METHODS["GradCAM"],
    "WGradCAM": Variant("wgradcam"),
    "EMP (MP)": Variant("mp", EMP),
    "I-GOS": METHODS["I-GOS"],
    "GradCAM + EMP": Variant("aop", {"optimizer": "mp", "settings": EMP}),
    "GradCAM + I-GOS": Variant("aop"),
    "SIGCAM": METHODS["SIGCAM"],
}
"""Rows of Table 1."""

POINTED: Mapping[str, Variant] = {
    **METHODS,
    "SIGCAM": Variant("sigcam", {"theta": 0.6, "lam": 0.25}),
}
"""Rows of Table 3: SIGCAM has its parameters for COCO there."""

VALUES = {"deletion": "DEL", "insertion": "INS", "difference": "over-all"}
Rows = dict[str, Mapping[str, Cell]]


def judge(clf: Classifier, shown: Shown, variant: Variant) -> dict[str, Any]:
    """One photo's map in all tables."""
    found = variant.explain(clf, shown)
    return {
        **curves(clf, shown, found.native, "aop"),
        **pointing(clf, shown, found.native, "C"),
        **cost(found),
    }


def wanted(shown: Shown, probability: float, parts: bool) -> list[Variant]:
    """Methods for a photo, cheap ones first; each once."""
    rows = [*METHODS.values(), *(PARTS.values() if parts else ())]
    if probability > 0.5 and shown.region is not None:
        rows.insert(len(METHODS) - 1, POINTED["SIGCAM"])
    return list({variant.name: variant for variant in rows}.values())


def work_on(record: Record, network: str, clf: Classifier, shown: Shown, *, parts: bool) -> None:
    """All cells of a photo and a network."""
    probability = float(clf.score(shown.batch)[0, shown.index])
    for variant in wanted(shown, probability, parts):
        make = functools.partial(judge, clf, shown, variant)
        record.cell(f"{network}/{variant.name}/{shown.name}", make)


def select(record: Record, network: str, variants: Mapping[str, Variant]) -> tuple[Rows, list[str]]:
    """Cells by row, and the photos that all rows have."""
    found = {row: record.select(network, variant.name) for row, variant in variants.items()}
    found = {row: cells for row, cells in found.items() if cells}
    return found, common(list(found.values()))


def parts_table(record: Record, network: str) -> dict[str, Any]:
    """Table 1, and what the map as a start changes."""
    found, keys = select(record, network, PARTS)
    ours = {
        row: {
            **{name: 100 * mean(cells, keys, value) for value, name in VALUES.items()},
            "+-": 100 * standard_error(cells, keys, "difference"),
        }
        for row, cells in found.items()
    }
    note = (
        f"{len(keys)} photos; percent; paper: Inception_v3; MP has {ITERATIONS} of 500 iterations"
    )
    table = beside(f"Table 1. Parts of SIGCAM, {network}", ours, paper.TABLE_1, note=note)
    return {**table, "differences": gains(found, keys)}


def gains(found: Rows, keys: list[str]) -> dict[str, Any]:
    """Over-all score with a map as the start minus that without, paired over the photos."""
    pairs = {
        "GradCAM + EMP": "EMP (MP)",
        "GradCAM + I-GOS": "I-GOS",
        "SIGCAM": "I-GOS",
    }
    table = {}
    for row, base in pairs.items():
        if row in found and base in found:
            paired = {
                k: {"d": found[row][k]["difference"] - found[base][k]["difference"]} for k in keys
            }
            table[f"{row} minus {base}"] = {
                "over-all": 100 * mean(paired, keys, "d"),
                "+-": 100 * standard_error(paired, keys, "d"),
            }
    return beside("What the map as a start changes (paired, with standard errors)", table, {})


def methods_table(record: Record, networks: list[str]) -> dict[str, Any]:
    """Table 2: several networks, and the mean over them of insertion minus deletion."""
    ours: dict[str, dict[str, float]] = {}
    counts = {}
    for network in networks:
        found, keys = select(record, network, METHODS)
        counts[network] = len(keys)
        for row, cells in found.items():
            for value, name in list(VALUES.items())[:2]:
                ours.setdefault(row, {})[f"{name} {network}"] = 100 * mean(cells, keys, value)
    for row in ours.values():
        both = [
            row.get(f"INS {n}", float("nan")) - row.get(f"DEL {n}", float("nan")) for n in networks
        ]
        row["over-all"] = sum(both) / len(both)
    note = (
        f"photos: {counts}; percent; the paper's over-all is over {', '.join(paper.NETWORKS)}, "
        "whose columns are in the record"
    )
    title = "Table 2. Deletion and insertion, and over-all score"
    return beside(title, ours, paper.TABLE_2, note=note)


def pointing_table(record: Record, networks: list[str]) -> dict[str, Any]:
    """Table 3: pointing game with masks, classes above 0.5."""
    ours: dict[str, dict[str, float]] = {}
    counts = {}
    for network in networks:
        found, keys = select(record, network, POINTED)
        for row, cells in found.items():
            whole = accuracy(cells, keys)
            ours.setdefault(row, {})[network] = whole["hit"]
            ours.setdefault("(middle of the photo)", {})[network] = whole["center"]
            counts[network] = int(whole["pairs"])
    numbers = {row: dict.fromkeys(networks, value) for row, value in paper.TABLE_3.items()}
    note = (
        f"photos whose top class has p > 0.5: {counts}; paper: ResNet50 tuned on COCO, all classes"
    )
    return beside("Table 3. Pointing game with masks, percent", ours, numbers, note=note)


def main() -> None:
    given = arguments(__doc__, photos=10, minutes=10.0)
    record = Record("aop", given.minutes, given.images)
    networks = open_networks()
    last = list(networks)[-1]
    for photo in recognized(networks, given.photos, given):
        for network, clf in networks.items():
            work_on(record, network, clf, photo[network], parts=network == last)
    record.finish(
        {
            "Table 1": parts_table(record, last),
            "Table 2": methods_table(record, list(networks)),
            "Table 3": pointing_table(record, list(networks)),
        }
    )


if __name__ == "__main__":
    main()
