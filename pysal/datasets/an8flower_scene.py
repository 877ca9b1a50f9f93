"""Camera and light of the an8Flower pictures: one stage per plant, photographed from all sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.datasets.an8flower_mesh import Surface, load_pyvista
from pysal.datasets.an8flower_plant import plant

Colour = tuple[int, int, int]

BACKGROUND: Colour = (190, 190, 190)
CENTRE = (0.0, 0.0, 1.36)
DISTANCE = 12.5
ELEVATION = 14.0
VIEW_ANGLE = 22.0
# Position relative to the camera (right, up, towards it), intensity.
LIGHTS = (((-0.6, 0.8, 1.0), 0.8), ((0.9, -0.1, 0.8), 0.4))


def draw(
    colours: Mapping[str, Colour], headings: Iterable[float], size: int, *, flat: bool = False
) -> Iterator[NDArray[np.uint8]]:
    """Pictures of one plant.

    Parameters
    ----------
    colours : mapping of str to colour
        Parts that are shown, and their colour in RGB.
    headings : iterable of float
        Degrees by which the camera has walked around the plant; the light goes with it.
    size : int
        Height and width in pixels.
    flat : bool
        True gives pure colours on black: no light, no shades, no smoothing.

    Yields
    ------
    ndarray of shape (size, size, 3), uint8
        One per heading, the same whichever came before it.

    Notes
    -----
    To set the stage costs as much as five pictures, so draw many headings in one call.
    """
    pyvista = load_pyvista()
    with pyvista.vtk_verbosity("off"):
        plotter = pyvista.Plotter(off_screen=True, window_size=(size, size), lighting="none")
    try:
        plotter.render_window.SetMultiSamples(0)
        plotter.set_background((0, 0, 0) if flat else BACKGROUND)
        for part, colour in colours.items():
            for surface in plant()[part]:
                _add(plotter, surface, colour, flat)
        for position, intensity in LIGHTS:
            light = pyvista.Light(position=position, light_type="camera light")
            light.intensity = intensity
            plotter.add_light(light)
        for heading in headings:
            yield _photograph(plotter, heading)
    finally:
        plotter.close()


def _photograph(plotter: Any, heading: float) -> NDArray[np.uint8]:
    """One picture of the stage."""
    with load_pyvista().vtk_verbosity("off"):
        _aim(plotter, heading)
        # Without it, a screenshot after the first shows the camera's last place.
        plotter.render()
        image = plotter.screenshot(return_img=True)
    return np.array(image[..., :3], np.uint8)


def _add(plotter: Any, surface: Surface, colour: Colour, flat: bool) -> None:
    """Put one surface on the stage."""
    if flat:
        plotter.add_mesh(surface.mesh, color=colour, lighting=False, reset_camera=False)
        return
    tint = np.clip(surface.shade[:, None] * np.asarray(colour, np.float64), 0, 255)
    plotter.add_mesh(
        surface.mesh,
        scalars=tint.astype(np.uint8),
        rgb=True,
        interpolation="phong",
        ambient=0.4,
        diffuse=0.75,
        specular=0.08,
        specular_power=12,
        reset_camera=False,
        copy_mesh=True,
    )


def _aim(plotter: Any, heading: float) -> None:
    """Place the camera on its circle around the plant, upright."""
    turn, lift = np.deg2rad(heading), np.deg2rad(ELEVATION)
    offset = (np.cos(lift) * np.cos(turn), np.cos(lift) * np.sin(turn), np.sin(lift))
    plotter.camera.focal_point = CENTRE
    plotter.camera.position = tuple(np.add(CENTRE, np.multiply(DISTANCE, offset)).tolist())
    plotter.camera.up = (0.0, 0.0, 1.0)
    plotter.camera.view_angle = VIEW_ANGLE
    plotter.reset_camera_clipping_range()
