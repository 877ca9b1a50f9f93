"""The an8Flower plant: named parts, each one or more smooth surfaces.

Units: the plant is about 4 high, z points up, the stem starts at the origin. No randomness.
"""

from __future__ import annotations

import functools

import numpy as np

from pysal.datasets.an8flower_mesh import (
    Floats,
    Grid,
    Point,
    Surface,
    ball,
    grid,
    lathe,
    surface,
    thorn,
)

STEM_TOP = 1.75
FLOWER = 1.3
"""Scale of the flower and its calyx."""
TILT = 0.5
"""Lean of the flower's axis away from the vertical, radians: views differ over the full turn."""


@functools.cache
def plant() -> dict[str, tuple[Surface, ...]]:
    """Every part of the plant, as surfaces.

    Returns
    -------
    dict
        "pot", "soil", "stem" or "stout_stem", "leaves", "calyx" and "flower"; "balls" that sit on
        the flower and "thorns" of the stout stem, which only some plants have.
    """
    return {
        "pot": (lathe(POT),),
        "soil": (lathe(SOIL),),
        "stem": (_stem(0.085),),
        "stout_stem": (_stem(0.16),),
        "leaves": tuple(_leaf(*leaf) for leaf in LEAVES),
        "calyx": tuple(_petal(k, 8, length=0.38, width=0.13, lift=-0.12) for k in range(8)),
        "flower": (_body(), *(_petal(k, 6, length=0.95, width=0.42, lift=0.5) for k in range(6))),
        "balls": tuple(ball(centre, 0.13) for centre in _ball_centres()),
        "thorns": tuple(_thorn(k) for k in range(NUM_THORNS)),
    }


NUM_THORNS = 12

# Profiles (radius, height), from the axis outwards or upwards.
POT = (
    (0.0, -0.85),
    (0.44, -0.85),
    (0.47, -0.82),
    (0.6, -0.3),
    (0.69, -0.3),
    (0.72, -0.27),
    (0.73, -0.05),
    (0.7, -0.02),
    (0.62, -0.02),
    (0.58, -0.12),
)
SOIL = ((0.59, -0.12), (0.4, -0.07), (0.2, -0.04), (0.0, -0.03))
# Height on the stem, heading (degrees), length, width, droop.
LEAVES = (
    (0.22, 20.0, 1.20, 0.30, 0.55),
    (0.42, 150.0, 1.30, 0.33, 0.35),
    (0.70, 265.0, 1.05, 0.28, 0.50),
    (1.00, 75.0, 0.85, 0.22, 0.30),
    (1.22, 205.0, 0.70, 0.20, 0.20),
)


def _axis(height: Floats | float) -> tuple[Floats, Floats]:
    """Centre of the stem at a height: a gentle S that ends below the flower."""
    t = np.asarray(height, np.float64) / STEM_TOP
    return 0.16 * np.sin(2.6 * t) * t, 0.10 * np.sin(2 * np.pi * t)


def _stem(thickness: float) -> Surface:
    """A tube around the axis, thicker at the ground."""
    u, v = grid(40, 20)
    height = -0.1 + u * (STEM_TOP + 0.12)
    x, y = _axis(height)
    radius = thickness - 0.03 * u
    turn = 2 * np.pi * v
    return surface((x + radius * np.cos(turn), y + radius * np.sin(turn), height), 0.9 + 0.15 * u)


def _leaf(height: float, heading: float, length: float, width: float, droop: float) -> Surface:
    """A pointed blade with a folded midrib that rises, then hangs down."""
    u, v = grid(28, 13)
    across = 2 * v - 1
    half = width * np.sin(np.pi * u**0.75) ** 0.9 + 0.012
    reach = length * u
    rise = 0.75 * length * u - (0.75 * length + droop) * u**2 + 0.22 * half * np.abs(across)
    side = half * across
    angle = np.deg2rad(heading)
    x, y = _axis(height)
    points = (
        x + reach * np.cos(angle) - side * np.sin(angle),
        y + reach * np.sin(angle) + side * np.cos(angle),
        height + rise,
    )
    rib = np.exp(-((across / 0.12) ** 2))
    return surface(points, 0.86 + 0.22 * rib + 0.06 * np.cos(14 * np.pi * u) * (1 - rib))


