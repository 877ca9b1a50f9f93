"""Layers of a module: which there are, and their outputs while it runs."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pysal.errors import OptionError

Hook = Callable[[nn.Module, Any, Any], Any]


@contextlib.contextmanager
def tapped(
    module: nn.Module, layers: Sequence[str], *, leaves: bool = False
) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of layers within the block; the hooks are gone after it.

    What follows a layer goes on with a copy, so that an operation in place does not reach the value
    that was collected. With `leaves` the collected tensors are leaves that gradients arrive at.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Hook:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            found[name] = output.detach().requires_grad_() if leaves else output
            return found[name].clone()

        return hook

    with contextlib.ExitStack() as stack:
        for name in layers:
            stack.enter_context(module.get_submodule(name).register_forward_hook(keep(name)))
        yield found


@contextlib.contextmanager
def scaled(module: nn.Module, factors: Mapping[str, Tensor]) -> Iterator[None]:
    """Multiply the outputs of layers by factors (n, Q) within the block; the hooks are gone after.

    What follows a layer goes on with the product, a tensor of its own.
    """

    def multiply(factor: Tensor) -> Hook:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            shape = (*factor.shape, *[1] * (output.ndim - 2))
            return output * factor.reshape(shape).to(output.dtype)

        return hook

    with contextlib.ExitStack() as stack:
        for name, factor in factors.items():
            hook = multiply(factor)
            stack.enter_context(module.get_submodule(name).register_forward_hook(hook))
        yield


@contextlib.contextmanager
def called(module: nn.Module) -> Iterator[list[str]]:
    """Names of the submodules that were called within the block, each once, in order."""
    order: dict[str, None] = {}

    def note(name: str) -> Callable[[nn.Module, Any], None]:
        def hook(_module: nn.Module, _inputs: Any) -> None:
            order.setdefault(name)

        return hook

    names: list[str] = []
    with contextlib.ExitStack() as stack:
        for name, part in module.named_modules():
            if name and not isinstance(part, torch.jit.ScriptModule):  # which take no hooks
                stack.enter_context(part.register_forward_pre_hook(note(name)))
        yield names
    names += order


@contextlib.contextmanager
def recorded(module: nn.Module, rows: int) -> Iterator[list[str]]:
    """Names of the layers in order of execution, complete after the block.

    A layer is a submodule that ran once and returned one tensor of floats with the batch axis
    first; one that runs several times has no single activation.
    """
    order: list[str] = []
    usable: list[str] = []

    def note(name: str) -> Hook:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            order.append(name)
            if not isinstance(output, Tensor) or not output.is_floating_point():
                return
            if output.ndim > 1 and len(output) == rows:
                usable.append(name)

        return hook

    names: list[str] = []
    with contextlib.ExitStack() as stack:
        for name, part in module.named_modules():
            if name and not isinstance(part, torch.jit.ScriptModule):  # which take no hooks
                stack.enter_context(part.register_forward_hook(note(name)))
        yield names
    names += [name for name in usable if order.count(name) == 1]


def check_layer(name: str, layers: Sequence[str], model: str) -> str:
    """Return the name; one that is no layer is an OptionError with the near ones."""
    if name not in layers:
        near = difflib.get_close_matches(name, layers, n=3, cutoff=0.4) or layers[-5:]
        raise OptionError(f'{model} has no layer "{name}"; did you mean {", ".join(near)}?')
    return name
