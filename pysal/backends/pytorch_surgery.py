"""Weights of a torch module, drawn anew in a copy."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pysal.backends.pytorch_layers import called
from pysal.redraw import How, redraw


def weighted_layers(module: nn.Module, image: Tensor) -> tuple[str, ...]:
    """Submodules that have float parameters of their own, in the order of their first call.

    One that is never called, because the module around it reads its parameters, comes behind that
    module: the output projection of torch's attention.
    """
    with torch.no_grad(), called(module) as order:
        module(image.clone())
    own = {
        name: any(p.is_floating_point() for p in part.parameters(recurse=False))
        for name, part in module.named_modules()
        if name
    }
    found: dict[str, None] = {}
    for name in order:
        silent = [n for n in own if n.rpartition(".")[0] == name and n not in order]
        for candidate in (name, *silent):
            if own[candidate]:
                found.setdefault(candidate)
    return tuple(found)


def randomized(module: nn.Module, layers: Sequence[str], *, seed: int, how: How) -> nn.Module:
    """A copy of a module with tensors of its own, and the parameters of some layers drawn anew."""
    other = copy.deepcopy(module)
    with torch.no_grad():
        for layer in layers:
            for name, weight in other.get_submodule(layer).named_parameters(recurse=False):
                if weight.is_floating_point():
                    values = weight.detach().cpu().double().numpy()
                    drawn = redraw(values, f"{layer}.{name}", seed=seed, how=how)
                    weight.copy_(torch.from_numpy(drawn))
    return other
