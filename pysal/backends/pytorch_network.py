"""A frozen module as functions from a batch to logits, activations and gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from pysal.backends.pytorch_layers import scaled, tapped
from pysal.backends.pytorch_logits import cotangent, find_tensor, half_scale, to_logits
from pysal.errors import CapabilityError
from pysal.prepared import INPUT, LOGITS, gradient_name


class Network:
    """Differentiable functions of a module; nothing of them touches the user's own module.

    Parameters
    ----------
    module : nn.Module
        From `pytorch_module.frozen`.
    half : torch.dtype or None
        Type of autocast.
    channels_last : bool
        Strides of what the module is given.
    output_kind : {"logits", "softmax", "sigmoid"}
    compile : bool or str
        Whether `torch.compile` makes the network, or in which of its modes. Taps and gradients at
        layers run as they are, because hooks added later do not reach compiled code.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        half: torch.dtype | None,
        channels_last: bool,
        output_kind: str,
        compile: bool | str,
    ) -> None:
        self.module = module
        self._half, self._output_kind = half, output_kind
        self._strides = torch.channels_last if channels_last else torch.contiguous_format
        self._fast = module
        if compile:
            mode = compile if isinstance(compile, str) else None
            self._fast = torch.compile(module, dynamic=False, mode=mode)

    def scores(self, image: Tensor, *, hooked: bool = True) -> Tensor:
        """What the module ends in, (N, K); `hooked` for hooks that must be called."""
        # A copy, because modules may work on their input in place.
        batch = image.clone(memory_format=self._strides)
        with self.computing(image.device.type):
            return find_tensor((self.module if hooked else self._fast)(batch))

    def forward(self, image: Tensor, taps: tuple[str, ...]) -> dict[str, Tensor]:
        """Logits and activations, float32."""
        with torch.no_grad(), tapped(self.module, taps) as found:
            logits = to_logits(self.scores(image, hooked=bool(taps)), self._output_kind)
            return {LOGITS: logits, **{name: found[name].float() for name in taps}}

    def scaled(self, image: Tensor, factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits when the channels of layers are multiplied by factors (n, Q), float32."""
        with torch.no_grad(), scaled(self.module, factors):
            return {LOGITS: to_logits(self.scores(image), self._output_kind)}

    def gradient(
        self, image: Tensor, seed: Tensor, seed_probability: Tensor, wrt: str
    ) -> dict[str, Tensor]:
        """Logits, and the gradient of the seeded scores at the image or a layer, float32."""
        layers = () if wrt == INPUT else (wrt,)
        with torch.enable_grad(), tapped(self.module, layers, leaves=True) as found:
            leaf = image.detach()
            if wrt == INPUT:
                leaf.requires_grad_()
            logits = to_logits(self.scores(leaf, hooked=bool(layers)), self._output_kind)
            leaf = found.get(wrt, leaf)
            if not logits.requires_grad:
                raise CapabilityError(
                    f'the logits of the module have no gradient at "{wrt}"; it detaches them, or '
                    "they do not depend on it"
                )
            dz = cotangent(logits, seed, seed_probability, self._output_kind)
            scale = half_scale(dz) if self._half is torch.float16 else None
            grad = torch.autograd.grad(logits, leaf, dz if scale is None else dz * scale)[0].float()
            if scale is not None:
                grad = grad / scale.reshape(-1, *[1] * (grad.ndim - 1))
        return {LOGITS: logits.detach(), gradient_name(wrt): grad}

    def computing(self, device: str) -> AbstractContextManager[None]:
        """Half precision where it was asked for; weights are cast already, so nothing is cached."""
        if self._half is None:
            return contextlib.nullcontext()
        cast: AbstractContextManager[None] = torch.autocast(device, self._half, cache_enabled=False)
        return cast
