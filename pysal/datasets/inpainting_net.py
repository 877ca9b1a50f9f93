"""The small inpainter: averages over what is known, at all scales, then gated convolutions.

The first half has no weights: a pyramid of partial convolutions, means over known pixels only, from
which the hole is filled from coarse to fine and smoothed towards harmonic. So colours reach across
holes of any size. The second half, a U-shaped network with dilated gated convolutions at an eighth
of the size, adds what such smooth fillings lack.
"""

from __future__ import annotations

from typing import Any

from pysal.datasets.an8flower_net import load_torch

MULTIPLE = 32
"""Height and width must be multiples of this."""
LEVELS = 5
SMOOTHINGS = 16
"""Steps towards harmonic at every scale; more bring little."""
RELAXATION = 1.4
"""Length of these steps; from 1.5 on, 3 x 3 means diverge."""
WIDTHS = (32, 48, 64)
DILATIONS = (1, 2, 4, 8, 4, 1)
SLOPE = 0.1
"""Of the rectifiers, where they are negative."""


def spread(image: Any, known: Any, *, pool: bool = False) -> Any:
    """Fill the unknown pixels from the known ones, smoothly, without weights.

    Parameters
    ----------
    image : tensor of shape (N, 3, H, W), in [0, 1]
        Only its known pixels are used.
    known : tensor of shape (N, 1, H, W), 0 or 1
    pool : bool
        How means are taken: by pooling, which ONNX Runtime is good at, or by sums of slices, which
        are ten times as fast in torch. The result is the same.

    Returns
    -------
    tensor of shape (N, 3, H, W)
        Equal to the image where it is known; grey where nothing is.
    """
    functional = load_torch().nn.functional
    smoothed = _pooled if pool else _sliced
    levels = [(image * known, known.expand_as(image))]
    for _ in range(LEVELS):
        colour, weight = (functional.avg_pool2d(part, 2) for part in levels[-1])
        levels.append((colour, weight))
    colour, weight = (part.mean(dim=(2, 3), keepdim=True) for part in levels[-1])
    filled = (colour + 5e-7) / (weight + 1e-6)
    filled = filled.expand_as(levels[-1][0])
    for depth in range(LEVELS, -1, -1):
        colour, weight = levels[depth]
        if depth < LEVELS:
            filled = functional.interpolate(filled, scale_factor=2.0, mode="bilinear")
        sure = (weight * 4).clamp(max=1) if depth else weight
        unsure, pull = 1 - sure, sure * colour / (weight + 1e-6)
        for _ in range(SMOOTHINGS):
            filled = filled * unsure + pull
            filled = RELAXATION * smoothed(filled) + (1 - RELAXATION) * filled
        filled = filled * unsure + pull
    return filled


def _sliced(x: Any) -> Any:
    """Mean of 3 x 3 pixels, the border repeated."""
    x = load_torch().nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    x = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
    return (x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]) * (1 / 9)


def _pooled(x: Any) -> Any:
    """The same."""
    functional = load_torch().nn.functional
    return functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def generator() -> Any:
    """The untrained network: (image (N, 3, H, W) in [0, 1], hole (N, 1, H, W)) -> (N, 3, H, W).

    The second input is 1 in the hole and 0 where the image is known.
    """
    torch = load_torch()
    nn = torch.nn

    class Gated(nn.Module):  # type: ignore[name-defined, misc]
        """Convolution whose output is weighed, at every pixel, by what a second one makes of it."""

        def __init__(
            self, before: int, after: int, stride: int = 1, dilation: int = 1, scale: float = 1.0
        ) -> None:
            super().__init__()
            options = {"stride": stride, "padding": dilation, "dilation": dilation}
            self.content = nn.Conv2d(before, after, 3, **options)
            self.gate = nn.Conv2d(before, 1, 3, **options)
            # Gates start at 0.73, and the content's scale makes up for it: signals keep their size.
            nn.init.kaiming_normal_(self.content.weight, a=SLOPE)
            nn.init.zeros_(self.content.bias)
            nn.init.ones_(self.gate.bias)
            with torch.no_grad():
                self.content.weight *= scale / 0.73

        def forward(self, x: Any) -> Any:
            return nn.functional.leaky_relu(self.content(x), SLOPE) * torch.sigmoid(self.gate(x))

    class Generator(nn.Module):  # type: ignore[name-defined, misc]
        """A U of three scales: a half, a quarter and an eighth of the image."""

        def __init__(self) -> None:
            super().__init__()
            fine, middle, coarse = WIDTHS
            self.at_half = Gated(16, fine)
            self.at_quarter = Gated(fine, middle, stride=2)
            self.at_eighth = Gated(middle, coarse, stride=2)
            self.around = nn.ModuleList(
                Gated(coarse, coarse, dilation=d, scale=0.5) for d in DILATIONS
            )
            self.to_quarter = Gated(coarse + middle, middle)
            self.to_half = Gated(middle + fine, fine)
            self.last = nn.Conv2d(fine, 12, 3, padding=1)
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)
            self.pool = False

        def forward(self, image: Any, mask: Any) -> Any:
            smooth = spread(image, 1 - mask, pool=self.pool)
            packed = nn.functional.pixel_unshuffle(torch.cat([smooth - 0.5, mask], 1), 2)
            half = self.at_half(packed)
            quarter = self.at_quarter(half)
            x = self.at_eighth(quarter)
            for layer in self.around:
                x = x + layer(x)
            x = self.to_quarter(torch.cat([double(x), quarter], 1))
            x = self.to_half(torch.cat([double(x), half], 1))
            change = nn.functional.pixel_shuffle(self.last(x), 2)
            return (smooth + change).clamp(0, 1)

    def double(x: Any) -> Any:
        return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")

    return Generator()
