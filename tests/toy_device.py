"""An analytic classifier whose device arrays are torch tensors: what runs on a GPU runs there."""

from __future__ import annotations

import numpy as np
import torch
from toy_layers import LayeredToy

from pysal.arrays import root
from pysal.classifier import Classifier


class DeviceToy(LayeredToy):
    """A `LayeredToy` that insists on tensors in its fused operations, and gives tensors back."""

    prefers_batches = True

    def to_device(self, array):
        # A device does not share the host's memory.
        return array if root(array) == "torch" else torch.from_numpy(np.array(array, np.float32))

    def value_and_grad(self, batch, target, **options):
        found = super().value_and_grad(_host(batch), target, **options)
        return found if isinstance(batch, np.ndarray) else tuple(map(torch.from_numpy, found))

    def score_composed(self, compose, num_images, count, target):
        def write(image, first, out):
            tensor = torch.empty(out.shape)
            compose(image, first, tensor)
            out[...] = tensor.numpy()

        return Classifier.score_composed(self, write, num_images, count, target)

    def score_masked(self, batch, baseline, masks, target, *, noise=None):
        host = (_tensor(array).numpy() for array in (batch, baseline, masks))
        found = Classifier.score_masked(LayeredProxy(self), *host, target, noise=noise)
        return torch.from_numpy(found)

    def path_grad(self, batch, baseline, masks, target, **options):
        host = (_tensor(array).numpy() for array in (batch, baseline, masks))
        found = Classifier.path_grad(LayeredProxy(self), *host, target, **options)
        return tuple(map(torch.from_numpy, found))


class LayeredProxy:
    """The host's view of a `DeviceToy`, for the default operations."""

    def __init__(self, clf: DeviceToy) -> None:
        self._clf, self.info = clf, clf.info

    def score(self, batch, kind="probability"):
        return LayeredToy.score(self._clf, batch, kind)

    def score_composed(self, *arguments):
        return Classifier.score_composed(self, *arguments)

    def value_and_grad(self, batch, target):
        return LayeredToy.value_and_grad(self._clf, batch, target)


def _host(array):
    return array if isinstance(array, np.ndarray) else array.numpy()


def _tensor(array):
    assert root(array) == "torch", "a host array where the device computes"
    return array
