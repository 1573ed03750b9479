"""Medians, ratios and verdicts follow from the rounds; the file keeps what was not redone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.report import (
    Bound,
    Environment,
    Measurement,
    Reach,
    Results,
    Rival,
    Row,
    Section,
    judge,
    merged,
    read_results,
    render_table,
    shown,
    write_results,
)

_HERE = Environment(
    cpu="A processor",
    threads=2,
    python="3.11.0",
    onnxruntime="1.0",
    llama_cpp="1.0",
    llama_cpp_build="AVX2 = 1",
)


def _judged(
    *rounds: float,
    theirs: tuple[float, ...] | None = None,
    reach: tuple[Bound, float] | None = None,
    name: str = "decode",
) -> Row:
    return judge(
        Measurement(
            name,
            "tok/s",
            rounds,
            Rival("other", theirs) if theirs else None,
            Reach(*reach) if reach else None,
        )
    )


def _section(row: Row, date: str = "2026-01-01") -> Section:
    return Section(date, 0.01, (), (row,))


def test_a_row_holds_medians_which_one_disturbed_round_does_not_move() -> None:
    row = _judged(100.0, 3.0, 104.0, theirs=(50.0, 52.0, 49.0))
    assert (row.ours, row.theirs) == (100.0, 50.0)


def test_the_ratio_is_that_of_each_round_with_its_own_rival() -> None:
    """The machine was slow in the second round, for both: the ratio is 2 all the same."""
    assert _judged(100.0, 20.0, 60.0, theirs=(50.0, 10.0, 30.0)).ratio == 2.0


def test_the_median_ratio_is_not_the_quotient_of_the_medians() -> None:
    assert _judged(10.0, 20.0, 30.0, theirs=(10.0, 5.0, 20.0)).ratio == 1.5


def test_rounds_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        _judged(1.0, 2.0, theirs=(1.0,))


def test_a_measurement_without_rounds_is_refused() -> None:
    with pytest.raises(AssertionError, match="decode"):
        _judged()


@pytest.mark.parametrize(
    ("ours", "verdict"), [(22.0, "pass"), (20.0, "pass"), (19.99, "miss"), (5.0, "miss")]
)
def test_a_ratio_passes_from_its_limit_on(ours: float, verdict: str) -> None:
    assert _judged(ours, theirs=(10.0,), reach=("ratio_at_least", 2.0)).verdict == verdict


@pytest.mark.parametrize(
    ("ours", "verdict"), [(-0.1, "pass"), (2.5, "pass"), (2.51, "miss"), (float("nan"), "miss")]
)
def test_a_value_passes_up_to_its_limit(ours: float, verdict: str) -> None:
    assert _judged(ours, reach=("at_most", 2.5)).verdict == verdict


def test_a_ratio_without_a_rival_is_refused() -> None:
    with pytest.raises(AssertionError, match="rival"):
        _judged(1.0, reach=("ratio_at_least", 2.0))


def test_what_only_informs_has_no_verdict() -> None:
    assert _judged(1.0, theirs=(2.0,)).verdict is None


def test_the_table_shows_every_section_with_aligned_columns() -> None:
    sections = {
        "one": _section(
            _judged(30.0, theirs=(10.0,), reach=("ratio_at_least", 2.5), name="a long name")
        ),
        "two": _section(_judged(3.0, reach=("at_most", 2.5), name="short")),
    }
    heading, first, second = render_table(sections).splitlines()
    assert " ".join(first.split()) == "a long name 30.0 tok/s other 10.0 3.00x >= 2.50x pass"
    assert " ".join(second.split()) == "short 3.00 tok/s <= 2.5 miss"
    assert heading.index("verdict") == first.index("pass") == second.index("miss")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1234"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (-0.00456, "-0.0046")],
)
def test_numbers_have_about_three_digits(value: float, text: str) -> None:
    assert shown(value) == text


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    row = _judged(1.0, 3.0, theirs=(2.0, 2.0), reach=("ratio_at_least", 1.0))
    results = Results(_HERE, {"engine": _section(row)})
    path = tmp_path / "new" / "results.json"
    write_results(path, results)
    assert read_results(path) == results


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"environment": {}, "sections": []}'])
def test_a_file_that_is_none_or_of_another_form_counts_as_none(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_bytes(content)
    assert read_results(path) is None


def test_sections_not_measured_again_are_kept() -> None:
    old, new = _section(_judged(1.0)), _section(_judged(2.0), "2026-02-02")
    both = merged(Results(_HERE, {"engine": old, "http": old}), Results(_HERE, {"http": new}))
    assert both.sections == {"engine": old, "http": new}


def test_figures_of_another_environment_are_dropped() -> None:
    elsewhere = msgspec.structs.replace(_HERE, onnxruntime="2.0")
    now = Results(_HERE, {"http": _section(_judged(2.0))})
    assert merged(Results(elsewhere, {"engine": _section(_judged(1.0))}), now) == now


def test_nothing_earlier_leaves_what_is_new() -> None:
    now = Results(_HERE, {"http": _section(_judged(2.0))})
    assert merged(None, now) == now
