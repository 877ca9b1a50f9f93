"""What a change of the network does, and of what it is shown."""

from pysal.registry import Entry

ENTRIES: dict[str, Entry] = {
    "average_drop": Entry(
        "pysal.metrics.average_drop:average_drop",
        summary="change of the probability when the image is multiplied by its map",
        cost="2 forward",
        source="Chattopadhay, Sarkar, Howlader, Balasubramanian, Grad-CAM++, WACV 2018, 4.1",
        better="lower",
        values={"drop": "lower", "increase": "higher", "gain": "higher", "masked_score": ""},
    ),
    "randomization": Entry(
        "pysal.metrics.randomization:randomization",
        summary="how alike maps stay when the network's weights are drawn anew, from the top down",
        cost="6 times the method",
        source="Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, NeurIPS 2018, section 3",
        better="lower",
        values={"spearman": "lower", "spearman_abs": "lower", "ssim": "lower", "hog": "lower"},
        takes=frozenset({"explain"}),
        aggregate="pysal.metrics.randomization:aggregate",
    ),
}
