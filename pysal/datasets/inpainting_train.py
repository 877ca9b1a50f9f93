"""Train the small inpainter that pysal ships, and write it as ONNX.

`python -m pysal.datasets.inpainting_train --out pysal/fillers/inpainter.onnx` makes the shipped
file anew. Needs the extras `datasets`, `inpaint` and `torch`.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import Any

import numpy as np

from pysal.datasets.an8flower_net import load_torch
from pysal.datasets.inpainting_export import export_onnx
from pysal.datasets.inpainting_holes import random_keep
from pysal.datasets.inpainting_images import (
    PHOTOS,
    Pixels,
    crop_photo,
    draw_scenes,
    free_photos,
    plants,
    recolor,
)
from pysal.datasets.inpainting_loss import loss
from pysal.datasets.inpainting_net import generator

SIZE = 128
"""Height and width of the training images; the network takes any multiple of 32."""
SCENE_SIZE = 192
PHOTO_SHARE = 0.45
"""Share of training images that are crops of photographs; the others are drawn."""


class Examples:
    """Training examples; example i of a step depends on (seed, step, i) only.

    Parameters
    ----------
    scenes : ndarray of shape (S, h, w, 3), uint8
    photos : list of ndarray of shape (H, W, 3), uint8
    seed : int
    """

    def __init__(self, scenes: Pixels, photos: list[Pixels], seed: int) -> None:
        self._scenes, self._photos, self._seed = scenes, photos, seed

    def batch(self, step: int, count: int) -> tuple[Any, Any]:
        """Images (count, 3, SIZE, SIZE) in [0, 1] and holes (count, 1, SIZE, SIZE), as tensors."""
        torch = load_torch()
        images = np.empty((count, SIZE, SIZE, 3), np.float32)
        holes = np.empty((count, SIZE, SIZE), np.float32)
        for row in range(count):
            rng = np.random.default_rng((self._seed, step, row))
            pool = self._photos if rng.random() < PHOTO_SHARE else self._scenes
            images[row] = recolor(rng, crop_photo(rng, pool[rng.integers(len(pool))], SIZE))
            holes[row] = ~random_keep(rng, SIZE)
        return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(holes)[:, None]


def train(
    examples: Examples,
    *,
    steps: int,
    batch_size: int = 8,
    seed: int = 0,
    rate: float = 6e-4,
    log_every: int = 100,
) -> Any:
    """Fit the network.

    Parameters
    ----------
    examples : Examples
    steps, batch_size : int
    seed : int
        Fixes the initial weights.
    rate : float
        Largest learning rate; it rises over a twentieth of the steps, then falls to zero. Four
        times as much closes the gates for good.
    log_every : int
        Steps between two lines on the console.

    Returns
    -------
    torch.nn.Module
        In evaluation mode: the running mean of the weights over the last few hundred steps.

    Notes
    -----
    Convolutions are computed in bfloat16. Cost: about 0.13 s a step of 8 images on one core.
    """
    torch = load_torch()
    torch.manual_seed(seed)
    net = generator().to(memory_format=torch.channels_last)
    mean = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=rate, total_steps=steps, pct_start=0.05
    )
    began, total = time.perf_counter(), 0.0
    for step in range(steps):
        images, holes = examples.batch(step, batch_size)
        with torch.autocast("cpu", torch.bfloat16):
            made = net(images, holes)
        value = loss(made.float(), images, holes)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        _follow(mean, net, min(0.995, (1 + step) / (10 + step)))
        total += float(value.detach())
        if (step + 1) % log_every == 0:
            seconds = time.perf_counter() - began
            print(
                f"step {step + 1}/{steps}: loss {total / log_every:.4f}, {seconds:.0f} s",
                flush=True,
            )
            total = 0.0
    return mean.to(memory_format=torch.contiguous_format).eval()


def _follow(mean: Any, net: Any, inertia: float) -> None:
    """Move the running mean of the weights a little."""
    torch = load_torch()
    with torch.no_grad():
        for kept, now in zip(mean.parameters(), net.parameters(), strict=True):
            kept.lerp_(now, 1 - inertia)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, train, and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the .onnx to write")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--scenes", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(arguments)
    load_torch().set_num_threads(args.threads)
    scenes = draw_scenes(args.seed, args.scenes, SCENE_SIZE, plants())
    examples = Examples(scenes, list(free_photos().values()), args.seed)
    net = train(examples, steps=args.steps, batch_size=args.batch_size, seed=args.seed)
    record = {
        "made_by": "python -m pysal.datasets.inpainting_train",
        "license": "Apache-2.0",
        "steps": args.steps,
        "batch_size": args.batch_size,
        "seed": args.seed,
        "scenes": f"{args.scenes} drawn by pysal, an eighth of them with a plant of an8Flower",
        "photos": PHOTOS,
        "photo_share": PHOTO_SHARE,
    }
    print(f"ONNX minus torch: {export_onnx(net, args.out, record):.2g}")


if __name__ == "__main__":
    main()
