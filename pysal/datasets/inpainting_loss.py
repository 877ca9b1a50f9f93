"""What the small inpainter is trained to make small."""

from __future__ import annotations

from typing import Any

from pysal.datasets.an8flower_net import load_torch

KNOWN = 0.1
"""Weight of the error where the image is known, so that the generator's own output is usable."""
EDGES = 0.5
"""Weight of the error of the differences between neighbours."""
STRUCTURE = 0.15
"""Weight of 1 - SSIM."""


def loss(made: Any, wanted: Any, hole: Any) -> Any:
    """L1 in the hole, a little of it outside, L1 of differences, and 1 - SSIM: a scalar.

    Parameters
    ----------
    made, wanted : tensor of shape (N, 3, H, W), in [0, 1]
    hole : tensor of shape (N, 1, H, W)
        1 in the hole.

    Notes
    -----
    Means are taken over the hole of each image and then over images, so that small holes count as
    much as large ones. Differences and SSIM are those of the image after pasting, so seams count.
    """
    error = (made - wanted).abs()
    pasted = wanted + hole * (made - wanted)
    value = _mean(error, hole) + KNOWN * _mean(error, 1 - hole)
    for axis in (2, 3):
        touched = hole.narrow(axis, 1, hole.shape[axis] - 1).maximum(
            hole.narrow(axis, 0, hole.shape[axis] - 1)
        )
        difference = pasted.diff(dim=axis) - wanted.diff(dim=axis)
        value = value + EDGES * _mean(difference.abs(), touched)
    return value + STRUCTURE * _mean(1 - similarity(pasted, wanted), hole[..., ::2, ::2])


def similarity(a: Any, b: Any, window: int = 7) -> Any:
    """SSIM over square windows around every second pixel: (N, 3, H, W) twice -> (N, 3, H/2, W/2).

    Black around the image belongs to the windows at its border.
    """
    torch = load_torch()
    weights = torch.full((3, 1, window, window), 1 / window**2)

    def mean(x: Any) -> Any:
        # On CPUs, a convolution per channel is several times faster than torch's mean pooling.
        return torch.nn.functional.conv2d(x, weights, stride=2, padding=window // 2, groups=3)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    both = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    return (
        (2 * mean_a * mean_b + c1)
        * (2 * both + c2)
        / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    )


def _mean(values: Any, where: Any) -> Any:
    """Mean over the pixels that `where` selects, per image, then over images."""
    chosen = (values.mean(dim=1, keepdim=True) * where).sum(dim=(1, 2, 3))
    return (chosen / where.sum(dim=(1, 2, 3)).clamp(min=1)).mean()
