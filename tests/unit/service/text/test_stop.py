from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.text.stop import StopStrings

stop_lists = st.lists(st.text("ab€", min_size=1, max_size=5), max_size=4)
chunk_lists = st.lists(st.text("ab€c", max_size=6), max_size=12)


def _run(stops: list[str], chunks: list[str]) -> tuple[str, bool]:
    matcher = StopStrings(stops)
    shown = ""
    for chunk in chunks:
        text, stopped = matcher.feed(chunk)
        shown += text
        if stopped:
            return shown, True
    return shown + matcher.flush(), False


def _naive(stops: list[str], text: str) -> tuple[str, bool]:
    for end in range(1, len(text) + 1):
        ending_here = [stop for stop in stops if text[:end].endswith(stop)]
        if ending_here:
            return text[: end - max(map(len, ending_here))], True
    return text, False


@given(stop_lists, chunk_lists)
def test_any_split_gives_what_a_search_of_the_whole_text_gives(
    stops: list[str], chunks: list[str]
) -> None:
    assert _run(stops, chunks) == _naive(stops, "".join(chunks))


@given(stop_lists, chunk_lists)
def test_only_what_may_begin_a_stop_string_is_held_back(
    stops: list[str], chunks: list[str]
) -> None:
    matcher = StopStrings(stops)
    fed = shown = ""
    for chunk in chunks:
        fed += chunk
        text, stopped = matcher.feed(chunk)
        shown += text
        if stopped:
            return
        held = fed.removeprefix(shown)
        assert held == "" or any(stop.startswith(held) for stop in stops)


@pytest.mark.parametrize(
    ("stops", "chunks", "expected"),
    [
        (["STOP"], ["a S", "TO", "P b"], ("a ", True)),
        (["STOP"], ["a S", "TO", "x b"], ("a STOx b", False)),
        (["STOP"], ["a STO"], ("a STO", False)),
        (["STOP"], ["SSTOP"], ("S", True)),
        (["aab"], ["aaab"], ("a", True)),
        (["</s>", "\n\n"], ["x\n", "\ny</s>"], ("x", True)),
        (["abcd", "bc"], ["abcd"], ("a", True)),
        (["bc", "abc"], ["xabc"], ("x", True)),
        (["é🙂"], ["caf", "é", "🙂 end"], ("caf", True)),
        (["x", "x"], ["axb"], ("a", True)),
        ([], ["a", "b"], ("ab", False)),
    ],
)
def test_examples(stops: list[str], chunks: list[str], expected: tuple[str, bool]) -> None:
    assert _run(stops, chunks) == expected


def test_nothing_follows_a_stop_string() -> None:
    matcher = StopStrings(["."])
    assert matcher.feed("a.b") == ("a", True)
    assert matcher.feed("c") == ("", True)
    assert matcher.flush() == ""


@pytest.mark.parametrize("unit", ["a" * 64, "a" * 40 + "c", "bbbbbbbb"])
def test_near_matches_take_linear_time(unit: str) -> None:
    stops = ["a" * 300 + "b", "a" * 41 + "d", "aab€"]

    def cpu_s(size: int) -> float:
        chunks = [unit] * (size // len(unit))
        began_s = time.thread_time()
        _run(stops, chunks)
        return time.thread_time() - began_s

    once_s = min(cpu_s(1 << 17) for _ in range(3))
    twice_s = min(cpu_s(1 << 18) for _ in range(3))
    assert twice_s <= 2.5 * once_s + 0.005
