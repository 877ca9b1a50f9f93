"""Option values: what passes, and the one line for what does not."""

from __future__ import annotations

import numpy as np
import pytest

from pysal import values
from pysal.errors import OptionError


def test_good_values_come_back() -> None:
    assert values.whole("m", "steps", np.int32(3)) == 3
    assert values.whole("m", "steps", 0, least=0) == 0
    assert values.positive("m", "step", 0.5) == 0.5
    assert values.share("m", "p", 1) == 1.0
    assert values.choice("m", "kind", "a", ("a", "b")) == "a"
    assert values.size("m", "size", 7, (8, 9)) == (7, 7)
    assert values.size("m", "size", [8, 9], (8, 9)) == (8, 9)
    np.testing.assert_array_equal(values.seeds("m", 5, 3), [5, 5, 5])
    np.testing.assert_array_equal(values.seeds("m", [2**64 - 1, 0], 2), [2**64 - 1, 0])
    assert values.seeds("m", 5, 0).shape == (0,)


@pytest.mark.parametrize(
    "call",
    [
        lambda: values.whole("m", "steps", 0),
        lambda: values.whole("m", "steps", True),
        lambda: values.whole("m", "steps", 2.0),
        lambda: values.positive("m", "steps", float("nan")),
        lambda: values.positive("m", "steps", "1"),
        lambda: values.share("m", "steps", 1.1),
        lambda: values.choice("m", "steps", "c", ("a", "b")),
        lambda: values.flag("m", "steps", 1),
        lambda: values.size("m", "steps", 9, (8, 9)),
        lambda: values.size("m", "steps", (1, 2, 3), (8, 9)),
        lambda: values.size("m", "steps", True, (8, 9)),
    ],
)
def test_wrong_values_are_named(call) -> None:
    with pytest.raises(OptionError, match=r"^m: steps is .*; (expected|use one of) "):
        call()


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "a", [1, 2, 3], [True, 1]])
def test_wrong_seeds(seed) -> None:
    with pytest.raises(OptionError, match=r"^m: "):
        values.seeds("m", seed, 2)
