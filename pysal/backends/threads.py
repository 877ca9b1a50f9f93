"""Worker threads that share a batch, and how many there may be."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Workers:
    """Threads that take rows of a batch one by one."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = (
            ThreadPoolExecutor(threads, thread_name_prefix="pysal") if threads > 1 else None
        )

    def each(self, rows: int, work: Callable[[int], Any]) -> None:
        """Call work(row) for every row, in any order; the first error is raised."""
        if self._pool is None or rows <= 1:
            for row in range(rows):
                work(row)
            return
        counter = itertools.count()

        def drain() -> None:
            while (row := next(counter)) < rows:
                work(row)

        futures = [self._pool.submit(drain) for _ in range(min(self.threads, rows))]
        for future in futures:
            future.result()

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def available_threads() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
