"""From what a module returns to logits, and from the scores' cotangents to those of the logits."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pysal.errors import ModelFormatError, OptionError

OUTPUT_KINDS = ("logits", "softmax", "sigmoid")


def check_output_kind(kind: str) -> str:
    """Return it; an unknown one is an OptionError."""
    if kind not in OUTPUT_KINDS:
        raise OptionError(f'output_kind is "{kind}"; use one of {", ".join(OUTPUT_KINDS)}')
    return kind


def find_tensor(output: Any) -> Tensor:
    """The scores (N, K) in what a module returns.

    Raises
    ------
    ModelFormatError
        If there is no tensor where one is looked for, or it has other axes.
    """
    tensor = output
    if isinstance(output, Mapping):
        tensor = output.get("logits")
    elif isinstance(getattr(output, "logits", None), Tensor):
        tensor = output.logits
    elif isinstance(output, tuple | list) and output:
        tensor = output[0]
    if not isinstance(tensor, Tensor):
        raise ModelFormatError(
            f"the module returns {_describe(output)}; expected a tensor (N, K), an object with "
            "logits, or a tuple that starts with the tensor: wrap the module in one that does"
        )
    if tensor.ndim > 2 and set(tensor.shape[2:]) == {1}:
        tensor = tensor.flatten(1)
    if tensor.ndim != 2:
        raise ModelFormatError(
            f"the module returns a tensor of shape {tuple(tensor.shape)}; a classifier returns "
            "(N, K): wrap the module in one that pools or selects"
        )
    return tensor


def to_logits(scores: Tensor, output_kind: str) -> Tensor:
    """Logits in float32 of what the module ends in.

    Probabilities below 1e-38 (softmax) or outside [1e-7, 1 - 1e-7] (sigmoid) have the logit of the
    bound, and no gradient.
    """
    scores = scores.float()
    if output_kind == "softmax":
        return scores.clamp_min(torch.finfo(torch.float32).tiny).log()
    if output_kind == "sigmoid":
        return torch.logit(scores, eps=1e-7)
    return scores


def cotangent(logits: Tensor, seed: Tensor, seed_probability: Tensor, output_kind: str) -> Tensor:
    """Gradient of sum(seed * logits) + sum(seed_probability * probabilities) at the logits.

    Formed in float32 whatever the network computes in. Next to p = 1, 1 - p has lost its digits:
    it is the sum of the other probabilities here, see `export.build`.
    """
    logits = logits.detach()
    if output_kind == "sigmoid":
        return seed + torch.sigmoid(logits) * torch.sigmoid(-logits) * seed_probability
    p = torch.softmax(logits, 1)
    below = seed_probability.amax(1, keepdim=True) - seed_probability
    others = (p * below).sum(1, keepdim=True)
    straight = seed_probability - (p * seed_probability).sum(1, keepdim=True)
    return seed + p * torch.where(below == 0, others, straight)


def half_scale(cotangents: Tensor) -> Tensor:
    """Powers of two, (N, 1), that bring each row's largest element to [256, 512): exact to undo.

    The smallest float16 is 6e-8, which gradients of a saturated probability fall below at once, and
    others on their way down; the largest, 65504, is left far enough above.
    """
    largest = cotangents.abs().amax(1, keepdim=True)
    safe = torch.where(largest > 0, largest, torch.ones_like(largest))
    return torch.exp2(8.0 - torch.floor(torch.log2(safe)).clamp(-100.0, 100.0))


def warn_distribution(scores: Tensor) -> None:
    """Warn if what should be logits looks like probabilities."""
    sums = scores.double().sum(1)
    if scores.shape[1] > 1 and bool((scores >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all()):
        warnings.warn(
            "the module returns numbers that are positive and sum to 1, as probabilities do; if it "
            'ends in a softmax, give output_kind="softmax"',
            UserWarning,
            stacklevel=4,
        )


def _describe(output: Any) -> str:
    """Type of an output, and its keys or members."""
    name = type(output).__name__
    if isinstance(output, Mapping):
        return f"a {name} with keys {', '.join(map(str, output)) or '(none)'}"
    if isinstance(output, tuple | list):
        return f"a {name} of {', '.join(type(item).__name__ for item in output) or 'nothing'}"
    return f"a {name}"
