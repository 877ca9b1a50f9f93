"""Progress of methods whose work is one call: counted where the versions are written."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pysal.arrays import AnyArray
from pysal.compose import Composer


class Counted:
    """A composer that reports how many versions it has written.

    Parameters
    ----------
    compose : Composer
    total : int
        Versions of all images.
    progress : callable
        Called as progress(done, total), one call at a time, from whichever thread.
    """

    def __init__(
        self, compose: Composer, total: int, progress: Callable[[float, float], None]
    ) -> None:
        self._compose, self._total, self._progress = compose, total, progress
        self._done, self._lock = 0, threading.Lock()

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Let the composer write, then report."""
        self._compose(image, first, out)
        with self._lock:
            self._done += len(out)
            self._progress(self._done, self._total)


def counted(
    compose: Composer,
    num_images: int,
    count: int,
    progress: Callable[[float, float], None] | None,
) -> Composer:
    """The composer itself where nobody wants to know."""
    return compose if progress is None else Counted(compose, num_images * count, progress)
