"""FIDO in plain torch, one image, sample after sample, log-odds from logits: the judge.

Written from the specification (methods.md 6.4) and nothing else; shares no code with the package.
The uniform numbers of every step and sample are handed over.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def enlarge(x: Tensor, image: Tensor) -> Tensor:
    return F.interpolate(x, size=image.shape[2:], mode="bilinear", align_corners=True)


def log_odds(logits: Tensor, target: int) -> Tensor:
    others = [k for k in range(len(logits)) if k != target]
    return logits[target] - torch.logsumexp(logits[others], 0)


def naive_fido(
    model: nn.Module,
    image: Tensor,
    target: int,
    *,
    fill: Callable[[Tensor, int, int], Tensor],
    draw: Callable[[int, int], Tensor] | None,
    objective: str,
    size: int,
    steps: int,
    samples: int,
    temperature: float,
    weight: float,
    tv: float,
    ramp: int,
    rate: float,
    linear: bool,
    init: float,
) -> tuple[Tensor, list[float], list[float]]:
    """Logits (1, 1, size, size), or masks where `draw` is None, with losses and log-odds.

    `fill(rounded keep mask, step, sample)` is the filler, `draw(step, sample)` uniform numbers.
    """
    theta = torch.full((1, 1, size, size), init, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([theta], lr=rate)
    losses, odds = [], []
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = rate * (1 - step / steps) if linear else rate
        drop = 1 - enlarge(theta, image) if draw is None else enlarge(theta.sigmoid(), image)
        total = torch.zeros((), dtype=torch.float64)
        for sample in range(samples):
            if draw is None:
                keep = 1 - drop
            else:
                u = draw(step, sample).clamp(2.0**-25, 1 - 2.0**-25)
                gone = drop.log() - (1 - drop).log() + u.log() - (1 - u).log()
                keep = 1 - torch.sigmoid(gone / temperature)
            b = fill((keep > 0.5).detach(), step, sample)
            x = keep * image + (1 - keep) * b
            total = total + log_odds(model(x)[0], target) / samples
        grow = min(1.0, step / ramp) if ramp else 1.0
        rare = (1 - drop).sum() if objective == "ssr" else drop.sum()
        rough = drop.diff(dim=2).pow(2).sum() + drop.diff(dim=3).pow(2).sum()
        loss = (-total if objective == "ssr" else total) + grow * (weight * rare + tv * rough)
        losses.append(loss.item())
        odds.append(total.item())
        adam.zero_grad()
        loss.backward()
        adam.step()
        if draw is None:
            with torch.no_grad():
                theta.clamp_(0, 1)
    return theta.detach(), losses, odds
