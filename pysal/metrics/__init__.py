"""Metrics of saliency maps: one line each, imported only when asked for."""

from pysal.registry import Entry

METRICS = {
    "insertion_deletion": Entry(
        "pysal.metrics.insertion_deletion:insertion_deletion",
        summary="score while the most salient cells are removed from, or put into, the image",
        cost="106 forward at 28 x 28 (protocol igos); 57 at 224 x 224 (protocol rise)",
        source="Petsiuk, Das, Saenko, RISE, BMVC 2018; Qi, Khorram, Li, I-GOS, AAAI 2020",
        better="higher",
    ),
}
