"""Modified backpropagation: other rule tables over the same walk, and what is made of it."""

from pysal.registry import Entry

_ONE = "1 forward + backward"

ENTRIES: dict[str, Entry] = {
    "guided_backprop": Entry(
        "pysal.methods.backprop:guided_backprop",
        summary="carry the class back; ReLUs pass positive signals to active units only",
        needs=frozenset({"grad"}),
        cost=_ONE,
        source="Springenberg et al., Striving for Simplicity, ICLR Workshop 2015, section 3.4",
        kind="logit",
    ),
    "deconvnet": Entry(
        "pysal.methods.backprop:deconvnet",
        summary="carry the class back; ReLUs pass positive signals whatever they saw",
        needs=frozenset({"grad"}),
        cost=_ONE,
        source="Zeiler, Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014",
        kind="logit",
    ),
    "stride1_deconv": Entry(
        "pysal.methods.backprop:stride1_deconv",
        summary="guided backpropagation with strides undone by resampling: no grid in the map",
        needs=frozenset({"grad"}),
        cost=_ONE,
        source="Oramas, Wang, Tuytelaars, Visual Explanation by Interpretation, ICLR 2019, 3.3",
        kind="logit",
    ),
    "guided_gradcam": Entry(
        "pysal.methods.guided_gradcam:guided_gradcam",
        summary="guided backpropagation where GradCAM is",
        needs=frozenset({"grad"}),
        cost="2 forward + backward",
        source="Selvaraju et al., Grad-CAM, ICCV 2017, section 3.2",
        kind="logit",
    ),
    "guided_gradcam_pp": Entry(
        "pysal.methods.guided_gradcam:guided_gradcam_pp",
        summary="guided backpropagation where GradCAM++ is",
        needs=frozenset({"grad"}),
        cost="2 forward + backward",
        source="Chattopadhay et al., Grad-CAM++, WACV 2018, eq. 12",
        kind="logit",
    ),
    "activation_map": Entry(
        "pysal.methods.activation_map:activation_map",
        summary="one channel of a layer, upsampled; knows no class",
        needs=frozenset({"activations"}),
        cost="1 forward, and 1 for the score",
        source="Oramas, Wang, Tuytelaars, Visual Explanation by Interpretation, ICLR 2019, Table 1",
    ),
    "excitation_backprop": Entry(
        "pysal.methods.excitation_backprop:excitation_backprop",
        summary="share the class's signal among the units that excite it; contrastive form",
        needs=frozenset({"grad"}),
        cost="1 forward + backward; contrastive 3",
        source="Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016, eq. 5",
        kind="logit",
    ),
}
