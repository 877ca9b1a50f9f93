"""Pictures drawn from random numbers, for the training of the small inpainter.

Photographs may rarely be used and shipped, so most of what the inpainter learns from is drawn here:
surfaces with noise and patterns, and scenes in which shapes of all sizes hide one another.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pysal.types import Array

Rng = np.random.Generator
Floats = NDArray[np.float64]


def render_scene(rng: Rng, size: int) -> Array:
    """One random picture.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Height and width in pixels.

    Returns
    -------
    ndarray of shape (size, size, 3), float32 in [0, 1]
    """
    surfaces = [surface(rng, size) for _ in range(int(rng.integers(3, 7)))]
    layout = _LAYOUTS[rng.choice(len(_LAYOUTS), p=(0.5, 0.25, 0.15, 0.1))]
    picture = layout(rng, surfaces, size)
    return _photograph(rng, picture)


def random_color(rng: Rng) -> Floats:
    """RGB in [0, 1], mostly of low saturation, as things outdoors and in rooms are."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.beta(1.2, 3.5), rng.beta(2, 1.6)))


def cloud(rng: Rng, size: int) -> Floats:
    """Noise whose amplitude falls as a power of the frequency: (size, size), mean 0, deviation 1.

    Photographs fall with a power near 1; rougher and smoother fields, and fields that are stretched
    along a direction (fur, wood, water), are drawn too.
    """
    stretch, angle = np.exp(rng.normal(0, 0.6)), rng.uniform(0, np.pi)
    v, u = np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij")
    along = (u * np.cos(angle) + v * np.sin(angle)) * stretch
    across = (v * np.cos(angle) - u * np.sin(angle)) / stretch
    radius = np.hypot(along, across)
    radius[0, 0] = np.inf
    waves = np.fft.rfft2(rng.standard_normal((size, size)))
    field: Floats = np.fft.irfft2(waves * radius ** -rng.uniform(0.6, 2.2), (size, size))
    return field / field.std()


def pattern(rng: Rng, size: int) -> Floats:
    """Stripes, boards, bricks or rings, bent a little and seen at an angle: (size, size), 0..1."""
    y, x = np.mgrid[:size, :size] / size - rng.uniform(0.2, 0.8, (2, 1, 1))
    angle, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.8)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    depth = 1 + tilt * v  # perspective: far parts are small
    u, v = u / depth, v / depth
    u = u + rng.uniform(0, 0.03) * cloud(rng, size)
    count = np.exp(rng.uniform(np.log(4), np.log(24)))
    kind = rng.integers(4)
    if kind == 0:
        return 0.5 + 0.5 * np.sin(2 * np.pi * count * u)
    if kind == 1:
        return (np.floor(count * u) + np.floor(count * v)) % 2
    if kind == 2:
        row = np.floor(count * v)
        joint = np.minimum((count * v) % 1, (count * u / 2 + row / 2) % 1 * 2)
        return np.clip((joint - 0.05) / 0.1, 0, 1)
    return 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * count * np.hypot(u, v)))


def surface(rng: Rng, size: int) -> Floats:
    """A material: one colour turning into another by a field, and light that falls off."""
    first = random_color(rng)
    second = np.clip(first + rng.normal(0, 0.25, 3), 0, 1)
    if rng.random() < 0.3:
        amount = pattern(rng, size)
    else:
        amount = 1 / (1 + np.exp(-rng.uniform(0.3, 3) * cloud(rng, size)))
    amount = amount * rng.beta(1, 1.5)
    fine = rng.gamma(1.0, 0.02) * cloud(rng, size)
    return first + (second - first) * amount[..., None] + fine[..., None] + _slope(rng, size)


