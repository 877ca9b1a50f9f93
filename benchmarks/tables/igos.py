"""The tables of I-GOS (Qi, Khorram, Li, AAAI 2020) on the networks and photos here.

    python benchmarks/tables/igos.py [--photos N] [--minutes M] [--pictures K]

Deletion and insertion by resolution (Tables 1 and 2), seconds (3), ablation (4), convergence (5),
pointing game (6), and maps of adversarial photos (supplement), of which the first K become a
picture in build/tables. One explanation per photo, method and resolution serves all tables. Photos
are those that both networks recognize. A photo takes about two and a half minutes on two idle
cores; a run continues the last one: results/tables/igos.json.
"""

from __future__ import annotations

import functools
from pathlib import Path

import adversarial
import igos_cells as cells
from igos_tables import tables_of
from recognized import open_networks, recognized
from record import ROOT, Record, arguments

PICTURES = ROOT / "build" / "tables" / "igos.adversarial"


def picture(name: str, number: int, wanted: int) -> Path | None:
    """Where the strip of a photo goes; None for photos after the first ones."""
    return PICTURES / f"{name}.png" if number < wanted else None


def main() -> None:
    given = arguments(__doc__, photos=5, minutes=14.0, pictures=4)
    record = Record("igos", given.minutes, given.images)
    networks = open_networks()
    plain, residual = networks
    for number, photo in enumerate(recognized(networks, given.photos, given)):
        for network, clf in networks.items():
            cells.work_on(record, network, cells.maps_of(clf, photo[network]), photo[network])
        clf, shown = networks[residual], photo[residual]
        path = picture(shown.name, number, given.pictures)
        study = functools.partial(adversarial.study, clf, shown, path)
        record.cell(f"{residual}/adversarial/{shown.name}", study)
        clf, shown = networks[plain], photo[plain]
        cells.work_on(record, plain, cells.studies_of(clf, shown), shown)
    record.finish(tables_of(record, list(networks)))
    adversarial.sheet(PICTURES, PICTURES.with_suffix(".png"))


if __name__ == "__main__":
    main()
