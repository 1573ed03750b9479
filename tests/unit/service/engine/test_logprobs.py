from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine.engine import Engine
from service.engine.logprobs import logprobs_of
from service.engine.request import Request, SamplingParams
from tests.unit.service.engine.requests import GREEDY
from tests.unit.service.engine.slot_model import VOCAB_SIZE, SlotRunner
from tests.unit.service.engine.workload import run_to_end


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    shifted = wide - wide.max()
    values: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return values


def test_they_are_the_log_softmax() -> None:
    logits = (8 * np.random.default_rng(0).standard_normal(49152)).astype(np.float32)
    expected = _log_softmax(logits)
    found = logprobs_of(logits, 17, 5)
    assert found.token_id == 17
    assert found.logprob == pytest.approx(expected[17], abs=1e-4)
    order = np.argsort(-expected, kind="stable")[:5]
    assert [token_id for token_id, _ in found.top] == [*order]
    assert [logprob for _, logprob in found.top] == pytest.approx([*expected[order]], abs=1e-4)


def test_the_likeliest_tokens_own_is_the_same_number_in_both_places() -> None:
    """What tells a greedy continuation: exact equality."""
    logits = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    found = logprobs_of(logits, int(logits.argmax()), 1)
    assert found.top == ((found.token_id, found.logprob),)


def _request(prompt: list[int], max_tokens: int, **changes: object) -> Request:
    request = Request(0, prompt, max_tokens, frozenset(), GREEDY, num_logprobs=2)
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def test_each_token_comes_with_its_own() -> None:
    engine = Engine(SlotRunner(num_slots=1))
    request = _request([*range(5)], 4)
    outputs = run_to_end(engine, [request])
    found = [output.logprobs for output in outputs]
    assert [item.token_id for item in found if item] == request.output_token_ids
    assert all(item and len(item.top) == 2 for item in found)


def test_penalties_do_not_show_in_them() -> None:
    """Raw logits: the token that was likeliest stays so, whatever is drawn."""
    runs = []
    for sampling in (GREEDY, SamplingParams(0.0, logit_bias=((3, 100.0),))):
        request = _request([*range(5)], 1, sampling=sampling)
        (output,) = run_to_end(Engine(SlotRunner(num_slots=1)), [request])
        assert output.logprobs is not None
        runs.append(output)
    assert runs[1].token_id == 3
    assert runs[0].logprobs is not None
    assert runs[1].logprobs is not None
    assert runs[0].logprobs.top == runs[1].logprobs.top


class LogitsRunner(SlotRunner):
    """Gives for each prompt token logits that are largest at the token's own number."""

    def prefill_with_logits(self, slot: int, start: int, token_ids: object) -> NDArray[np.float32]:
        assert isinstance(token_ids, list)
        self.prefill(slot, start, token_ids)
        rows = np.zeros((len(token_ids), VOCAB_SIZE), np.float32)
        rows[np.arange(len(token_ids)), token_ids] = 5
        return rows


@pytest.mark.parametrize("length", [1, 2, 64, 65, 66, 200])
@pytest.mark.parametrize("max_tokens", [0, 1])
def test_a_prompts_come_from_its_second_token_on(length: int, max_tokens: int) -> None:
    prompt = [(7 * index) % VOCAB_SIZE for index in range(length)]
    engine = Engine(LogitsRunner(num_slots=2))
    for _ in range(2):  # the second time the prompt is cached, which must not matter
        request = _request(prompt, max_tokens, wants_prompt_logprobs=True)
        outputs = run_to_end(engine, [request])
        assert [found.token_id for found in request.prompt_logprobs] == prompt[1:]
        likeliest = [found.top[0][0] for found in request.prompt_logprobs]
        assert likeliest == prompt[:-1]
        assert request.num_cached_tokens == 0
        assert [output.finish_reason for output in outputs] == ["length"]
        assert len(request.output_token_ids) == max_tokens


def test_its_cache_is_not_taken_for_exact() -> None:
    """The graph that gives logits may round otherwise than the one for prompts."""
    prompt = [index % VOCAB_SIZE for index in range(50)]
    engine = Engine(LogitsRunner(num_slots=1))
    run_to_end(engine, [_request(prompt, 0, wants_prompt_logprobs=True)])
    seeded = Request(1, prompt, 1, frozenset(), SamplingParams(seed=1))
    run_to_end(engine, [seeded])
    assert seeded.num_cached_tokens == 0
    free = Request(2, prompt, 1, frozenset(), GREEDY)
    run_to_end(engine, [free])
    assert free.num_cached_tokens == 49


def test_several_answers_to_a_prompt_prefill_it_once() -> None:
    class CountingRunner(SlotRunner):
        num_prefilled = 0

        def prefill(self, slot: int, start: int, token_ids: object) -> None:
            assert isinstance(token_ids, list)
            self.num_prefilled += len(token_ids)
            super().prefill(slot, start, token_ids)

    runner = CountingRunner(num_slots=3)
    prompt = [index % VOCAB_SIZE for index in range(300)]
    choices = [
        Request(index, prompt, 5, frozenset(), SamplingParams(seed=4, choice=index))
        for index in range(8)
    ]
    run_to_end(Engine(runner), choices)
    assert runner.num_prefilled == 299
    assert len({tuple(choice.output_token_ids) for choice in choices}) > 4
    alone = Request(9, prompt, 5, frozenset(), SamplingParams(seed=4, choice=6))
    run_to_end(Engine(SlotRunner(num_slots=1)), [alone])
    assert alone.output_token_ids == choices[6].output_token_ids
