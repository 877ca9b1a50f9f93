"""A user's module: checked, identified, and turned into one that only computes."""

from __future__ import annotations

import copy
import hashlib
import itertools

import torch
from torch import Tensor, nn

from pysal.backends.reason import reason
from pysal.errors import CapabilityError, OptionError

HALVED = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.MultiheadAttention,
)
"""Layers whose weights autocast would cast in every run."""


def check_module(module: nn.Module) -> None:
    """Refuse what is no module, or one that trains.

    Raises
    ------
    OptionError
    """
    if not isinstance(module, nn.Module):
        raise OptionError(
            f"the model is a {type(module).__name__}; pytorch takes a torch.nn.Module"
        )
    training = [name for name, part in module.named_modules() if part.training]
    if training:
        what = f'its layer "{training[0]}"' if training[0] else "it"
        raise OptionError(
            f"{type(module).__name__} cannot be explained while {what} is in training mode; call "
            "model.eval() first"
        )


def digest(module: nn.Module) -> str:
    """SHA-256 of the names, types, shapes and bytes of all parameters and buffers."""
    found = hashlib.sha256()
    for name, value in module.state_dict().items():
        if not isinstance(value, Tensor):
            found.update(f"{name} {value!r}\n".encode())
            continue
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        found.update(flat.view(torch.uint8).numpy() if flat.numel() else b"")
    return found.hexdigest()


def frozen(
    module: nn.Module, *, device: torch.device, half: torch.dtype | None, channels_last: bool
) -> nn.Module:
    """A copy of a module whose parameters ask for no gradient.

    Tensors are shared with the module where device, type and strides can stay, so the copy costs
    no memory then, and later changes of the weights in place are seen. A module that cannot be
    copied, and need not be moved, is returned itself.

    Parameters
    ----------
    module : nn.Module
    device : torch.device
    half : torch.dtype or None
        Type of the weights of convolutions and linear layers; every other one is float32.
    channels_last : bool
        Strides of 4-D weights.

    Raises
    ------
    CapabilityError
        If the module cannot be copied.
    """
    halved = {
        id(weight)
        for part in module.modules()
        if isinstance(part, HALVED)
        for weight in part.parameters(recurse=False)
    }
    memo: dict[int, object] = {}
    pairs: list[tuple[Tensor, Tensor]] = []
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        dtype = half if half and id(tensor) in halved else torch.float32
        new = tensor.detach().to(device, dtype if tensor.is_floating_point() else tensor.dtype)
        if channels_last and new.ndim == 4:
            new = new.contiguous(memory_format=torch.channels_last)
        pairs.append((tensor, new))
        is_weight = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(new, requires_grad=False) if is_weight else new
    shared = all(new.data_ptr() == old.data_ptr() for old, new in pairs)
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # whatever a user's module has among its attributes
        if shared:
            return module
        raise CapabilityError(
            f"{type(module).__name__} cannot be copied to {device}: {reason(error)}; give a module "
            "that is there already, in float32"
        ) from error
