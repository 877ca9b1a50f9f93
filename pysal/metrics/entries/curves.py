"""Scores while parts of the image come and go."""

from pysal.registry import Entry

ENTRIES: dict[str, Entry] = {
    "insertion_deletion": Entry(
        "pysal.metrics.insertion_deletion:insertion_deletion",
        summary="score while the most salient cells are removed from, or put into, the image",
        cost="106 forward at 28 x 28 (protocol igos); 57 at 224 x 224 (protocol rise)",
        source="Petsiuk, Das, Saenko, RISE, BMVC 2018; Qi, Khorram, Li, I-GOS, AAAI 2020",
        better="higher",
        values={"difference": "higher", "insertion": "higher", "deletion": "lower"},
    ),
    "idgi_insertion": Entry(
        "pysal.metrics.idgi_insertion:idgi_insertion",
        summary="score, and its ratio, while salient pixels are put into a black image",
        cost="21 forward",
        source="Yang, Wang, Bilgic, IDGI, CVPR 2023, insertion score",
        better="higher",
        values={"probability": "higher", "ratio": "higher"},
    ),
}
