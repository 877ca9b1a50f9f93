"""Path methods and IDGI."""

from pysal.registry import Entry

_GRAD = frozenset({"grad"})
_IDGI = "Yang, Wang, Bilgic, IDGI, CVPR 2023, Algorithm 1"

ENTRIES: dict[str, Entry] = {
    "integrated_gradients": Entry(
        "pysal.methods.integrated_gradients:integrated_gradients",
        summary="gradients integrated on the straight line from a baseline to the image",
        needs=_GRAD,
        cost="200 forward + backward and 1 forward",
        source="Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017, "
        "section 3",
    ),
    "guided_ig": Entry(
        "pysal.methods.guided_ig:guided_ig",
        summary="gradients integrated on a path that moves small gradients first",
        needs=_GRAD,
        cost="200 forward + backward, one after the other, and 1 forward",
        source="Kapishnikov et al., Guided Integrated Gradients, CVPR 2021, Algorithm 1",
    ),
    "blur_ig": Entry(
        "pysal.methods.blur_ig:blur_ig",
        summary="gradients integrated from a blurred image to the sharp one",
        needs=_GRAD,
        cost="200 forward + backward and 2 forward",
        source="Xu, Venugopalan, Sundararajan, Attribution in Scale and Space, CVPR 2020, "
        "section 3",
    ),
    "idgi": Entry(
        "pysal.methods.integrated_gradients:idgi",
        summary="changes of the score along the path of integrated gradients, by direction",
        needs=_GRAD,
        cost="200 forward + backward and 1 forward",
        source=_IDGI,
    ),
    "idgi_guided_ig": Entry(
        "pysal.methods.guided_ig:idgi_guided_ig",
        summary="changes of the score along the path of Guided IG, by direction",
        needs=_GRAD,
        cost="200 forward + backward, one after the other, and 2 forward",
        source=_IDGI,
    ),
    "idgi_blur_ig": Entry(
        "pysal.methods.blur_ig:idgi_blur_ig",
        summary="changes of the score along the path of Blur IG, by direction",
        needs=_GRAD,
        cost="200 forward + backward and 2 forward",
        source=_IDGI,
    ),
}
