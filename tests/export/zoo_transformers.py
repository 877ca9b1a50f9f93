"""Small members of the families with attention, layer normalization, or GELU.

Some designs begin with zeros (the head of a ViT, layer scales), which would leave no gradient to
compare: those weights are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from torch import nn

CLASSES = 10
Make = Callable[[Any], nn.Module]


def _drawn(net: nn.Module) -> nn.Module:
    """Draw vectors and matrices that are constant."""
    for weight in net.parameters():
        if weight.numel() > 1 and weight.dim() > 1 and weight.min() == weight.max():
            nn.init.normal_(weight, std=0.3)
    return net


def vit(models: Any) -> nn.Module:
    net = models.VisionTransformer(32, 8, 3, 2, 32, 64, num_classes=CLASSES)
    return _drawn(net)


def swin(models: Any) -> nn.Module:
    """Two stages of windows 4 x 4, the second shifted by nothing, as it is one window."""
    return models.SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=CLASSES)


def swin_v2(models: Any) -> nn.Module:
    swin = models.swin_transformer
    more = {"block": swin.SwinTransformerBlockV2, "downsample_layer": swin.PatchMergingV2}
    return models.SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=CLASSES, **more)


def convnext(models: Any) -> nn.Module:
    block = models.convnext.CNBlockConfig
    blocks = [block(16, 32, 1), block(32, None, 2)]
    return models.ConvNeXt(blocks, layer_scale=0.5, num_classes=CLASSES)


def maxvit(models: Any) -> nn.Module:
    return models.MaxVit((64, 64), 8, 4, [8, 16], [1, 1], 4, 0.0, num_classes=CLASSES)


def efficientnet_v2(models: Any) -> nn.Module:
    conf = models.efficientnet
    blocks = [
        conf.FusedMBConvConfig(1, 3, 1, 8, 8, 1),
        conf.FusedMBConvConfig(4, 3, 2, 8, 16, 1),
        conf.MBConvConfig(4, 3, 2, 16, 32, 2),
    ]
    norm = partial(nn.BatchNorm2d, eps=1e-3)
    return models.EfficientNet(blocks, 0.2, norm_layer=norm, last_channel=64, num_classes=CLASSES)


def timm_net(name: str, **options: Any) -> Make:
    """A network of timm, which the tests need not have."""

    def make(models: Any) -> nn.Module:
        timm = pytest.importorskip("timm")
        return _drawn(timm.create_model(name, num_classes=CLASSES, **options))

    return make


TRANSFORMERS: dict[str, tuple[Make, int, bool]] = {
    "vit": (vit, 32, False),
    "swin": (swin, 32, False),
    "swin_v2": (swin_v2, 32, True),
    "convnext": (convnext, 64, False),
    "maxvit": (maxvit, 64, True),
    "efficientnet_v2": (efficientnet_v2, 64, False),
    "timm_vit": (timm_net("test_vit", img_size=64), 64, True),
    "timm_eva": (
        timm_net("eva02_tiny_patch14_224", img_size=56, depth=2, embed_dim=48, num_heads=2),
        *(56, True),
    ),
    "timm_xcit": (
        timm_net("xcit_nano_12_p16_224", img_size=64, depth=2, embed_dim=32, num_heads=2),
        *(64, True),
    ),
    "timm_levit": (
        timm_net("levit_128s", embed_dim=(32, 48, 64), depth=(1, 1, 1), num_heads=(2, 2, 2)),
        *(224, True),
    ),
}
"""Name -> how it is made, size of its images, and whether its export takes long."""
