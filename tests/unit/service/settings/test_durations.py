from __future__ import annotations

import math

import pytest

from service.settings.durations import duration, parse_duration, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("90", 90),
        ("1.5", 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("-1", math.inf),
        ("-5m", math.inf),
        (" 5m ", 300),
    ],
)
def test_durations_are_read_as_ollama_writes_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "-", "m", "5x", "5m3", "1e9", "inf", "nan", "٣m", "5 m", "9" * 30, "9" * 5000]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration such as 5m"):
        parse_duration(text)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e300])
def test_numbers_that_are_no_time_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(seconds)


@pytest.mark.parametrize("seconds", [0, 0.25, 90, 300, 3600, 5400, math.inf])
def test_what_is_shown_reads_as_the_same(seconds: float) -> None:
    assert parse_duration(show_duration(seconds)) == seconds
    assert show_duration(300) == "5m"
