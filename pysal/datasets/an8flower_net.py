"""The network of the an8Flower experiments, its training-time augmentation, and its ONNX file.

Eight layers as in paper 004's MNIST network: five convolutions, two fully connected, softmax. All
convolutions have stride 1 and all pooling is by maximum, so gradients stay sharp.
"""

from __future__ import annotations

import collections
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pysal.errors import MissingDependencyError, ModelFormatError

SIZE = 112
CHANNELS = (12, 24, 32, 40, 48)
HIDDEN = 48
MEAN, STD = 0.5, 0.25
PREPROCESS = {
    "size": [SIZE, SIZE],
    "resize_shorter_side": SIZE,
    "crop": "center",
    "interpolation": "bilinear",
    "layout": "NCHW",
    "input": "image",
    "output": "probability",
    "channels": "RGB",
    "scale": 1.0,
    "mean": [MEAN] * 3,
    "std": [STD] * 3,
    "note": "trained on an8Flower as rendered by pysal; Apache-2.0",
}
Batches: TypeAlias = tuple[Any, Any, Any]
"""Tensors: pixels (N, 3, H, W) in [0, 1], region masks (N, 1, H, W), class weights (N, K)."""


def load_torch() -> Any:
    """Import torch.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        import torch  # noqa: TID251
    except ImportError as error:
        raise MissingDependencyError(
            'training needs torch; install it with pip install "pysal-saliency[torch]"'
        ) from error
    return torch


def network(num_classes: int) -> Any:
    """The untrained network: normalized images (N, 3, 112, 112) -> probabilities (N, K)."""
    nn = load_torch().nn
    layers: dict[str, Any] = {}
    before = 3
    for k, width in enumerate(CHANNELS, start=1):
        layers[f"conv{k}"] = nn.Conv2d(before, width, 3, padding=1)
        layers[f"relu{k}"], layers[f"pool{k}"] = nn.ReLU(), nn.MaxPool2d(2)
        before = width
    layers["flatten"] = nn.Flatten()
    layers["fc1"] = nn.Linear(before * (SIZE // 2 ** len(CHANNELS)) ** 2, HIDDEN)
    layers["relu"] = nn.ReLU()
    layers["fc2"], layers["softmax"] = nn.Linear(HIDDEN, num_classes), nn.Softmax(dim=1)
    return nn.Sequential(collections.OrderedDict(layers))


def to_input(pixels: Any) -> Any:
    """Pixels in [0, 1] -> what the network takes."""
    return ((pixels - MEAN) / STD).contiguous(memory_format=load_torch().channels_last)


def blur(pixels: Any, sigma: float) -> Any:
    """Gaussian blur of a batch, mirrored at the borders."""
    rows, columns = (_blur_matrix(side, sigma) for side in pixels.shape[2:])
    return rows @ pixels @ columns.T


def _blur_matrix(size: int, sigma: float) -> Any:
    """What a blur does to a line, as a matrix (size, size): quicker than a wide convolution."""
    torch = load_torch()
    reach = min(int(3 * sigma + 0.5), size - 1)
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-(at**2) / (2 * sigma**2))
    padded = torch.nn.functional.pad(torch.eye(size)[None], (reach, reach), mode="reflect")
    kernel = (weights / weights.sum())[None, None]
    return torch.nn.functional.conv1d(padded.transpose(0, 1), kernel)[:, 0].T


def augment_batch(batch: Batches, hide: float = 0.0) -> tuple[Any, Any]:
    """Vary brightness, colour cast, sharpness and grain; hide parts of some images.

    Parameters
    ----------
    batch : tuple of tensors
        Pixels, masks and class weights. The masks are used for hiding only.
    hide : float in [0, 1/3]
        Share of images without their region, of those without all, and of those without the rest.
        Hiding is by a strong blur or by one grey. Where the region is hidden, alone or with the
        whole image, all classes are wanted equally; where only the rest is hidden, the class stays.
        So the network is taught that the region is the evidence, and to be unsure without it.

    Returns
    -------
    pixels : tensor of shape (N, 3, H, W), in [0, 1]
    wanted : tensor of shape (N, K)
        Class weights, sum 1.
    """
    torch = load_torch()
    pixels, masks, wanted = batch
    if hide:
        pixels, wanted = _hidden(pixels.clone(), masks, wanted.clone(), hide)
    count = len(pixels)
    soft = torch.nn.functional.avg_pool2d(pixels, 3, 1, 1, count_include_pad=False)
    pixels = torch.lerp(pixels, soft, torch.rand(count, 1, 1, 1))
    cast = torch.nn.functional.interpolate(
        0.05 * torch.randn(count, 3, 5, 5), pixels.shape[2:], mode="bilinear", align_corners=True
    )
    brightness = torch.empty(count, 1, 1, 1).uniform_(0.75, 1.25)
    grain = torch.rand(count, 1, 1, 1) * 0.06 * torch.randn_like(pixels)
    return (pixels * brightness + cast + grain).clamp(0, 1), wanted


def _hidden(pixels: Any, masks: Any, wanted: Any, hide: float) -> tuple[Any, Any]:
    """Hide the region of some images, all of others, the rest of others."""
    torch = load_torch()
    draw = torch.rand(len(pixels))
    parts = (masks > 0, torch.ones_like(masks) > 0, masks == 0)
    for k, part in enumerate(parts):
        rows = (draw >= k * hide) & (draw < (k + 1) * hide)
        pixels[rows] = torch.where(part[rows], _cover(pixels[rows]), pixels[rows])
    wanted[draw < 2 * hide] = 1 / wanted.shape[1]
    return pixels, wanted


def _cover(pixels: Any) -> Any:
    """What shows instead of a hidden part: the image blurred strongly, or grey."""
    torch = load_torch()
    grey = torch.rand(len(pixels), 1, 1, 1)
    if not len(pixels):
        return pixels
    # A quarter of the size is enough for so strong a blur, and 30 times faster.
    small = torch.nn.functional.avg_pool2d(pixels, 4)
    blurred = torch.nn.functional.interpolate(
        blur(small, float(torch.empty(()).uniform_(9, 18)) / 4), pixels.shape[2:], mode="bilinear"
    )
    return torch.where(torch.rand(len(pixels), 1, 1, 1) < 0.75, blurred, grey)


def export_onnx(net: Any, path: Path, labels: Sequence[str]) -> float:
    """Write the network with its preprocessing and class names in the file's metadata.

    Returns
    -------
    float
        Largest difference between ONNX Runtime's and torch's probabilities.

    Raises
    ------
    ModelFormatError
        If they differ by more than 1e-5.
    """
    import onnx  # noqa: TID251

    torch = load_torch()
    with warnings.catch_warnings():
        # The exporter warns of torch's own deprecated calls.
        warnings.simplefilter("ignore")
        model = torch.onnx.export(
            net,
            (torch.rand(2, 3, SIZE, SIZE),),
            dynamo=True,
            opset_version=18,
            input_names=[PREPROCESS["input"]],
            output_names=[PREPROCESS["output"]],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        ).model_proto
    _strip(model)
    record = {**PREPROCESS, "output_kind": f"probabilities, shape (N, {len(labels)})"}
    properties = {"pysal.preprocess": record, "pysal.labels": list(labels)}
    onnx.helper.set_model_props(model, {k: json.dumps(v) for k, v in properties.items()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    probe = to_input(torch.rand(5, 3, SIZE, SIZE))
    with torch.no_grad():
        error = float(np.abs(predict_onnx(path, probe.numpy()) - net(probe).numpy()).max())
    if error > 1e-5:
        raise ModelFormatError(
            f"{path} differs from the torch network by {error:.2g}; expected at most 1e-5, try "
            "another version of torch or onnxruntime"
        )
    return error


def _strip(model: Any) -> None:
    """Drop what the exporter notes about itself: paths of this machine, shapes seen on the way."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")


def predict_onnx(path: Path, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (N, K) of a model file."""
    import onnxruntime  # noqa: TID251

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run(None, {PREPROCESS["input"]: batch})[0]
    return result
