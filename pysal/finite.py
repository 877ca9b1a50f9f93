"""Numbers that came out of a network and are none: said aloud, with the image they belong to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace, to_host
from pysal.errors import CapabilityError


def check_finite(values: AnyArray, images: NDArray[np.intp], what: str) -> None:
    """Refuse values of which one is NaN or infinite; axis 0 follows the image numbers `images`.

    Raises
    ------
    CapabilityError
        Names the first such image.

    Notes
    -----
    On a device it waits for the values: one flag comes back.
    """
    finite = namespace(values).isfinite(values)
    if bool(finite.all()):
        return
    image = images[~to_host(finite).reshape(len(images), -1).all(axis=1)][0]
    raise CapabilityError(
        f"the {what} of image {image} is NaN or infinite; expected finite numbers: check the "
        "preprocessing record and the precision of the engine"
    )
