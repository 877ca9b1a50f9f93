"""Class activation maps."""

from pysal.registry import Entry

_GRADIENT = "1 forward + backward down to the layer"

ENTRIES: dict[str, Entry] = {
    "gradcam": Entry(
        "pysal.methods.gradcam:gradcam",
        summary="weight a layer's channels by the mean gradient of the class there",
        needs=frozenset({"grad"}),
        cost=_GRADIENT,
        source="Selvaraju et al., Grad-CAM, ICCV 2017, eq. 1 and 2",
        kind="logit",
    ),
    "gradcam_pp": Entry(
        "pysal.methods.gradcam:gradcam_pp",
        summary="weight a layer's channels by their positive gradients, pixel by pixel",
        needs=frozenset({"grad"}),
        cost=_GRADIENT,
        source="Chattopadhay et al., Grad-CAM++, WACV 2018, eq. 19",
        kind="logit",
    ),
    "wgradcam": Entry(
        "pysal.methods.gradcam:wgradcam",
        summary="weight a layer's channels by the mean of gradient times activation",
        needs=frozenset({"grad"}),
        cost=_GRADIENT,
        source="Zhang, Rao, Yang, A Novel Visual Interpretability for Deep Neural Networks by "
        "Optimizing Activation Maps with Perturbation, AAAI 2021, eq. 2 to 4",
        kind="logit",
    ),
    "scorecam": Entry(
        "pysal.methods.scorecam:scorecam",
        summary="weight a layer's channels by the score of the image seen through each",
        needs=frozenset({"activations"}),
        cost="1 forward, and 1 per channel of the layer (hundreds to 2048)",
        source="Wang et al., Score-CAM, CVPR Workshops 2020, eq. 5 to 8",
    ),
}
