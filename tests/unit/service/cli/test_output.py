"""Amounts and times for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.cli.output import amount_of_bytes, print_table, since, time_span, until


@pytest.mark.parametrize(
    ("num_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (1300, "1.3 KB"),
        (98_400_000, "98 MB"),
        (2_019_393_189, "2.0 GB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_sizes_are_decimal_with_a_place_below_ten(num_bytes: int, shown: str) -> None:
    assert amount_of_bytes(num_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "about a minute"),
        (299, "4 minutes"),
        (3600, "about an hour"),
        (47 * 3600, "47 hours"),
        (3 * 86_400, "3 days"),
        (20 * 86_400, "2 weeks"),
        (100 * 86_400, "3 months"),
        (3 * 365 * 86_400, "3 years"),
    ],
)
def test_time_is_told_in_the_largest_unit_that_says_something(seconds: float, shown: str) -> None:
    assert time_span(seconds) == shown


def test_moments_are_told_from_now() -> None:
    now = datetime.now(UTC)
    assert since(now - timedelta(hours=3, minutes=1)) == "3 hours ago"
    assert since(now + timedelta(hours=1)) == "Less than a second ago"
    assert until(now + timedelta(minutes=5)) == "4 minutes from now"
    assert until(now - timedelta(seconds=1)) == "Stopping..."
    assert until(now + timedelta(days=365 * 200)) == "Forever"


def test_a_table_is_as_wide_as_its_cells(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "id"), [("a-long-name", "1"), ("b", "")])
    assert capsys.readouterr().out == "NAME           ID\na-long-name    1\nb\n"
    print_table(("name", "id"), [])
    assert capsys.readouterr().out == "NAME    ID\n"
