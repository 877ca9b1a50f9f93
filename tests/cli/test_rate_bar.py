"""What the bar of a long run says."""

from __future__ import annotations

from pysal.cli.rate_bar import Facts, rate_bar


def test_rate_counts_what_this_run_did() -> None:
    times = iter([0.0, 10.0, 20.0, 30.0])
    facts = Facts("maps", lambda: next(times))
    assert facts(100, 200) == "100/200 maps"
    assert facts(100, 200) == "100/200 maps"
    assert facts(150, 200) == "150/200 maps, 2.5/s, 0:00:20 left"
    assert facts(100.5, 20000) == "100/20000 maps, 0.0167/s, 331:39:30 left"


def test_no_terminal_no_bar() -> None:
    with rate_bar("working", "maps") as progress:
        assert progress is None
