"""Maps against what is known of places."""

from pysal.registry import Entry

ENTRIES: dict[str, Entry] = {
    "iou": Entry(
        "pysal.metrics.iou:iou",
        summary="overlap of the map's upper part with the mask of the class, over all thresholds",
        cost="none",
        source="Oramas, Wang, Tuytelaars, Visual Explanation by Interpretation, ICLR 2019",
        better="higher",
        values={"auc": "higher", "best": "higher", "best_threshold": ""},
        takes=frozenset({"truth"}),
    ),
    "weak_localization": Entry(
        "pysal.metrics.localization:weak_localization",
        summary="the map as a detector of the pixels of its class: ROC-AUC, best F1, lowest error",
        cost="none",
        source="Yang, Wang, Bilgic, IDGI, CVPR 2023, Table 4",
        better="higher",
        values={"roc_auc": "higher", "f1": "higher", "mae": "lower"},
        takes=frozenset({"truth"}),
    ),
    "localization_error": Entry(
        "pysal.metrics.localization_error:localization_error",
        summary="share of images whose box around the map's upper part misses the object's box",
        cost="none",
        source="Agarwal, Nguyen, ACCV 2020; Fong, Vedaldi, ICCV 2017",
        better="lower",
        values={
            "error": "lower",
            "best_error": "lower",
            "whole_image_error": "lower",
            "iou": "higher",
        },
        takes=frozenset({"truth"}),
        aggregate="pysal.metrics.localization_error:aggregate_localization_error",
    ),
    "pointing_game": Entry(
        "pysal.metrics.pointing_game:pointing_game",
        summary="whether the highest point of the map is on an object of its class",
        cost="none; 1 forward in variant C",
        source="Zhang et al., ECCV 2016; Fong, Patrick, Vedaldi, ICCV 2019; SIGCAM, Table 3",
        better="higher",
        values={"hit": "higher", "center": "", "small": "", "class": ""},
        takes=frozenset({"truth"}),
        aggregate="pysal.metrics.pointing_game:aggregate_pointing_game",
    ),
    "saliency_metric": Entry(
        "pysal.metrics.saliency_metric:saliency_metric",
        summary="size of the crop that the map asks for, against the score of the crop",
        cost="1 forward per different crop, at most 21",
        source="Dabkowski, Gal, NeurIPS 2017; Agarwal, Nguyen, ACCV 2020",
        better="lower",
        values={"s": "lower", "best_s": "lower", "whole_image_s": ""},
        aggregate="pysal.metrics.saliency_metric:aggregate_saliency_metric",
    ),
    "box_occlusion": Entry(
        "pysal.metrics.box_occlusion:box_occlusion",
        summary="drop of the score as patches drawn from the map cover up to 30 % of the image",
        cost="201 forward: 20 draws of 10 shares, and the image",
        source="Oramas, Wang, Tuytelaars, Visual Explanation by Interpretation, ICLR 2019",
        better="higher",
        values={"drop": "higher", "last_drop": "higher"},
    ),
}
