from __future__ import annotations

import pytest

from service.api.openai.responses.draft import Draft
from service.engine.request import Logprobs
from service.options import GenerationOptions
from tests.unit.service.api.fakes import FakeGeneration, FakeTextLogprobs, Script
from tests.unit.service.api.openai.responses.test_store import stored


@pytest.mark.parametrize("pieces", [[4], [1, 3], [2, 2], [1, 1, 1, 1], [3, 1], [0, 4]], ids=str)
def test_logprobs_of_thoughts_are_left_out_however_they_come(pieces: list[int]) -> None:
    """Of four tokens the first two are thoughts."""
    generation = FakeGeneration(Script(), [1], GenerationOptions(), num_reasoning_tokens=2)
    draft = Draft(stored("r").response, generation, lambda token: b"abcd"[token : token + 1], print)
    logprobs = [FakeTextLogprobs(Logprobs(token, -1.0), token) for token in range(4)]
    tokens, before = "", 0
    for piece in pieces:
        found = draft.text_logprobs(logprobs[before : before + piece], before)
        tokens += "".join(each.token for each in found)
        before += piece
    assert tokens == "cd"


def test_without_logprobs_there_are_none() -> None:
    generation = FakeGeneration(Script(), [1], GenerationOptions())
    draft = Draft(stored("r").response, generation, None, print)
    assert draft.text_logprobs([FakeTextLogprobs(Logprobs(1, -1.0), 0)], 0) == []
