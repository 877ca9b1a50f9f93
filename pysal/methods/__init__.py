"""Explanation methods: one line each, imported only when asked for."""

from pysal.registry import Entry

METHODS = {
    "igos": Entry(
        "pysal.methods.igos:igos",
        summary="optimize a small smooth mask that removes the score, along integrated gradients",
        needs=frozenset({"grad"}),
        cost="300 forward + backward and about 150 forward; preset fast: 24 and about 20",
        source="Qi, Khorram, Li, Visualizing Deep Networks by Optimizing with Integrated "
        "Gradients, AAAI 2020",
    ),
}
