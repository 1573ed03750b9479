"""Prompts have the length asked for and share no beginning, so that no cache can help."""

from __future__ import annotations

from itertools import islice

import pytest

from bench.prompts import ENGLISH, text_windows, token_windows


def test_token_windows_have_one_length_and_different_beginnings() -> None:
    windows = list(islice(token_windows(range(5131), 512), 200))

    assert {len(window) for window in windows} == {512}
    assert len({window[0] for window in windows}) == 200


def test_token_windows_begin_again_with_the_text() -> None:
    first = token_windows(range(5131), 128)
    second = token_windows(range(5131), 128)

    assert list(islice(first, 300)) == list(islice(second, 300))


def test_text_windows_of_the_english_text_differ_from_their_first_words_on() -> None:
    windows = list(islice(text_windows(ENGLISH.read_text(encoding="utf-8"), 100), 64))

    assert all(len(window.split()) == 100 for window in windows)
    assert len({" ".join(window.split()[:4]) for window in windows}) == 64


def test_a_text_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="has 5 tokens"):
        next(token_windows(range(5), 5))
    with pytest.raises(ValueError, match="has 2 words"):
        next(text_windows("two words", 2))
