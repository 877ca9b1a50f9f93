"""Parametric surfaces with a shade per point: what the an8Flower plant is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pysal.errors import MissingDependencyError

Floats = NDArray[np.float64]
Grid = tuple[Floats, Floats, Floats]
Point = tuple[float, float, float]


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


def grid(rows: int, columns: int) -> tuple[Floats, Floats]:
    """Parameters u (rows) and v (columns), both over [0, 1]."""
    u, v = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return u, v


def surface(points: Grid, shade: Floats) -> Surface:
    """Triangulate a parametric grid of shape (rows, columns)."""
    pyvista = load_pyvista()
    cells = pyvista.StructuredGrid(*(np.ascontiguousarray(axis)[..., None] for axis in points))
    cells["shade"] = shade.ravel(order="F")
    mesh = cells.extract_surface(algorithm="geometry").triangulate()
    mesh = mesh.compute_normals(split_vertices=False, consistent_normals=True)
    return Surface(mesh, np.asarray(mesh["shade"], np.float64))


def lathe(profile: tuple[tuple[float, float], ...], columns: int = 64) -> Surface:
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
    return surface(points, np.ones((len(radius), columns)))


def ball(centre: Point, radius: float) -> Surface:
    """A sphere, a little darker below."""
    u, v = grid(13, 25)
    x, y, z = centre
    ring, turn = radius * np.sin(np.pi * u), 2 * np.pi * v
    points = (x + ring * np.cos(turn), y + ring * np.sin(turn), z - radius * np.cos(np.pi * u))
    return surface(points, 0.85 + 0.2 * u)


def thorn(base: Point, tip: Point, radius: float) -> Surface:
    """A cone with hollow flanks, lighter at its tip."""
    u, v = grid(9, 17)
    axis = np.subtract(tip, base)
    axis /= np.linalg.norm(axis)
    first = np.cross(axis, (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0))
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    ring, turn = radius * (1 - u) ** 1.3, 2 * np.pi * v
    x, y, z = (
        base[k]
        + u * (tip[k] - base[k])
        + ring * (np.cos(turn) * first[k] + np.sin(turn) * second[k])
        for k in range(3)
    )
    return surface((x, y, z), 0.85 + 0.3 * u)
