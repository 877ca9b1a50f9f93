"""GradCAM in one graph: activation and gradient of a layer, and the map they give."""

from __future__ import annotations

from pysal.cams import find_layer
from pysal.errors import OptionError
from pysal.prepared import LOGITS, SEED, SEED_PROBABILITY, gradient_name
from pysal.types import ModelInfo
from pysal.values import flag

from ..build import build_gradient
from ..model import PreparedModel
from .frame import Drawn, Frame
from .inlined import Inlined
from .phrases import min_max, resample


def gradcam(frame: Frame, *, layer: str | None = None, normalize: bool = True) -> Drawn:
    """Write `pysal.methods.gradcam`; options as there.

    Raises
    ------
    OptionError
        If there is no such layer, no default one, or it has no height and width.
    """
    g, prepared = frame.g, frame.prepared
    normalize = flag("gradcam", "normalize", normalize)
    layer, cells = _layer(prepared, layer)
    lowering = frame.settings.lowering
    model = build_gradient(prepared, wrt=(layer,), taps=(layer,), lowering=lowering)
    network = Inlined(model, "network/", {prepared.input_name: frame.image}, shared=True)
    frame.choose(network.emit(g, LOGITS))
    network.feed({SEED: frame.one_hot, SEED_PROBABILITY: frame.no_seed})
    slopes = network.emit(g, gradient_name(layer))
    weights = g.mul(g.sum(slopes, [2, 3]), g.scalar(1 / (cells[0] * cells[1])))
    weighted = g.mul(weights, network.emit(g, layer))
    native = g.op("Relu", g.sum(weighted, [1], keepdims=False))
    large = resample(g, "centred", native, cells, frame.size)
    if normalize:
        native, large = min_max(g, native), min_max(g, large)
    return Drawn(native, large, cells, {"layer": layer, "normalize": normalize})


def _layer(prepared: PreparedModel, layer: str | None) -> tuple[str, tuple[int, int]]:
    """Layer to look at, and its height and width."""
    info = ModelInfo(
        prepared.name,
        prepared.input_shape,
        prepared.num_classes,
        layers=prepared.layers,
        cam_layer=prepared.last_spatial_layer or "",
    )
    found = find_layer(info, layer, "gradcam")
    shape = prepared.shape(found) or ()
    if len(shape) != 4 or not (shape[2] and shape[3]):
        raise OptionError(
            f'gradcam: layer "{found}" has shape {shape[1:]}; expected channels, height and width '
            "that are known before the run: choose one before the pooling"
        )
    return found, (shape[2], shape[3])