def _on_stem(points: Grid) -> Grid:
    """Lean flower coordinates by `TILT` and put them on the stem's end."""
    x, y, z = points
    top_x, top_y = _axis(STEM_TOP)
    c, s = FLOWER * np.cos(TILT), FLOWER * np.sin(TILT)
    return top_x + c * x + s * z, top_y + FLOWER * y, STEM_TOP - s * x + c * z


def _body_points(u: Floats, v: Floats) -> Grid:
    """An egg, fuller at the top, bent a little, with shallow ribs: u upwards, v around."""
    turn, rise = 2 * np.pi * v, np.pi * u
    ribs = 1 + 0.035 * np.cos(8 * turn) * np.sin(rise)
    radius = 0.44 * np.sin(rise) * (1 - 0.22 * np.cos(rise)) * ribs
    z = 0.58 - 0.60 * np.cos(rise)
    bend = 0.10 * u**2
    return _on_stem((radius * np.cos(turn) + bend, radius * np.sin(turn), z))


def _body() -> Surface:
    """The middle of the flower."""
    u, v = grid(36, 73)
    return surface(_body_points(u, v), 0.82 + 0.2 * u + 0.05 * np.cos(8 * (2 * np.pi * v)))


def _ball_centres() -> list[Point]:
    """Three rings on the body, and one ball near the tip of each petal."""
    rings = ((0.52, 7), (0.70, 6), (0.88, 4))
    u = np.concatenate([np.full(count, at) for at, count in rings])
    v = np.concatenate([(np.arange(count) + at) / count for at, count in rings])
    body = np.stack(_body_points(u, v), axis=1)
    ends = [_petal_points(k, 6, 0.95, 0.42, 0.5, np.array(0.8), np.array(0.5)) for k in range(6)]
    petals = np.stack([np.stack(_on_stem(end)) for end in ends])
    return [(float(x), float(y), float(z)) for x, y, z in np.concatenate([body, petals])]


def _thorn(index: int) -> Surface:
    """One of the thorns, which wind around the stem by the golden angle."""
    height = 0.30 + index * (STEM_TOP - 0.45) / (NUM_THORNS - 1)
    x, y = (float(v) for v in _axis(height))
    heading = np.deg2rad(137.5 * index + 40)
    out_x, out_y = float(np.cos(heading)), float(np.sin(heading))
    base = (x + 0.08 * out_x, y + 0.08 * out_y, height)
    return thorn(base, (x + 0.46 * out_x, y + 0.46 * out_y, height + 0.12), 0.10)


def _petal(index: int, count: int, *, length: float, width: float, lift: float) -> Surface:
    """A cupped petal that starts at the base of the body and bends outwards."""
    u, v = grid(22, 13)
    across = np.abs(2 * v - 1)
    points = _petal_points(index, count, length, width, lift, u, v)
    return surface(_on_stem(points), 0.92 + 0.16 * u - 0.10 * (1 - across) * (1 - u))


def _petal_points(
    index: int, count: int, length: float, width: float, lift: float, u: Floats, v: Floats
) -> Grid:
    """In flower coordinates: u from its base to its tip, v across."""
    across = 2 * v - 1
    half = width * np.sin(np.pi * np.clip(0.08 + 0.86 * u, 0, 1)) ** 0.8
    reach = 0.05 + length * np.sin(1.25 * u)
    rise = lift * np.sin(2.2 * u) + 0.18 * half * across**2 - 0.02
    angle = 2 * np.pi * index / count
    side = half * across
    return (
        reach * np.cos(angle) - side * np.sin(angle),
        reach * np.sin(angle) + side * np.cos(angle),
        rise,
    )
