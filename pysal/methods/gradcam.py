"""GradCAM, GradCAM++ and WGradCAM: a layer's channels weighted by the gradient of a class there."""

from __future__ import annotations

from pysal.cams import CAMS, check_spatial, find_layer, min_max, resize
from pysal.channels import warn_empty
from pysal.classifier import Classifier
from pysal.types import Array, Attribution, Target
from pysal.values import flag
from pysal.work import Work


def gradcam(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    layer: str | None = None,
    normalize: bool = True,
) -> Attribution:
    """Weight the channels of a layer by the mean gradient of the class logit.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        Its classes; the score is the logit whatever its kind.
    layer : str, optional
        With channels, height and width, behind its ReLU. Default: `ModelInfo.cam_layer`, the last.
    normalize : bool
        Scale each map to [0, 1] by its minimum and maximum; False keeps the unit of the score.

    Returns
    -------
    Attribution
        `native` of shape (N, u, v), the layer's size, at least 0; `map` is resized bilinearly,
        corners not aligned, and then scaled.

    Raises
    ------
    OptionError
        If there is no such layer, or it has no height and width.
    CapabilityError
        If the engine has no gradient, or a number is not finite.

    Warns
    -----
    UserWarning
        If a map is zero everywhere: no channel speaks for the class.

    Notes
    -----
    Needs: grad. Cost: N forward, N backward down to the layer.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
       Localization", ICCV 2017, equations 1 and 2; methods specification 3.1.
    """
    return _cam("gradcam", clf, batch, target, layer, normalize)


def gradcam_pp(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    layer: str | None = None,
    normalize: bool = True,
) -> Attribution:
    """Weight the channels of a layer by their positive gradients, pixel by pixel.

    Parameters, returns, errors, warnings and cost are those of `gradcam`.

    References
    ----------
    .. [1] Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep
       Convolutional Networks", WACV 2018, equation 19; methods specification 3.2, first reading.
    """
    return _cam("gradcam_pp", clf, batch, target, layer, normalize)


def wgradcam(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    layer: str | None = None,
    normalize: bool = True,
) -> Attribution:
    """Weight the channels of a layer by the mean of gradient times activation.

    Parameters, returns, errors, warnings and cost are those of `gradcam`.

    References
    ----------
    .. [1] Zhang, Rao, Yang, "A Novel Visual Interpretability for Deep Neural Networks by Optimizing
       Activation Maps with Perturbation", AAAI 2021, equations 2 to 4; methods specification 3.3.
    """
    return _cam("wgradcam", clf, batch, target, layer, normalize)


def _cam(
    name: str,
    clf: Classifier,
    batch: Array,
    target: Target,
    layer: str | None,
    normalize: bool,
) -> Attribution:
    """Run one of `cams.CAMS`."""
    work = Work(clf, batch, target, name)
    layer = find_layer(clf.info, layer, name)
    normalize = flag(name, "normalize", normalize)
    _, activation, grad = work.layer_grad(layer, kind="logit")
    activation, grad = (check_spatial(name, clf.info, layer, v) for v in (activation, grad))
    native = CAMS[name](activation, grad)
    warn_empty(name, native, "no channel of the layer speaks for the class")
    large = resize(native, work.size)
    if normalize:
        native, large = min_max(native), min_max(large)
    return work.finish(native, {"layer": layer, "normalize": normalize}, map=large)
