"""The analytic classifier behind torch tensors: what code for devices meets, without a device."""

from __future__ import annotations

import numpy as np
import torch
from toy import ToyClassifier


class TensorToy(ToyClassifier):
    """`to_device` makes tensors, and everything that is given and taken is one."""

    def to_device(self, array):
        return torch.from_numpy(np.ascontiguousarray(array).copy())

    def score(self, batch, kind="probability"):
        if isinstance(batch, np.ndarray):
            return super().score(batch, kind)
        return torch.from_numpy(super().score(batch.numpy(), kind))

    def value_and_grad(self, batch, target, **options):
        assert isinstance(batch, torch.Tensor)
        assert batch.dtype == torch.float32
        value, grad = super().value_and_grad(batch.numpy(), target, **options)
        return torch.from_numpy(value), torch.from_numpy(grad)
