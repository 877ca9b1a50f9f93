"""Gradients of every family of torchvision classifiers, as exported by torch, against float64.

The networks have random weights, so near zero many units of a ReLU or windows of a pool are decided
by the last digit: some images differ from float64 by a flipped unit, in torch's own float32 as much
as here. The median over images is free of them, and must be no worse than twice torch's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from checker import run
from zoo import CLASSES, Member, errors, families

from pysal.export import build_gradient, prepare, unsupported_ops

FLOOR = 1e-6
FLIPPED = 0.1
"""What a flipped unit may change of an image's gradient."""


@pytest.mark.parametrize("lowering", ["ort", "portable"])
@pytest.mark.parametrize("name", families())
def test_gradient_is_as_good_as_that_of_torch(
    name: str, lowering: str, member: Callable[[str], Member]
) -> None:
    net = member(name)
    prepared = prepare(net.path)
    assert unsupported_ops(prepared) == {}
    assert (prepared.num_classes, prepared.output_kind) == (CLASSES, "logits")
    model = build_gradient(prepared, lowering=lowering)
    one_hot = np.eye(CLASSES, dtype=np.float32)[net.target.numpy()]
    for kind in ("logit", "probability"):
        seeds = {"pysal/seed": kind == "logit", "pysal/seed_probability": kind == "probability"}
        feeds = {seed: one_hot * used for seed, used in seeds.items()}
        found = run(model, {prepared.input_name: net.x.numpy(), **feeds})
        exact = net.torch_gradient(kind, torch.float64)
        own = errors(torch.from_numpy(found["pysal/input_gradient"]).double(), exact)
        torchs = errors(net.torch_gradient(kind, torch.float32), exact)
        assert own.median() <= 2 * torchs.median() + FLOOR, kind
        assert own.max() <= FLIPPED, kind