def _slope(rng: Rng, size: int) -> Floats:
    """Light that grows in one direction: (size, size, 1)."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    right, down = rng.normal(0, 0.15, 2)
    return (right * x + down * y)[..., None]


def shape(rng: Rng, y: Floats, x: Floats) -> Floats:
    """Distance to the edge of a random shape of radius near 1 around 0; negative inside."""
    angle, flat = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-1.2, 0))
    u, v = x * np.cos(angle) + y * np.sin(angle), (y * np.cos(angle) - x * np.sin(angle)) / flat
    kind = rng.choice(4, p=(0.3, 0.25, 0.3, 0.15))
    if kind == 0:
        return np.hypot(u, v) - 1
    if kind == 1:
        return np.maximum(np.abs(u), np.abs(v)) - 0.9
    if kind == 2:  # a blob: the radius wavers with the direction
        turn = np.arctan2(v, u)
        waver = sum(
            rng.normal(0, 0.25 / k) * np.cos(k * turn + rng.uniform(0, 2 * np.pi))
            for k in range(2, 7)
        )
        return np.hypot(u, v) - 0.9 - waver
    sides = rng.integers(3, 7)
    corners = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(sides) / sides
    return np.max([u * np.cos(c) + v * np.sin(c) for c in corners], axis=0) - 0.7


def paste(rng: Rng, picture: Floats, surfaces: list[Floats], radius: float) -> None:
    """Draw one shape of about this radius in pixels into a picture, lit from one side."""
    size = len(picture)
    centre = rng.uniform(-0.1, 1.1, 2) * size
    low = np.clip((centre - 1.5 * radius).astype(int), 0, size)
    high = np.clip((centre + 1.5 * radius).astype(int) + 1, 0, size)
    if (high <= low).any():
        return
    window = np.s_[low[0] : high[0], low[1] : high[1]]
    y, x = np.mgrid[window]
    y, x = (y - centre[0]) / radius, (x - centre[1]) / radius
    soft = rng.choice([0.7, 1.0, 1.5, 4.0], p=(0.4, 0.3, 0.2, 0.1)) / radius
    cover = np.clip(0.5 - shape(rng, y, x) / soft, 0, 1)[..., None]
    fill = surfaces[rng.integers(len(surfaces))]
    rows, columns = (
        (np.arange(a, b) + rng.integers(size)) % size for a, b in zip(low, high, strict=True)
    )
    inside = fill[np.ix_(rows, columns)] + rng.normal(0, 0.08, 3)
    light = rng.normal(0, 0.12, 2)
    inside = inside + (light[0] * y + light[1] * x)[..., None]
    picture[window] += cover * (inside - picture[window])


def _leaves(rng: Rng, surfaces: list[Floats], size: int) -> Floats:
    """Shapes over shapes, many small and few large: sizes follow a power law, as in photographs."""
    picture = surfaces[0].copy()
    count = int(np.exp(rng.uniform(np.log(8), np.log(160))))
    radii = size * rng.uniform(0.02, 0.06) * (1 - rng.random(count) * 0.99) ** -0.6
    for radius in np.sort(radii)[::-1] if rng.random() < 0.7 else radii:
        paste(rng, picture, surfaces, min(float(radius), size * 0.6))
    return picture


def _landscape(rng: Rng, surfaces: list[Floats], size: int) -> Floats:
    """Bands below one another with uneven borders, and a few things in front."""
    y = np.mgrid[:size, :size][0]
    picture = surfaces[0].copy()
    for fill in surfaces[1:4]:
        border = rng.uniform(0.2, 0.9) * size + rng.gamma(1.0, 4.0) * cloud(rng, size)[0]
        cover = np.clip(y - border[None], 0, 1)[..., None]
        picture += cover * (fill + _slope(rng, size) - picture)
    for _ in range(int(rng.integers(0, 12))):
        paste(rng, picture, surfaces, float(size * rng.uniform(0.03, 0.25)))
    return picture


def _room(rng: Rng, surfaces: list[Floats], size: int) -> Floats:
    """Flat faces that straight lines divide."""
    picture = surfaces[0].copy()
    y, x = np.mgrid[:size, :size]
    for _ in range(int(rng.integers(2, 7))):
        angle, offset = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.25) * size
        side = (x - size / 2) * np.cos(angle) + (y - size / 2) * np.sin(angle) - offset
        cover = np.clip(side + 0.5, 0, 1)[..., None]
        fill = surfaces[rng.integers(len(surfaces))] + _slope(rng, size) + rng.normal(0, 0.08, 3)
        picture += cover * (fill - picture)
    for _ in range(int(rng.integers(0, 8))):
        paste(rng, picture, surfaces, float(size * rng.uniform(0.03, 0.2)))
    return picture


def _plain(rng: Rng, surfaces: list[Floats], size: int) -> Floats:
    """One material."""
    return surfaces[0]


_LAYOUTS: tuple[Callable[[Rng, list[Floats], int], Floats], ...] = (
    _leaves,
    _landscape,
    _room,
    _plain,
)


def _photograph(rng: Rng, picture: Floats) -> Array:
    """Uneven light, contrast and grain."""
    size = len(picture)
    light = 1 + rng.gamma(1.0, 0.05) * cloud_smooth(rng, size)[..., None]
    shown = 0.5 + rng.uniform(0.7, 1.3) * (np.clip(picture, 0, 1) * light - 0.5)
    shown = shown + rng.gamma(1.0, 0.006) * rng.standard_normal(shown.shape)
    return np.clip(shown, 0, 1).astype(np.float32)


def cloud_smooth(rng: Rng, size: int) -> Floats:
    """A few slow waves: (size, size), about -1 to 1."""
    y, x = np.mgrid[:size, :size] / size
    waves = [
        np.cos(2 * np.pi * (a * x + b * y + c))
        for a, b, c in rng.uniform((-1, -1, 0), (1, 1, 1), (3, 3))
    ]
    return np.sum(waves, axis=0) / 2
