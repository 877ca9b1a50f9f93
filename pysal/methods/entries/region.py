"""Regions."""

from pysal.registry import Entry

ENTRIES: dict[str, Entry] = {
    "xrai": Entry(
        "pysal.methods.xrai:xrai",
        summary="rank regions of several segmentations by the attribution they hold per pixel",
        needs=frozenset({"grad"}),
        cost="200 forward + backward and 1 forward",
        source="Kapishnikov et al., XRAI: Better Attributions Through Regions, ICCV 2019, "
        "Algorithm 1",
        extra="regions",
    ),
}
