"""Fit the an8Flower network to views, and measure what it looks at on others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pysal.datasets.an8flower_net import (
    SIZE,
    Batches,
    augment_batch,
    blur,
    load_torch,
    network,
    predict_onnx,
    to_input,
)
from pysal.datasets.an8flower_render import (
    NUM_AUGMENTED,
    NUM_FRAMES,
    Mask,
    Pixels,
    augment,
    render_frames,
)
from pysal.datasets.an8flower_scene import BACKGROUND
from pysal.datasets.an8flower_variants import classes

SIGMA = 14.0
"""Blur that hides a part in the check of what the network looks at, pixels of 112."""


@dataclasses.dataclass(frozen=True)
class Views:
    """Augmented views of a variant at the size of the network's input.

    Attributes
    ----------
    images : ndarray of shape (N, 112, 112, 3), uint8
    masks : ndarray of shape (N, 112, 112), bool
    labels : ndarray of shape (N,), int64
    frames : ndarray of shape (N,), int64
    """

    images: Pixels
    masks: Mask
    labels: NDArray[np.int64]
    frames: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, frames: Iterable[int]) -> Views:
        """The views of some frames, in their order."""
        rows = np.isin(self.frames, list(frames))
        return Views(self.images[rows], self.masks[rows], self.labels[rows], self.frames[rows])


def load_views(variant: str, frames: Iterable[int] = range(NUM_FRAMES)) -> Views:
    """Render frames and their 25 augmentations at the size of the network's input."""
    frames, names = list(frames), classes(variant)
    shape = len(names) * len(frames) * NUM_AUGMENTED, SIZE, SIZE
    images, masks = np.empty((*shape, 3), np.uint8), np.empty(shape, bool)
    pairs = (
        pair
        for cls in names
        for view in render_frames(variant, cls, frames)
        for pair in augment(*view)
    )
    for row, (rgb, mask) in enumerate(pairs):
        photo = Image.fromarray(rgb).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        region = Image.fromarray(mask).resize((SIZE, SIZE), Image.Resampling.NEAREST)
        images[row], masks[row] = np.asarray(photo), np.asarray(region)
    labels = np.repeat(np.arange(len(names)), len(frames) * NUM_AUGMENTED)
    of_frame = np.tile(np.repeat(frames, NUM_AUGMENTED), len(names))
    return Views(images, masks, labels, of_frame)


def train(
    views: Views,
    num_classes: int,
    *,
    epochs: int,
    seed: int = 0,
    batch_size: int = 64,
    hide: float = 0.0,
    report: Callable[[str], None] | None = None,
) -> Any:
    """Fit the network to views.

    Parameters
    ----------
    views : Views
    num_classes : int
    epochs : int
    seed : int
        Fixes initial weights, order and augmentation.
    batch_size : int
    hide : float
        See `augment_batch`; 0 trains without masks.
    report : callable, optional
        Called with one line per epoch.

    Returns
    -------
    torch.nn.Module
        In evaluation mode; its output is probabilities.
    """
    torch = load_torch()
    torch.manual_seed(seed)
    net = network(num_classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = epochs * -(-len(views) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    for epoch in range(epochs):
        began, total = time.perf_counter(), 0.0
        for rows in torch.randperm(len(views)).split(batch_size):
            pixels, wanted = augment_batch(_batch(views, rows.numpy(), num_classes), hide)
            loss = torch.nn.functional.cross_entropy(net[:-1](to_input(pixels)), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        seconds = time.perf_counter() - began
        if report is not None:
            mean = total / len(views)
            report(f"epoch {epoch + 1}/{epochs}: loss {mean:.4f}, {seconds:.0f} s")
    return net.to(memory_format=torch.contiguous_format).eval()


def _batch(views: Views, rows: NDArray[np.int64], num_classes: int) -> Batches:
    """Rows of views as tensors: pixels in [0, 1], masks, one-hot labels."""
    torch = load_torch()
    pixels = torch.from_numpy(views.images[rows]).permute(0, 3, 1, 2).float() / 255
    masks = torch.from_numpy(views.masks[rows])[:, None].float()
    labels = torch.nn.functional.one_hot(torch.from_numpy(views.labels[rows]), num_classes)
    return pixels, masks, labels.float()


def evaluate(model: Path, views: Views, num_classes: int) -> dict[str, float]:
    """Measure a model file on held-out views: is it right, and what does it look at.

    Returns
    -------
    dict
        "accuracy"; "probability", the mean for the true class; and the same mean where a part of
        the image is hidden: "probability_region_blurred", "_rest_blurred" and "_all_blurred" by a
        strong blur, which leaves colours, and "_region_grey" and "_rest_grey" by the background.
    """
    torch = load_torch()
    grey = torch.tensor(BACKGROUND)[:, None, None] / 255
    p: dict[str, list[NDArray[np.float32]]] = {}
    for rows in np.array_split(np.arange(len(views)), -(-len(views) // 200)):
        pixels, masks, _ = _batch(views, rows, num_classes)
        soft, region, own = blur(pixels, SIGMA), masks > 0, views.labels[rows]
        for name, image in {
            "probability": pixels,
            "probability_region_blurred": torch.where(region, soft, pixels),
            "probability_rest_blurred": torch.where(region, pixels, soft),
            "probability_all_blurred": soft,
            "probability_region_grey": torch.where(region, grey, pixels),
            "probability_rest_grey": torch.where(region, pixels, grey),
        }.items():
            found = predict_onnx(model, to_input(image).numpy())
            p.setdefault(name, []).append(found[np.arange(len(rows)), own])
            if image is pixels:
                p.setdefault("accuracy", []).append(found.argmax(axis=1) == own)
    return {name: float(np.concatenate(parts).mean()) for name, parts in p.items()}
