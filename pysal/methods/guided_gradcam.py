"""Guided Grad-CAM and Guided Grad-CAM++: guided backpropagation where the activation map is."""

from __future__ import annotations

from pysal.arrays import to_host
from pysal.cams import CAMS, check_spatial, find_layer, min_max, resize
from pysal.channels import warn_empty
from pysal.classifier import Classifier
from pysal.features.feedback import scale_feedback
from pysal.types import Array, Attribution, Target
from pysal.work import Work


def guided_gradcam(
    clf: Classifier, batch: Array, target: Target, *, layer: str | None = None
) -> Attribution:
    """Multiply guided backpropagation by GradCAM, resized to the image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        Its classes; both parts start at the logit whatever its kind.
    layer : str, optional
        Of the activation map, behind its ReLU. Default: `ModelInfo.cam_layer`.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W) in [0, 1]: the root of the summed squares of the positive
        channels of the product.

    Raises
    ------
    OptionError
        If there is no such layer, or it has no height and width.
    CapabilityError, UnsupportedOpError
        If the engine has no rule tables, or an operator no rule; or a number is not finite.

    Warns
    -----
    UserWarning
        If a map is zero everywhere.

    Notes
    -----
    Needs: grad. Cost: 2 N forward, 2 N backward.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
       Localization", ICCV 2017, section 3.2; reduced to one map as in the comparison of Oramas,
       Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019; methods specification
       1.7.
    """
    return _guided("guided_gradcam", "gradcam", clf, batch, target, layer)


def guided_gradcam_pp(
    clf: Classifier, batch: Array, target: Target, *, layer: str | None = None
) -> Attribution:
    """Multiply guided backpropagation by GradCAM++, resized to the image.

    Parameters, returns, errors, warnings and cost are those of `guided_gradcam`.

    References
    ----------
    .. [1] Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep
       Convolutional Networks", WACV 2018, equation 12; methods specification 1.7.
    """
    return _guided("guided_gradcam_pp", "gradcam_pp", clf, batch, target, layer)


def _guided(
    name: str, cam: str, clf: Classifier, batch: Array, target: Target, layer: str | None
) -> Attribution:
    """Product of both, scaled."""
    work = Work(clf, batch, target, name)
    layer = find_layer(clf.info, layer, name)
    _, activation, grad = work.layer_grad(layer, kind="logit")
    activation, grad = (check_spatial(name, clf.info, layer, v) for v in (activation, grad))
    _, signal = work.value_and_grad(work.x, kind="logit", rules="guided_backprop")
    area = min_max(resize(CAMS[cam](activation, grad), work.size))
    native = scale_feedback(area[:, None] * to_host(signal))
    warn_empty(name, native, "no channel of the layer speaks for the class")
    return work.finish(native, {"layer": layer})
