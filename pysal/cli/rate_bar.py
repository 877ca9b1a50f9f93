"""A bar for long runs: how much is done, how fast it goes, how long it takes."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from pysal.progress import Progress


@contextlib.contextmanager
def rate_bar(text: str, unit: str) -> Iterator[Progress | None]:
    """Yield a `Progress` that draws a bar on stderr, or None where nobody would see it.

    Parameters
    ----------
    text : str
        What is being done, left of the bar.
    unit : str
        What is counted, in the plural.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    # Redirection would send what others print on stdout to stderr.
    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[facts]}"),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as drawn:
        task = drawn.add_task(text, total=None, facts="")
        facts = Facts(unit)

        def update(done: float, total: float) -> None:
            drawn.update(task, completed=done, total=total, facts=facts(done, total))

        yield update


class Facts:
    """What a bar says in words; what was done before its first report counts for no rate."""

    def __init__(self, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._unit, self._clock = unit, clock
        self._first: tuple[float, float] | None = None

    def __call__(self, done: float, total: float) -> str:
        """Done of total, rate, and the time that is left."""
        now = self._clock()
        if self._first is None:
            self._first = now, done
        start, before = self._first
        text = f"{done:.0f}/{total:.0f} {self._unit}"
        if now <= start or done <= before:
            return text
        rate = (done - before) / (now - start)
        return f"{text}, {rate:.3g}/s, {_clock(max(total - done, 0) / rate)} left"


def _clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
