"""Parametric meshes of the an8Flower plant: named parts, each a smooth surface with a shade.

Units: the plant is about 4 high, z points up, the stem starts at the origin. No randomness.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pysal.errors import MissingDependencyError

Floats = NDArray[np.float64]
Grid = tuple[Floats, Floats, Floats]

STEM_TOP = 1.75
FLOWER = 1.3
"""Scale of the flower and its calyx."""
TILT = 0.5
"""Lean of the flower's axis away from the vertical, radians: views differ over the full turn."""


class Surface(NamedTuple):
    """One patch of a part.

    Attributes
    ----------
    mesh : pyvista.PolyData
        With point normals.
    shade : ndarray of shape (P,), float64
        Factor on the part's colour per point, 1 = the colour itself.
    """

    mesh: Any
    shade: Floats


def load_pyvista() -> Any:
    """Import pyvista.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        import pyvista
    except ImportError as error:
        raise MissingDependencyError(
            "rendering an8Flower needs pyvista; install it with "
            'pip install "pysal-saliency[datasets]"'
        ) from error
    return pyvista


@functools.cache
def plant() -> dict[str, tuple[Surface, ...]]:
    """Every part of the plant, as surfaces.

    Returns
    -------
    dict
        "pot", "soil", "stem", "leaves", "calyx" and "flower".
    """
    return {
        "pot": (_lathe(POT),),
        "soil": (_lathe(SOIL),),
        "stem": (_stem(),),
        "leaves": tuple(_leaf(*leaf) for leaf in LEAVES),
        "calyx": tuple(_petal(k, 8, length=0.38, width=0.13, lift=-0.12) for k in range(8)),
        "flower": (_body(), *(_petal(k, 6, length=0.95, width=0.42, lift=0.5) for k in range(6))),
    }


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


def _grid(rows: int, columns: int) -> tuple[Floats, Floats]:
    """Parameters u (rows) and v (columns), both over [0, 1]."""
    u, v = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return u, v


def _surface(points: Grid, shade: Floats) -> Surface:
    """Triangulate a parametric grid of shape (rows, columns)."""
    pyvista = load_pyvista()
    grid = pyvista.StructuredGrid(*(np.ascontiguousarray(axis)[..., None] for axis in points))
    grid["shade"] = shade.ravel(order="F")
    mesh = grid.extract_surface(algorithm="geometry").triangulate()
    mesh = mesh.compute_normals(split_vertices=False, consistent_normals=True)
    return Surface(mesh, np.asarray(mesh["shade"], np.float64))


def _lathe(profile: tuple[tuple[float, float], ...], columns: int = 64) -> Surface:
    """Turn a polyline around the z axis; short segments keep its edges crisp."""
    corners = np.asarray(profile)
    at = np.unique(np.concatenate([np.arange(len(corners)) + d for d in (-0.04, 0, 0.04, 0.5)]))
    at = at[(at >= 0) & (at <= len(corners) - 1)]
    radius, height = (np.interp(at, np.arange(len(corners)), corners[:, k]) for k in (0, 1))
    turn = np.linspace(0, 2 * np.pi, columns)
    points = (
        np.outer(radius, np.cos(turn)),
        np.outer(radius, np.sin(turn)),
        np.outer(height, np.ones(columns)),
    )
    return _surface(points, np.ones((len(radius), columns)))


def _axis(height: Floats | float) -> tuple[Floats, Floats]:
    """Centre of the stem at a height: a gentle S that ends below the flower."""
    t = np.asarray(height, np.float64) / STEM_TOP
    return 0.16 * np.sin(2.6 * t) * t, 0.10 * np.sin(2 * np.pi * t)


def _stem() -> Surface:
    """A tube around the axis, thicker at the ground."""
    u, v = _grid(40, 20)
    height = -0.1 + u * (STEM_TOP + 0.12)
    x, y = _axis(height)
    radius = 0.085 - 0.03 * u
    turn = 2 * np.pi * v
    return _surface((x + radius * np.cos(turn), y + radius * np.sin(turn), height), 0.9 + 0.15 * u)


def _leaf(height: float, heading: float, length: float, width: float, droop: float) -> Surface:
    """A pointed blade with a folded midrib that rises, then hangs down."""
    u, v = _grid(28, 13)
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
    return _surface(points, 0.86 + 0.22 * rib + 0.06 * np.cos(14 * np.pi * u) * (1 - rib))


def _on_stem(points: Grid) -> Grid:
    """Lean flower coordinates by `TILT` and put them on the stem's end."""
    x, y, z = points
    top_x, top_y = _axis(STEM_TOP)
    c, s = FLOWER * np.cos(TILT), FLOWER * np.sin(TILT)
    return top_x + c * x + s * z, top_y + FLOWER * y, STEM_TOP - s * x + c * z


def _body() -> Surface:
    """An egg, fuller at the top, bent a little, with shallow ribs."""
    u, v = _grid(36, 73)
    turn, rise = 2 * np.pi * v, np.pi * u
    ribs = 1 + 0.035 * np.cos(8 * turn) * np.sin(rise)
    radius = 0.44 * np.sin(rise) * (1 - 0.22 * np.cos(rise)) * ribs
    z = 0.58 - 0.60 * np.cos(rise)
    bend = 0.10 * u**2
    points = (radius * np.cos(turn) + bend, radius * np.sin(turn), z)
    return _surface(_on_stem(points), 0.82 + 0.2 * u + 0.05 * np.cos(8 * turn))


def _petal(index: int, count: int, *, length: float, width: float, lift: float) -> Surface:
    """A cupped petal that starts at the base of the body and bends outwards."""
    u, v = _grid(22, 13)
    across = 2 * v - 1
    half = width * np.sin(np.pi * np.clip(0.08 + 0.86 * u, 0, 1)) ** 0.8
    reach = 0.05 + length * np.sin(1.25 * u)
    rise = lift * np.sin(2.2 * u) + 0.18 * half * across**2 - 0.02
    angle = 2 * np.pi * index / count
    side = half * across
    points = (
        reach * np.cos(angle) - side * np.sin(angle),
        reach * np.sin(angle) + side * np.cos(angle),
        rise,
    )
    return _surface(_on_stem(points), 0.92 + 0.16 * u - 0.10 * (1 - np.abs(across)) * (1 - u))
