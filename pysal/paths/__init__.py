"""Paths from an image that says nothing to the image: attributions integrated along them."""

from __future__ import annotations

from collections.abc import Callable

from pysal.paths.blurred import Blur, blur_path
from pysal.paths.guided import Guided, guided_path
from pysal.paths.idgi import Idgi, directions
from pysal.paths.integral import Integral, Network, Path, meter
from pysal.paths.record import Collected, IncompleteWarning, Wanted, collect, explain, wanted
from pysal.paths.straight import Straight, endpoints, straight_path

__all__ = [
    "PATHS",
    "Blur",
    "Collected",
    "Guided",
    "Idgi",
    "IncompleteWarning",
    "Integral",
    "Network",
    "Path",
    "Straight",
    "Wanted",
    "blur_path",
    "collect",
    "directions",
    "endpoints",
    "explain",
    "guided_path",
    "meter",
    "straight_path",
    "wanted",
]

PATHS: dict[str, Callable[..., Path]] = {
    "integrated_gradients": straight_path,
    "guided_ig": guided_path,
    "blur_ig": blur_path,
}
"""Method -> what makes its path from options."""
