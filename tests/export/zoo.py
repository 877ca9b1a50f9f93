"""Classifiers of torchvision and timm, small and with random weights, and their ONNX files."""

from __future__ import annotations

import copy
import dataclasses
import fcntl
import functools
import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from zoo_transformers import CLASSES, TRANSFORMERS

IMAGES = 8


@dataclasses.dataclass(frozen=True)
class Family:
    """How a member of a family is built small.

    Attributes
    ----------
    make : callable
        Takes the torchvision package's `models` and gives the network.
    size : int
        Height and width of its images.
    slow : bool
        Whether exporting it takes more than a few seconds.
    """

    make: Callable[[Any], nn.Module]
    size: int = 64
    slow: bool = False


def _small_head(build: Callable[[Any], nn.Module]) -> Callable[[Any], nn.Module]:
    """AlexNet, VGG: the same layers, but 2 x 2 pooled pixels and 64 hidden units."""

    def make(models: Any) -> nn.Module:
        with torch.device("meta"):
            net = build(models)
            last = [layer for layer in net.features if isinstance(layer, nn.Conv2d)][-1]
            widths = [4 * last.out_channels, 64, 64, CLASSES]
            net.avgpool = nn.AdaptiveAvgPool2d((2, 2))
            places = [i for i, m in enumerate(net.classifier) if isinstance(m, nn.Linear)]
            for i, fan_in, fan_out in zip(places, widths, widths[1:], strict=False):
                net.classifier[i] = nn.Linear(fan_in, fan_out)
        net.to_empty(device="cpu")
        for layer in net.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        return net

    return make


def _plain(name: str, **options: Any) -> Callable[[Any], nn.Module]:
    return lambda models: getattr(models, name)(weights=None, num_classes=CLASSES, **options)


def _resnet(block: str, **options: Any) -> Callable[[Any], nn.Module]:
    """One block per stage."""
    return lambda models: models.ResNet(
        getattr(models.resnet, block), [1, 1, 1, 1], num_classes=CLASSES, **options
    )


def _efficientnet(models: Any) -> nn.Module:
    """B0 with one block per stage."""
    conf, last = models.efficientnet._efficientnet_conf(
        "efficientnet_b0", width_mult=0.5, depth_mult=0.5
    )
    return models.EfficientNet(conf, dropout=0.2, last_channel=last, num_classes=CLASSES)


def _regnet(se_ratio: float | None) -> Callable[[Any], nn.Module]:
    """The 400 MF designs at a third of their depth."""

    def make(models: Any) -> nn.Module:
        widths = {"w_0": 48, "w_a": 27.89 * 3, "w_m": 2.09, "group_width": 8}
        params = models.regnet.BlockParams.from_init_params(depth=6, se_ratio=se_ratio, **widths)
        return models.RegNet(params, num_classes=CLASSES)

    return make


FAMILIES: dict[str, Family] = {
    **{name: Family(*entry) for name, entry in TRANSFORMERS.items()},
    "alexnet": Family(_small_head(_plain("alexnet")), 95),
    "vgg11": Family(_small_head(_plain("vgg11"))),
    "vgg11_bn": Family(_small_head(_plain("vgg11_bn"))),
    "resnet18": Family(_resnet("BasicBlock")),
    "resnet50": Family(_resnet("Bottleneck")),
    "resnext50": Family(_resnet("Bottleneck", groups=32, width_per_group=4)),
    "wide_resnet50": Family(_resnet("Bottleneck", width_per_group=128), slow=True),
    "densenet121": Family(
        lambda models: models.DenseNet(16, (2, 3, 2, 2), 32, num_classes=CLASSES)
    ),
    "inception_v3": Family(
        _plain("inception_v3", aux_logits=False, transform_input=True, init_weights=False),
        75,
        slow=True,
    ),
    "googlenet": Family(
        _plain("googlenet", aux_logits=False, transform_input=True, init_weights=False), slow=True
    ),
    "squeezenet1_0": Family(_plain("squeezenet1_0"), 65),
    "squeezenet1_1": Family(_plain("squeezenet1_1")),
    "mobilenet_v2": Family(_plain("mobilenet_v2", width_mult=0.5)),
    "mobilenet_v3_small": Family(_plain("mobilenet_v3_small", width_mult=0.5)),
    "mobilenet_v3_large": Family(_plain("mobilenet_v3_large", width_mult=0.5), slow=True),
    "shufflenet_v2": Family(_plain("shufflenet_v2_x0_5"), slow=True),
    "efficientnet_b0": Family(_efficientnet),
    "mnasnet0_5": Family(_plain("mnasnet0_5")),
    "regnet_y": Family(_regnet(0.25), slow=True),
    "regnet_x": Family(_regnet(None)),
}


