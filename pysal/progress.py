"""Progress of long work: a bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

Progress: TypeAlias = Callable[[float, float], None]
"""What long work calls as progress(done, total) while it goes on; any unit, parts of it count."""


@contextlib.contextmanager
def bar(text: str) -> Iterator[Progress | None]:
    """Yield a `Progress` that draws a bar on stderr, or None where nobody would see it.

    Parameters
    ----------
    text : str
        What is being done, left of the bar.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    # Redirection would send what others print on stdout to stderr.
    with Bar(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as drawn:
        task = drawn.add_task(text, total=None)

        def update(done: float, total: float) -> None:
            drawn.update(task, completed=done, total=total)

        yield update


def scaled(progress: Progress | None, start: int, size: int, total: int) -> Progress | None:
    """Progress of a part of the work, the images `start` to `start + size` of `total`.

    The part may count in its own unit: its `total` is stretched over the `size` images.
    """
    if progress is None:
        return None
    report = progress

    def update(done: float, part_total: float) -> None:
        report(start + size * done / part_total, total)

    return update
