"""The analytic classifier of `toy` as a torch module, for the naive judges."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from toy import ToyClassifier


class ToyLogits(nn.Module):
    """Logits of a `ToyClassifier`, in float64."""

    def __init__(self, clf: ToyClassifier) -> None:
        super().__init__()
        self.linear, self.quadratic = (torch.from_numpy(a) for a in (clf.linear, clf.quadratic))

    def forward(self, x: Tensor) -> Tensor:
        x = x.double()
        return (self.linear * x[:, None] + self.quadratic * x[:, None] ** 2 / 2).sum(dim=(2, 3, 4))


def double(array) -> Tensor:
    """A float64 tensor of an array."""
    return torch.from_numpy(array).double()
