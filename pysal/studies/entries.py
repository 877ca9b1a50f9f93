"""Registry of the studies."""

from __future__ import annotations

from pysal.registry import Entry

STUDIES: dict[str, Entry] = {
    "filter_ablation": Entry(
        "pysal.studies.ablation:filter_ablation",
        summary="mean class accuracy while relevant or random channels are taken away",
        cost="61 forward per test image, 1 per image of the selection",
        source="Oramas, Wang, Tuytelaars, ICLR 2019, section 4.1, figure 4",
        better="lower",
    ),
    "feature_reconstruction": Entry(
        "pysal.studies.reconstruction:feature_reconstruction",
        summary="mean area under ROC curves of the classes, from the relevant features alone",
        cost="1 forward",
        source="Oramas, Wang, Tuytelaars, ICLR 2019, supplement",
        better="higher",
    ),
    "compare_fillers": Entry(
        "pysal.studies.fillers:compare_fillers",
        summary="accuracy, MS-SSIM and LPIPS after objects are filled",
        cost="5 forward: 4 fillers, and the image",
        source="Agarwal, Nguyen, ACCV 2020, table 1",
        better="lower",
        takes=frozenset({"truth"}),
    ),
}
"""Figures of a labelled data set and a network or filler; they judge no maps."""