def families() -> list[Any]:
    """All families as parameters of a test, the slow ones marked."""
    return [
        pytest.param(name, marks=pytest.mark.slow if family.slow else ())
        for name, family in FAMILIES.items()
    ]


@functools.cache
def torchvision_models() -> Any:
    """The package's models; operators that its wheel lacks beside this torch are only declared."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torchvision_models.library = library
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("torchvision.models")


def images(count: int, size: int, seed: int) -> Tensor:
    """Smooth random pictures with some noise, about normalized."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 5, 5, generator=draw)
    smooth = nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=True)
    return smooth + 0.3 * torch.randn(smooth.shape, generator=draw)


def build(name: str) -> nn.Module:
    """A member with random weights; batch-norm statistics are those of one batch."""
    family = FAMILIES[name]
    models = torchvision_models()
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    try:
        net = family.make(models)
        for layer in net.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.momentum = None  # average of all calibration batches
        with torch.no_grad():
            net.train()(images(16, family.size, seed=1))
    finally:
        torch.random.set_rng_state(state)
    return net.eval().requires_grad_(False)


def export(net: nn.Module, size: int, path: Path) -> Path:
    """Write the ONNX file as users of this torch would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            (images(2, size, seed=2),),
            dynamo=True,
            verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            optimize=True,
        )
        program.save(path)
    return path


def gradients(net: nn.Module, x: Tensor, target: Tensor, kind: str, dtype: torch.dtype) -> Tensor:
    """Input gradient of the target's logit or probability by torch, in float64."""
    net = copy.deepcopy(net).to(dtype)
    x = x.detach().clone().to(dtype).requires_grad_()
    scores = net(x)
    scores = scores.softmax(1) if kind == "probability" else scores
    scores.gather(1, target[:, None]).sum().backward()
    assert x.grad is not None
    return x.grad.double()


def errors(given: Tensor, exact: Tensor) -> Tensor:
    """Relative error of every image's gradient, (N,)."""
    norms = exact.flatten(1).norm(dim=1).clamp(min=1e-30)  # a dead class has none
    return (given - exact).flatten(1).norm(dim=1) / norms


@dataclasses.dataclass(frozen=True)
class Member:
    """A network, its file, images and targets; gradients of torch by (kind, dtype)."""

    net: nn.Module
    path: Path
    x: Tensor
    target: Tensor

    @functools.cache  # noqa: B019
    def torch_gradient(self, kind: str, dtype: torch.dtype) -> Tensor:
        return gradients(self.net, self.x, self.target, kind, dtype)


def member(name: str, folder: Path) -> Member:
    """Build a member, and export it where its file is not in the folder yet.

    Targets are the best and the second-best class in turn.
    """
    net, size = build(name), FAMILIES[name].size
    path = folder / f"{name}.onnx"
    with (folder / f"{name}.lock").open("w") as lock:  # of the processes that share the folder
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            export(net, size, path.with_suffix(".part")).replace(path)
    x = images(IMAGES, size, seed=3)
    with torch.no_grad():
        best = net(x).topk(2).indices
    target = torch.where(torch.arange(IMAGES) % 2 == 0, best[:, 0], best[:, 1])
    return Member(net, path, x, target)
