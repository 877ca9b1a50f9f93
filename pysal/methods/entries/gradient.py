"""Gradients and their averages."""

from pysal.registry import Entry

_GRAD = frozenset({"grad"})

ENTRIES: dict[str, Entry] = {
    "gradient": Entry(
        "pysal.methods.gradient:gradient",
        summary="gradient of the score with respect to the image",
        needs=_GRAD,
        cost="1 forward + backward",
        source="Simonyan, Vedaldi, Zisserman, Deep Inside Convolutional Networks, ICLR Workshop "
        "2014, section 3",
        kind="logit",
    ),
    "input_x_gradient": Entry(
        "pysal.methods.gradient:input_x_gradient",
        summary="image times gradient, in the model's input space",
        needs=_GRAD,
        cost="1 forward + backward",
        source="Shrikumar et al., Not Just a Black Box, arXiv 1605.01713, 2016",
        kind="logit",
    ),
    "smoothgrad": Entry(
        "pysal.methods.smoothgrad:smoothgrad",
        summary="mean gradient (or other attribution) of noisy copies of the image",
        needs=_GRAD,
        cost="25 forward + backward and 1 forward",
        source="Smilkov et al., SmoothGrad, arXiv 1706.03825, 2017, equation 1",
        kind="logit",
    ),
    "smoothgrad_squared": Entry(
        "pysal.methods.smoothgrad:smoothgrad_squared",
        summary="mean squared gradient of noisy copies of the image",
        needs=_GRAD,
        cost="25 forward + backward and 1 forward",
        source="Hooker et al., A Benchmark for Interpretability Methods in Deep Neural Networks, "
        "NeurIPS 2019, section 2.2",
        kind="logit",
    ),
    "vargrad": Entry(
        "pysal.methods.smoothgrad:vargrad",
        summary="variance of the gradient over noisy copies of the image",
        needs=_GRAD,
        cost="25 forward + backward and 1 forward",
        source="Adebayo et al., Local Explanation Methods for Deep Neural Networks Lack "
        "Sensitivity to Parameter Values, ICLR Workshop 2018, section 2",
        kind="logit",
    ),
}
