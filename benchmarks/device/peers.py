"""PyTorch alone: gradients in its own ways to go fast, and I-GOS as published."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from device.agreement import Run
from device.setting import use_tf32

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from naive_igos import blur51, naive_igos


@dataclasses.dataclass(frozen=True)
class Way:
    """How PyTorch computes a gradient.

    Attributes
    ----------
    precision : str
        The precision of pysal that it stands beside.
    tf32 : bool
    autocast, weights : torch.dtype or None
        Computes in this type, converting weights each time; or has its weights in it.
    last : bool
        Channels last in memory.
    compiled : bool
        Under torch.compile, which takes long to get ready.
    """

    precision: str
    tf32: bool = False
    autocast: torch.dtype | None = None
    weights: torch.dtype | None = None
    last: bool = False
    compiled: bool = False

    @property
    def layout(self) -> torch.memory_format:
        """Of weights and images."""
        return torch.channels_last if self.last else torch.contiguous_format


WAYS = {
    "eager fp32": Way("fp32"),
    "eager fp32 last": Way("fp32", last=True),
    "eager tf32": Way("tf32", tf32=True),
    "eager tf32 last": Way("tf32", tf32=True, last=True),
    "autocast bf16 last": Way("bf16", autocast=torch.bfloat16, last=True),
    "weights bf16 last": Way("bf16", weights=torch.bfloat16, last=True),
    "autocast fp16 last": Way("fp16", autocast=torch.float16, last=True),
    "compile bf16 last": Way("bf16", weights=torch.bfloat16, last=True, compiled=True),
    "compile tf32 last": Way("tf32", tf32=True, last=True, compiled=True),
}


def gradient(
    network: nn.Module, way: Way, backend: str = "inductor"
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Function of a batch and class indices: probability (N,) and its gradient (N, C, H, W)."""
    network = copy.deepcopy(network).to(dtype=way.weights, memory_format=way.layout)

    def probability(x: Tensor, index: Tensor) -> Tensor:
        logits = network(x if way.weights is None else x.to(way.weights))
        if way.autocast or way.weights:
            logits = logits.float()
        return torch.softmax(logits, dim=1).gather(1, index[:, None])[:, 0]

    if way.compiled:
        probability = torch.compile(probability, dynamic=False, backend=backend)

    def run(batch: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        use_tf32(way.tf32)
        leaf = batch.contiguous(memory_format=way.layout).detach().requires_grad_(True)
        try:
            with torch.autocast(batch.device.type, way.autocast, way.autocast is not None):
                value = probability(leaf, index)
            (grad,) = torch.autograd.grad(value.sum(), leaf)
        finally:
            use_tf32(False)
        return value.detach(), grad

    return run


def igos(network: nn.Module, image: Tensor, target: int, std: Tensor, **options: float) -> Run:
    """I-GOS of one image (1, C, H, W), point after point and step after step, where the image is.

    Parameters
    ----------
    std : Tensor of shape (C,)
        Deviation of the noise; zeros for none.
    """
    use_tf32(False)
    mask, trace = naive_igos(
        network,
        image,
        blur51(image.cpu()).to(image.device),
        target,
        noise_std=std.to(image.device).view(1, -1, 1, 1),
        **options,
    )
    saliency = 1 - mask[0, 0].cpu().numpy()
    return Run(saliency, np.asarray(trace.losses), np.asarray(trace.steps))
