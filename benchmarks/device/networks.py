"""Networks and pictures for timings: torchvision architectures with weights that decide something.

Weights are random, so nothing has to be fetched. Batch statistics are those of the pictures, and
the last layer is scaled until the top class has a probability of about 0.6: gradients are of a
usual size then, and searches take steps, as with a trained network.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

TINY = ("tiny_shuffle", "tiny_vit")
STEADY = "squeezenet1_1"
"""A network whose gradients do not amplify float32 rounding, so that runs on different machines are
the same. With random weights a ResNet-50 does: its masks differ by 0.1 after two iterations."""

TOP = 0.6
_kept: list[Any] = []


def torchvision_models() -> Any:
    """torchvision.models, also where torchvision's own operators do not fit this PyTorch."""
    try:
        import torchvision.models
    except RuntimeError:  # operator torchvision::nms does not exist
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)  # the definitions live as long as this object
        import torchvision.models
    return torchvision.models


def pictures(count: int, side: int, seed: int = 0) -> Tensor:
    """Random pictures (N, 3, side, side) in model space, smooth with some texture; on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(count, 3, side, side)
    for cells, weight in ((5, 1.0), (17, 0.5), (side, 0.15)):
        field = torch.randn(count, 3, cells, cells, generator=generator)
        total += weight * functional.interpolate(
            field, (side, side), mode="bicubic", align_corners=True
        )
    return total


def side_of(name: str) -> int:
    """Height and width of the input."""
    return 32 if name in TINY else 224


def make_network(name: str) -> nn.Module:
    """The network on the CPU, float32, in evaluation mode, its parameters without gradients."""
    torch.manual_seed(0)
    network = _build(name)
    last = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    nn.init.normal_(last.weight, std=last.weight[0].numel() ** -0.5)
    images = pictures(8, side_of(name))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(images)
        _sharpen(network.eval(), last, images)
    return network.requires_grad_(False)


def _build(name: str) -> nn.Module:
    models = torchvision_models()
    if name == "tiny_shuffle":
        return models.ShuffleNetV2([1, 1, 1], [8, 16, 32, 64, 64], num_classes=10)
    if name == "tiny_vit":
        return models.vision_transformer.VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=10)
    return getattr(models, name)(weights=None)


def _sharpen(network: nn.Module, last: nn.Linear | nn.Conv2d, images: Tensor) -> None:
    """Scale the last layer until the mean probability of the top class is `TOP`."""
    logits = network(images)
    low, high = 1e-4, 1e6
    for _ in range(60):
        factor = (low * high) ** 0.5
        top = torch.softmax(factor * logits, 1).amax(1).mean()
        low, high = (factor, high) if top < TOP else (low, factor)
    for parameter in last.parameters():
        parameter.mul_(factor)
