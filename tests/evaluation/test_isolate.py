"""Errors of single images stay with them; those of options end the run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pysal.errors import MissingDependencyError, OptionError
from pysal.evaluation.isolate import Attempt, Failure

CALLS: list[int] = []


def half(items: Sequence[int]) -> list[float]:
    """Raises on odd numbers; OptionError on negative ones."""
    CALLS.append(len(items))
    if min(items) < 0:
        raise OptionError("negative")
    if any(item % 2 for item in items):
        raise ValueError("odd")
    return [item / 2 for item in items]


@pytest.fixture(autouse=True)
def forget() -> None:
    CALLS.clear()


def test_good_items_go_through_at_once() -> None:
    assert Attempt()("s", half, [2, 4, 6]) == [1, 2, 3]
    assert CALLS == [3]
    assert Attempt()("s", half, []) == []


def test_a_bad_item_is_alone_with_its_error() -> None:
    bad = Failure("s: ValueError: odd")
    assert Attempt()("s", half, [2, 3, 6]) == [1, bad, 3]
    assert CALLS == [3, 1, 1, 1]
    assert Attempt()("s", half, [3]) == [bad]
    assert CALLS == [3, 1, 1, 1, 1]


def test_options_that_never_work_end_the_run() -> None:
    with pytest.raises(OptionError):
        Attempt()("s", half, [-2, -4])
    with pytest.raises(OptionError):
        Attempt()("s", half, [-2])
    failures = [Failure("s: OptionError: negative")] * 2
    assert Attempt()("s", half, [-2, -4], False) == failures


def test_options_that_worked_before_do_not() -> None:
    failure = Failure("s: OptionError: negative")
    assert Attempt()("s", half, [-2, 4]) == [failure, 2]
    attempt = Attempt()
    attempt("s", half, [2])
    assert attempt("s", half, [-2]) == [failure]
    with pytest.raises(OptionError):
        attempt("another", half, [-2])


def test_missing_packages_and_interrupts_are_nobodys() -> None:
    for kind in (MissingDependencyError, KeyboardInterrupt, SystemExit):

        def fail(items: Sequence[int], kind: type[BaseException] = kind) -> list[int]:
            raise kind("gone")

        with pytest.raises(kind):
            Attempt()("s", fail, [1, 2])
