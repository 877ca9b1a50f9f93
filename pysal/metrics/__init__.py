"""Metrics of saliency maps: one line each, imported only when asked for."""

from pysal.metrics.entries import curves, information, localization, networks, stability
from pysal.registry import Entry

METRICS: dict[str, Entry] = {
    **curves.ENTRIES,
    **information.ENTRIES,
    **localization.ENTRIES,
    **stability.ENTRIES,
    **networks.ENTRIES,
}
"""Entries of the metrics, by group: names, values, needs, costs and sources; nothing is loaded."""
