"""Mask optimizers that start from activation maps."""

from pysal.registry import Entry

_AOP = (
    "Zhang, Rao, Yang, A Novel Visual Interpretability for Deep Neural Networks by Optimizing "
    "Activation Maps with Perturbation, AAAI 2021"
)

ENTRIES: dict[str, Entry] = {
    "sigcam": Entry(
        "pysal.methods.sigcam:sigcam",
        summary="I-GOS from a WGradCAM map, with a weaker blur in its first iterations",
        needs=frozenset({"grad", "activations"}),
        cost="301 forward + backward and about 150 forward",
        source=_AOP + ", SIGCAM",
    ),
    "aop": Entry(
        "pysal.methods.aop:aop",
        summary="any activation map as the start of any mask optimizer; GradCAM with I-GOS or MP",
        needs=frozenset({"grad", "activations"}),
        cost="that of the optimizer, I-GOS by default: 301 forward + backward, 150 forward",
        source=_AOP + ", Table 1",
    ),
}
