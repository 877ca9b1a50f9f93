"""What an image is compared with where a filler pasted its known pixels back."""

from __future__ import annotations

from collections.abc import Sequence

from pysal.errors import CapabilityError
from pysal.fillers.filler import Filler
from pysal.values import choice


def pick_gradient(
    owner: str, gradient: str | None, filler: Filler, choices: Sequence[str], other: str
) -> str:
    """Return the option `gradient`; by default "unpasted" where the filler can, else `other`.

    Raises
    ------
    OptionError
        If it is not one of the choices.
    CapabilityError
        If the filler has no output of its own.
    """
    if gradient is None:
        return "unpasted" if filler.has_unpasted else other
    choice(owner, "gradient", gradient, choices)
    if gradient == "unpasted" and not filler.has_unpasted:
        raise CapabilityError(
            f'{owner}: filler {filler.name} has no output of its own for gradient="unpasted"; use '
            f'"{other}"'
        )
    return gradient
