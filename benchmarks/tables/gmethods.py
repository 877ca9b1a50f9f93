"""The tables of the G-methods (Agarwal, Nguyen, ACCV 2020) on the networks and photos here.

    python benchmarks/tables/gmethods.py [--photos N] [--minutes M] [--sensitivity K]

Fillers (Table 1), localization error, deletion and saliency metric (Tables 2 to 4), sensitivity to
hyperparameters on the first K photos with one network (Table S1; S2 is the same on Places365, which
is not here), and what LIME's samples are taken for (Figure 8). Photos are those that both networks
recognize. One explanation per photo and method serves Tables 2 to 4. A run continues the last one:
results/tables/gmethods.json.
"""

from __future__ import annotations

import functools

import gmethods_cells as cells
from gmethods_tables import tables_of
from recognized import open_networks, recognized
from record import Record, arguments


def main() -> None:
    given = arguments(__doc__, photos=8, minutes=14.0, sensitivity=2)
    record = Record("gmethods", given.minutes, given.images)
    networks = open_networks()
    for number, photo in enumerate(recognized(networks, given.photos, given)):
        for network, clf in networks.items():
            cells.work_on(record, network, clf, photo[network])
        if number < given.sensitivity:
            clf, shown = networks[cells.SENSITIVE_NETWORK], photo[cells.SENSITIVE_NETWORK]
            for row in cells.SENSITIVITY:
                key = f"{cells.SENSITIVE_NETWORK}/sensitivity {row}/{shown.name}"
                record.cell(key, functools.partial(cells.sensitivity, clf, shown, row))
    record.finish(tables_of(record, list(networks)))


if __name__ == "__main__":
    main()
