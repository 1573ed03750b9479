"""The ends of every range are served by the real model, and nothing fails of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.service.processes import ServerProcess, read_all

SMALLEST = 5e-324
"""The least number above zero that JSON can tell."""
VOCABULARY = 49152
TWENTY = ["a"] * 20
EXTREMES: list[dict[str, Any]] = [
    {"temperature": SMALLEST},
    {"temperature": 2, "top_p": SMALLEST},
    {"temperature": 1e-4, "logit_bias": {"260": 100, "28": -100}},
    {"min_p": SMALLEST},
    {"min_p": 1, "temperature": 2},
    {"top_k": 1, "temperature": 2},
    {"top_k": 2**31 - 1, "temperature": 2},
    {"repetition_penalty": 0.01},
    {"repetition_penalty": 10, "temperature": 0},
    {"repetition_penalty": 0.01, "temperature": 1e-4, "logit_bias": {"260": 100}},
    {"frequency_penalty": -2, "presence_penalty": -2},
    {"frequency_penalty": 2, "presence_penalty": 2, "repetition_penalty": 10},
    {"logit_bias": {str(token_id): -100 for token_id in range(VOCABULARY)}},
    {"logit_bias": {str(VOCABULARY - 1): 100}},
    {"seed": -(2**63)},
    {"seed": 2**63 - 1},
    {"max_tokens": 4, "min_tokens": 2**31 - 1, "stop": ["e"]},
    {"max_tokens": 1, "n": 16, "best_of": 20},
    {"max_tokens": 0, "n": 3, "logprobs": 20, "echo": True},
    {"prompt": [0, 1, 2], "logprobs": 20, "echo": True},
    {"prompt": [VOCABULARY - 1], "max_tokens": 0, "logprobs": 0, "echo": True},
    {"prompt": TWENTY, "max_tokens": 1},
    {"stop_token_ids": [*range(63), VOCABULARY - 1]},
]


@pytest.mark.parametrize("given", EXTREMES, ids=lambda given: json.dumps(given)[:60])
def test_an_end_of_a_range_is_served(server: ServerProcess, given: dict[str, Any]) -> None:
    ask = {"model": "smollm2:135m", "prompt": "The fox said", "max_tokens": 4, "seed": 1, **given}
    with server.post("/v1/completions", ask) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), body
    choices = json.loads(body)["choices"]
    assert len(choices) == (20 if ask["prompt"] is TWENTY else ask.get("n", 1))
    assert {choice["finish_reason"] for choice in choices} <= {"stop", "length"}
    assert "failed" not in server.log()


@pytest.mark.parametrize("penalty", [SMALLEST, 1e-40, 0.0099])
def test_a_penalty_that_no_logit_survives_is_refused(server: ServerProcess, penalty: float) -> None:
    """Divided by it, logits would be more than float32 holds."""
    ask = {"model": "smollm2:135m", "prompt": "The fox said", "repetition_penalty": penalty}
    with server.post("/v1/completions", ask) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400"), body
    assert json.loads(body)["error"]["param"] == "repetition_penalty"
