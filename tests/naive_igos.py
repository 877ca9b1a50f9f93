"""I-GOS in plain torch, one image, point after point, step after step: the judge and the peer.

Written from the specification (methods.md 6.5) and nothing else; it shares no code with the
package. With `noise_std` it draws fresh torch noise per point, as the published code does.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclasses.dataclass
class Trace:
    """What happened: masks after every iteration, objectives, steps, network passes."""

    masks: list[np.ndarray]
    losses: list[float]
    steps: list[float]
    forward: int = 0
    backward: int = 0


def blur51(image: Tensor) -> Tensor:
    """Gaussian blur, 51 x 51, sigma 50, borders mirrored without repeating the edge."""
    position = torch.arange(51, dtype=image.dtype) - 25
    line = torch.exp(-(position**2) / (2 * 50.0**2))
    line = line / line.sum()
    channels = image.shape[1]
    padded = F.pad(image, (25, 25, 25, 25), mode="reflect")
    rows = F.conv2d(padded, line.view(1, 1, 51, 1).repeat(channels, 1, 1, 1), groups=channels)
    return F.conv2d(rows, line.view(1, 1, 1, 51).repeat(channels, 1, 1, 1), groups=channels)


def compose(image: Tensor, baseline: Tensor, mask: Tensor) -> Tensor:
    """Image where the mask is 1, baseline where it is 0."""
    large = F.interpolate(mask, size=image.shape[2:], mode="bilinear", align_corners=True)
    return large * image + (1 - large) * baseline


def penalties(mask: Tensor, l1: float, l2: float) -> Tensor:
    """Mask size and total variation."""
    down = mask[:, :, 1:, :] - mask[:, :, :-1, :]
    right = mask[:, :, :, 1:] - mask[:, :, :, :-1]
    variation = sum(d.pow(2).mean() for d in (down, right) if d.numel())
    return l1 * (1 - mask).abs().mean() + l2 * variation


def naive_igos(
    model: nn.Module,
    image: Tensor,
    baseline: Tensor,
    target: int,
    *,
    size: int = 28,
    iterations: int = 15,
    points: int = 20,
    l1: float = 1.0,
    l2: float = 20.0,
    step_max: float = 200.0,
    step_min: float = 1e-5,
    shrink: float = 0.2,
    slope: float = 1e-4,
    noise_std: Tensor | float = 0.0,
    start: Tensor | None = None,
    weak: Tensor | None = None,
    warmup: int = 0,
) -> tuple[Tensor, Trace]:
    """Keep mask (1, 1, size, size) of one image (1, C, H, W), and its trace.

    `model` gives logits; `noise_std` is a number or a tensor of shape (1, C, 1, 1), in the units of
    the image, and is drawn from torch's global generator. The first `warmup` iterations have the
    baseline `weak`; the mask starts at `start`, or at 1.
    """
    noisy = bool(torch.as_tensor(noise_std).any())
    trace = Trace([], [], [])
    mask = torch.ones(1, 1, size, size).to(image) if start is None else start
    strong = baseline

    def probability(x: Tensor) -> Tensor:
        return torch.softmax(model(x), dim=1)[0, target]

    def objective(m: Tensor) -> float:
        trace.forward += 1
        with torch.no_grad():
            return float(probability(compose(image, baseline, m)) + penalties(m, l1, l2))

    for iteration in range(iterations):
        baseline = strong if weak is None or iteration >= warmup else weak
        direction = torch.zeros_like(mask)
        for s in range(1, points + 1):
            variable = mask.clone().requires_grad_(True)
            x = compose(image, baseline, variable * (s / points))
            if noisy:
                x = x + noise_std * torch.randn_like(image)
            (grad,) = torch.autograd.grad(probability(x), variable)
            trace.forward, trace.backward = trace.forward + 1, trace.backward + 1
            direction += grad / points
        variable = mask.clone().requires_grad_(True)
        direction += torch.autograd.grad(penalties(variable, l1, l2), variable)[0]

        current, norm = objective(mask), float(direction.pow(2).sum())
        if not trace.losses:
            trace.losses.append(current)
        step = step_max
        moved = (mask - step * direction).clamp(0, 1)
        reached = objective(moved)
        while reached > current - step * slope * norm:
            step *= shrink
            moved = (mask - step * direction).clamp(0, 1)
            if step < step_min:
                reached = float("nan")
                break
            reached = objective(moved)
        mask = moved
        trace.masks.append(mask[0, 0].cpu().numpy().copy())
        trace.losses.append(reached)
        trace.steps.append(step)
    return mask, trace
