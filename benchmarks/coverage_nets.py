"""Architectures of the coverage table: the smallest member of each family, with random weights."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import torch
from torch import Tensor, nn

CLASSES = 10

TORCHVISION = (
    *("alexnet", "vgg11", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d"),
    *("wide_resnet50_2", "densenet121", "inception_v3", "googlenet", "squeezenet1_0"),
    *("squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5"),
    *("shufflenet_v2_x0_5", "efficientnet_b0", "efficientnet_v2_s", "regnet_x_400mf"),
    *("regnet_y_400mf", "convnext_tiny", "vit_b_32", "swin_t", "swin_v2_t", "maxvit_t"),
)
TIMM = (
    *("vit_tiny_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224"),
    *("swinv2_tiny_window8_256", "swinv2_cr_tiny_224", "mixer_s32_224", "poolformer_s12"),
    *("levit_128s", "mobilevit_xxs", "mobilevitv2_050", "convnext_atto", "efficientvit_b0"),
    *("efficientvit_m0", "fastvit_t8", "ghostnet_050", "pvt_v2_b0", "coat_lite_tiny"),
    *("convit_tiny", "crossvit_9_240", "edgenext_xx_small", "efficientformer_l1"),
    *("efficientformerv2_s0", "eva02_tiny_patch14_224", "fasternet_t0", "focalnet_tiny_srf"),
    *("gcvit_xxtiny", "hiera_tiny_224", "hgnetv2_b0", "inception_next_atto"),
    *("lambda_resnet26t", "botnet26t_256", "halonet26t", "repvgg_a0", "mobileone_s0"),
    *("mambaout_femto", "coatnet_nano_rw_224", "maxvit_rmlp_pico_rw_256", "gmlp_s16_224"),
    *("resmlp_12_224", "mobilenetv4_conv_small_035", "mvitv2_tiny", "nest_tiny"),
    *("nextvit_small", "nf_resnet26", "eca_nfnet_l0", "pit_ti_224", "regnetx_002", "repvit_m0_9"),
    *("resnet10t", "resnest14d", "resnetv2_18", "rexnet_100", "skresnet18", "swiftformer_xs"),
    *("tiny_vit_5m_224", "tnt_s_legacy_patch16_224", "twins_pcpvt_small", "visformer_tiny"),
    *("volo_d1_224", "xcit_nano_12_p16_224", "cait_xxs24_224", "davit_tiny", "cspresnet50"),
    *("dla46_c", "dpn48b", "convmixer_768_32", "hrnet_w18_small", "res2net50_14w_8s"),
    *("selecsls42", "ese_vovnet19b_dw", "starnet_s1", "shvit_s1", "sequencer2d_s", "rdnet_tiny"),
    *("tf_efficientnet_b0", "legacy_seresnet18", "xception41", "vitamin_small_224"),
)
NAMES = (*(f"torchvision/{name}" for name in TORCHVISION), *(f"timm/{name}" for name in TIMM))


def torchvision_models() -> Any:
    """The package's models; operators that its wheel lacks beside this torch are only declared."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torchvision_models.library = library  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("torchvision.models")


def build(name: str) -> tuple[nn.Module, int]:
    """A network in eval mode and the size of its images; weights are the same in every run."""
    package, _, model = name.partition("/")
    models = torchvision_models()
    torch.manual_seed(0)
    if package == "timm":
        net = importlib.import_module("timm").create_model(model, num_classes=CLASSES)
        size = net.pretrained_cfg["input_size"][-1]
    else:
        plain = {"aux_logits": False, "init_weights": False}
        options = plain if model in ("inception_v3", "googlenet") else {}
        net = getattr(models, model)(num_classes=CLASSES, **options)
        size = {"inception_v3": 299, "alexnet": 225}.get(model, 224)  # an odd one for AlexNet
    _draw(net)
    for layer in net.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.momentum = None  # the statistics of the one batch that follows
    with torch.no_grad():
        net.train()(images(4, size, seed=1))
    return net.eval().requires_grad_(False), size


def images(count: int, size: int, seed: int) -> Tensor:
    """Smooth random pictures with some noise, about normalized."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 5, 5, generator=draw)
    smooth = nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=True)
    return smooth + 0.3 * torch.randn(smooth.shape, generator=draw)


def _draw(net: nn.Module) -> None:
    """Draw matrices that begin as zeros: with them there is no gradient to compare."""
    for weight in net.parameters():
        if weight.dim() > 1 and weight.numel() > 1 and weight.min() == weight.max():
            nn.init.normal_(weight, std=0.02)
