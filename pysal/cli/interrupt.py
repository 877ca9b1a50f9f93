"""Ctrl-C: leave at once while modules load, unwind while there is work to tidy up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
"""Exit code, as a shell reports programs that the signal ended."""


def leave_on_interrupt() -> None:
    """Make Ctrl-C end the process with one line.

    Native modules do not survive an exception while they load: they crash or claim to be broken.
    """
    signal.signal(signal.SIGINT, _leave)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt inside, so that bars and files are left in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process without unwinding it."""
    os.write(2, b"pysal: interrupted\n")
    os._exit(INTERRUPTED)
