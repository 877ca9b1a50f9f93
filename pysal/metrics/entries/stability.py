"""Maps against maps: completeness, sensitivity, sanity."""

from pysal.registry import Entry

ENTRIES: dict[str, Entry] = {
    "completeness": Entry(
        "pysal.metrics.completeness:completeness",
        summary="whether a signed map adds up to the score's gain over a baseline",
        cost="2 forward",
        source="Sundararajan, Taly, Yan, ICML 2017, proposition 1",
        better="lower",
        values={"relative": "lower", "absolute": "lower", "residual": ""},
    ),
    "infidelity": Entry(
        "pysal.metrics.infidelity:infidelity",
        summary="error of the score changes that a map foretells",
        cost="101 forward",
        source="Yeh, Hsieh, Suggala, Inouye, Ravikumar, NeurIPS 2019, definition 1",
        better="lower",
        values={"scaled": "lower", "infidelity": "lower", "scale": ""},
    ),
    "max_sensitivity": Entry(
        "pysal.metrics.max_sensitivity:max_sensitivity",
        summary="largest change of the map among images near by",
        cost="11 times the method",
        source="Yeh, Hsieh, Suggala, Inouye, Ravikumar, NeurIPS 2019, definition 3",
        better="lower",
        values={"max": "lower", "mean": "lower", "absolute": "lower"},
        takes=frozenset({"explain"}),
    ),
    "hyperparameter_sensitivity": Entry(
        "pysal.metrics.hyperparameter_sensitivity:hyperparameter_sensitivity",
        summary="how alike the maps of several settings of a method are",
        cost="3 times the method, once per setting",
        source="Bansal, Agarwal, Nguyen, SAM, CVPR 2020; Agarwal, Nguyen, ACCV 2020, table S1",
        better="higher",
        values={"ssim": "higher", "hog": "higher", "spearman": "higher"},
        takes=frozenset({"explain"}),
        aggregate="pysal.metrics.hyperparameter_sensitivity:aggregate",
    ),
}
