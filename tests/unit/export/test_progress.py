"""What is shown while an export runs, and where it is not."""

from __future__ import annotations

import io
import re

import pytest

from export.progress import Progress, Style, format_amount


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_step(progress: Progress) -> None:
    with progress.step("copying", total=3_000_000) as step:
        step.advance(1_000_000)
        step.reach(2_500_000)
        step.reach(100)
        step.reach(9_000_000)
        assert step.done == 3_000_000


def test_a_terminal_gets_a_bar_with_bytes_and_time() -> None:
    stream = Terminal()
    run_step(Progress.on(stream))
    assert "copying: 100%" in stream.getvalue()
    assert "3.00M/3.00M" in stream.getvalue()


def test_a_log_gets_one_line_a_step() -> None:
    stream = io.StringIO()
    progress = Progress.on(stream)
    run_step(progress)
    progress.note("waiting")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("copying: 3.0 MB in ")
    assert second == "waiting"


def test_a_long_step_tells_a_log_how_fast_it_is_and_what_is_left() -> None:
    stream = io.StringIO()
    progress = Progress(stream, Style.LINES, seconds_between_lines=0)
    with progress.step("downloading", total=3_000_000) as step:
        step.advance(1_000_000)
        step.advance(2_000_000)
    first, last = stream.getvalue().splitlines()
    assert re.fullmatch(r"downloading: 1\.0 MB of 3\.0 MB, \S+ \w+/s, \d\d:\d\d left", first)
    assert last.startswith("downloading: 3.0 MB in ")


def test_a_failed_step_is_not_reported_as_done() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyError), Progress(stream, Style.LINES).step("copying"):
        raise KeyError("gone")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("amount", "unit", "expected"),
    [
        (999, "B", "999 B"),
        (98_362_432, "B", "98.4 MB"),
        (5 * 10**12, "B", "5.0 TB"),
        (1200, "tensors", "1200 tensors"),
    ],
)
def test_amounts(amount: int, unit: str, expected: str) -> None:
    assert format_amount(amount, unit) == expected
